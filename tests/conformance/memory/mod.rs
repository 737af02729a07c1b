//! The reference: a store of maps and vectors, slow and plain, which does what the traits promise
//! and nothing else. It has no SQL, no index, no counter and no page: everything is looked through
//! anew whenever it is asked for.

mod batch_lane;
mod ends;
mod live_lane;
mod reads;
mod state;

use std::sync::{Arc, Mutex};

use claude_run::model::{RunId, RunState};
use claude_run::store::{Result, StoreError};

use state::State;

/// A store in memory. Clones are the same store.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

impl Memory {
    /// A verb is done whole or not at all.
    fn write<T>(&self, verb: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.0.lock().unwrap();
        let mut next = state.clone();
        let done = verb(&mut next)?;
        *state = next;
        Ok(done)
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> Result<T>) -> Result<T> {
        read(&self.0.lock().unwrap())
    }

    /// What is wrong in it: jobs and attempts that contradict each other.
    pub fn contradictions(&self) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let jobs = state.runs.iter().flat_map(|run| run.jobs.values());
        jobs.filter_map(state::Job::contradiction).collect()
    }

    /// Whether the run is there, loaded or not.
    pub fn knows(&self, run: RunId) -> bool {
        self.0.lock().unwrap().run(run).is_ok()
    }

    /// Whether the run is there and visible.
    pub fn has_loaded(&self, run: RunId) -> bool {
        let state = self.0.lock().unwrap();
        let found = state.run(run).map(|stored| stored.run.state);
        found.is_ok_and(|state| state != RunState::Loading)
    }
}

fn refused(why: &str) -> StoreError {
    StoreError::IllegalTransition(why.to_owned())
}

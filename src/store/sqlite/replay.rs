//! Replay: what the spool holds is recorded, as if its call of `finish` came only now.
//!
//! An attempt that has ended meanwhile is left as it is, so a replay that is broken off can be
//! done again. What fits no attempt (the store was put back to an older copy) is left out.

use futures_util::future::join_all;

use super::SqliteStore;
use super::finish::{PackedFinish, finish};
use super::spool::Spooled;
use crate::model::{JobState, Lane, Pico, RunId};
use crate::store::{Replayed, Result, StoreError};

/// What became of one end.
enum Fate {
    Recorded(JobState, Pico),
    /// Its attempt had ended already, or there is none.
    LeftOut,
}

impl SqliteStore {
    /// Records what is in the spool, whichever runs it belongs to, and empties it. Says what this
    /// changed of `run`.
    pub(super) async fn replay(&self, run: RunId) -> Result<Replayed> {
        let spooled = self.spool.read()?;
        let mut replayed = Replayed::default();
        if spooled.is_empty() {
            return Ok(replayed);
        }
        let mut recorded = 0_u64;
        // Together, so that they share commits; one that is refused spoils no other.
        let calls = spooled.into_iter().map(|one| self.replay_one(one));
        for (of, fate) in join_all(calls)
            .await
            .into_iter()
            .collect::<Result<Vec<_>>>()?
        {
            let Fate::Recorded(state, cost) = fate else {
                continue;
            };
            recorded += 1;
            if of == run {
                replayed.jobs.add(state, 1);
                replayed.cost = [replayed.cost, cost].into_iter().sum();
            }
        }
        self.spool.empty()?;
        tracing::warn!(
            "answers that an earlier process could not record were taken from the spool: {recorded}. They are not asked for again"
        );
        Ok(replayed)
    }

    async fn replay_one(&self, (run, end): Spooled) -> Result<(RunId, Fate)> {
        let packed = PackedFinish::new(end, Lane::Live)?;
        let (state, cost) = (packed.state_after(), packed.cost());
        let call = move |tx: &mut _| finish(tx, run, std::slice::from_ref(&packed));
        match self.writer.call(call).await {
            Ok(0) => Ok((run, Fate::LeftOut)),
            Ok(_) => Ok((run, Fate::Recorded(state, cost))),
            Err(StoreError::IllegalTransition(why)) => {
                tracing::warn!("an answer in the spool fits nothing in the store: {why}");
                Ok((run, Fate::LeftOut))
            }
            Err(error) => Err(error),
        }
    }
}

//! What the tallies count: the states of jobs, with the two queues apart.

use rusqlite::Row;

use crate::model::{JobState, Lane};

/// The key of queued jobs that wait for a batch; `jobs.state` has no such number.
const FOR_BATCH: u8 = 7;

/// A key of the tallies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tally(u8);

impl Tally {
    /// Where a job of that state and route is counted.
    pub(super) fn of(state: JobState, route: Route) -> Self {
        match (state, route) {
            (JobState::Queued, Route::Batch) => Self(FOR_BATCH),
            (state, _) => Self(state.code()),
        }
    }

    /// The number that is stored.
    pub(super) fn code(self) -> u8 {
        self.0
    }
}

/// Where a job is counted that is not queued, or queued for the live lane.
impl From<JobState> for Tally {
    fn from(state: JobState) -> Self {
        Self::of(state, Route::Live)
    }
}

/// The state that jobs of a tally are in.
pub(super) fn state_of_tally(code: u8) -> Option<JobState> {
    match code {
        FOR_BATCH => Some(JobState::Queued),
        code => JobState::from_code(code),
    }
}

/// The queue that a job stands in while it is queued. The numbers are what the store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Route {
    Live = 0,
    Batch = 1,
}

impl Route {
    /// The number that is stored.
    pub(super) fn code(self) -> u8 {
        self as u8
    }

    /// Reads a column; what is not the batch queue is the live one.
    pub(super) fn read(row: &Row<'_>, index: usize) -> rusqlite::Result<Self> {
        let code: u8 = row.get(index)?;
        Ok(if code == Self::Batch.code() {
            Self::Batch
        } else {
            Self::Live
        })
    }
}

impl From<Lane> for Route {
    fn from(lane: Lane) -> Self {
        match lane {
            Lane::Live => Self::Live,
            Lane::Batch => Self::Batch,
        }
    }
}

//! What the batch lane goes by: plain values, resolved by `cli`, acted upon by `engine`.

use std::time::Duration;

use crate::model::batch::MAX_BATCH_REQUESTS;

/// What the batch lane goes by. All waits are as the user wrote them: the retry scale multiplies
/// the polls, `uncertain_for` and `short_for` where they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSettings {
    /// Requests in one batch, from 1 to [`MAX_BATCH_REQUESTS`].
    pub size: u32,
    /// The time between two polls of a batch, which grows from poll to poll; the first ones come sooner,
    /// the very first after a fifth of it.
    pub poll_min: Duration,
    /// The longest time between two polls; never shorter than `poll_min`.
    pub poll_max: Duration,
    /// How long a batch whose create answer was lost is looked for before it is created again.
    pub uncertain_for: Duration,
    /// How long "not found" is no answer about a batch that was created.
    pub not_found_for: Duration,
    /// How long results of an ended batch that come short are asked for again before the run halts.
    pub short_for: Duration,
    /// Live jobs whose deadline allows it may go to a batch when the circuit has been open this long;
    /// none: never.
    pub spill_after: Option<Duration>,
    /// Fewer jobs than this make no batch, unless the user or their deadline asks for one.
    pub min_jobs: u32,
    /// Requests that may wait in the API's processing queue at once, those of all batches together.
    pub queue_limit: u64,
}

impl Default for BatchSettings {
    /// The documented limits of the API's lowest tier, and waits that its answers ask for.
    fn default() -> Self {
        Self {
            size: MAX_BATCH_REQUESTS,
            // What `retry-after` says of a batch in progress.
            poll_min: Duration::from_secs(10),
            // Most batches take up to an hour: a twelfth of it is soon enough.
            poll_max: Duration::from_mins(5),
            uncertain_for: Duration::from_mins(2),
            not_found_for: Duration::from_mins(10),
            // A bad deployment of a service is noticed and put right within a working day's half.
            short_for: Duration::from_hours(6),
            spill_after: None,
            min_jobs: 20,
            queue_limit: 200_000,
        }
    }
}

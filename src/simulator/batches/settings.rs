//! How batches go: settings, and the preset for demonstrations.

use std::time::Duration;

use crate::simulator::faults::{BatchScript, FaultRate};

/// Requests of a batch, and bytes of the call that creates it, that the API takes.
const MAX_REQUESTS: u32 = 100_000;
const MAX_BYTES: u64 = 256 * 1024 * 1024;
const DAY: Duration = Duration::from_hours(24);

/// How batches go. The default is quiet: a batch ends at once, nothing goes wrong, nothing is limited.
///
/// Durations are in the time of the API; [`clock`](Self::clock) says how much faster that goes
/// here. Faults of single requests are [`SimulatorSettings::faults`] and scripts in their prompts,
/// as for Messages: an error of the API makes the request errored, a fault on the way there an
/// `api_error`, `hang` keeps it unanswered until the batch expires or is cancelled.
///
/// [`SimulatorSettings::faults`]: crate::simulator::SimulatorSettings::faults
#[derive(Clone, Debug, PartialEq)]
pub struct BatchSettings {
    /// How many seconds of the durations below pass in a real one. Times that are told are real.
    pub clock: f64,
    /// From the creation of a batch to its end, if nothing holds it up.
    pub takes: Duration,
    /// How its requests get done within that time.
    pub progress: BatchProgress,
    /// The share of its requests after which nothing more gets done.
    pub stall_at: Option<f64>,
    /// From the call that cancels a batch to its end; requests go on being done meanwhile.
    pub cancel_takes: Duration,
    /// From the creation of a batch to the expiry of what is not done.
    pub lifetime: Duration,
    /// From the creation of a batch to the loss of its results.
    pub archive_after: Duration,
    /// What `retry-after` says while a batch is in progress; told in whole real seconds, at least 1.
    pub retry_after: Duration,
    /// How long a new batch is not found by its id.
    pub hidden_for: Duration,
    /// How long a new batch is left out of the list.
    pub unlisted_for: Duration,
    /// Whether the counts are told as they grow; else all but `processing` are 0 until the end.
    pub counts_grow: bool,
    /// Whether times end in `+00:00` instead of `Z`.
    pub numeric_offset: bool,
    /// How error objects stand in the results.
    pub nesting: ErrorNesting,
    /// Whether requests of a batch read what others of it wrote to the cache.
    pub shared_cache: bool,
    /// Most requests of all batches that are not done; a batch that exceeds it is refused.
    pub queue_limit: Option<u32>,
    /// Calls of all batch endpoints together; with it come the headers of the requests family.
    pub requests_per_minute: Option<u32>,
    /// Most requests of a batch.
    pub max_requests: u32,
    /// Most bytes of a call that creates a batch.
    pub max_bytes: u64,
    /// What happens to the first, second, ... valid call that creates a batch; a script in one of
    /// its prompts goes first.
    pub script: Option<BatchScript>,
    /// Random faults of such calls, when there is no script. The probabilities add up to at most 1.
    pub create_faults: Vec<FaultRate>,
    /// How many downloads of each batch's results break off, the first ones.
    pub cuts: u32,
    /// The share of later downloads that break off, 0 to 1.
    pub cut_rate: f64,
    /// How many downloads of each batch's results come short, the first ones.
    pub short_downloads: u32,
    /// What is wrong with those.
    pub short_as: ShortAs,
    /// What is told of how the requests of an ended batch stand.
    pub told_counts: ToldCounts,
}

/// What is wrong with a download that comes short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShortAs {
    /// A 200 without a line.
    #[default]
    Empty,
    /// The last third of the lines is not there yet.
    Part,
    /// As before the end of the batch: 404, and no `results_url`.
    Missing,
    /// A page in the place of lines, with 200.
    Page,
    /// It ends in the middle of a line, and is whole by all that HTTP says.
    HalfLine,
}

/// What is told of how the requests of an ended batch stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToldCounts {
    /// The truth.
    #[default]
    True,
    /// Nothing but zeros.
    Zero,
    /// All of them succeeded.
    Succeeded,
}

/// How the requests of a batch get done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchProgress {
    /// One after the other, evenly.
    #[default]
    Steady,
    /// All in the last moment.
    AtEnd,
}

/// How an error object stands in a line of the results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorNesting {
    /// `result.error.error.type`, as the API sends it.
    #[default]
    Twice,
    /// `result.error.type`, as some examples have it.
    Once,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self {
            clock: 1.0,
            takes: Duration::ZERO,
            progress: BatchProgress::Steady,
            stall_at: None,
            cancel_takes: Duration::ZERO,
            lifetime: DAY,
            archive_after: 29 * DAY,
            retry_after: Duration::from_secs(10),
            hidden_for: Duration::ZERO,
            unlisted_for: Duration::ZERO,
            counts_grow: false,
            numeric_offset: false,
            nesting: ErrorNesting::Twice,
            shared_cache: false,
            queue_limit: None,
            requests_per_minute: None,
            max_requests: MAX_REQUESTS,
            max_bytes: MAX_BYTES,
            script: None,
            create_faults: Vec::new(),
            cuts: 0,
            cut_rate: 0.0,
            short_downloads: 0,
            short_as: ShortAs::Empty,
            told_counts: ToldCounts::True,
        }
    }
}

impl BatchSettings {
    /// For demonstrations: half an hour of the API in five seconds, with counts that grow and the
    /// entry tier's limits.
    #[must_use]
    pub fn lively() -> Self {
        Self {
            clock: 360.0,
            takes: Duration::from_mins(30),
            cancel_takes: Duration::from_secs(25),
            counts_grow: true,
            queue_limit: Some(200_000),
            requests_per_minute: Some(1_000),
            cut_rate: 0.1,
            ..Self::default()
        }
    }

    /// The real time that a duration takes; a clock that is no positive number stands still.
    pub(super) fn real(&self, duration: Duration) -> Duration {
        Duration::try_from_secs_f64(duration.as_secs_f64() / self.clock).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lively_batch_ends_within_seconds() {
        let lively = BatchSettings::lively();
        assert_eq!(lively.real(lively.takes), Duration::from_secs(5));
        assert!(lively.real(lively.retry_after) < Duration::from_secs(1));
    }

    #[test]
    fn a_clock_that_makes_no_sense_stands_still() {
        let standing = BatchSettings {
            clock: 0.0,
            ..BatchSettings::default()
        };
        assert_eq!(standing.real(Duration::from_secs(1)), Duration::MAX);
    }
}

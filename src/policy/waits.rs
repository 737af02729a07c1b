//! The waits before a retry: one list per error class.
//!
//! The n-th failure in a row waits the n-th value, the last value repeats. The lists are this
//! project's own choice: short where a new try costs little (a cut connection), long where haste
//! makes things worse (an overloaded API). Drawing the actual wait around a value is `retry`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::model::{ErrorClass, Treatment};

/// The limit classes wait 1, 2, 4, ... seconds up to this.
const LONGEST_LIMIT_WAIT: Duration = Duration::from_mins(1);

/// Why a wait list was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitsError {
    /// The list has no value.
    #[error("the waits of `{0}` are empty: write at least one, such as [\"10s\"]")]
    Empty(ErrorClass),
    /// The class is never retried at a schedule of its own.
    #[error(
        "`{0}` has no waits, because it is not retried at a schedule: remove them, or name a class that is retried"
    )]
    NotRetried(ErrorClass),
}

/// The waits of every class that is retried. `default()` is the built-in schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    lists: BTreeMap<ErrorClass, Vec<Duration>>,
    /// The classes whose waits the user has set.
    set: BTreeSet<ErrorClass>,
}

impl Default for Waits {
    fn default() -> Self {
        let lists = ErrorClass::all()
            .filter(|class| class.treatment() == Treatment::Retry)
            .map(|class| (class, standard(class)))
            .collect();
        Self {
            lists,
            set: BTreeSet::new(),
        }
    }
}

impl Waits {
    /// The waits of that class, in order. Never empty for a class that is retried, and empty for
    /// every other.
    #[must_use]
    pub fn get(&self, class: ErrorClass) -> &[Duration] {
        self.lists.get(&class).map_or(&[], Vec::as_slice)
    }

    /// Replaces the waits of that class.
    ///
    /// # Errors
    ///
    /// When the list is empty, or the class is not one that is retried.
    pub fn set(&mut self, class: ErrorClass, waits: Vec<Duration>) -> Result<(), WaitsError> {
        if waits.is_empty() {
            return Err(WaitsError::Empty(class));
        }
        let list = self
            .lists
            .get_mut(&class)
            .ok_or(WaitsError::NotRetried(class))?;
        *list = waits;
        self.set.insert(class);
        Ok(())
    }

    /// The user has set the waits of that class.
    #[must_use]
    pub fn are_set(&self, class: ErrorClass) -> bool {
        self.set.contains(&class)
    }

    /// What the waits before as many tries as that come to, the first try apart.
    #[must_use]
    pub fn before(&self, class: ErrorClass, tries: u32) -> Duration {
        (1..tries).fold(Duration::ZERO, |sum, failures| {
            sum.saturating_add(self.after(class, failures))
        })
    }

    /// The wait after that many failures in a row (from 1); the last one repeats.
    #[must_use]
    pub fn after(&self, class: ErrorClass, failures: u32) -> Duration {
        let list = self.get(class);
        let place = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
        list.get(place)
            // The last wait repeats, so that a retry never comes sooner than the one before.
            .or(list.last())
            .copied()
            .unwrap_or(Duration::ZERO)
    }
}

/// The built-in waits of a class that is retried.
fn standard(class: ErrorClass) -> Vec<Duration> {
    let seconds: &[u64] = match class {
        ErrorClass::ServerError => &[2, 5, 10, 30, 60],
        ErrorClass::BadGateway | ErrorClass::EdgeError => &[3, 10, 30, 60, 120],
        ErrorClass::Unavailable => &[5, 15, 30, 90, 180],
        ErrorClass::GatewayTimeout | ErrorClass::Timeout => &[5, 15, 30, 60],
        ErrorClass::Overloaded => &[10, 30, 60, 120, 300],
        ErrorClass::RateLimited
        | ErrorClass::AccelerationLimited
        | ErrorClass::ConcurrencyLimited
        | ErrorClass::BatchQueueFull => return limit_curve(),
        // What breaks on the way is mostly gone at once, so these begin soonest.
        _ => &[1, 2, 5, 15, 30, 60],
    };
    seconds.iter().copied().map(Duration::from_secs).collect()
}

/// 1, 2, 4, ... seconds up to the longest, which then repeats. Without backon's jitter: that only
/// adds, while ours is drawn to both sides.
fn limit_curve() -> Vec<Duration> {
    let curve = ExponentialBuilder::new()
        .with_min_delay(Duration::from_secs(1))
        .with_factor(2.0)
        .with_max_delay(LONGEST_LIMIT_WAIT)
        .without_max_times()
        .build();
    let mut waits = Vec::new();
    for wait in curve {
        waits.push(wait);
        // Without a bound of times the curve has no end.
        if wait >= LONGEST_LIMIT_WAIT {
            break;
        }
    }
    waits
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Waits, WaitsError};
    use crate::model::{ErrorClass, Treatment};

    fn seconds(values: &[u64]) -> Vec<Duration> {
        values.iter().copied().map(Duration::from_secs).collect()
    }

    #[test]
    fn every_retried_class_has_the_documented_waits_and_no_other_class_has_any() {
        for class in ErrorClass::all() {
            let expected: &[u64] = match class.as_str() {
                "server_error" => &[2, 5, 10, 30, 60],
                "bad_gateway" | "edge_error" => &[3, 10, 30, 60, 120],
                "unavailable" => &[5, 15, 30, 90, 180],
                "gateway_timeout" | "timeout" => &[5, 15, 30, 60],
                "overloaded" => &[10, 30, 60, 120, 300],
                "connection_cut" | "stream_cut" | "connect" | "dns" | "bad_response"
                | "request_timeout" | "conflict" | "result_missing" => &[1, 2, 5, 15, 30, 60],
                "rate_limited"
                | "acceleration_limited"
                | "concurrency_limited"
                | "batch_queue_full" => &[1, 2, 4, 8, 16, 32, 60],
                _ => &[],
            };
            assert_eq!(Waits::default().get(class), seconds(expected), "{class}");
            assert_eq!(
                expected.is_empty(),
                class.treatment() != Treatment::Retry,
                "{class}"
            );
        }
    }

    #[test]
    fn the_last_wait_repeats() {
        let waits = Waits::default();
        let of = |failures| waits.after(ErrorClass::Timeout, failures).as_secs();
        assert_eq!(
            [1, 2, 3, 4, 5, 1_000, u32::MAX].map(of),
            [5, 15, 30, 60, 60, 60, 60]
        );
    }

    #[test]
    fn one_class_is_overridden_alone() {
        let mut waits = Waits::default();
        waits.set(ErrorClass::Overloaded, seconds(&[7])).unwrap();
        assert_eq!(waits.get(ErrorClass::Overloaded), seconds(&[7]));
        assert_eq!(
            waits.get(ErrorClass::ServerError),
            Waits::default().get(ErrorClass::ServerError)
        );
    }

    #[test]
    fn empty_lists_and_classes_without_a_schedule_are_refused() {
        let mut waits = Waits::default();
        assert_eq!(
            waits.set(ErrorClass::Overloaded, Vec::new()),
            Err(WaitsError::Empty(ErrorClass::Overloaded))
        );
        for class in [
            ErrorClass::InvalidRequest,
            ErrorClass::Billing,
            ErrorClass::Interrupted,
        ] {
            assert_eq!(
                waits.set(class, seconds(&[1])),
                Err(WaitsError::NotRetried(class))
            );
        }
        assert_eq!(waits, Waits::default());
    }
}

//! Counts and times as the fractions that buckets hold.

use jiff::Timestamp;

/// A count of tokens or requests, which is exact below 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "limits are far below 2^53, where floating point is exact"
)]
pub(in crate::policy) fn count(number: u64) -> f64 {
    number as f64
}

/// Seconds from one time to a later one; zero if it is not later.
pub(super) fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

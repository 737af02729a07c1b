//! The only source of time.
//!
//! A clock reads the wall once, when it is made, and then follows the runtime's monotonic time:
//! a step of the wall clock in the middle of a run neither shortens a wait nor makes a duration
//! negative. Under tokio's paused time the same clock is a virtual one.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Tells the time of a run. Cheap to copy; copies agree with each other.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall_origin: Timestamp,
    origin: Instant,
}

impl Clock {
    /// A clock that starts at the wall's present time.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    pub fn system() -> Self {
        Self::starting_at(Timestamp::now())
    }

    /// A clock that starts at the given time.
    #[must_use]
    pub fn starting_at(wall_origin: Timestamp) -> Self {
        Self {
            wall_origin,
            origin: Instant::now(),
        }
    }

    /// The time now, to the millisecond: what the store keeps.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let now = add(self.wall_origin, self.origin.elapsed());
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    /// Waits until `when`; returns at once if it is past.
    pub async fn sleep_until(&self, when: Timestamp) {
        let from_origin = when.duration_since(self.wall_origin);
        let wait = Duration::try_from(from_origin).unwrap_or(Duration::ZERO);
        if let Some(instant) = self.origin.checked_add(wait) {
            tokio::time::sleep_until(instant).await;
        } else {
            std::future::pending::<()>().await;
        }
    }
}

/// `at` plus `wait`, at most the end of representable time.
#[must_use]
pub fn add(at: Timestamp, wait: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(wait)
        .ok()
        .and_then(|wait| at.checked_add(wait).ok())
        .unwrap_or(Timestamp::MAX)
}

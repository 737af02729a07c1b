//! The only source of time.
//!
//! The system's clock reads the wall once, when it is made, and then follows a time that never steps
//! back and goes on while the machine sleeps: a wait ends when it was to end, and no duration is
//! negative. A wall that is set forward in the middle of a run is followed, since the time it skips
//! was slept away more often than not (a virtual machine that was paused); one that is set back is
//! not, and [`Clock::follow_wall`] tells of both. A clock that starts at a given time follows the
//! runtime's time instead, and under tokio's paused time it is a virtual one.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Tells the time of a run. Cheap to copy; copies agree with each other.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall_origin: Timestamp,
    origin: ClockBase,
}

/// What time is counted from.
#[derive(Clone, Copy, Debug)]
enum ClockBase {
    /// Of the runtime's time.
    Runtime(Instant),
    /// Since the machine was started, its sleep included.
    Boot(Duration),
}

/// How far the system's clock has followed a wall that was set forward, in milliseconds.
static FOLLOWED_MS: AtomicI64 = AtomicI64::new(0);

/// A smaller step is a correction, as time servers make them.
const STEP: SignedDuration = SignedDuration::from_secs(2);

/// So often a wait looks whether the machine has slept meanwhile: timers do not count its sleep.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Clock {
    /// A clock that starts at the wall's present time.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    pub fn system() -> Self {
        let clock = Self::starting_at(Timestamp::now());
        let Some(since_boot) = since_boot() else {
            return clock;
        };
        let followed = SignedDuration::from_millis(FOLLOWED_MS.load(Ordering::Relaxed));
        Self {
            wall_origin: clock
                .wall_origin
                .saturating_sub(followed)
                .unwrap_or(clock.wall_origin),
            origin: ClockBase::Boot(since_boot),
        }
    }

    /// A clock that starts at the given time.
    #[must_use]
    pub fn starting_at(wall_origin: Timestamp) -> Self {
        Self {
            wall_origin,
            origin: ClockBase::Runtime(Instant::now()),
        }
    }

    /// The time now, to the millisecond: what the store keeps.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let now = add(self.wall_origin, self.elapsed());
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    /// Time that has passed since the origin.
    fn elapsed(&self) -> Duration {
        match self.origin {
            ClockBase::Runtime(origin) => origin.elapsed(),
            ClockBase::Boot(origin) => {
                let followed = FOLLOWED_MS.load(Ordering::Relaxed);
                let followed = Duration::from_millis(followed.try_into().unwrap_or_default());
                let passed = since_boot().unwrap_or(origin).saturating_sub(origin);
                passed.saturating_add(followed)
            }
        }
    }

    /// How far the wall is ahead of this clock (or behind it), if it was set since this was asked
    /// last. A wall that is ahead is followed, by every copy. `behind` is what was told of a wall
    /// that is behind; it is kept by whoever asks.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    pub fn follow_wall(&self, behind: &mut SignedDuration) -> Option<SignedDuration> {
        if matches!(self.origin, ClockBase::Runtime(_)) {
            return None;
        }
        let step = step(Timestamp::now().duration_since(self.now()), behind)?;
        if step.is_positive() {
            let ms = i64::try_from(step.as_millis()).unwrap_or_default();
            FOLLOWED_MS.fetch_add(ms, Ordering::Relaxed);
        }
        Some(step)
    }

    /// Waits until `when`; returns at once if it is past.
    pub async fn sleep_until(&self, when: Timestamp) {
        let from_origin = when.duration_since(self.wall_origin);
        let wait = Duration::try_from(from_origin).unwrap_or(Duration::ZERO);
        match self.origin {
            ClockBase::Runtime(origin) => match origin.checked_add(wait) {
                Some(instant) => tokio::time::sleep_until(instant).await,
                None => std::future::pending().await,
            },
            ClockBase::Boot(_) => loop {
                match wait.checked_sub(self.elapsed()) {
                    None | Some(Duration::ZERO) => return,
                    Some(left) => tokio::time::sleep(left.min(LOOK_EVERY)).await,
                }
            },
        }
    }
}

/// What is to be told of a wall that is so far ahead: a step, forward or, once each time, back.
fn step(ahead: SignedDuration, behind: &mut SignedDuration) -> Option<SignedDuration> {
    if ahead >= STEP {
        *behind = SignedDuration::ZERO;
        return Some(ahead);
    }
    let back = ahead.min(SignedDuration::ZERO) - *behind;
    if back.abs() < STEP {
        return None;
    }
    *behind += back;
    // A wall that came back to where it was is no news.
    (back.is_negative()).then_some(back)
}

/// Time since the machine was started, its sleep included; none where the system does not tell.
fn since_boot() -> Option<Duration> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::try_from(time).ok()
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    None
}

/// How long ago this process was started, rather too short than too long; zero where the system does
/// not tell. Loading a program takes a busy machine long, and what others did meanwhile they did
/// beside us, not before.
#[must_use]
pub fn process_age() -> Duration {
    started_after_boot()
        .zip(since_boot())
        .and_then(|(started, now)| now.checked_sub(started))
        .unwrap_or_default()
}

/// When this process was started, counted from the start of the machine: the 22nd field of `proc(5)`'s
/// `stat`, in ticks that were rounded down.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn started_after_boot() -> Option<Duration> {
    const STARTTIME_AFTER_NAME: usize = 19;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program may hold anything, blanks and brackets too.
    let (_, after_name) = stat.rsplit_once(')')?;
    let ticks: u64 = after_name
        .split_whitespace()
        .nth(STARTTIME_AFTER_NAME)?
        .parse()
        .ok()?;
    let a_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_millis((ticks + 1) * 1_000 / a_second))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn started_after_boot() -> Option<Duration> {
    None
}

/// What was waited for did not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

/// The time of a [`timeout`] is waited out in so many parts at least.
const PARTS: u32 = 4;
/// The longest of them: what a stop of the process may cost of a time.
const LONGEST_PART: Duration = Duration::from_secs(1);
/// Later than this after the end of a part, the process did not run meanwhile.
const LATE: Duration = Duration::from_millis(200);
/// So often the step gets its turn after the end, each time after the runtime has looked for I/O: a
/// byte that lies in a socket passes through several tasks on its way.
const LAST_LOOKS: usize = 8;

/// Waits for `step`, but no longer than `limit` of time in which this process ran. After a stop
/// (Ctrl-Z, `kill -STOP`, a suspended machine) the timers of the runtime fire before it has looked
/// for I/O, and an answer that has lain in its socket for hours would be called late. So the time is
/// waited out in parts; one in which the process stood still does not count, and before the verdict
/// what came is looked for once more.
///
/// # Errors
///
/// The time was over.
pub async fn timeout<T>(limit: Duration, step: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut step = std::pin::pin!(step);
    let part = (limit / PARTS).clamp(Duration::from_millis(1), LONGEST_PART);
    let (mut left, mut slept_before) = (limit, false);
    while !left.is_zero() {
        let (part, began) = (part.min(left), Instant::now());
        tokio::select! {
            biased;
            done = &mut step => return Ok(done),
            () = tokio::time::sleep(part) => {}
        }
        // On a machine that is always late every other part counts, so that the time does end.
        let slept = !slept_before && began.elapsed() > part + LATE;
        if !slept {
            left -= part;
        }
        slept_before = slept;
    }
    for _ in 0..LAST_LOOKS {
        tokio::select! {
            biased;
            done = &mut step => return Ok(done),
            () = tokio::task::yield_now() => {}
        }
    }
    Err(Elapsed)
}

/// `at` plus `wait`, at most the end of representable time.
#[must_use]
pub fn add(at: Timestamp, wait: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(wait)
        .ok()
        .and_then(|wait| at.checked_add(wait).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use jiff::SignedDuration;

    use super::{Clock, Elapsed, process_age, step, timeout};

    #[tokio::test]
    async fn a_process_has_been_there_since_it_was_started() {
        let before = process_age();
        sleep(Duration::from_millis(30)).await;
        let aged = process_age().saturating_sub(before);
        let known = cfg!(target_os = "linux");
        assert_eq!(aged >= Duration::from_millis(30), known, "{aged:?}");
        assert!(process_age() < Duration::from_hours(1));
    }

    #[tokio::test]
    async fn the_systems_clock_waits_until_then_and_not_longer() {
        let clock = Clock::system();
        let when = clock.now() + SignedDuration::from_millis(20);
        clock.sleep_until(when).await;
        assert!(clock.now() >= when);
        clock.sleep_until(when).await;
        let mut behind = SignedDuration::ZERO;
        assert_eq!(clock.follow_wall(&mut behind), None, "nobody set it");
    }

    #[test]
    fn a_wall_that_is_set_is_told_of_once() {
        let s = SignedDuration::from_secs;
        let mut behind = SignedDuration::ZERO;
        for (ahead, told) in [
            (s(0), None),
            (s(1), None),
            (s(-1), None),
            (s(3_600), Some(s(3_600))),
            // Followed, so that it is no longer ahead; then set back by an hour, and by one more.
            (s(0), None),
            (s(-3_600), Some(s(-3_600))),
            (s(-3_600), None),
            (s(-3_601), None),
            (s(-7_200), Some(s(-3_600))),
            (s(0), None),
            (s(-10), Some(s(-10))),
        ] {
            assert_eq!(step(ahead, &mut behind), told, "{ahead:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_lasts_as_long_as_it_says() {
        for limit in [0, 1, 3, 50, 999, 10_000, 600_000].map(Duration::from_millis) {
            let began = Instant::now();
            let never = std::future::pending::<()>();
            assert_eq!(timeout(limit, never).await, Err(Elapsed));
            // Each part ends at a whole millisecond.
            let over = began.elapsed().checked_sub(limit).unwrap();
            assert!(over < Duration::from_millis(5), "{limit:?}: {over:?}");
            assert_eq!(timeout(limit, async { 7 }).await, Ok(7), "{limit:?}");
        }
        let soon = sleep(Duration::from_millis(2_999));
        assert_eq!(timeout(Duration::from_secs(3), soon).await, Ok(()));
    }

    /// The timers fire first, then what came gets its turn: that is the order after a stop.
    #[tokio::test(start_paused = true)]
    async fn what_came_while_the_process_stood_still_is_no_timeout() {
        let limit = Duration::from_mins(1);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (woken, relay) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            relay.await.unwrap();
            // The tasks that a byte passes through on its way.
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            sender.send("late").unwrap();
        });
        let waiting = tokio::spawn(timeout(limit, receiver));
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_hours(6)).await;
        woken.send(()).unwrap();
        assert_eq!(waiting.await.unwrap(), Ok(Ok("late")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_takes_nothing_of_the_time() {
        let began = Instant::now();
        let never = std::future::pending::<()>();
        let waiting = tokio::spawn(timeout(Duration::from_mins(1), never));
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_hours(6)).await;
        assert_eq!(waiting.await.unwrap(), Err(Elapsed));
        let ran = began
            .elapsed()
            .checked_sub(Duration::from_hours(6))
            .unwrap();
        assert!(ran > Duration::from_secs(58), "{ran:?}");
    }
}

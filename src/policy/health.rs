//! Whether a model is well at an endpoint, by the share of its latest answers that failed.
//!
//! A job that fails while its neighbours succeed has drawn a bad lot, and may go again soon. One that
//! fails as most others do meets a service in trouble, which haste would make worse. Pure: time is an
//! argument.

use jiff::Timestamp;

/// Answers are counted by the second, over as many seconds.
const WINDOW_S: u8 = 30;
/// Fewer answers say nothing.
const LEAST_ANSWERS: u32 = 10;
/// From this share of failures on the service is in trouble.
const TROUBLE_PERCENT: u32 = 20;

/// What came back from one model at one endpoint in the last 30 seconds.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// By the second modulo the window.
    seconds: [Second; WINDOW_S as usize],
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// Unix time.
    at: i64,
    answers: u32,
    failures: u32,
}

impl Health {
    /// A request came back, or broke; `failed`: by a fault of the server or the network.
    pub fn note(&mut self, failed: bool, now: Timestamp) {
        let at = now.as_second();
        let Some(second) = place(at).and_then(|place| self.seconds.get_mut(place)) else {
            return;
        };
        if second.at != at {
            *second = Second {
                at,
                ..Second::default()
            };
        }
        second.answers = second.answers.saturating_add(1);
        second.failures = second.failures.saturating_add(u32::from(failed));
    }

    /// At least 10 answers came in the last 30 seconds, and fewer than 20 % of them were failures.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        let since = now.as_second() - i64::from(WINDOW_S);
        // After a clock was set back, what lies ahead of it tells nothing.
        let lately = |second: &&Second| second.at > since && second.at <= now.as_second();
        let (answers, failures) = self.seconds.iter().filter(lately).fold(
            (0_u32, 0_u32),
            |(answers, failures), second| {
                (
                    answers.saturating_add(second.answers),
                    failures.saturating_add(second.failures),
                )
            },
        );
        answers >= LEAST_ANSWERS
            && u64::from(failures) * 100 < u64::from(answers) * u64::from(TROUBLE_PERCENT)
    }
}

fn place(at: i64) -> Option<usize> {
    usize::try_from(at.rem_euclid(i64::from(WINDOW_S))).ok()
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::Health;

    fn at(ms: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH
            + SignedDuration::from_hours(400_000)
            + SignedDuration::from_millis(ms)
    }

    fn health(good: u32, failed: u32) -> Health {
        let mut health = Health::default();
        for n in 0..good + failed {
            health.note(n < failed, at(0));
        }
        health
    }

    #[test]
    fn ten_answers_of_which_fewer_than_a_fifth_failed_are_good() {
        for (good, failed, is_good) in [
            (0, 0, false),
            (9, 0, false),
            (10, 0, true),
            (9, 1, true),
            (8, 2, false),
            (81, 19, true),
            (80, 20, false),
            (0, 100, false),
        ] {
            let health = health(good, failed);
            assert_eq!(
                health.is_good(at(0)),
                is_good,
                "{good} good, {failed} failed"
            );
        }
    }

    #[test]
    fn what_is_older_than_thirty_seconds_counts_no_more() {
        let mut health = health(10, 0);
        assert!(health.is_good(at(29_000)));
        assert!(!health.is_good(at(30_000)));
        // The second of the same place is another one.
        health.note(false, at(30_000));
        assert!(!health.is_good(at(30_000)));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_of_what_lies_ahead() {
        assert!(!health(10, 0).is_good(at(-5_000)));
    }
}

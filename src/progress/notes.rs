//! Notes: what is told once when it happens, for which bars have no line.

use std::time::Duration;

use jiff::Timestamp;

use super::numbers::short_duration;
use crate::model::{Event, EventKind, Observer, thousands};

/// Requests over the limit that are named one by one; the rest is counted elsewhere.
const NAMED: u32 = 3;

/// Tells of a process that stood still, of a clock that was set, of long waits that a server asks for
/// and of requests that are larger than the limit, with the help of whoever writes notes.
pub struct Notes<F> {
    tell: F,
    over_limit: u32,
}

impl<F: FnMut(String) + Send> Notes<F> {
    /// Gives each note to `tell`.
    pub fn new(tell: F) -> Self {
        Self {
            tell,
            over_limit: 0,
        }
    }
}

impl<F: FnMut(String) + Send> Observer for Notes<F> {
    fn observe(&mut self, event: &Event) {
        let words = match &event.kind {
            EventKind::RunStarted { .. } => {
                self.over_limit = 0;
                None
            }
            EventKind::RequestOverLimit { .. } => {
                self.over_limit = self.over_limit.saturating_add(1);
                over_limit(&event.kind, self.over_limit)
            }
            kind => words(kind, event.at),
        };
        if let Some(words) = words {
            (self.tell)(words);
        }
    }
}

fn words(kind: &EventKind, now: Timestamp) -> Option<String> {
    match kind {
        EventKind::StoodStill { for_ms } => Some(format!(
            "claude-run stood still for {} (it was stopped, or the machine slept): what was due meanwhile is due now; requests in flight keep the time they have left",
            in_words(*for_ms)
        )),
        EventKind::ClockSet { by_ms } if *by_ms > 0 => Some(format!(
            "the clock was set forward by {}: waits, deadlines and hours follow it",
            in_words(by_ms.unsigned_abs())
        )),
        EventKind::ClockSet { by_ms } => Some(format!(
            "the clock was set back by {}: waits, deadlines and hours go on by the time before; stop and resume to go by the new one",
            in_words(by_ms.unsigned_abs())
        )),
        EventKind::LongWait { .. } => long_wait(kind, now),
        EventKind::FilesExhausted { ceiling, .. } => Some(format!(
            "too many open files: this process may open no more, so at most {ceiling} requests are open from now on; allow more (`ulimit -n 4096`), or lower --concurrency"
        )),
        _ => None,
    }
}

/// `claude-haiku-5-5 waits for 60m00s: the server asks for 24h00m (429 rate_limited); then one request
/// tries again`.
fn long_wait(kind: &EventKind, now: Timestamp) -> Option<String> {
    let EventKind::LongWait {
        model,
        custom_id,
        error_class,
        http_status,
        asked_ms,
        next_try_at,
    } = kind
    else {
        return None;
    };
    let who = match custom_id {
        Some(id) => format!("job {id} of {model}"),
        None => format!("every request to {model}"),
    };
    let left = Duration::try_from(next_try_at.duration_since(now)).unwrap_or_default();
    let status = http_status.map_or(String::new(), |status| format!("{status} "));
    let after = match custom_id {
        Some(_) => "then it is tried again, as are others that wait like it",
        None => "then one request tries again",
    };
    Some(format!(
        "{who} waits for {}: the server asks for {} ({status}{error_class}); {after}",
        short_duration(left),
        in_words(*asked_ms)
    ))
}

/// What the `nth` request over the limit is worth saying.
fn over_limit(kind: &EventKind, nth: u32) -> Option<String> {
    let EventKind::RequestOverLimit {
        custom_id,
        model,
        input_tokens,
        limit_per_minute,
    } = kind
    else {
        return None;
    };
    match nth {
        1..=NAMED => Some(format!(
            "job {custom_id} asks {model} for about {} tokens; your limit is {} a minute: no wait lets it pass, so it ends after a few tries; `--lane batch` takes it",
            thousands(*input_tokens),
            thousands(*limit_per_minute)
        )),
        n if n == NAMED + 1 => {
            Some("more requests are larger than the limit: `attempts` will show them".to_owned())
        }
        _ => None,
    }
}

fn in_words(ms: u64) -> String {
    short_duration(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::model::ErrorClass;

    #[test]
    fn each_jump_is_told_with_its_length_and_what_it_means() {
        let hour = 3_600_000;
        let told = |kind| words(&kind, Timestamp::UNIX_EPOCH).unwrap();
        let stood = told(EventKind::StoodStill { for_ms: 6 * hour });
        assert!(
            stood.starts_with("claude-run stood still for 6h"),
            "{stood}"
        );
        let forward = told(EventKind::ClockSet { by_ms: 3_600_000 });
        assert!(forward.contains("forward by 60m00s"), "{forward}");
        let back = told(EventKind::ClockSet { by_ms: -3_600_000 });
        assert!(back.contains("back by 60m00s"), "{back}");
        assert_eq!(
            words(&EventKind::HoursOpened {}, Timestamp::UNIX_EPOCH),
            None
        );
    }

    fn long_wait_of(custom_id: Option<&str>) -> String {
        let kind = EventKind::LongWait {
            model: "claude-haiku-5-5".to_owned(),
            custom_id: custom_id.map(str::to_owned),
            error_class: ErrorClass::RateLimited,
            http_status: Some(429),
            asked_ms: 86_400_000,
            next_try_at: Timestamp::from_second(3_600).unwrap(),
        };
        words(&kind, Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn a_long_wait_is_told_with_what_the_server_asked_for() {
        insta::assert_snapshot!(long_wait_of(None), @"every request to claude-haiku-5-5 waits for 60m00s: the server asks for 24h00m (429 rate_limited); then one request tries again");
        insta::assert_snapshot!(long_wait_of(Some("a-1")), @"job a-1 of claude-haiku-5-5 waits for 60m00s: the server asks for 24h00m (429 rate_limited); then it is tried again, as are others that wait like it");
    }

    #[test]
    fn the_first_requests_over_the_limit_are_named_and_the_rest_is_not() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&told);
        let mut notes = Notes::new(move |words| kept.lock().unwrap().push(words));
        for n in 0..9 {
            notes.observe(&Event {
                at: Timestamp::UNIX_EPOCH,
                run_id: "r-1".to_owned(),
                kind: EventKind::RequestOverLimit {
                    custom_id: format!("big-{n}"),
                    model: "claude-opus-5".to_owned(),
                    input_tokens: 56_000,
                    limit_per_minute: 30_000,
                },
            });
        }
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 4);
        insta::assert_snapshot!(told[0], @"job big-0 asks claude-opus-5 for about 56,000 tokens; your limit is 30,000 a minute: no wait lets it pass, so it ends after a few tries; `--lane batch` takes it");
        insta::assert_snapshot!(told[3], @"more requests are larger than the limit: `attempts` will show them");
    }
}

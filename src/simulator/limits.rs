//! Rate limits by model class: who may pass, and the headers that tell how much is left.
//!
//! Three buckets for each class: requests, input tokens, output tokens. Input is counted when a
//! request is let in, output when it has been produced; cache reads are free. A refused request
//! takes nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::Bucket;
use super::dice::whole;
use super::errors::ApiError;
use super::models::Model;
use super::settings::{ClassLimits, RateLimits};
use super::time::{Epoch, rfc3339_seconds};

/// The simulated organization.
pub(super) const ORGANIZATION: &str = "51a17ab1-0000-4000-8000-000000000001";

/// Header lines, name and value.
pub(super) type Headers = Vec<(&'static str, String)>;

/// The buckets of every class that has been asked for.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: RateLimits,
    classes: Mutex<HashMap<&'static str, Class>>,
}

#[derive(Debug)]
struct Class {
    limits: ClassLimits,
    requests: Bucket,
    input: Bucket,
    output: Bucket,
}

/// A request that is not let in.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) error: ApiError,
    /// Whole seconds; a request after that passes if nobody else took what came in.
    pub(super) retry_after: u64,
    pub(super) headers: Headers,
}

impl Limiter {
    pub(super) fn new(limits: RateLimits) -> Self {
        Self {
            limits,
            classes: Mutex::default(),
        }
    }

    /// Lets a request with this many counted input tokens in, or says when to come back.
    pub(super) fn admit(
        &self,
        model: &Model,
        input: u32,
        now: Instant,
        epoch: &Epoch,
    ) -> Result<Headers, Refused> {
        self.with(model, now, |class| match class.refusal(input, now) {
            None => {
                class.requests.take(1.0, now);
                class.input.take(f64::from(input), now);
                Ok(class.headers(now, epoch))
            }
            Some((what, limit, wait)) => Err(Refused {
                error: ApiError::rate_limited(format!(
                    "This request would exceed your organization's rate limit of {} {what} per minute (org: {ORGANIZATION}, model: {}). For details, refer to: https://platform.claude.com/docs/en/api/rate-limits.",
                    grouped(limit), model.id
                )),
                retry_after: whole_seconds(wait),
                headers: class.headers(now, epoch),
            }),
        })
    }

    /// Counts tokens that have been produced.
    pub(super) fn produced(&self, model: &Model, output: u32, now: Instant) {
        self.with(model, now, |class| {
            class.output.take(f64::from(output), now);
        });
    }

    pub(super) fn reset(&self) {
        self.classes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn with<T>(&self, model: &Model, now: Instant, act: impl FnOnce(&mut Class) -> T) -> T {
        let mut classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        let class = classes
            .entry(model.class)
            .or_insert_with(|| Class::new(self.limits.of(model.class), now));
        act(class)
    }
}

impl Class {
    fn new(limits: ClassLimits, now: Instant) -> Self {
        let bucket = |per_minute| Bucket::new(per_minute, limits.burst, now);
        Self {
            limits,
            requests: bucket(limits.requests_per_minute),
            input: bucket(limits.input_tokens_per_minute),
            output: bucket(limits.output_tokens_per_minute),
        }
    }

    /// The limit that stands longest in the way, if one does.
    fn refusal(&mut self, input: u32, now: Instant) -> Option<(&'static str, u32, Duration)> {
        let limits = self.limits;
        let waits = [
            (
                "requests",
                limits.requests_per_minute,
                self.requests.wait_for(1.0, now),
            ),
            (
                "input tokens",
                limits.input_tokens_per_minute,
                self.wait_for_input(input, now),
            ),
            (
                "output tokens",
                limits.output_tokens_per_minute,
                self.output.wait_for(1.0, now),
            ),
        ];
        waits
            .into_iter()
            .max_by_key(|(_, _, wait)| *wait)
            .filter(|(_, _, wait)| !wait.is_zero())
    }

    /// More than a minute's worth never passes, whatever is left; the API names a wait all the same.
    fn wait_for_input(&mut self, input: u32, now: Instant) -> Duration {
        if input > self.limits.input_tokens_per_minute {
            return Duration::from_mins(1);
        }
        self.input.wait_for(f64::from(input), now)
    }

    fn headers(&mut self, now: Instant, epoch: &Epoch) -> Headers {
        let limits = self.limits;
        let (input, output) = (self.input.level(now), self.output.level(now));
        let (input_full, output_full) = (self.input.full_in(now), self.output.full_in(now));
        let reset = |wait: Duration| {
            let full = now.checked_add(wait).unwrap_or(now);
            rfc3339_seconds(epoch.wall_at(full))
        };
        let tokens = limits
            .input_tokens_per_minute
            .saturating_add(limits.output_tokens_per_minute);
        vec![
            (
                "anthropic-ratelimit-requests-limit",
                limits.requests_per_minute.to_string(),
            ),
            (
                "anthropic-ratelimit-requests-remaining",
                whole(self.requests.level(now)).to_string(),
            ),
            (
                "anthropic-ratelimit-requests-reset",
                reset(self.requests.full_in(now)),
            ),
            (
                "anthropic-ratelimit-input-tokens-limit",
                limits.input_tokens_per_minute.to_string(),
            ),
            (
                "anthropic-ratelimit-input-tokens-remaining",
                thousands(input),
            ),
            ("anthropic-ratelimit-input-tokens-reset", reset(input_full)),
            (
                "anthropic-ratelimit-output-tokens-limit",
                limits.output_tokens_per_minute.to_string(),
            ),
            (
                "anthropic-ratelimit-output-tokens-remaining",
                thousands(output),
            ),
            (
                "anthropic-ratelimit-output-tokens-reset",
                reset(output_full),
            ),
            ("anthropic-ratelimit-tokens-limit", tokens.to_string()),
            (
                "anthropic-ratelimit-tokens-remaining",
                // A debt of one kind must not hide what is left of the other.
                thousands(input.max(0.0) + output.max(0.0)),
            ),
            (
                "anthropic-ratelimit-tokens-reset",
                reset(input_full.max(output_full)),
            ),
        ]
    }
}

/// Rounded to the nearest thousand, as the API rounds what is left.
fn thousands(tokens: f64) -> String {
    let rounded = (tokens.max(0.0) / 1000.0).round() * 1000.0;
    whole(rounded).to_string()
}

/// Whole seconds that are enough, at least one: the header has no parts of a second.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::models;
    use super::*;

    fn limiter(requests: u32, input: u32, output: u32) -> Limiter {
        Limiter::new(RateLimits::same_for_all(ClassLimits {
            requests_per_minute: requests,
            input_tokens_per_minute: input,
            output_tokens_per_minute: output,
            burst: Duration::from_mins(1),
        }))
    }

    fn model(name: &str) -> &'static Model {
        models::find(name).unwrap()
    }

    fn header<'a>(headers: &'a Headers, name: &str) -> &'a str {
        let name = format!("anthropic-ratelimit-{name}");
        &headers.iter().find(|(key, _)| *key == name).unwrap().1
    }

    #[test]
    fn a_retry_after_is_true() {
        let (limiter, epoch, start) = (limiter(2, 60_000, 60_000), Epoch::begin(), Instant::now());
        let opus = model("claude-opus-5");
        for _ in 0..2 {
            limiter.admit(opus, 10, start, &epoch).unwrap();
        }
        let refused = limiter.admit(opus, 10, start, &epoch).unwrap_err();
        assert_eq!(refused.retry_after, 30);
        assert!(refused.error.message.contains("2 requests per minute"));
        let then = start + Duration::from_secs(refused.retry_after);
        assert!(limiter.admit(opus, 10, then, &epoch).is_ok());
    }

    #[test]
    fn input_is_counted_on_entry_and_output_when_produced() {
        let (limiter, epoch, start) =
            (limiter(1000, 60_000, 6_000), Epoch::begin(), Instant::now());
        let opus = model("claude-opus-5");
        let headers = limiter.admit(opus, 29_600, start, &epoch).unwrap();
        assert_eq!(header(&headers, "input-tokens-remaining"), "30000");
        assert_eq!(header(&headers, "output-tokens-remaining"), "6000");
        assert_eq!(header(&headers, "tokens-limit"), "66000");
        limiter.produced(opus, 6_100, start);
        let refused = limiter.admit(opus, 1, start, &epoch).unwrap_err();
        assert!(refused.error.message.contains("6,000 output tokens"));
        assert_eq!(refused.retry_after, 2);
    }

    #[test]
    fn a_request_larger_than_a_minutes_worth_never_passes() {
        let (limiter, epoch, start) = (limiter(50, 30_000, 8_000), Epoch::begin(), Instant::now());
        let opus = model("claude-opus-5");
        for minute in 0..5 {
            let now = start + Duration::from_mins(minute);
            let refused = limiter.admit(opus, 30_001, now, &epoch).unwrap_err();
            assert_eq!(refused.retry_after, 60);
            assert_eq!(
                header(&refused.headers, "input-tokens-remaining"),
                "30000",
                "a refusal takes nothing"
            );
        }
        assert!(limiter.admit(opus, 30_000, start, &epoch).is_ok());
    }

    #[test]
    fn classes_have_buckets_of_their_own_and_models_of_a_class_share() {
        let (limiter, epoch, start) = (limiter(1, 1000, 1000), Epoch::begin(), Instant::now());
        let admit = |name| limiter.admit(model(name), 1, start, &epoch).is_ok();
        assert!(admit("claude-opus-4-6"));
        assert!(!admit("claude-opus-4-7"));
        assert!(admit("claude-opus-5"));
    }

    #[test]
    fn numbers_are_written_as_the_api_writes_them() {
        assert_eq!(grouped(30_000), "30,000");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(2_000_000), "2,000,000");
        assert_eq!(thousands(1_499.0), "1000");
        assert_eq!(thousands(-5.0), "0");
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_millis(2_001)), 3);
    }
}

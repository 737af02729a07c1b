//! Whom a refusal for a limit concerns: one request, or all that share the limit.
//!
//! A refusal pauses everybody only where it says so: nothing is left, the API itself names the wait
//! beside its limits, or too much is open. One without such words (a gateway's, mostly) is first its
//! own job's wait, as long as others pass; when several come and nothing passes, it is everybody's.
//! A request that is larger than the limit never passes, and says nothing of the others. Pure.

use std::collections::HashSet;

use super::rate_budget::Demand;
use crate::model::{ErrorClass, JobId, Limit, RateLimits, thousands};

/// This many different jobs refused in a row are several,
const SEVERAL: u32 = 4;
/// where they are at least this part of what is open: refusals are quick, so some of them come before
/// the answers of many that passed.
const PART_OF_OPEN: u32 = 3;
/// A request that is this many times the limit in our estimate is larger than it in truth.
const SURELY_LARGER: f64 = 1.25;
/// Refusals after which a request that is larger than its limit has failed.
pub const TOO_LARGE_TRIES: u32 = 3;

/// Whom a refusal concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concerns {
    /// The job that was refused.
    Job,
    /// Every job that shares its limits.
    All,
}

/// A refusal for a limit.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// Whose request it was.
    pub job: JobId,
    /// How it was worded.
    pub class: ErrorClass,
    /// It named a time to wait.
    pub hinted: bool,
    /// What it told of the limits.
    pub limits: &'a RateLimits,
    /// The request is larger than its limit.
    pub too_large: bool,
    /// Other requests on the wire.
    pub open: u32,
}

/// The refusals of one class of models since something passed.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    in_row: HashSet<JobId>,
    /// Something passed since all were paused last.
    passed: bool,
}

impl Refusals {
    /// A request passed.
    pub fn passed(&mut self) {
        self.in_row.clear();
        self.passed = true;
    }

    /// A request was refused. Tells whom that concerns.
    pub fn refused(&mut self, refusal: &Refusal<'_>) -> Concerns {
        if refusal.too_large {
            return Concerns::Job;
        }
        self.in_row.insert(refusal.job);
        let concerns = self.judge(refusal);
        if concerns == Concerns::All {
            self.passed = false;
        }
        concerns
    }

    fn judge(&self, refusal: &Refusal<'_>) -> Concerns {
        let told = told(refusal.limits);
        let nothing_left = told.iter().flatten().any(|limit| limit.remaining == 0);
        let in_the_apis_own_shape = refusal.hinted && told.iter().any(Option::is_some);
        let too_much_is_open = matches!(
            refusal.class,
            ErrorClass::ConcurrencyLimited | ErrorClass::AccelerationLimited
        );
        let alone = refusal.open == 0 && !self.passed;
        let in_row = u32::try_from(self.in_row.len()).unwrap_or(u32::MAX);
        let several = in_row >= SEVERAL.max(refusal.open / PART_OF_OPEN);
        if nothing_left || in_the_apis_own_shape || too_much_is_open || alone || several {
            Concerns::All
        } else {
            Concerns::Job
        }
    }
}

/// A request that no wait lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Its input tokens, in our estimate.
    pub tokens: u64,
    /// Input tokens per minute.
    pub limit: u64,
}

impl TooLarge {
    /// What is said of it: how large it is, and what is allowed.
    #[must_use]
    pub fn words(self) -> String {
        format!(
            "about {} tokens; your limit is {} a minute",
            thousands(rounded(self.tokens)),
            thousands(self.limit)
        )
    }
}

/// Whether a request with that need is larger than its limit without doubt.
#[must_use]
pub fn surely_too_large(want: Demand, limit: Option<u64>) -> Option<TooLarge> {
    let limit = limit?;
    (as_float(want.input) >= SURELY_LARGER * as_float(limit)).then_some(TooLarge {
        tokens: want.input,
        limit,
    })
}

/// Whether a refusal shows that its request is larger than the limit: nearly all was left, and in our
/// estimate it wants most of that.
#[must_use]
pub fn refused_though_full(want: Demand, limits: &RateLimits) -> Option<TooLarge> {
    let input = limits.input_tokens?;
    let is_full = |limit: &Limit| limit.remaining >= limit.limit / 10 * 9 && limit.remaining > 0;
    let full = told(limits).iter().flatten().all(is_full);
    // What the server counts is more than it had, whatever we took it for.
    let tokens = want.input.max(input.remaining + 1);
    (full && want.input > input.limit / 2).then_some(TooLarge {
        tokens,
        limit: input.limit,
    })
}

fn told(limits: &RateLimits) -> [Option<Limit>; 3] {
    [limits.requests, limits.input_tokens, limits.output_tokens]
}

/// An estimate is no more exact than this.
fn rounded(tokens: u64) -> u64 {
    let step = 10_u64.pow(tokens.max(1).ilog10().saturating_sub(1));
    tokens.saturating_add(step / 2) / step * step
}

#[expect(
    clippy::cast_precision_loss,
    reason = "token counts are far below 2^53, where floating point is exact"
)]
fn as_float(tokens: u64) -> f64 {
    tokens as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: RateLimits = RateLimits {
        requests: None,
        input_tokens: None,
        output_tokens: None,
    };

    fn limit(limit: u64, remaining: u64) -> Limit {
        Limit {
            limit,
            remaining,
            full_at: None,
        }
    }

    fn refusal(job: i64, open: u32) -> Refusal<'static> {
        Refusal {
            job: JobId(job),
            class: ErrorClass::RateLimited,
            hinted: false,
            limits: &NONE,
            too_large: false,
            open,
        }
    }

    #[test]
    fn one_refusal_without_words_is_its_own_jobs_while_others_pass() {
        let mut refusals = Refusals::default();
        for job in 0..100 {
            refusals.passed();
            assert_eq!(refusals.refused(&refusal(job, 9)), Concerns::Job);
        }
        assert_eq!(
            Refusals::default().refused(&refusal(1, 63)),
            Concerns::Job,
            "what passes has not been answered yet"
        );
        assert_eq!(
            Refusals::default().refused(&refusal(1, 0)),
            Concerns::All,
            "nothing is known to pass"
        );
    }

    #[test]
    fn several_in_a_row_are_everybodys_until_something_passes() {
        let mut refusals = Refusals::default();
        refusals.passed();
        let seen: Vec<_> = (0..6)
            .map(|job| refusals.refused(&refusal(job, 3)))
            .collect();
        assert_eq!(seen[..3], [Concerns::Job; 3]);
        assert_eq!(seen[3..], [Concerns::All; 3]);
        refusals.passed();
        assert_eq!(refusals.refused(&refusal(9, 3)), Concerns::Job);
    }

    #[test]
    fn the_first_few_of_a_large_volley_are_not_several() {
        let mut refusals = Refusals::default();
        for job in 0..19 {
            assert_eq!(refusals.refused(&refusal(job, 60)), Concerns::Job);
        }
        assert_eq!(refusals.refused(&refusal(19, 60)), Concerns::All);
    }

    #[test]
    fn one_job_alone_is_never_several() {
        let mut refusals = Refusals::default();
        refusals.passed();
        for _ in 0..20 {
            assert_eq!(refusals.refused(&refusal(1, 3)), Concerns::Job);
        }
    }

    #[test]
    fn words_that_speak_of_all_are_believed_at_once() {
        let spent = RateLimits {
            output_tokens: Some(limit(90_000, 0)),
            ..NONE
        };
        let told = RateLimits {
            requests: Some(limit(50, 49)),
            ..NONE
        };
        let cases = [
            (&spent, false, ErrorClass::RateLimited, Concerns::All),
            (&told, true, ErrorClass::RateLimited, Concerns::All),
            (&told, false, ErrorClass::RateLimited, Concerns::Job),
            (&NONE, true, ErrorClass::RateLimited, Concerns::Job),
            (&NONE, false, ErrorClass::ConcurrencyLimited, Concerns::All),
            (&NONE, false, ErrorClass::AccelerationLimited, Concerns::All),
        ];
        for (limits, hinted, class, expected) in cases {
            let mut refusals = Refusals::default();
            refusals.passed();
            let refusal = Refusal {
                class,
                hinted,
                limits,
                ..refusal(1, 9)
            };
            assert_eq!(
                refusals.refused(&refusal),
                expected,
                "{class} {hinted} {limits:?}"
            );
        }
    }

    #[test]
    fn a_request_larger_than_the_limit_concerns_nobody_else() {
        let spent = RateLimits {
            input_tokens: Some(limit(30_000, 0)),
            ..NONE
        };
        let mut refusals = Refusals::default();
        for job in 0..20 {
            let refusal = Refusal {
                too_large: true,
                hinted: true,
                limits: &spent,
                ..refusal(job, 0)
            };
            assert_eq!(refusals.refused(&refusal), Concerns::Job);
        }
    }

    #[test]
    fn a_request_is_too_large_by_our_estimate_or_when_it_is_refused_though_all_was_left() {
        let want = |input| Demand { input, output: 9 };
        let sure = |input| surely_too_large(want(input), Some(30_000)).is_some();
        assert_eq!([37_499, 37_500].map(sure), [false, true]);
        assert_eq!(surely_too_large(want(u64::MAX), None), None);
        let refused = |input, left| {
            let limits = RateLimits {
                input_tokens: Some(limit(30_000, left)),
                requests: Some(limit(50, 50)),
                ..NONE
            };
            refused_though_full(want(input), &limits)
        };
        assert_eq!(refused(28_000, 26_000), None, "not all was left");
        assert_eq!(refused(9_000, 30_000), None, "something else refused it");
        let seen = refused(28_000, 30_000).unwrap();
        assert_eq!(
            seen.words(),
            "about 30,000 tokens; your limit is 30,000 a minute"
        );
    }

    #[test]
    fn the_words_name_both_sizes() {
        let seen = TooLarge {
            tokens: 56_123,
            limit: 30_000,
        };
        assert_eq!(
            seen.words(),
            "about 56,000 tokens; your limit is 30,000 a minute"
        );
        assert_eq!([0, 7, 99, 149, 155].map(rounded), [0, 7, 99, 150, 160]);
    }
}

//! Whom a refusal for a limit concerns: one request, or all that share the limit.
//!
//! A refusal pauses everybody only where it says so: nothing is left, the API itself names the wait
//! beside its limits, or too much is open. One without such words (a gateway's, mostly) is first its
//! own job's wait, as long as others pass; when several come and nothing passes, it is everybody's.
//! What outlasts a request that was refused has passed, since a refusal comes at once.
//! A request that is larger than the limit never passes, and says nothing of the others. Pure.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::rate_budget::Demand;
use crate::model::{ErrorClass, JobId, Limit, RateLimits, thousands};

/// At least as many different jobs refused in a row are several,
const SEVERAL: u32 = 4;
/// and so many that chance makes such a row less often than this, where a share of all is refused anyway,
const ROW_BY_CHANCE: f64 = 1e-4;
/// which is at least taken to be this much,
const LEAST_SHARE: f64 = 0.1;
/// and at most this much: a longer row is never waited for.
const MOST_SHARE: f64 = 0.5;
/// The share is the mean of about as many answers.
const SHARE_OVER: f64 = 50.0;
/// They are also more than this many times those that left among them and are open still.
const MORE_THAN_OPEN: usize = 2;
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
}

/// The refusals of one class of models since something passed.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    in_row: HashSet<JobId>,
    /// When the first of them had left.
    row_from: Option<u64>,
    /// Requests on the wire, by the order in which they left.
    on_wire: HashMap<JobId, u64>,
    sent: u64,
    /// The part of all answers that is refused by chance.
    share: f64,
    /// Something passed since all were paused last.
    passed: bool,
}

impl Refusals {
    /// A request leaves.
    pub fn sent(&mut self, job: JobId) {
        self.sent += 1;
        self.on_wire.insert(job, self.sent);
    }

    /// A request is off the wire, and says nothing.
    pub fn ended(&mut self, job: JobId) {
        self.on_wire.remove(&job);
    }

    /// A request passed.
    pub fn passed(&mut self, job: JobId) {
        self.ended(job);
        self.row_from = None;
        // What paused all was no chance, so it is no part of what is refused by chance.
        let by_chance = if self.passed { self.in_row.len() } else { 0 };
        for _ in 0..by_chance {
            self.share += (1.0 - self.share) / SHARE_OVER;
        }
        self.in_row.clear();
        self.share -= self.share / SHARE_OVER;
        self.passed = true;
    }

    /// How many refusals in a row say something of all.
    fn several(&self) -> u32 {
        let share = self.share.clamp(LEAST_SHARE, MOST_SHARE);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 4 and 14"
        )]
        let by_chance = (ROW_BY_CHANCE.ln() / share.ln()).ceil() as u32;
        SEVERAL.max(by_chance)
    }

    /// A request was refused. Tells whom that concerns.
    pub fn refused(&mut self, refusal: &Refusal<'_>) -> Concerns {
        let left = self.on_wire.remove(&refusal.job).unwrap_or(self.sent);
        if refusal.too_large {
            return Concerns::Job;
        }
        self.in_row.insert(refusal.job);
        let from = self.row_from.map_or(left, |from| from.min(left));
        self.row_from = Some(from);
        let concerns = self.judge(refusal, from..left);
        if concerns == Concerns::All {
            self.passed = false;
        }
        concerns
    }

    fn judge(&self, refusal: &Refusal<'_>, row: Range<u64>) -> Concerns {
        let told = told(refusal.limits);
        let nothing_left = told.iter().flatten().any(|limit| limit.remaining == 0);
        let in_the_apis_own_shape = refusal.hinted && told.iter().any(Option::is_some);
        let too_much_is_open = matches!(
            refusal.class,
            ErrorClass::ConcurrencyLimited | ErrorClass::AccelerationLimited
        );
        let alone = self.on_wire.is_empty() && !self.passed;
        let is_among_them = |left: &&u64| row.contains(left);
        let outlast_them = self.on_wire.values().filter(is_among_them).count();
        let in_row = u32::try_from(self.in_row.len()).unwrap_or(u32::MAX);
        let several = in_row >= self.several() && self.in_row.len() > outlast_them * MORE_THAN_OPEN;
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

    fn refusal(job: i64) -> Refusal<'static> {
        Refusal {
            job: JobId(job),
            class: ErrorClass::RateLimited,
            hinted: false,
            limits: &NONE,
            too_large: false,
        }
    }

    /// A request of each of these jobs is on the wire.
    fn on_wire(jobs: impl IntoIterator<Item = i64>) -> Refusals {
        let mut refusals = Refusals::default();
        jobs.into_iter().for_each(|job| refusals.sent(JobId(job)));
        refusals
    }

    #[test]
    fn one_refusal_without_words_is_its_own_jobs_while_others_pass() {
        let mut refusals = on_wire(0..200);
        for job in 0..100 {
            refusals.passed(JobId(100 + job));
            assert_eq!(refusals.refused(&refusal(job)), Concerns::Job);
        }
        assert_eq!(
            on_wire([1, 2]).refused(&refusal(1)),
            Concerns::Job,
            "what passes has not been answered yet"
        );
        assert_eq!(
            on_wire([1]).refused(&refusal(1)),
            Concerns::All,
            "nothing is known to pass"
        );
    }

    #[test]
    fn several_in_a_row_are_everybodys_until_something_passes() {
        let mut refusals = on_wire(0..20);
        refusals.passed(JobId(0));
        let mut seen = Vec::new();
        for job in 1..7 {
            seen.push(refusals.refused(&refusal(job)));
        }
        assert_eq!(seen[..3], [Concerns::Job; 3]);
        assert_eq!(seen[3..], [Concerns::All; 3]);
        refusals.passed(JobId(19));
        assert_eq!(refusals.refused(&refusal(9)), Concerns::Job);
    }

    /// 64 at once of which a third is refused at once: the others take their time, and so have passed.
    #[test]
    fn refusals_among_requests_that_outlast_them_are_not_several() {
        let mut refusals = on_wire(0..64);
        for job in (0..64).step_by(3) {
            assert_eq!(refusals.refused(&refusal(job)), Concerns::Job);
        }
        refusals.passed(JobId(1));
        // What had left before the limit was reached says nothing of those after it.
        (100..104).for_each(|job| refusals.sent(JobId(job)));
        let seen: Vec<_> = (100..104)
            .map(|job| refusals.refused(&refusal(job)))
            .collect();
        assert_eq!(seen[..3], [Concerns::Job; 3]);
        assert_eq!(seen[3], Concerns::All);
    }

    /// Where most is refused for no reason, a row of five is nothing strange.
    #[test]
    fn the_more_is_refused_anyway_the_longer_is_a_row_that_says_something() {
        let row_after = |refused_of_ten: i64| {
            let mut refusals = Refusals::default();
            for job in 0..400 {
                refusals.sent(JobId(job));
                if job % 10 < refused_of_ten {
                    refusals.refused(&refusal(job));
                } else {
                    refusals.passed(JobId(job));
                }
            }
            refusals.sent(JobId(999));
            let row = (1_000..1_050).find(|job| {
                refusals.sent(JobId(*job));
                refusals.refused(&refusal(*job)) == Concerns::All
            });
            row.unwrap() - 999
        };
        assert_eq!(row_after(0), 4);
        assert!((6..=9).contains(&row_after(3)), "{}", row_after(3));
    }

    #[test]
    fn one_job_alone_is_never_several() {
        let mut refusals = on_wire(0..5);
        refusals.passed(JobId(0));
        for _ in 0..20 {
            assert_eq!(refusals.refused(&refusal(1)), Concerns::Job);
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
            let mut refusals = on_wire(0..10);
            refusals.passed(JobId(0));
            let refusal = Refusal {
                class,
                hinted,
                limits,
                ..refusal(1)
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
                ..refusal(job)
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

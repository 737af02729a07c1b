//! Who goes first when there is not room for all.

use std::sync::Arc;

use super::*;
use crate::engine::batches::testing::{claimed, settings, start};
use crate::engine::budget::BudgetRule;
use crate::engine::settings::BatchOptions;
use crate::model::{Lane, Pico, RequestBody};
use crate::policy::{Ceilings, at_most};

fn job(id: i64) -> ClaimedJob {
    claimed(id, start())
}

struct Bench {
    throttle: Throttle,
    budget: RunBudget,
}

impl Bench {
    /// With jobs of so many tokens, from 1 on, and a ceiling of 1,000 tokens a minute.
    fn new(tokens: &[f64]) -> Self {
        let mut settings = settings(BatchOptions::default());
        settings.limits.ceilings = Ceilings {
            itpm: Some(1_000),
            ..Ceilings::default()
        };
        let mut throttle = Throttle::new(&settings.limits, 64, start());
        let jobs: Vec<_> = (1..).zip(tokens).map(|(id, _)| job(id)).collect();
        let prompt = |tokens: &f64| Prompt {
            tokens: *tokens,
            ..Prompt::default()
        };
        throttle.claimed(&jobs, tokens.iter().map(prompt).collect());
        let (rule, prices) = (BudgetRule::default(), Arc::clone(&settings.prices));
        Self {
            throttle,
            budget: RunBudget::new(None, rule, Pico::ZERO, prices),
        }
    }

    fn verdict(&mut self, id: i64, now: Timestamp) -> Verdict {
        let budget = &mut self.budget;
        self.throttle.verdict(&job(id), None, budget, now)
    }

    fn start(&mut self, id: i64, now: Timestamp) {
        self.throttle.started(&job(id), now, &mut Rng::with_seed(1));
    }

    /// Sends the first job, which leaves no room for the second.
    fn with_one_first_in_line() -> Self {
        let mut bench = Self::new(&[600.0, 600.0, 20.0]);
        assert_eq!(bench.verdict(1, start()), Verdict::Go);
        bench.start(1, start());
        assert_eq!(bench.verdict(2, start()), Verdict::Wait);
        bench
    }
}

#[test]
fn a_small_job_does_not_overtake_a_large_one_that_waits_for_room() {
    let mut bench = Bench::with_one_first_in_line();
    assert_eq!(bench.verdict(3, start()), Verdict::Pass);
    let room = bench.throttle.wakes_at().next().unwrap();
    assert_eq!(bench.verdict(2, room), Verdict::Go);
    bench.start(2, room);
    assert_ne!(bench.verdict(3, room), Verdict::Pass, "nobody is before it");
}

#[test]
fn whoever_is_given_back_is_first_in_line_no_more() {
    let mut bench = Bench::with_one_first_in_line();
    bench.throttle.released(JobId(2));
    assert_ne!(bench.verdict(3, start()), Verdict::Pass);
}

#[test]
fn a_cheap_job_does_not_overtake_a_dear_one_that_waits_for_money() {
    let mut bench = Bench::new(&[]);
    let body = |max_tokens: u32| {
        let (model, messages) = (job(1).model, r#"[{"role":"user","content":"Hi"}]"#);
        RequestBody::from_json(format!(
            r#"{{"model":"{model}","max_tokens":{max_tokens},"messages":{messages}}}"#
        ))
    };
    let prompts = [900, 900, 1].map(|max_tokens| Prompt::read_with_bounds(&body(max_tokens)));
    let prices = settings(BatchOptions::default()).prices;
    let bounds = prompts[0].bounds.as_deref().unwrap();
    let way = (Lane::Live, start());
    let dear = at_most(&prices, &job(1).model, bounds, way, None).unwrap();
    let enough_for_one = Some(Pico(dear.0 * 3 / 2));
    bench.budget = RunBudget::new(enough_for_one, BudgetRule::default(), Pico::ZERO, prices);
    let jobs = [job(1), job(2), job(3)];
    bench.throttle.claimed(&jobs, prompts.to_vec());
    assert_eq!(bench.verdict(1, start()), Verdict::Go);
    bench.start(1, start());
    bench.budget.started(JobId(1));
    assert_eq!(bench.verdict(2, start()), Verdict::Wait);
    assert_eq!(bench.verdict(3, start()), Verdict::Pass);
}

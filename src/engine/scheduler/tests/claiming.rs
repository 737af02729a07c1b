//! How much is claimed, and of which queues.

use super::*;
use crate::policy::Prompt;

/// Bytes of a large body, and of all that may be open.
const HEAVY: u64 = 10 << 20;
const ALL: u64 = 64 << 20;

fn heavy(model: &str, job: i64) -> ClaimedJob {
    let length = usize::try_from(HEAVY).unwrap();
    ClaimedJob {
        body: RequestBody::from_json(" ".repeat(length)),
        ..claimed(model, job, start())
    }
}

struct Bench {
    scheduler: Scheduler,
    budget: RunBudget,
}

impl Bench {
    fn new(concurrency: u32, queues: Vec<QueueLoad>) -> Self {
        let mut settings = testing::settings(BatchOptions::default());
        settings.concurrency = concurrency;
        let scheduler = Scheduler::new(&run(), &settings, snapshot(queues), start());
        let (rule, prices) = (BudgetRule::default(), settings.prices);
        Self {
            scheduler,
            budget: RunBudget::new(None, rule, Pico::ZERO, prices),
        }
    }

    fn plan(&mut self) -> Vec<Effect> {
        let mut rng = Rng::with_seed(1);
        self.scheduler.plan(&mut self.budget, start(), &mut rng)
    }

    /// The models and the most bytes of what the next plan claims.
    fn claims(&mut self) -> Vec<(String, u64)> {
        let claims = self.plan().into_iter().filter_map(|effect| match effect {
            Effect::Claim(claim) => Some((claim.model, claim.max_bytes)),
            _ => None,
        });
        claims.collect()
    }

    fn claimed(&mut self, model: &str, jobs: Vec<ClaimedJob>, more: bool) {
        let prompts = vec![Prompt::default(); jobs.len()];
        let next_due = None;
        let claimed = Claimed {
            jobs,
            next_due,
            more,
        };
        self.scheduler.on_claimed(model, claimed, prompts);
    }
}

#[test]
fn a_body_counts_from_its_claim_until_it_is_off_the_wire_or_given_back() {
    let mut bench = Bench::new(1, vec![load(0, 9)]);
    assert_eq!(bench.claims(), [("model-0".to_owned(), ALL)]);
    let (sent, waits) = (heavy("model-0", 1), heavy("model-0", 2));
    bench.claimed("model-0", vec![sent.clone(), waits], true);
    assert_eq!(bench.plan(), [Effect::Start(sent.clone())]);
    assert_eq!(bench.scheduler.open_bytes, 2 * HEAVY);
    bench.scheduler.on_abandoned(&sent, start());
    assert_eq!(bench.scheduler.open_bytes, HEAVY);
    bench.scheduler.on_stop(Stop::Drain);
    let effects = bench.plan();
    assert!(matches!(effects[..], [Effect::Release(_)]), "{effects:?}");
    assert_eq!(bench.scheduler.open_bytes, 0);
}

#[test]
fn queues_share_the_bytes_that_may_be_open() {
    let mut bench = Bench::new(4, vec![load(0, 9), load(1, 9)]);
    let half = |of: u64| ["model-0", "model-1"].map(|model| (model.to_owned(), of / 2));
    assert_eq!(bench.claims(), half(ALL));
    bench.claimed("model-0", vec![heavy("model-0", 1)], true);
    bench.claimed("model-1", vec![heavy("model-1", 2)], true);
    assert_eq!(bench.claims(), half(ALL - 2 * HEAVY));
}

/// No plan looks at all of them, so each goes on where the one before it ended.
#[test]
fn a_queue_is_claimed_of_behind_two_hundred_whose_limit_is_used_up() {
    let dated = |n: usize| format!("claude-haiku-4-5-{}", 20_250_000 + n);
    let mut queues: Vec<_> = (0..200).map(|n| load(n, 5)).collect();
    for (n, queue) in queues.iter_mut().enumerate() {
        queue.model = dated(n);
    }
    queues.push(load(1, 5));
    let mut bench = Bench::new(2, queues);
    for (model, _) in bench.claims() {
        let jobs = (model == dated(0)).then(|| claimed(&model, 1, start()));
        bench.claimed(&model, jobs.into_iter().collect(), false);
    }
    // One request of the whole class goes first, and is long under way.
    let throttle = bench.scheduler.throttles.to(Endpoint::First);
    throttle.paused(&dated(0), true);
    let plans: Vec<_> = (0..5).flat_map(|_| bench.claims()).collect();
    let models: Vec<_> = plans.iter().map(|(model, _)| model.as_str()).collect();
    assert_eq!(models, ["model-1"]);
}

#[test]
fn at_most_twice_the_concurrency_is_open_while_the_store_records_nothing() {
    let mut bench = Bench::new(4, vec![load(0, 100)]);
    for _ in 0..20 {
        for effect in bench.plan() {
            match effect {
                Effect::Claim(claim) => {
                    let ids = 1..=i64::from(claim.max_jobs);
                    let jobs = ids.map(|id| claimed("model-0", id, start())).collect();
                    bench.claimed("model-0", jobs, true);
                }
                Effect::Start(job) => bench.scheduler.on_abandoned(&job, start()),
                other => panic!("{other:?}"),
            }
        }
        let open = bench.scheduler.open();
        assert!(open <= 8, "{open}");
    }
    assert_eq!(bench.scheduler.open(), 8);
}

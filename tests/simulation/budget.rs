//! A run with a budget: it stops before it costs more, and goes on with more.

use std::sync::Arc;

use claude_run::engine::{Ending, LimitSettings};
use claude_run::model::{ErrorClass, HaltReason, Pico};
use fastrand::Rng;

use crate::metered::{Metered, Service};
use crate::world::{Plan, World};

/// About a dollar and a half for every thousand of these.
fn body(line: u64, model: &str) -> String {
    let mut rng = Rng::with_seed(line);
    // Most answers are short, and some are ten times as long.
    let output = if rng.u32(0..20) == 0 {
        1_500
    } else {
        rng.u64(50..300)
    };
    let words = "a plain prompt of words ".repeat(rng.usize(10..120));
    format!(
        r#"{{"model":"{model}","id":"id-{line}","max_tokens":4096,"output":{output},"messages":[{{"role":"user","content":"{words}"}}]}}"#,
    )
}

fn plan(seed: u64, jobs: u64, budget: Pico) -> Plan {
    let limits = LimitSettings {
        budget: Some(budget),
        ..LimitSettings::default()
    };
    World::new(seed)
        .jobs(jobs)
        .concurrency(500)
        .bodies(body)
        .limits(limits)
}

fn service(seed: u64) -> Arc<Metered> {
    Arc::new(Metered::new(Service {
        rpm: 60_000,
        itpm: 60_000_000,
        otpm: 60_000_000,
        seed,
        ..Service::default()
    }))
}

fn percent(part: Pico, of: Pico) -> i128 {
    part.0 * 100 / of.0
}

#[test]
fn a_third_of_the_money_buys_a_third_of_the_run_and_the_rest_follows_with_more() {
    for seed in crate::world::seeds(1) {
        let mut whole = Pico::ZERO;
        plan(seed, 2_000, Pico(1_000 * Pico::USD.0)).block_on(async |world| {
            assert_eq!(world.dispatch_to(&service(seed)).await, Ending::Completed);
            whole = world.run().await.cost;
        });
        let budget = Pico(whole.0 / 3);
        plan(seed, 2_000, budget).block_on(async |world| {
            let service = service(seed);
            let Ending::Halted(halt) = world.dispatch_to(&service).await else {
                panic!("seed {seed}: it did not halt");
            };
            assert_eq!(halt.class, ErrorClass::SpendLimit);
            assert!((halt.reason == HaltReason::OwnBudget), "{}", halt.message);
            let run = world.run().await;
            let part = percent(run.cost, budget);
            assert!(
                (95..=100).contains(&part),
                "seed {seed}: {} of {budget}",
                run.cost
            );
            assert_eq!(run.jobs.in_flight, 0, "seed {seed}");
            assert_eq!(world.budget_warnings(), [75, 90], "seed {seed}");
            // Without more money nothing is sent.
            let seen = service.seen().len();
            assert!(matches!(
                world.dispatch_to(&service).await,
                Ending::Halted(_)
            ));
            assert_eq!(service.seen().len(), seen, "seed {seed}");
            world.set_budget(Pico(whole.0 * 2));
            assert_eq!(world.dispatch_to(&service).await, Ending::Completed);
            assert_eq!(world.counts().await.succeeded, 2_000);
        });
    }
}

#[test]
fn a_cold_start_with_many_slots_stays_within_a_small_budget() {
    for seed in 0..3 {
        // The first answers are not known when hundreds of slots are free.
        let budget = Pico(Pico::USD.0 / 20);
        plan(seed, 500, budget).block_on(async |world| {
            let ending = world.dispatch_to(&service(seed)).await;
            assert!(matches!(ending, Ending::Halted(_)), "{ending:?}");
            let cost = world.run().await.cost;
            assert!(cost <= budget, "seed {seed}: {cost}");
        });
    }
}

#[test]
fn a_model_without_a_price_is_not_sent_under_a_budget() {
    let limits = LimitSettings {
        budget: Some(Pico::USD),
        ..LimitSettings::default()
    };
    let plan = World::new(1)
        .jobs_of("someone-elses", 3)
        .bodies(body)
        .limits(limits);
    plan.block_on(async |world| {
        let service = service(1);
        let Ending::Halted(halt) = world.dispatch_to(&service).await else {
            panic!("it did not halt");
        };
        assert!(halt.message.contains("`someone-elses`"), "{}", halt.message);
        assert!(service.seen().is_empty());
    });
}

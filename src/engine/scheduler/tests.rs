//! What outweighs what when a run is left, and what plans cost where there are many models.

mod claiming;
mod waking;

use std::collections::VecDeque;

use super::*;
use crate::engine::batches::testing::{self, run, start};
use crate::engine::budget::BudgetRule;
use crate::engine::outcome::outcome;
use crate::engine::settings::BatchOptions;
use crate::model::{AttemptId, JobHistory, JobId, Pico, RateLimits, RequestBody, Usage};
use crate::provider::{Message, Reply, Reserved};

fn snapshot(queues: Vec<QueueLoad>) -> RunSnapshot {
    RunSnapshot {
        cancel_requested: false,
        answered: true,
        queues,
        batch_jobs: 0,
    }
}

fn load(model: usize, queued: u64) -> QueueLoad {
    QueueLoad {
        model: format!("model-{model}"),
        queued,
        in_flight: 0,
        held: 0,
    }
}

fn scheduler(queues: Vec<QueueLoad>) -> (Scheduler, EngineSettings) {
    let settings = testing::settings(BatchOptions::default());
    let scheduler = Scheduler::new(&run(), &settings, snapshot(queues), start());
    (scheduler, settings)
}

/// A drain, a halt or a cancellation writes down how the run stands, and a store that does not work
/// cannot: the answers that it did not take are what the user must hear of.
#[test]
fn a_store_that_breaks_outweighs_every_other_reason_to_leave() {
    let halt = Halt::new(ErrorClass::Billing, "no credit".to_owned(), start());
    let canceled = RunSnapshot {
        cancel_requested: true,
        ..snapshot(Vec::new())
    };
    let reasons: [&dyn Fn(&mut Scheduler); 3] = [
        &|scheduler| scheduler.on_stop(Stop::Drain),
        &|scheduler| scheduler.on_halt(halt.clone()),
        &|scheduler| scheduler.on_snapshot(canceled.clone()),
    ];
    let breaks: [&dyn Fn(&mut Scheduler); 3] = [
        &|scheduler| scheduler.on_store_failed(),
        &|scheduler| scheduler.on_claim_failed("model-0"),
        &|scheduler| scheduler.on_record_failed(0),
    ];
    for reason in reasons {
        for breaks in breaks {
            let (mut scheduler, _) = scheduler(vec![load(0, 1)]);
            reason(&mut scheduler);
            assert_ne!(scheduler.leaving(), Some(&Leave::Broken));
            breaks(&mut scheduler);
            assert_eq!(scheduler.leaving(), Some(&Leave::Broken));
            reason(&mut scheduler);
            assert_eq!(scheduler.leaving(), Some(&Leave::Broken));
        }
    }
}

#[test]
fn the_first_of_two_reasons_to_leave_stands() {
    let (mut scheduler, _) = scheduler(vec![load(0, 1)]);
    scheduler.on_stop(Stop::Drain);
    scheduler.on_halt(Halt::new(
        ErrorClass::Billing,
        "no credit".to_owned(),
        start(),
    ));
    assert_eq!(scheduler.leaving(), Some(&Leave::Stopped));
}

fn claimed(model: &str, job: i64, now: Timestamp) -> ClaimedJob {
    ClaimedJob {
        attempt: AttemptId {
            job: JobId(job),
            n: 1,
        },
        custom_id: format!("j-{job}"),
        model: model.to_owned(),
        body: RequestBody::from_json("{}"),
        amendment: None,
        history: JobHistory::default(),
        last_class: None,
        last_message: None,
        started_at: now,
        first_started_at: now,
        previous_ended_at: None,
        endpoint: Endpoint::First,
    }
}

fn message() -> Reply {
    Reply {
        result: Ok(Message {
            raw: "{}".to_owned(),
            model: None,
            stop_reason: Some("end_turn".to_owned()),
            mark: None,
            usage: Usage::default(),
            request_id: None,
            note: None,
        }),
        limits: RateLimits::default(),
        latency: Duration::from_millis(100),
        reserved: Reserved::default(),
    }
}

/// What comes back to the scheduler.
enum Input {
    Claimed(String),
    Answered(ClaimedJob),
}

/// Drives a run with one job of each of so many models to its end, with a store and a provider that do
/// everything at once. Tells how many model queues were visited.
fn visits(models: usize) -> u64 {
    let (mut scheduler, settings) = scheduler((0..models).map(|model| load(model, 1)).collect());
    let (mut now, mut rng, mut jobs, mut done) = (start(), Rng::with_seed(1), 0, 0);
    let mut inputs = VecDeque::new();
    let prices = std::sync::Arc::clone(&settings.prices);
    let mut budget = RunBudget::new(None, BudgetRule::default(), Pico::ZERO, prices);
    loop {
        now = add(now, Duration::from_millis(1));
        for effect in scheduler.plan(&mut budget, now, &mut rng) {
            match effect {
                Effect::Claim(claim) => inputs.push_back(Input::Claimed(claim.model)),
                Effect::Start(job) => inputs.push_back(Input::Answered(job)),
                Effect::Snapshot => {
                    let empty = (0..models).map(|model| load(model, 0));
                    scheduler.on_snapshot(snapshot(empty.collect()));
                }
                Effect::Leave(leave) => {
                    assert_eq!((leave, done), (Leave::Completed, models));
                    return scheduler.queues.visits();
                }
                _ => {}
            }
        }
        match inputs.pop_front() {
            Some(Input::Claimed(model)) => {
                jobs += 1;
                let claimed = Claimed {
                    jobs: vec![claimed(&model, jobs, now)],
                    next_due: None,
                    more: false,
                };
                scheduler.on_claimed(&model, claimed, vec![Prompt::default()]);
            }
            Some(Input::Answered(job)) => {
                let around = scheduler.surroundings(&job, now);
                let Reply {
                    result, latency, ..
                } = message();
                let latency = Some(latency);
                let ended = outcome(&settings, &job, result, latency, around, now, &mut rng);
                scheduler.on_limits(&job, &ended, &RateLimits::default(), now, &mut rng);
                scheduler.on_answer(&job, &ended, now, &mut rng);
                scheduler.on_recorded(&job.model, &ended.finish.next);
                done += 1;
            }
            None => {}
        }
    }
}

/// Three plans a job, and none of them may look at more queues than can act.
#[test]
fn twenty_times_as_many_models_cost_twenty_times_as_many_visits() {
    let (few, many) = (visits(200), visits(4_000));
    assert!(few >= 200, "{few}");
    assert!(
        many <= 22 * few,
        "{few} visits of 200 models, {many} of 4,000"
    );
    assert!(many <= 40 * 4_000, "{many}");
}

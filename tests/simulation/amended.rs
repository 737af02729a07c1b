//! Jobs whose later attempts ask a little differently.

use std::time::Duration;

use claude_run::engine::Ending;
use claude_run::model::{AttemptOutcome, ErrorClass, JobState, Pico};
use claude_run::store::ResultBody;

use crate::seeds;
use crate::world::World;
use crate::world::scripted::Answer;

const HAIKU: &str = "claude-haiku-5-5";
const SONNET: &str = "claude-sonnet-5-5";
const OPUS: &str = "claude-opus-5";

const MIX: [(f64, Answer); 6] = [
    (0.3, Answer::Message),
    (0.2, Answer::Truncated),
    (0.2, Answer::Paused),
    (0.1, Answer::Error(ErrorClass::Refused)),
    (0.1, Answer::Error(ErrorClass::Overloaded)),
    (0.1, Answer::Error(ErrorClass::InvalidRequest)),
];

/// What every amended run must show, besides what every run must.
async fn check(world: &World, seed: u64) {
    world.check().await;
    let ledger = world.ledger().await;
    for result in world.results().await {
        let attempts = ledger
            .iter()
            .filter(|row| row.custom_id == result.custom_id);
        let brought = |class| {
            attempts.clone().any(|row| {
                row.outcome == Some(AttemptOutcome::Succeeded) && row.error_class == Some(class)
            })
        };
        // A turn that is refused in the end is refused with all its parts.
        let lost_parts =
            brought(ErrorClass::Paused) && result.error_class != Some(ErrorClass::Refused);
        let paid_for =
            result.state == JobState::Succeeded || !(brought(ErrorClass::Truncated) || lost_parts);
        assert!(
            paid_for,
            "seed {seed}, {}: an answer was lost",
            result.custom_id
        );
        assert_eq!(
            matches!(result.result, ResultBody::Message(_)),
            result.state == JobState::Succeeded,
            "seed {seed}, {}",
            result.custom_id
        );
    }
}

/// The models of all attempts, in their order.
async fn models(world: &World) -> Vec<String> {
    let ledger = world.ledger().await;
    ledger.into_iter().map(|row| row.model).collect()
}

#[test]
fn every_job_ends_once_however_it_is_amended() {
    for seed in seeds().step_by(4) {
        let plan = World::new(seed).jobs(30).amend(&[SONNET, OPUS]);
        plan.block_on(async |world| {
            world.provider.mix(&MIX);
            assert_eq!(world.dispatch().await, Ending::Completed, "seed {seed}");
            check(world, seed).await;
            let ledger = world.ledger().await;
            let answers = ledger.iter().filter(|row| row.cost.total > Pico::ZERO);
            assert_eq!(
                answers.count() as u64,
                world.provider.answers(),
                "seed {seed}"
            );
            let paid: Pico = ledger.iter().map(|row| row.cost.total).sum();
            assert_eq!(world.run().await.cost, paid, "seed {seed}");
        });
    }
}

#[test]
fn a_crash_loses_no_amendment() {
    // Each has some dozens of crashes, so fewer seeds are as many crashes as elsewhere.
    for seed in seeds().step_by(5) {
        let plan = World::new(seed).jobs(20).concurrency(8).amend(&[SONNET]);
        plan.block_on(async |world| {
            world.provider.mix(&MIX);
            let mut crashes = 0;
            while world
                .dispatch_until(world.random_instant(10_000))
                .await
                .is_none()
            {
                crashes += 1;
                assert!(crashes < 1_000, "seed {seed}: the run makes no progress");
            }
            check(world, seed).await;
        });
    }
}

#[test]
fn a_turn_that_keeps_pausing_is_kept_after_five_continuations() {
    World::new(1).jobs(1).block_on(async |world| {
        world.provider.poison("id-1", Answer::Paused);
        assert_eq!(world.dispatch().await, Ending::Completed);
        let ledger = world.ledger().await;
        assert_eq!(ledger.len(), 6);
        for row in &ledger {
            assert_eq!(row.outcome, Some(AttemptOutcome::Succeeded));
            assert_eq!(row.error_class, Some(ErrorClass::Paused));
        }
        let result = world.results().await.remove(0);
        assert_eq!(result.state, JobState::Succeeded);
        assert_eq!(result.error_class, Some(ErrorClass::Paused));
        let pause = r#""pause_turn""#;
        let content = [pause; 6].join(",");
        let message = format!(r#"{{"id":"msg_id-1","type":"message","content":[{content}]}}"#);
        assert_eq!(result.result, ResultBody::Message(message));
    });
}

#[test]
fn a_continuation_that_fails_for_good_leaves_the_parts_before_it() {
    World::new(1).jobs(1).block_on(async |world| {
        let fault = Answer::Error(ErrorClass::InvalidRequest);
        world
            .provider
            .script(vec![Answer::Paused, Answer::Paused, fault]);
        world.dispatch().await;
        let result = world.results().await.remove(0);
        assert_eq!(result.state, JobState::Succeeded);
        assert_eq!(result.error_class, Some(ErrorClass::Paused));
        let message = r#"{"id":"msg_id-1","type":"message","content":["pause_turn","pause_turn"]}"#;
        assert_eq!(result.result, ResultBody::Message(message.to_owned()));
        assert_eq!(result.cost.total, world.run().await.cost);
    });
}

#[test]
fn a_truncated_answer_is_not_given_up_for_the_parts_of_a_longer_one() {
    for last in [ErrorClass::InvalidRequest, ErrorClass::Refused] {
        World::new(1).jobs(1).amend(&[]).block_on(async |world| {
            let fault = Answer::Error(last);
            let script = vec![Answer::Truncated, Answer::Paused, fault];
            world.provider.script(script);
            assert_eq!(world.dispatch().await, Ending::Completed);
            let result = world.results().await.remove(0);
            assert_eq!(result.error_class, Some(ErrorClass::Truncated), "{last}");
        });
    }
}

#[test]
fn a_truncated_answer_is_the_result_when_more_room_brings_nothing_better() {
    World::new(1).jobs(1).amend(&[]).block_on(async |world| {
        let fault = Answer::Error(ErrorClass::MaxTokensTooLarge);
        world.provider.script(vec![Answer::Truncated, fault]);
        assert_eq!(world.dispatch().await, Ending::Completed);
        let result = world.results().await.remove(0);
        assert_eq!(result.state, JobState::Succeeded);
        assert_eq!(result.error_class, Some(ErrorClass::Truncated));
        assert_eq!(result.attempts, 2);
        let message = r#"{"id":"msg_id-1","type":"message","content":[ "max_tokens" ]}"#;
        assert_eq!(result.result, ResultBody::Message(message.to_owned()));
    });
}

#[test]
fn a_refused_job_goes_to_the_next_model_at_once() {
    let plan = World::new(1).jobs(3).latency(10).amend(&[SONNET]);
    plan.block_on(async |world| {
        let refusal = Answer::Error(ErrorClass::Refused);
        world.provider.poison_model(HAIKU, refusal);
        assert_eq!(world.dispatch().await, Ending::Completed);
        let took = world.elapsed();
        // Two requests of at most 15 ms: nobody waited for the snapshot of a second.
        assert!(took < Duration::from_millis(100), "{took:?}");
        assert_eq!(world.counts().await.succeeded, 3);
        let models = models(world).await;
        assert_eq!(models, [HAIKU, SONNET, HAIKU, SONNET, HAIKU, SONNET]);
    });
}

#[test]
fn a_job_goes_to_the_next_model_after_two_overloads_of_its_own() {
    let plan = World::new(1).jobs(10).amend(&[SONNET, OPUS]);
    plan.block_on(async |world| {
        let overloaded = Answer::Error(ErrorClass::Overloaded);
        world.provider.poison_model(HAIKU, overloaded);
        world.provider.poison_model(SONNET, overloaded);
        assert_eq!(world.dispatch().await, Ending::Completed);
        assert_eq!(world.counts().await.succeeded, 10);
        for attempts in world.ledger().await.chunks(5) {
            let models: Vec<_> = attempts.iter().map(|row| row.model.as_str()).collect();
            assert_eq!(models, [HAIKU, HAIKU, SONNET, SONNET, OPUS]);
        }
    });
}

#[test]
fn when_the_other_models_are_used_up_it_goes_on_as_without_them() {
    let plan = World::new(1).jobs(1).max_attempts(4).amend(&[SONNET]);
    plan.block_on(async |world| {
        let overloaded = Answer::Error(ErrorClass::Overloaded);
        world.provider.poison("id-1", overloaded);
        world.dispatch().await;
        let models = models(world).await;
        // Two of the first, then as many of the last as the limit allows.
        assert_eq!(models, [HAIKU, HAIKU, SONNET, SONNET, SONNET, SONNET]);
        assert_eq!(world.counts().await.failed, 1);
    });
}

#[test]
fn a_misspelt_fallback_model_holds_nothing() {
    let plan = World::new(1).jobs(2).amend(&["claude-typo"]);
    plan.block_on(async |world| {
        let unknown = Answer::Error(ErrorClass::ModelNotFound);
        world.provider.poison_model("claude-typo", unknown);
        let refusal = Answer::Error(ErrorClass::Refused);
        world.provider.script(vec![refusal, refusal]);
        assert_eq!(world.dispatch().await, Ending::Completed);
        assert_eq!(world.counts().await.succeeded, 2);
        let models = models(world).await;
        assert_eq!(models[..3], [HAIKU, "claude-typo", HAIKU]);
    });
}

//! What each kind of result line means for its job.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::{Surroundings, Taken, refused, take, without_line};
use crate::clock::add;
use crate::engine::batches::testing::settings;
use crate::engine::batches::ways::Ways;
use crate::engine::settings::BatchOptions;
use crate::model::{
    AttemptId, AttemptOutcome, CancelReason, ClaimedJob, Endpoint, ErrorClass, Evidence,
    JobHistory, JobId, JobState, Lane, Pico, RequestBody, Tokens, Usage,
};
use crate::provider::{Failure, ItemResult, Message};
use crate::store::{Next, OpenItem};

const MODEL: &str = "claude-haiku-5-5";

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

/// An item whose deadline is so many hours away.
fn item(deadline_h: Option<u64>) -> OpenItem {
    OpenItem {
        job: ClaimedJob {
            attempt: AttemptId {
                job: JobId(7),
                n: 2,
            },
            custom_id: "a".to_owned(),
            model: MODEL.to_owned(),
            body: RequestBody::from_json("{}"),
            history: JobHistory {
                counted: 3,
                ..JobHistory::default()
            },
            endpoint: Endpoint::First,
            amendment: None,
            last_class: None,
            last_message: None,
            started_at: now(),
            first_started_at: now(),
            previous_ended_at: None,
        },
        deadline: deadline_h.map(|hours| add(now(), Duration::from_hours(hours))),
        lane: None,
    }
}

fn taken(item: &OpenItem, cancel: Option<CancelReason>, result: ItemResult) -> Taken {
    let settings = settings(BatchOptions::default());
    let around = Surroundings {
        settings: &settings,
        ways: Ways::new(&settings),
        cancel,
        others_succeeded: false,
        run_goes_well: false,
        few: false,
        now: now(),
    };
    take(&around, item, result, &mut Rng::with_seed(1))
}

fn message(batch_tier: bool) -> ItemResult {
    ItemResult::Succeeded(Box::new(Message {
        raw: "{}".to_owned(),
        model: Some(MODEL.to_owned()),
        stop_reason: Some("end_turn".to_owned()),
        mark: None,
        usage: Usage {
            tokens: Tokens {
                input: 100,
                output: 50,
                ..Tokens::default()
            },
            batch_tier,
            ..Usage::default()
        },
        request_id: None,
        note: None,
    }))
}

fn errored(class: ErrorClass) -> ItemResult {
    ItemResult::Errored(Box::new(Failure {
        class,
        evidence: Evidence::default(),
        message: None,
        partial: None,
        unsent: false,
        revision: None,
    }))
}

#[test]
fn what_a_batch_answers_costs_half_whatever_its_usage_calls_itself() {
    for batch_tier in [true, false] {
        let taken = taken(&item(None), None, message(batch_tier));
        assert_eq!(taken.finish.record.cost.total, Pico(17_500_000));
        assert_eq!(taken.finish.record.cost.saved_by_batch, Pico(17_500_000));
        assert_eq!(taken.finish.record.latency, None);
        assert!(matches!(taken.finish.next, Next::End(end) if end.state == JobState::Succeeded));
    }
}

#[test]
fn a_permanent_error_fails_the_job_and_a_passing_one_goes_again_as_the_deadline_says() {
    let failed = taken(&item(Some(48)), None, errored(ErrorClass::InvalidRequest));
    assert!(matches!(failed.finish.next, Next::End(end) if end.state == JobState::Failed));
    for (deadline, lane) in [
        (Some(48), Lane::Batch),
        (Some(0), Lane::Live),
        (None, Lane::Live),
    ] {
        let again = taken(&item(deadline), None, errored(ErrorClass::Overloaded));
        assert!(matches!(again.finish.next, Next::RetryAt(at) if at > now()));
        assert_eq!(again.finish.history.counted, 4);
        assert_eq!(again.finish.lane, lane, "{deadline:?}");
    }
}

#[test]
fn what_ran_out_of_time_goes_again_and_costs_the_job_nothing() {
    let taken = taken(&item(Some(6)), None, ItemResult::Expired);
    let record = &taken.finish.record;
    assert_eq!(
        (record.outcome, record.error_class),
        (AttemptOutcome::Expired, Some(ErrorClass::Expired))
    );
    assert_eq!(taken.finish.next, Next::Requeue);
    assert_eq!(taken.finish.history.counted, 3);
    assert!(!record.maybe_billed && record.cost.total == Pico::ZERO);
    assert_eq!(taken.finish.lane, Lane::Batch);
}

#[test]
fn what_becomes_of_a_canceled_entry_depends_on_who_cancelled_its_batch_and_why() {
    // None: somebody else did, in the Console.
    for reason in [Some(CancelReason::User), None] {
        let taken = taken(&item(Some(6)), reason, ItemResult::Canceled);
        let record = &taken.finish.record;
        assert_eq!(record.error_class, Some(ErrorClass::Canceled));
        assert!(!record.maybe_billed && record.cost.total == Pico::ZERO);
        assert!(matches!(taken.finish.next, Next::End(end) if end.state == JobState::Canceled));
    }
    let late = taken(
        &item(Some(6)),
        Some(CancelReason::Deadline),
        ItemResult::Canceled,
    );
    assert_eq!(
        (late.finish.next, late.finish.lane),
        (Next::Requeue, Lane::Live)
    );
}

#[test]
fn a_halting_error_puts_the_job_back_and_says_so() {
    let taken = taken(&item(None), None, errored(ErrorClass::Billing));
    assert_eq!(taken.halt.unwrap().class, ErrorClass::Billing);
    assert_eq!(taken.finish.next, Next::RetryAt(now()));
}

#[test]
fn an_unreadable_line_may_have_been_paid_for_and_its_job_fails_rather_than_to_be_bought_again() {
    let unreadable = taken(&item(None), None, ItemResult::Unreadable("{".to_owned()));
    let record = unreadable.finish.record;
    assert_eq!(record.error_class, Some(ErrorClass::BadResponse));
    assert!(record.maybe_billed);
    assert!(matches!(unreadable.finish.next, Next::End(end) if end.state == JobState::Failed));
}

#[test]
fn what_has_no_line_for_want_of_an_answer_and_an_entry_that_was_refused_were_not_paid_for() {
    let settings = settings(BatchOptions::default());
    let around = Surroundings {
        settings: &settings,
        ways: Ways::new(&settings),
        cancel: None,
        others_succeeded: false,
        run_goes_well: false,
        few: false,
        now: now(),
    };
    let (item, mut rng) = (item(None), Rng::with_seed(1));
    let missing = without_line(&around, &item, &mut rng).finish;
    assert!(!missing.record.maybe_billed && matches!(missing.next, Next::RetryAt(_)));
    let failure = Failure {
        class: ErrorClass::BatchRejected,
        evidence: Evidence {
            http_status: Some(400),
            message: Some("requests.0: no".to_owned()),
            ..Evidence::default()
        },
        message: None,
        partial: None,
        unsent: false,
        revision: None,
    };
    let refused = refused(&around, &item, &failure, &mut rng).finish;
    assert!(!refused.record.maybe_billed);
    assert!(matches!(refused.next, Next::End(end) if end.state == JobState::Failed));
}

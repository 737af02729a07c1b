//! What the tests of this room share.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::coordinator::Coordinator;
use super::view::View;
use crate::clock::add;
use crate::engine::settings::{BatchOptions, EngineSettings, Heartbeat, LimitSettings};
use crate::model::{
    AttemptId, BatchId, BatchState, ClaimedJob, DispatchOptions, Endpoint, ErrorClass, Evidence,
    JobCounts, JobHistory, JobId, Lane, OnHalt, Pico, RequestBody, RequestCounts, Run, RunId,
    RunState, Shaping, StreamMode,
};
use crate::policy::{AmendSettings, PriceTable, RetrySettings};
use crate::provider::Failure;
use crate::store::{BatchQueue, BatchRow};

/// When every story begins.
pub(in crate::engine) fn start() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

/// So long after that.
pub(super) fn after(minutes: u64) -> Timestamp {
    add(start(), Duration::from_mins(minutes))
}

/// A job's first attempt, claimed at that time.
pub(in crate::engine) fn claimed(job: i64, at: Timestamp) -> ClaimedJob {
    ClaimedJob {
        attempt: AttemptId {
            job: JobId(job),
            n: 1,
        },
        custom_id: format!("j-{job}"),
        model: "claude-haiku-4-5".to_owned(),
        body: RequestBody::from_json("{}"),
        amendment: None,
        history: JobHistory::default(),
        last_class: None,
        last_message: None,
        started_at: at,
        first_started_at: at,
        previous_ended_at: None,
        endpoint: Endpoint::First,
    }
}

/// A run at work, of which nothing is known yet.
pub(in crate::engine) fn run() -> Run {
    Run {
        id: RunId::generate(),
        name: None,
        file: "a.jsonl".to_owned(),
        state: RunState::Running,
        simulated: false,
        created_at: start(),
        started_at: None,
        ended_at: None,
        shaping: Shaping::default(),
        options: DispatchOptions::default(),
        halt: None,
        cancel_requested: false,
        answered: false,
        jobs: JobCounts::default(),
        cost: Pico::ZERO,
    }
}

/// Nothing out of the ordinary but what is said of the batch lane.
pub(in crate::engine) fn settings(batch: BatchOptions) -> EngineSettings {
    EngineSettings {
        heartbeat: Heartbeat::default(),
        concurrency: 64,
        stagger: Duration::ZERO,
        retry: RetrySettings::default(),
        timeout: Duration::from_mins(10),
        stream: StreamMode::Auto,
        grace: Duration::from_secs(30),
        prices: Arc::new(PriceTable::embedded()),
        seed: None,
        after_halt: false,
        on_halt: OnHalt::Exit,
        amend: AmendSettings::default(),
        limits: LimitSettings::default(),
        status: None,
        second: None,
        batch,
    }
}

/// The same with a lane that the user forced, and a deadline of the run.
pub(super) fn routed(lane: Option<Lane>, deadline: Option<Timestamp>) -> EngineSettings {
    settings(BatchOptions {
        lane,
        deadline,
        ..BatchOptions::default()
    })
}

/// What the batches of a run share that has an empty queue.
pub(super) fn coordinator(settings: &EngineSettings) -> Coordinator {
    let mut coordinator = Coordinator::new(&run(), settings, &[]);
    queued(&mut coordinator, BatchQueue::default());
    coordinator
}

/// The queue is counted, at the start of the story.
pub(super) fn queued(coordinator: &mut Coordinator, queue: BatchQueue) {
    coordinator.intake.begins_with(queue, start());
}

/// What decisions go by that rest on nothing out of the ordinary.
pub(super) fn view() -> View {
    coordinator(&routed(None, None)).view
}

/// A batch of a hundred requests in this state.
pub(super) fn row(state: BatchState) -> BatchRow {
    BatchRow {
        id: BatchId(1),
        run: RunId::generate(),
        nonce: "k3x".to_owned(),
        state,
        remote_id: matches!(
            state,
            BatchState::Open | BatchState::Canceling | BatchState::Ended
        )
        .then(|| "msgbatch_1".to_owned()),
        requests: 100,
        bytes: 9_000,
        open_requests: 100,
        created_at: start(),
        sent_at: Some(start()),
        remote_created_at: None,
        expires_at: None,
        ended_at: None,
        counts: RequestCounts::default(),
        polled_at: None,
        cancel_reason: None,
        deadline: None,
        undated: true,
        short: None,
    }
}

/// A call that failed without evidence.
pub(super) fn failure(class: ErrorClass) -> Box<Failure> {
    Box::new(Failure {
        class,
        evidence: Evidence::default(),
        message: None,
        partial: None,
        unsent: false,
        revision: None,
    })
}

//! What happens during a run, as values that people and programs watch.
//!
//! Bars, plain lines and `--events` are consumers of these. Nothing decides by them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attempt::AttemptOutcome;
use super::batch::{CancelReason, RemoteStatus, RequestCounts, StuckBatch};
use super::error_class::ErrorClass;
use super::job::{JobState, Lane};
use super::money::{CostBasis, Pico};
use super::status_page::PageStatus;

/// One thing that happened; one line of `--events FILE`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Event {
    /// When it happened; an end happens when it is recorded.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// The run it belongs to.
    pub run_id: String,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The kinds of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// A dispatcher took up the run.
    RunStarted {
        /// All jobs of the run.
        total: u64,
        /// Jobs that had ended before.
        ended: u64,
        /// Jobs that had failed before, among those.
        failed: u64,
        /// Jobs that had been cancelled before, among those.
        canceled: u64,
        /// Attempts that a crash had cut off.
        interrupted: u64,
        /// The run is against the simulator.
        simulated: bool,
        /// Money spent before, as a decimal string.
        cost_usd: Pico,
    },
    /// A request of the live lane left. Those of a batch leave together, with `batch_created`.
    AttemptStarted {
        /// The user's id of the job.
        custom_id: String,
        /// The count of the attempt, from 1.
        n: u32,
        /// The model asked.
        model: String,
        /// The lane that it took.
        lane: Lane,
    },
    /// An attempt ended and is recorded.
    AttemptEnded {
        /// The user's id of the job.
        custom_id: String,
        /// The count of the attempt, from 1.
        n: u32,
        /// The lane that it took.
        lane: Lane,
        /// How it ended.
        outcome: AttemptOutcome,
        /// What went wrong, or what marks the success.
        error_class: Option<ErrorClass>,
        /// The HTTP status, if there was one.
        http_status: Option<u16>,
        /// What the API or the network said.
        message: Option<String>,
        /// The API's request id.
        request_id: Option<String>,
        /// When the job is tried again, if it is.
        #[schemars(with = "Option<String>")]
        next_try_at: Option<Timestamp>,
        /// Time on the wire.
        latency_ms: Option<u64>,
        /// Input tokens of every kind.
        input_tokens: u64,
        /// Output tokens.
        output_tokens: u64,
        /// What it cost, as a decimal string; null where no price is known.
        cost_usd: Option<Pico>,
        /// What the cost rests on, if not on the answer's usage at the price of its model.
        #[serde(default)]
        cost_basis: Option<CostBasis>,
    },
    /// A job ended, and its result is stored.
    JobEnded {
        /// The user's id of the job.
        custom_id: String,
        /// `succeeded`, `failed` or `canceled`.
        #[schemars(with = "String")]
        state: JobState,
        /// What went wrong, or what marks the success.
        error_class: Option<ErrorClass>,
        /// How many attempts it took.
        attempts: u32,
    },
    /// The run stopped because no job could succeed.
    RunHalted {
        /// Why.
        error_class: ErrorClass,
        /// What the API or the network said.
        message: String,
    },
    /// A model keeps failing: one probe at a time goes out, everything else waits.
    CircuitOpened {
        /// The model.
        model: String,
        /// How its requests fail.
        error_class: ErrorClass,
        /// When the first probe goes.
        #[schemars(with = "String", extend("format" = "date-time"))]
        next_probe_at: Timestamp,
        /// The second endpoint, if it is that one which fails; null is the first.
        endpoint: Option<String>,
    },
    /// A model keeps failing: a probe came to nothing, or the status page says that it will last.
    CircuitProbed {
        /// The model.
        model: String,
        /// How its requests fail.
        error_class: ErrorClass,
        /// When the next probe goes.
        #[schemars(with = "String", extend("format" = "date-time"))]
        next_probe_at: Timestamp,
    },
    /// Jobs of the run wait for a time since before this dispatch.
    StillWaiting {
        /// How many.
        jobs: u64,
        /// When the first of them is tried again.
        #[schemars(with = "String", extend("format" = "date-time"))]
        next_try_at: Timestamp,
        /// What went wrong with that one.
        error_class: Option<ErrorClass>,
        /// The HTTP status, if there was one.
        http_status: Option<u16>,
        /// What the API or the network said.
        message: Option<String>,
    },
    /// A model that kept failing works again.
    CircuitClosed {
        /// The model.
        model: String,
        /// The second endpoint, if it is that one which works again; null is the first.
        endpoint: Option<String>,
    },
    /// A model's requests go to another endpoint now.
    EndpointSwitched {
        /// The model.
        model: String,
        /// The second endpoint; null is the first again.
        endpoint: Option<String>,
    },
    /// The second endpoint cannot serve, and is not used any more.
    EndpointOff {
        /// The second endpoint.
        endpoint: String,
        /// The model that it does not serve; null is every model.
        model: Option<String>,
        /// Why.
        error_class: ErrorClass,
        /// What it said.
        message: String,
    },
    /// A server asks to wait for more than ten minutes. It is believed up to an hour; then one request
    /// tries again.
    LongWait {
        /// The model.
        model: String,
        /// The one job that waits; null where every request of the model, and of those that share its
        /// limits, waits.
        custom_id: Option<String>,
        /// What went wrong.
        error_class: ErrorClass,
        /// The HTTP status, if there was one.
        http_status: Option<u16>,
        /// For how long the server asks, at most a day.
        asked_ms: u64,
        /// When it is tried again.
        #[schemars(with = "String", extend("format" = "date-time"))]
        next_try_at: Timestamp,
    },
    /// This machine lets the process open no more files, so that no connection could be opened: fewer
    /// requests are open from now on. Told once.
    FilesExhausted {
        /// The model whose request it was.
        model: String,
        /// What the machine said.
        message: String,
        /// Requests that may be open at once from now on.
        ceiling: u32,
    },
    /// A request is larger than the limit per minute: no wait lets it pass, and it ends after a few
    /// tries.
    RequestOverLimit {
        /// The user's id of the job.
        custom_id: String,
        /// The model.
        model: String,
        /// Its input tokens, in our estimate.
        input_tokens: u64,
        /// Input tokens per minute that the API allows.
        limit_per_minute: u64,
    },
    /// The API's status page, which is asked while a model keeps failing, says something new.
    StatusPage(PageStatus),
    /// No job can succeed now, and the run waits as it was told to.
    HaltWaiting {
        /// Why.
        error_class: ErrorClass,
        /// What the API or the network said.
        message: String,
        /// When one request tries again.
        #[schemars(with = "String", extend("format" = "date-time"))]
        next_try_at: Timestamp,
    },
    /// A remote batch was created; the attempts of its requests have begun.
    BatchCreated {
        /// The number of the batch in the store.
        batch: i64,
        /// The API's id.
        remote_id: String,
        /// Requests in it.
        requests: u32,
        /// When it runs out of time, as the API says.
        #[schemars(with = "Option<String>")]
        expires_at: Option<Timestamp>,
    },
    /// The API tells something new of a batch.
    BatchProgress {
        /// The number of the batch in the store.
        batch: i64,
        /// The API's id.
        remote_id: String,
        /// What the API says of its processing.
        status: RemoteStatus,
        /// How many of its requests stand where.
        counts: RequestCounts,
    },
    /// The API is done with a batch; its results are being fetched.
    BatchEnded {
        /// The number of the batch in the store.
        batch: i64,
        /// The API's id.
        remote_id: String,
        /// How many of its requests stand where.
        counts: RequestCounts,
    },
    /// Every result of a batch is recorded.
    BatchHarvested {
        /// The number of the batch in the store.
        batch: i64,
        /// The API's id.
        remote_id: String,
        /// What the results were.
        lines: ResultLines,
    },
    /// Nobody knows whether a create call was heard: the API is asked before anything is sent again.
    BatchUncertain {
        /// The number of the batch in the store.
        batch: i64,
        /// Requests in it.
        requests: u32,
        /// Remote batches that may be it; which one it is shows when they have ended.
        candidates: Vec<String>,
    },
    /// A batch whose create answer was lost has been found.
    BatchAdopted {
        /// The number of the batch in the store.
        batch: i64,
        /// The API's id.
        remote_id: String,
        /// Requests in it.
        requests: u32,
    },
    /// A batch is cancelled at the API; what it has done is kept.
    BatchCanceling {
        /// The number of the batch in the store.
        batch: i64,
        /// The API's id.
        remote_id: String,
        /// Why.
        reason: CancelReason,
    },
    /// A batch can no longer be fetched, or was never there; its jobs go again.
    BatchLost {
        /// The number of the batch in the store.
        batch: i64,
        /// The API's id, if it is known.
        remote_id: Option<String>,
        /// What happened to it.
        error_class: ErrorClass,
        /// The same in words.
        message: String,
    },
    /// A batch does not end when it should; told once for each reason.
    BatchStuck {
        /// The number of the batch in the store.
        batch: i64,
        /// The API's id.
        remote_id: Option<String>,
        /// Why it is called so.
        why: StuckBatch,
        /// The same in words, and the way out.
        message: String,
    },
    /// There are no Message Batches at the endpoint: what may go live goes live, at the full price.
    NoBatches {
        /// Why.
        error_class: ErrorClass,
        /// What the endpoint answered.
        message: String,
    },
    /// No batch can be created, looked at or fetched just now.
    BatchWaiting {
        /// The number of the batch in the store.
        batch: i64,
        /// Why.
        error_class: ErrorClass,
        /// What the API or the network said.
        message: String,
        /// When it is tried again.
        #[schemars(with = "String", extend("format" = "date-time"))]
        next_try_at: Timestamp,
    },
    /// How many requests may be open, and what is known of a class of models' limits, changed; told
    /// at most once a second.
    Pace {
        /// The models that share these limits.
        model_class: String,
        /// Requests that may be open at once, over all models.
        ceiling: u32,
        /// Requests per minute, if the API has told.
        requests_per_minute: Option<u64>,
        /// Input tokens per minute, if the API has told.
        input_tokens_per_minute: Option<u64>,
        /// Output tokens per minute, if the API has told.
        output_tokens_per_minute: Option<u64>,
        /// The part of a limit that other clients seem to take, in tens of per cent.
        others_percent: u8,
    },
    /// The hours in which requests may be sent are over: everything waits.
    HoursClosed {
        /// When they begin again.
        #[schemars(with = "String", extend("format" = "date-time"))]
        opens_at: Timestamp,
    },
    /// The hours in which requests may be sent have begun.
    HoursOpened {},
    /// A part of the run's budget was passed.
    BudgetWarning {
        /// The part, in per cent.
        percent: u8,
        /// Money spent so far, as a decimal string.
        spent_usd: Pico,
        /// The budget, as a decimal string.
        budget_usd: Pico,
    },
    /// The budget, and not the concurrency, keeps more requests from being open: all that each can cost
    /// is held. Told when it begins, and when it gets much tighter.
    BudgetTight {
        /// So many requests like the next one may be open at once.
        open: u32,
        /// A smaller `max_tokens` with which more could be; none where that would not help.
        shorter_max_tokens: Option<u64>,
        /// So many then.
        shorter_open: Option<u32>,
    },
    /// The store answers no call: another program holds its lock, or the disk stands still. Answers
    /// that come meanwhile wait to be recorded.
    StoreSilent {
        /// For so long already.
        for_ms: u64,
    },
    /// The store answers again.
    StoreAnswers {},
    /// The process did not run for a while: it was stopped (Ctrl-Z, SIGSTOP), or the machine slept.
    /// What waits by the clock is due meanwhile; requests in flight keep their time.
    StoodStill {
        /// For so long.
        for_ms: u64,
    },
    /// The machine's clock was set.
    ClockSet {
        /// By so much; less than nothing is back.
        by_ms: i64,
    },
    /// The run was asked to stop; what is in flight is finished.
    Draining {
        /// Requests still in flight.
        in_flight: u64,
    },
    /// The dispatcher left the run.
    RunEnded {
        /// `completed`, `halted`, `interrupted`, `left_in_batches`, or `broken` when the store does not work.
        #[schemars(with = "String")]
        reason: RunEnd,
        /// The longest time in which the dispatcher listened to nothing: a measure of its own
        /// health, which no server can make larger.
        #[serde(default)]
        largest_stall_ms: u64,
    },
}

/// How a dispatcher leaves its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RunEnd {
    /// Every job has ended.
    Completed,
    /// No job could succeed.
    Halted,
    /// The user stopped it.
    Interrupted,
    /// Its batches are created, and nobody waits for them.
    LeftInBatches,
    /// The store does not work.
    Broken,
}

/// What the lines of a batch's results were, over all downloads of them in this dispatch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct ResultLines {
    /// Requests whose end was recorded.
    pub recorded: u64,
    /// Lines of a request that had one before in the same download. An answer counts before all else,
    /// then the first one.
    pub repeated: u64,
    /// Lines with an id that is none of the batch.
    pub unknown: u64,
    /// Lines that could not be read.
    pub unreadable: u64,
    /// Requests without a line in two whole downloads, for which nothing was paid.
    pub missing: u64,
    /// Requests that ended cancelled because somebody else cancelled the batch.
    #[serde(default)]
    pub canceled_elsewhere: u64,
}

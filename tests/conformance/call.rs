//! A call of any verb that writes, as a value: carried out on one store and on another, its answers
//! can be compared.

use claude_run::model::{
    AttemptId, BatchId, BatchState, CancelReason, DispatchOptions, Halt, Lane, NewJob, RemoteBatch,
    RunId,
};
use claude_run::store::{
    BatchStore, Claim, Claimed, DuplicateId, EstimateSums, Fill, Filled, Finish, NewBatch, NewRun,
    Recovered, Result, RetryFilter, RouteRule, StatusChange, Store, StoreError, Unroute,
};
use jiff::Timestamp;

/// A call. Verbs that work page by page are called until nothing is left.
#[derive(Clone, Debug)]
pub enum Call {
    BeginLoad(NewRun),
    AddJobs(RunId, Vec<NewJob>),
    FinishLoad(RunId, [u8; 32]),
    FinishLoadOnce(RunId, [u8; 32]),
    SweepLoad(RunId),
    StartRun(RunId, Timestamp, u32),
    BeginMarks(RunId),
    MarkSent(Vec<AttemptId>),
    Claim(Claim),
    Finish(RunId, Vec<Finish>),
    Release(RunId, Vec<AttemptId>),
    KeepOptions(RunId, DispatchOptions),
    NoteEstimates(RunId, Vec<EstimateSums>),
    NoteStatus(RunId, StatusChange),
    LeaveRun(RunId, Timestamp, Option<Halt>),
    Cancel(RunId, Timestamp),
    Retry(RunId, RetryFilter),
    Route(RunId, RouteRule),
    Unroute(RunId, Unroute),
    BeginBatch(NewBatch),
    FillBatch(Fill),
    MoveBatch(BatchId, BatchState, Timestamp),
    NoteRemote(BatchId, RemoteBatch, Timestamp),
    CancelBatch(BatchId, CancelReason),
    DisbandBatch(BatchId, Lane, bool, Timestamp),
}

/// What a call brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Nothing,
    Duplicates(Vec<DuplicateId>),
    Recovered(Recovered),
    Claimed(Claimed),
    Count(u64),
    Routed { to_batch: u64, to_live: u64 },
    Batch(BatchId),
    Filled(Filled),
    Stands(BatchState),
    Known(Option<RunId>),
    Refused,
}

impl Call {
    /// Carries it out. That a change does not fit is an answer; any other error is one.
    pub async fn on<S: Store + BatchStore>(&self, store: &S) -> Result<Answer> {
        let done = if let Some(done) = self.clone().of_runs(store).await {
            done
        } else {
            self.clone().of_batches(store).await
        };
        match done {
            Err(StoreError::IllegalTransition(_)) => Ok(Answer::Refused),
            done => done,
        }
    }

    /// It fails nowhere, so no fault can be tried on it.
    pub fn cannot_fail(&self) -> bool {
        matches!(self, Self::MarkSent(_))
    }

    /// Repeating it, when nobody knows whether it was done, changes nothing more. A claim is not
    /// repeated but taken back by the next start, and estimates are not worth it.
    pub fn may_be_repeated(&self) -> bool {
        !matches!(self, Self::Claim(_) | Self::NoteEstimates(..))
    }

    async fn of_runs<S: Store>(self, store: &S) -> Option<Result<Answer>> {
        let done = match self {
            Self::BeginLoad(run) => nothing(store.begin_load(run).await),
            Self::AddJobs(run, jobs) => store.add_jobs(run, jobs).await.map(Answer::Duplicates),
            Self::FinishLoad(run, print) => nothing(store.finish_load(run, print).await),
            Self::FinishLoadOnce(run, print) => {
                store.finish_load_once(run, print).await.map(Answer::Known)
            }
            Self::SweepLoad(run) => sweep(store, run).await,
            Self::StartRun(run, now, most) => {
                store.start_run(run, now, most).await.map(Answer::Recovered)
            }
            Self::BeginMarks(run) => nothing(store.begin_marks(run).await),
            Self::MarkSent(attempts) => {
                for attempt in attempts {
                    store.mark_sent(attempt);
                }
                Ok(Answer::Nothing)
            }
            Self::Claim(claim) => take(store, claim).await,
            Self::Finish(run, finishes) => nothing(store.finish(run, finishes).await.map(drop)),
            Self::Release(run, attempts) => nothing(store.release(run, attempts).await),
            Self::KeepOptions(run, options) => nothing(store.keep_options(run, options).await),
            Self::NoteEstimates(run, sums) => nothing(store.note_estimates(run, sums).await),
            Self::NoteStatus(run, change) => nothing(store.note_status(run, change).await),
            Self::LeaveRun(run, now, halt) => nothing(store.leave_run(run, now, halt).await),
            Self::Cancel(run, now) => cancel(store, run, now).await,
            Self::Retry(run, filter) => retry(store, run, filter).await,
            _ => return None,
        };
        Some(done)
    }

    async fn of_batches<S: BatchStore>(self, store: &S) -> Result<Answer> {
        match self {
            Self::Route(run, rule) => route(store, run, rule).await,
            Self::Unroute(run, which) => {
                while store.unroute(run, which).await? {}
                Ok(Answer::Nothing)
            }
            Self::BeginBatch(batch) => store.begin_batch(batch).await.map(Answer::Batch),
            Self::FillBatch(fill) => fill_up(store, fill).await,
            Self::MoveBatch(batch, to, now) => {
                store.move_batch(batch, to, now).await.map(Answer::Stands)
            }
            Self::NoteRemote(batch, remote, now) => {
                nothing(store.note_remote(batch, remote, now).await)
            }
            Self::CancelBatch(batch, reason) => nothing(store.cancel_batch(batch, reason).await),
            Self::DisbandBatch(batch, lane, keep, now) => {
                while store.disband_batch(batch, lane, keep, now).await? {}
                Ok(Answer::Nothing)
            }
            other => unreachable!("{other:?} is no verb of batches"),
        }
    }
}

fn nothing(done: Result<()>) -> Result<Answer> {
    done.map(|()| Answer::Nothing)
}

async fn sweep<S: Store>(store: &S, run: RunId) -> Result<Answer> {
    while store.sweep_load(run).await? {}
    Ok(Answer::Nothing)
}

async fn take<S: Store>(store: &S, claim: Claim) -> Result<Answer> {
    let most = claim.max_jobs as usize;
    let mut claimed = store.claim(claim).await?;
    // Whether there is more behind a full page need not be looked up.
    claimed.more &= claimed.jobs.len() < most;
    Ok(Answer::Claimed(claimed))
}

async fn cancel<S: Store>(store: &S, run: RunId, now: Timestamp) -> Result<Answer> {
    while store.cancel(run, now).await? {}
    Ok(Answer::Nothing)
}

async fn retry<S: Store>(store: &S, run: RunId, filter: RetryFilter) -> Result<Answer> {
    let (mut count, mut next) = store.retry(run, filter.clone(), 0).await?;
    while let Some(after) = next {
        let (more, then) = store.retry(run, filter.clone(), after).await?;
        (count, next) = (count + more, then);
    }
    Ok(Answer::Count(count))
}

async fn route<S: BatchStore>(store: &S, run: RunId, rule: RouteRule) -> Result<Answer> {
    let (mut to_batch, mut to_live, mut next) = (0, 0, Some(0));
    while let Some(after) = next {
        let routed = store.route(run, rule, after).await?;
        to_batch += routed.to_batch;
        to_live += routed.to_live;
        next = routed.next;
    }
    Ok(Answer::Routed { to_batch, to_live })
}

async fn fill_up<S: BatchStore>(store: &S, fill: Fill) -> Result<Answer> {
    let mut too_large = 0;
    loop {
        let filled = store.fill_batch(fill.clone()).await?;
        too_large += filled.too_large;
        if filled.complete {
            return Ok(Answer::Filled(Filled {
                too_large,
                ..filled
            }));
        }
    }
}

//! The one loop: waits until something happens, tells the scheduler, and does as it says.
//!
//! Every source (answers, the store's replies, the clock, the user) ends in one place, so nothing
//! races with anything. Requests and store calls run as tasks of their own; only this loop changes
//! the scheduler's state.

mod claiming;
mod exchanges;
mod jumps;
mod lanes;
mod recording;
mod store_watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, sleep_until};

use self::store_watch::StoreWatch;
use super::batches::{BatchLane, News};
use super::beside::{caught_up, news_of};
use super::bounds::keep_bounds;
use super::budget::RunBudget;
use super::events::EventMaker;
use super::live_rate::LiveRate;
use super::providers::Providers;
use super::scheduler::{Effect, Leave, Scheduler};
use super::settings::EngineSettings;
use super::status::Lookout;
use super::stop::{Stop, StopSignal};
use crate::clock::{Clock, add};
use crate::model::{ClaimedJob, EventKind, Halt, Observer, PageStatus, Run, RunEnd};
use crate::policy::{Marker, Prompt};
use crate::provider::{BatchApi, Provider, Reply, Reserved};
use crate::store::{
    BatchStore, Claimed, Finish, Recovered, RunSnapshot, StatusChange, Store, StoreError, Waiting,
};

/// Why the dispatcher left a run that it did not break off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every job has ended.
    Completed,
    /// No job can succeed now; nothing was failed by it.
    Halted(Halt),
    /// The user stopped it; what was in flight is recorded, or found `interrupted` at the next start.
    Interrupted,
    /// What is left is in remote batches that nobody here waits for; taking the run up again
    /// fetches their results.
    LeftInBatches,
}

/// Why a dispatcher broke off. Nothing that was recorded is lost, and a resume goes on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store does not work, and answers came that it did not take.
    #[error("{error} ({spooled} answers are in the spool, {lost} are lost)")]
    Unrecorded {
        /// Why.
        error: StoreError,
        /// Ends of attempts that are in the spool, and are recorded when the run is taken up again.
        spooled: u64,
        /// Ends that found no room there: their attempts will be interrupted, maybe billed.
        lost: u64,
    },
}

/// Drives `run` until every job has ended, it halts, or `stop` says so. Whoever calls this holds
/// the store's dispatch lock.
///
/// # Errors
///
/// When the store does not work. Answers that could not be recorded are put into its spool, and
/// those that find no room there are tried once more before the dispatcher gives up.
pub async fn dispatch<S: Store + BatchStore, P: Provider, B: BatchApi>(
    store: Arc<S>,
    providers: Providers<P, B>,
    clock: Clock,
    run: &Run,
    settings: EngineSettings,
    observer: &mut dyn Observer,
    stop: StopSignal,
) -> Result<Ending, EngineError> {
    store.reserve_spool(settings.concurrency).await?;
    keep_bounds(&*store, run.id, settings.terms()).await?;
    let most = settings.retry.max_interruptions;
    let recovered = store.start_run(run.id, clock.now(), most).await?;
    store.begin_marks(run.id).await?;
    let run = &caught_up(run, &recovered.replayed);
    let mut batches = match providers.batches {
        Some(api) => {
            let store = Arc::clone(&store);
            BatchLane::open(store, api, clock, run, &settings, &stop).await?
        }
        None => None,
    };
    let events = EventMaker::new(run.id, settings.second.as_ref());
    let started = run_started(run, &recovered);
    observer.observe(&events.make(clock.now(), started));
    if let Some(waiting) = recovered.waiting {
        observer.observe(&events.make(clock.now(), still_waiting(waiting)));
    }
    let snapshot = store.snapshot(run.id).await?;
    let scheduler = Scheduler::new(run, &settings, snapshot, clock.now());
    let mut budget = budget_of(&*store, run, &settings).await?;
    if let Some(found) = batches.as_mut().map(BatchLane::take_found) {
        budget.take_up(&found, scheduler.estimator(), clock.now());
    }
    let (seed, lookout) = (settings.seed, Lookout::new(settings.status.clone()));
    let dispatcher = Dispatcher {
        marker: Marker::new(&settings.limits.cache_prefixes),
        scheduler,
        budget,
        rng: seed.map_or_else(Rng::new, Rng::with_seed),
        store,
        provider: providers.live,
        batches,
        live_rate: LiveRate::default(),
        clock,
        run,
        settings,
        observer,
        events,
        stop,
        requests: JoinSet::new(),
        on_wire: HashMap::new(),
        listen_at: Instant::now(),
        calls: JoinSet::new(),
        gathered: Vec::new(),
        finishing: false,
        spooled: 0,
        unsaved: Vec::new(),
        trouble: None,
        abandon_at: None,
        grace_is_over: false,
        wall_behind: SignedDuration::ZERO,
        largest_stall: Duration::ZERO,
        lookout,
        store_watch: StoreWatch::default(),
    };
    // Boxed: its state is too large for every caller's stack.
    Box::pin(dispatcher.run()).await
}

/// How a run stands that is taken up.
fn run_started(run: &Run, recovered: &Recovered) -> EventKind {
    EventKind::RunStarted {
        total: run.jobs.total,
        ended: run.jobs.total - run.jobs.open() + recovered.failed + recovered.put_aside,
        failed: run.jobs.failed + recovered.failed,
        canceled: run.jobs.canceled,
        interrupted: recovered.interrupted,
        simulated: run.simulated,
        cost_usd: run.cost,
    }
}

/// Jobs that wait since an earlier dispatch.
fn still_waiting(waiting: Waiting) -> EventKind {
    EventKind::StillWaiting {
        jobs: waiting.jobs,
        next_try_at: waiting.next_try_at,
        error_class: waiting.class,
        http_status: waiting.http_status,
        message: waiting.message,
    }
}

/// The budget of a run that is taken up. What its attempts may have cost beyond what is known is kept
/// out of reach.
async fn budget_of<S: Store>(
    store: &S,
    run: &Run,
    settings: &EngineSettings,
) -> Result<RunBudget, StoreError> {
    let (amount, rule) = (settings.limits.budget, settings.limits.budget_rule);
    let mut budget = RunBudget::new(amount, rule, run.cost, Arc::clone(&settings.prices));
    if amount.is_some() {
        let maybe = store.maybe_billed(run.id).await?;
        budget.keep(maybe.at_most - maybe.counted);
    }
    Ok(budget)
}

/// Why ends of attempts are not in the store, and what became of them.
struct NotRecorded {
    error: StoreError,
    spooled: u64,
    /// Those that found no room in the spool.
    left: Vec<Finish>,
}

struct Dispatcher<'a, S, P> {
    store: Arc<S>,
    provider: Arc<P>,
    /// The batch lane, if there is work for it.
    batches: Option<BatchLane>,
    live_rate: LiveRate,
    clock: Clock,
    run: &'a Run,
    settings: EngineSettings,
    /// Marks what live requests share for the cache.
    marker: Marker,
    scheduler: Scheduler,
    /// What the run may still spend, on both lanes together.
    budget: RunBudget,
    rng: Rng,
    observer: &'a mut dyn Observer,
    events: EventMaker,
    stop: StopSignal,
    requests: JoinSet<Reply>,
    /// The job behind each request task.
    on_wire: HashMap<Id, ClaimedJob>,
    /// Answers are not looked at before.
    listen_at: Instant,
    calls: JoinSet<Called>,
    /// Ends of attempts that wait while others are on the way into the store.
    gathered: Group,
    /// A [`Store::finish`] is under way.
    finishing: bool,
    /// Ends of attempts that the store would not take and the spool did.
    spooled: u64,
    /// Ends that neither took.
    unsaved: Vec<Finish>,
    trouble: Option<StoreError>,
    /// When requests that are still in flight are given up, once the run is stopped.
    abandon_at: Option<Timestamp>,
    grace_is_over: bool,
    /// How far behind the wall was found, when that was told last.
    wall_behind: SignedDuration,
    /// The longest time in which this loop listened to nothing.
    largest_stall: Duration,
    lookout: Lookout,
    store_watch: StoreWatch,
}

/// A finished call of the store.
enum Called {
    Claimed {
        model: String,
        result: Result<Claimed, StoreError>,
        prompts: Vec<Prompt>,
    },
    Finished {
        group: Group,
        result: Result<(), NotRecorded>,
    },
    /// Claims were given back, or a change of the status page was written down.
    Kept(Result<(), StoreError>),
    Snapshot(Result<RunSnapshot, StoreError>),
}

/// Ends of attempts that went into the store together.
type Group = Vec<EndedAttempt>;

/// The end of an attempt on its way into the store.
struct EndedAttempt {
    job: ClaimedJob,
    finish: Finish,
    /// The room of its answer, until that is recorded.
    _reserved: Reserved,
}

/// What became of a request's task; boxed, since a reply is large.
type Answer = Result<Box<(Id, Reply)>, JoinError>;

/// Something that happened.
enum Happening {
    Answer(Answer),
    Called(Result<Called, JoinError>),
    Status(PageStatus),
    SnapshotIsDue,
    /// The batch lane tells something.
    News(News),
    WakeUp,
    Stop(Stop),
}

impl<S: Store, P: Provider> Dispatcher<'_, S, P> {
    async fn run(mut self) -> Result<Ending, EngineError> {
        let heartbeat = self.settings.heartbeat;
        let (mut snapshot, mut tick) = (every(heartbeat.snapshot), every(heartbeat.tick));
        self.on_stop(self.stop.current());
        let mut heard = Instant::now();
        loop {
            if let Some(leave) = self.act() {
                return self.leave(leave).await;
            }
            self.note_stall_since(heard);
            let happening = self.next(&mut snapshot, &mut tick).await;
            heard = Instant::now();
            match happening {
                Happening::Answer(first) => self.on_answers(first),
                Happening::Called(called) => {
                    self.store_answers();
                    match called {
                        Ok(called) => self.on_called(called),
                        Err(_) => self.on_lost_call(),
                    }
                }
                Happening::Status(status) => self.on_status(status),
                Happening::News(news) => self.on_news(news),
                Happening::SnapshotIsDue => {
                    self.follow_wall();
                    self.snapshot();
                }
                Happening::WakeUp => self.abandon_if_due(),
                Happening::Stop(Stop::Now) => {
                    self.tell_end(RunEnd::Interrupted);
                    return Ok(Ending::Interrupted);
                }
                Happening::Stop(stop) => self.on_stop(stop),
            }
        }
    }

    /// What happens next that may change what is to be done.
    async fn next(&mut self, snapshot: &mut Interval, tick: &mut Interval) -> Happening {
        let wake = match (self.scheduler.wakes_at(), self.abandon_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        loop {
            let since = self.clock.now();
            let happening = tokio::select! {
                biased;
                happening = self.happening(snapshot, wake) => Some(happening),
                due = tick.tick() => {
                    self.note_stall_since(due);
                    self.notice_silent_store();
                    self.observer.tick(self.clock.now());
                    // Nothing is to be done for a while: then there is nothing to plan either.
                    let is_far = |at| at > add(self.clock.now(), self.settings.heartbeat.snapshot);
                    (!wake.is_some_and(is_far)).then_some(Happening::WakeUp)
                }
            };
            self.notice_standstill(since);
            if let Some(happening) = happening {
                return happening;
            }
        }
    }

    async fn happening(&mut self, snapshot: &mut Interval, wake: Option<Timestamp>) -> Happening {
        let clock = self.clock;
        let wake_up = async move {
            match wake {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let listening = self.listen_at <= Instant::now();
        tokio::select! {
            biased;
            stop = self.stop.changed() => Happening::Stop(stop),
            Some(called) = self.calls.join_next() => Happening::Called(called),
            Some(answer) = self.requests.join_next_with_id(), if listening => Happening::Answer(answer.map(Box::new)),
            () = sleep_until(self.listen_at), if !listening => Happening::WakeUp,
            news = news_of(&mut self.batches) => Happening::News(news),
            status = self.lookout.told() => Happening::Status(status),
            () = wake_up => Happening::WakeUp,
            _ = snapshot.tick() => Happening::SnapshotIsDue,
        }
    }

    /// Carries out what the scheduler wants; returns why to leave, if it wants that.
    fn act(&mut self) -> Option<Leave> {
        let now = self.clock.now();
        self.keep_in_step();
        for effect in self.scheduler.plan(&mut self.budget, now, &mut self.rng) {
            match effect {
                Effect::Start(job) => self.start(job, now),
                Effect::Claim(claim) => self.claim(claim),
                Effect::Release(attempts) => {
                    let run = self.run.id;
                    self.call(move |store| async move {
                        Called::Kept(store.release(run, attempts).await)
                    });
                }
                Effect::Tell(kind) => self.tell(now, kind),
                Effect::Snapshot => self.ask_for_snapshot(),
                Effect::AskPage => self.lookout.ask(),
                Effect::Divert(model, to) => self.tell(now, self.events.switched(model, to)),
                Effect::Leave(leave) if self.calls.is_empty() && self.may_leave(&leave) => {
                    return Some(leave);
                }
                // A call of the store or the batch lane is still under way; its end brings us back here.
                Effect::Leave(_) => {}
            }
        }
        None
    }

    fn call<F>(&mut self, call: impl FnOnce(Arc<S>) -> F)
    where
        F: Future<Output = Called> + Send + 'static,
    {
        self.store_watch.called();
        self.calls.spawn(call(Arc::clone(&self.store)));
    }

    fn store_answers(&mut self) {
        if self.store_watch.answered(!self.calls.is_empty()) {
            self.tell(self.clock.now(), EventKind::StoreAnswers {});
        }
    }

    fn notice_silent_store(&mut self) {
        if let Some(silence) = self.store_watch.silence() {
            let for_ms = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
            self.tell(self.clock.now(), EventKind::StoreSilent { for_ms });
        }
    }

    fn tell(&mut self, at: Timestamp, kind: EventKind) {
        self.observer.observe(&self.events.make(at, kind));
    }

    fn ask_for_snapshot(&mut self) {
        let run = self.run.id;
        self.call(move |store| async move { Called::Snapshot(store.snapshot(run).await) });
    }

    fn on_called(&mut self, called: Called) {
        match called {
            Called::Claimed {
                model,
                result: Ok(claimed),
                prompts,
            } => self.scheduler.on_claimed(&model, claimed, prompts),
            Called::Claimed {
                model,
                result: Err(error),
                ..
            } => {
                self.scheduler.on_claim_failed(&model);
                self.trouble.get_or_insert(error);
            }
            Called::Snapshot(Ok(snapshot)) => {
                self.keep_in_step();
                self.scheduler.on_snapshot(snapshot);
            }
            Called::Finished { group, result } => self.on_finished(&group, result),
            Called::Kept(Ok(())) => {}
            Called::Snapshot(Err(error)) | Called::Kept(Err(error)) => {
                self.scheduler.on_store_failed();
                self.trouble.get_or_insert(error);
            }
        }
    }

    /// A look at the status page came back: each change of its indicator is written down and told.
    fn on_status(&mut self, status: PageStatus) {
        let now = self.clock.now();
        if self.scheduler.on_status(status.clone(), now) {
            let event = self.events.status_page(now, status.clone());
            self.observer.observe(&event);
            let (run, change) = (self.run.id, StatusChange { at: now, status });
            self.call(
                move |store| async move { Called::Kept(store.note_status(run, change).await) },
            );
        }
    }

    /// A call of which nothing is waited for: what claims and records comes back whatever happens in it.
    fn on_lost_call(&mut self) {
        self.scheduler.on_store_failed();
        self.trouble.get_or_insert_with(recording::lost_call);
    }

    fn on_stop(&mut self, stop: Stop) {
        self.scheduler.on_stop(stop);
        if stop != Stop::No && self.abandon_at.is_none() {
            let now = self.clock.now();
            self.abandon_at = Some(add(now, self.settings.grace));
            let in_flight = u64::from(self.scheduler.on_wire());
            self.observer
                .observe(&self.events.make(now, EventKind::Draining { in_flight }));
        }
    }

    /// The grace is over: what is still on the wire is given up, and recorded as interrupted.
    fn abandon_if_due(&mut self) {
        if self.abandon_at.is_some_and(|at| at <= self.clock.now()) {
            self.abandon_at = None;
            self.grace_is_over = true;
            self.requests.abort_all();
        }
    }

    async fn leave(mut self, leave: Leave) -> Result<Ending, EngineError> {
        let ending = match self.settle(leave).await {
            Ok(ending) => ending,
            Err(error) => {
                self.tell_end(RunEnd::Broken);
                return Err(error);
            }
        };
        self.store.release_spool().await;
        match &ending {
            Ending::Completed => self.tell_end(RunEnd::Completed),
            Ending::Interrupted => self.tell_end(RunEnd::Interrupted),
            Ending::LeftInBatches => self.tell_end(RunEnd::LeftInBatches),
            Ending::Halted(halt) => {
                let halted = EventKind::RunHalted {
                    error_class: halt.class,
                    message: halt.message.clone(),
                };
                self.observer
                    .observe(&self.events.make(self.clock.now(), halted));
                self.tell_end(RunEnd::Halted);
            }
        }
        Ok(ending)
    }

    /// Writes down how the run stands now.
    async fn settle(&mut self, leave: Leave) -> Result<Ending, EngineError> {
        let (run, now) = (self.run.id, self.clock.now());
        let in_batches = self.batches.as_ref().map_or(0, BatchLane::remote_batches) > 0;
        let (ending, halt) = match leave {
            Leave::Completed if in_batches => (Ending::LeftInBatches, None),
            Leave::Completed => (Ending::Completed, None),
            Leave::Canceled => {
                while self.store.cancel(run, now).await? {}
                let ending = if in_batches {
                    Ending::Interrupted
                } else {
                    Ending::Completed
                };
                (ending, None)
            }
            Leave::Halted(halt) => (Ending::Halted(halt.clone()), Some(halt)),
            Leave::Stopped => (Ending::Interrupted, None),
            Leave::Broken => return Err(self.last_words().await),
        };
        let sums = self.scheduler.take_estimates();
        if !sums.is_empty() {
            self.store.note_estimates(run, sums).await?;
        }
        keep_bounds(&*self.store, run, self.settings.terms()).await?;
        self.store.leave_run(run, now, halt).await?;
        Ok(ending)
    }

    /// The loop has listened to nothing since then.
    fn note_stall_since(&mut self, since: Instant) {
        self.largest_stall = self.largest_stall.max(since.elapsed());
    }

    fn tell_end(&mut self, reason: RunEnd) {
        let stall = self.largest_stall.as_millis();
        let ended = EventKind::RunEnded {
            reason,
            largest_stall_ms: u64::try_from(stall).unwrap_or(u64::MAX),
        };
        self.observer
            .observe(&self.events.make(self.clock.now(), ended));
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

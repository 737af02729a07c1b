//! What the batches of a run share, and what they decide by it. Pure: time is an argument.
//!
//! Each batch goes its own way (`life`), and so does the queue (`queue`). Here stands what one of them
//! must know of the others: room in the API's queue, whether one is being created, halts and hours,
//! how urgent it is. What is read from the store when the lane begins is all that it knows, so a crash
//! at any moment is a beginning like any other.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::absence::Absence;
use super::alarms::Alarms;
use super::batch::LocalBatch;
use super::create_pace::CreatePace;
use super::footprint::Footprint;
use super::intake::Intake;
use super::signals::{LiveView, Mode, Status};
use super::suspects::Suspects;
use super::view::View;
use super::warm_up::WarmUp;
use super::ways::Ways;
use crate::engine::gate::RunGate;
use crate::engine::outcome::halt_for;
use crate::engine::settings::EngineSettings;
use crate::model::{BatchId, CancelReason, ErrorClass, Halt, Lane, Run, RunId};
use crate::provider::Failure;
use crate::store::BatchRow;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Coordinator {
    pub(super) run: RunId,
    pub(super) view: View,
    /// The API is a simulator inside this process, and its batches end with it.
    pub(super) simulated: bool,
    /// The batches that are not over, in the order in which they were begun.
    pub(super) footprints: BTreeMap<BatchId, Footprint>,
    pub(super) intake: Intake,
    pub(super) warm_up: WarmUp,
    /// What holds the whole lane back.
    pub(super) gate: RunGate,
    pub(super) absence: Absence,
    pub(super) alarms: Alarms,
    /// The same of create calls alone: a poll goes well with a key that may buy nothing, or without credit.
    pub(super) create_alarms: Alarms,
    pub(super) pace: CreatePace,
    pub(super) suspects: Suspects,
    pub(super) live: LiveView,
    mode: Mode,
    no_wait: bool,
    /// Something changed that others may wait for.
    is_news: bool,
}

impl Coordinator {
    pub(super) fn new(run: &Run, settings: &EngineSettings, rows: &[BatchRow]) -> Self {
        Self {
            run: run.id,
            simulated: run.simulated,
            view: View {
                settings: settings.batch.settings,
                scale: settings.retry.scale,
                ways: Ways::new(settings),
                canceling: false,
            },
            footprints: BTreeMap::new(),
            intake: Intake::new(settings.batch.settings.size),
            warm_up: WarmUp::default(),
            gate: RunGate::new(settings, run.answered),
            absence: Absence::new(rows),
            alarms: Alarms::default(),
            create_alarms: Alarms::default(),
            pace: CreatePace::new(),
            suspects: Suspects::default(),
            live: LiveView::default(),
            mode: Mode::Run,
            no_wait: settings.batch.no_wait,
            is_news: false,
        }
    }

    pub(super) fn on_orders(&mut self, mode: Mode, live: LiveView) {
        self.mode = self.mode.max(mode);
        self.live = live;
        self.view.canceling = self.mode == Mode::Cancel;
    }

    /// Nothing new is begun any more.
    pub(super) fn is_leaving(&self) -> bool {
        self.mode >= Mode::Leave
    }

    /// Shows the others how a batch stands, with which nothing is being done.
    pub(super) fn show(&mut self, batch: &LocalBatch) {
        let id = batch.row.id;
        let before = self.footprints.insert(id, Footprint::of(batch));
        // What stands as before wakes nobody: two who wait would wake each other for ever.
        self.is_news |= before.as_ref() != self.footprints.get(&id);
    }

    /// Shows the others that something is being done about a batch from here on.
    pub(super) fn show_acting(&mut self, batch: BatchId) {
        if let Some(footprint) = self.footprints.get_mut(&batch) {
            footprint.is_acting = true;
            self.is_news = true;
        }
    }

    /// A batch is over, or was disbanded: what was held for it is free, so there may be room for another.
    pub(super) fn forget(&mut self, batch: BatchId) {
        self.footprints.remove(&batch);
        self.suspects.forget(batch);
        self.intake.changed();
        self.intake.short = false;
    }

    /// Whether something changed that others may wait for; asked once.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.is_news)
    }

    /// A call of the API was answered as it should be.
    pub(super) fn answered(&mut self) {
        self.alarms.calmed();
        self.create_alarms.heard_otherwise();
        self.gate.connectivity().answered();
    }

    /// A call of the API failed. The reason to halt if the endpoint has never answered in this run, and
    /// was given some time, as in the live lane.
    pub(super) fn failed(&mut self, failure: &Failure, now: Timestamp) -> Option<Halt> {
        let connectivity = self.gate.connectivity();
        if failure.evidence.http_status.is_some() {
            connectivity.answered();
            return None;
        }
        connectivity.waits_from(now);
        connectivity.failed(&failure.evidence);
        let unreachable_at = self.gate.unreachable_at(Duration::ZERO);
        let is_unreachable = unreachable_at.is_some_and(|at| at <= now);
        is_unreachable.then(|| halt_for(ErrorClass::Unreachable, &failure.evidence, now))
    }

    /// No job can succeed. Until when that is waited out; `None`: the run is left.
    pub(super) fn halted(&mut self, halt: &Halt, now: Timestamp) -> Option<Timestamp> {
        let until = self.gate.halted(halt, now);
        match until {
            Some(until) => self.gate.wait_until(until),
            None => self.mode = self.mode.max(Mode::Leave),
        }
        until
    }

    /// Why the requests of a batch were cancelled, if we did that: the user's wish outweighs a deadline.
    pub(super) fn cancel_reason(&self, row: &BatchRow) -> Option<CancelReason> {
        let by_user = self.view.canceling.then_some(CancelReason::User);
        by_user.or(row.cancel_reason)
    }

    /// How the lane stands, for the dispatcher.
    pub(super) fn status(&self) -> Status {
        let remote = self.footprints.values().filter(|it| it.is_remote());
        Status {
            busy: self.is_busy(),
            remote_batches: remote.count() as u64,
        }
    }

    /// There is work for this lane, or somebody must wait here for what the API works on.
    pub(super) fn is_busy(&self) -> bool {
        let queue = match self.intake.jobs() {
            _ if self.view.canceling => false,
            Some(_) if self.intake.is_stale() => true,
            Some(_) if self.absence.is_told() && self.intake.holds_only_forced(&self.view) => false,
            Some(jobs) => jobs > 0 && !self.waits_for_money_elsewhere(),
            None => true,
        };
        let mut batches = self.footprints.values();
        queue || batches.any(|batch| batch.keeps_us(self.no_wait))
    }

    /// The rest finds room in the budget when batches are fetched, which nobody waits for.
    fn waits_for_money_elsewhere(&self) -> bool {
        self.no_wait && self.intake.short && self.has_remote_batches()
    }

    /// The API works on batches of ours, or may, or has results of them that have not all come.
    pub(super) fn has_remote_batches(&self) -> bool {
        self.footprints.values().any(Footprint::is_remote)
    }

    /// Some batch is being filled or waits to be sent, and no other is begun meanwhile. One whose only
    /// entry is a suspect keeps none back: the next one may tell whose fault it is.
    pub(super) fn is_one_pending(&self) -> bool {
        let mut unsent = self.footprints.iter().filter(|(_, it)| it.is_unsent());
        unsent.any(|(batch, _)| !self.suspects.holds(*batch))
    }

    /// Requests that the API's queue still takes, as far as we know.
    pub(super) fn room(&self) -> u64 {
        let used: u64 = self.footprints.values().map(|it| it.in_remote_queue).sum();
        self.view.settings.queue_limit.saturating_sub(used)
    }

    /// The remote batches that are known to be some of ours.
    pub(super) fn remote_ids(&self) -> impl Iterator<Item = String> + '_ {
        self.footprints
            .values()
            .filter_map(|it| it.remote_id.clone())
    }

    /// What is left to do decides when the live lane must begin.
    pub(super) fn reckon(&mut self, now: Timestamp) {
        let in_batches: u64 = self.footprints.values().map(|it| it.unprocessed).sum();
        let jobs = in_batches + self.intake.jobs().unwrap_or_default() + self.live.queued;
        self.view.ways.reckon(jobs, self.live.speed, now);
    }
}

/// The batches that an earlier dispatch left. What was not sent is disbanded if there is a budget: what
/// was held for it is not known any more, and nothing is lost. So is it if the user wants the live lane
/// now.
pub(super) fn left_by_earlier(rows: &[BatchRow], settings: &EngineSettings) -> Vec<LocalBatch> {
    let has_budget = settings.limits.budget.is_some();
    let wants_live = settings.batch.lane == Some(Lane::Live);
    let open = rows.iter().filter(|row| !row.state.is_over());
    open.map(|row| LocalBatch::found(row.clone(), has_budget || wants_live))
        .collect()
}

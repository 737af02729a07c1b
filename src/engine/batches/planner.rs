//! The pure state machine of the batch lane: answers in, effects out.
//!
//! It decides when a batch is begun, sent, looked at, cancelled, fetched and given up. It never
//! waits and reads no clock: time and randomness are arguments. What is read from the store when it
//! begins is all that it knows, so a crash at any moment is a beginning like any other.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::absence::Absence;
use super::alarms::Alarms;
use super::effect::Effect;
use super::intake::{Intake, Step, nonce};
use super::signals::{LiveView, Mode};
use super::track::{Need, Track};
use super::view::View;
use super::warm_up::WarmUp;
use super::ways::Ways;
use crate::engine::gate::RunGate;
use crate::engine::settings::EngineSettings;
use crate::model::batch::MAX_BATCH_BYTES;
use crate::model::{BatchId, BatchState, CancelReason, Lane, Run, RunId};
use crate::store::{BatchRow, Fill, NewBatch};

/// Results fetched at the same time; each holds some hundred lines in memory.
const MOST_HARVESTS: usize = 2;

/// The state of the lane.
#[derive(Debug)]
pub(super) struct Planner {
    pub(super) run: RunId,
    pub(super) view: View,
    /// The API is a simulator inside this process, and its batches end with it.
    pub(super) simulated: bool,
    pub(super) tracks: BTreeMap<BatchId, Track>,
    pub(super) intake: Intake,
    pub(super) warm_up: WarmUp,
    /// What holds the whole lane back.
    pub(super) gate: RunGate,
    pub(super) absence: Absence,
    pub(super) alarms: Alarms,
    /// A create call is under way.
    pub(super) creating: bool,
    /// None is made before.
    pub(super) create_due: Timestamp,
    pub(super) refusals: u32,
    /// Since when a limit has been reached that lets no batch be created.
    pub(super) limited_since: Option<Timestamp>,
    pub(super) harvests: usize,
    /// What answers led to, for the next plan.
    pub(super) ready: Vec<Effect>,
    mode: Mode,
    live: LiveView,
    no_wait: bool,
    under_way: usize,
}

impl Planner {
    pub(super) fn new(run: &Run, settings: &EngineSettings, rows: Vec<BatchRow>) -> Self {
        let has_budget = settings.limits.budget.is_some();
        let live = settings.batch.lane == Some(Lane::Live);
        let absence = Absence::new(&rows);
        let tracks = rows.into_iter().filter(|row| !row.state.is_over());
        let tracks = tracks.map(|row| (row.id, Track::found(row, (has_budget, live))));
        Self {
            run: run.id,
            simulated: run.simulated,
            view: View {
                settings: settings.batch.settings,
                scale: settings.retry.scale,
                ways: Ways::new(settings),
                canceling: false,
            },
            tracks: tracks.collect(),
            intake: Intake::new(settings.batch.settings.size),
            warm_up: WarmUp::default(),
            gate: RunGate::new(settings, run.answered),
            absence,
            alarms: Alarms::default(),
            creating: false,
            create_due: Timestamp::MIN,
            refusals: 0,
            limited_since: None,
            harvests: 0,
            ready: Vec::new(),
            mode: Mode::Run,
            live: LiveView::default(),
            no_wait: settings.batch.no_wait,
            under_way: 0,
        }
    }

    pub(super) fn on_orders(&mut self, mode: Mode, live: LiveView) {
        self.mode = self.mode.max(mode);
        self.live = live;
        self.view.canceling = self.mode == Mode::Cancel;
    }

    /// Nothing new is begun any more.
    pub(super) fn leave(&mut self) {
        self.mode = self.mode.max(Mode::Leave);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.mode >= Mode::Leave
    }

    /// An effect has ended with its answer.
    pub(super) fn ended(&mut self) {
        self.under_way -= 1;
    }

    /// What is to be done now. Called again after each input and at [`Planner::wakes_at`].
    pub(super) fn plan(&mut self, now: Timestamp, rng: &mut Rng) -> Vec<Effect> {
        if !self.is_leaving() && self.gate.waiting().is_none() {
            self.judge_suspects(now);
        }
        let mut effects = std::mem::take(&mut self.ready);
        if self.is_leaving() {
            effects.retain(Effect::is_told);
        } else if self.gate.wait_is_over(now) {
            // A create call buys work, so it keeps to the hours; looks and results do not.
            self.gate.hours().look(now, Duration::ZERO);
            self.reckon(now);
            self.plan_warm_up(&mut effects);
            self.plan_intake(&mut effects, now, rng);
            self.plan_batches(&mut effects, now);
            self.strand(now);
            effects.append(&mut self.ready);
        }
        self.under_way += effects.iter().filter(|effect| !effect.is_told()).count();
        effects
    }

    fn plan_warm_up(&mut self, effects: &mut Vec<Effect>) {
        let tracks = &self.tracks;
        let jobs = self.warm_up.asks(|batch| tracks.contains_key(&batch));
        effects.extend(jobs.map(Effect::AskWarmers));
    }

    fn plan_intake(&mut self, effects: &mut Vec<Effect>, now: Timestamp, rng: &mut Rng) {
        let has_money = !self.intake.short || self.live.holds_nothing;
        let is_open = self.gate.closed_until().is_none() && !self.warm_up.holds(now);
        let may_begin = has_money && is_open && !self.tracks.values().any(Track::is_pending);
        let (room, down_since) = (self.room(), self.live.down_since);
        let step = self
            .intake
            .step(&self.view, room, may_begin, down_since, now);
        if step == Some(Step::Begin) && self.goes_first() {
            self.warm_up.begins();
        }
        effects.extend(step.map(|step| match step {
            Step::Ask => Effect::Ask,
            Step::Spill(rule) => Effect::Spill(rule),
            Step::Unroute(which) => Effect::Unroute(which),
            Step::Begin => Effect::Begin(NewBatch {
                run: self.run,
                nonce: nonce(self.run, now, rng.u64(..)),
                now,
            }),
        }));
    }

    /// The batch that is begun is one that warms the cache for the next.
    fn goes_first(&self) -> bool {
        let queued = self.intake.jobs().unwrap_or_default();
        let is_forced = self.view.ways.forced == Some(Lane::Batch);
        let least = u64::from(self.view.settings.min_jobs);
        let least = if is_forced { 1 } else { least };
        self.warm_up.due(queued, least).is_some()
    }

    fn plan_batches(&mut self, effects: &mut Vec<Effect>, now: Timestamp) {
        let ids: Vec<_> = self.tracks.keys().copied().collect();
        for id in ids {
            let need = self.tracks[&id].need(&self.view, now);
            let effect = need.and_then(|need| self.effect(id, need, now));
            if let (Some(effect), Some(track)) = (effect, self.tracks.get_mut(&id)) {
                track.busy = true;
                if matches!(effect, Effect::Send { .. }) {
                    // If it is lost, it is looked for from this call on, not from an earlier one.
                    track.row.sent_at = Some(now);
                }
                effects.push(effect);
            }
        }
    }

    /// What is done about that need now, if it is time and there is room for it.
    fn effect(&mut self, batch: BatchId, need: Need, now: Timestamp) -> Option<Effect> {
        let track = &self.tracks[&batch];
        let is_due = track.due <= now;
        let remote_id = || track.row.remote_id.clone();
        match need {
            Need::Fill if track.filled => Some(Effect::Move(batch, BatchState::Ready)),
            Need::Fill => Some(self.fill(batch, now)),
            Need::Send if self.creating || self.create_due > now => None,
            Need::Send if self.gate.closed_until().is_some() => None,
            Need::Send if !self.has_room_for(track) => None,
            Need::Send => {
                let bytes = track.row.bytes;
                let marks = self.warm_up.marks(batch, now);
                self.creating = true;
                Some(Effect::Send {
                    batch,
                    bytes,
                    marks,
                })
            }
            Need::Doubt => Some(Effect::Move(batch, BatchState::Uncertain)),
            Need::Find(mut search) => is_due.then(|| {
                search.others.extend(self.remote_ids());
                Effect::Find { batch, search }
            }),
            Need::Poll => {
                let remote_id = remote_id().filter(|_| is_due)?;
                Some(Effect::Poll { batch, remote_id })
            }
            Need::Cancel(reason) => Some(Effect::Cancel {
                batch,
                remote_id: remote_id()?,
                reason,
            }),
            Need::Harvest if !is_due || self.harvests >= MOST_HARVESTS => None,
            Need::Harvest => {
                let effect = Effect::Harvest {
                    row: Box::new(track.row.clone()),
                    cancel: self.cancel_reason(track),
                    downloads: track.downloads,
                    doubts: track.doubts,
                };
                self.harvests += 1;
                Some(effect)
            }
            Need::Disband {
                lane,
                keep_attempts,
            } => Some(Effect::Disband {
                batch,
                lane,
                keep_attempts,
            }),
        }
    }

    fn fill(&self, batch: BatchId, now: Timestamp) -> Effect {
        let room = u32::try_from(self.room()).unwrap_or(u32::MAX).max(1);
        let max_requests = self.intake.most_requests().min(room);
        let only = self.tracks.get(&batch);
        Effect::Fill(Fill {
            batch,
            max_requests,
            max_bytes: MAX_BATCH_BYTES - self.warm_up.most_bytes(max_requests),
            now,
            only: only.and_then(|track| track.only.clone()),
        })
    }

    /// Why its requests were cancelled, if we did that: the user's wish outweighs a deadline.
    fn cancel_reason(&self, track: &Track) -> Option<CancelReason> {
        let by_user = self.view.canceling.then_some(CancelReason::User);
        by_user.or(track.row.cancel_reason)
    }

    /// When there may be something to do without any input.
    pub(super) fn wakes_at(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_leaving() {
            return None;
        }
        if self.gate.waiting().is_some() {
            return self.gate.waiting();
        }
        let tracks = self.tracks.values();
        let of_tracks = tracks.filter_map(|track| track.wakes_at(&self.view, now));
        let of_intake = self.intake.wakes_at(&self.view, self.live.down_since, now);
        let create = Some(self.create_due).filter(|at| *at > now);
        let others = [create, self.gate.closed_until(), self.warm_up.wakes_at(now)];
        let others = others.into_iter().flatten();
        of_tracks.chain(of_intake).chain(others).min()
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
        queue
            || self
                .tracks
                .values()
                .any(|track| track.keeps_us(self.no_wait))
    }

    /// The rest finds room in the budget when batches are fetched, which nobody waits for.
    fn waits_for_money_elsewhere(&self) -> bool {
        self.no_wait && self.intake.short && self.remote_batches() > 0
    }

    /// Nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.under_way == 0 && self.ready.is_empty()
    }

    /// Batches that the API works on, or may, and those whose results have not all come.
    pub(super) fn remote_batches(&self) -> u64 {
        let remote = |track: &&Track| track.in_remote_queue() > 0 || track.awaits_results();
        self.tracks.values().filter(remote).count() as u64
    }

    /// Requests that the API's queue still takes, as far as we know.
    fn room(&self) -> u64 {
        let used: u64 = self.tracks.values().map(Track::in_remote_queue).sum();
        self.view.settings.queue_limit.saturating_sub(used)
    }

    /// The remote batches that are known to be some of ours.
    fn remote_ids(&self) -> impl Iterator<Item = String> + '_ {
        let tracks = self.tracks.values();
        tracks.filter_map(|track| track.row.remote_id.clone())
    }

    /// One that is too large for the whole queue is for the API to refuse.
    fn has_room_for(&self, track: &Track) -> bool {
        let room = self.room();
        u64::from(track.row.requests) <= room || room == self.view.settings.queue_limit
    }

    /// What is left to do decides when the live lane must begin.
    fn reckon(&mut self, now: Timestamp) {
        let in_batches: u64 = self.tracks.values().map(Track::unprocessed).sum();
        let jobs = in_batches + self.intake.jobs().unwrap_or_default() + self.live.queued;
        self.view.ways.reckon(jobs, self.live.speed, now);
    }
}

#[cfg(test)]
#[path = "planner_tests.rs"]
pub(super) mod tests;

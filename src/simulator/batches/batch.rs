//! The life of one batch.
//!
//! `in_progress`, perhaps `canceling`, then `ended`, for good. What was done before it closed keeps
//! its result; what was not is canceled or expired, by what closed it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::item::{Desk, Item, ItemState, prompt};
use super::pack::{Opened, Pack};
use super::records::{BatchItemRecord, BatchRecord, ItemOutcome};
use super::timing::Timing;
use crate::simulator::body_hash::body_hash;
use crate::simulator::log::LOGGED_PROMPT;
use crate::simulator::validate::Dialect;
use crate::simulator::world::World;

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: String,
    /// How many were created before it.
    pub(super) number: u32,
    pub(super) timing: Timing,
    pub(super) count: u32,
    pub(super) pack: Pack,
    /// How many of its first downloads break off.
    pub(super) cuts: u32,
    pub(super) bytes: u64,
    pub(super) version: String,
    pub(super) beta: String,
    pub(super) state: Mutex<State>,
}

/// What changes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) items: Vec<Item>,
    /// How many have had their turn, in order.
    done: u32,
    /// How many of those hang.
    stuck: u32,
    /// How many ended, by outcome.
    tally: [u32; 4],
    pub(super) canceled_at: Option<Instant>,
    pub(super) ended_at: Option<Instant>,
    pub(super) deleted: bool,
    pub(super) downloads: u32,
}

impl State {
    pub(super) fn new(items: Vec<Item>) -> Self {
        Self {
            items,
            done: 0,
            stuck: 0,
            tally: [0; 4],
            canceled_at: None,
            ended_at: None,
            deleted: false,
            downloads: 0,
        }
    }

    /// The API's word for where it stands.
    pub(super) fn status(&self) -> &'static str {
        match (self.ended_at, self.canceled_at) {
            (Some(_), _) => "ended",
            (None, Some(_)) => "canceling",
            (None, None) => "in_progress",
        }
    }

    /// How many ended in this way.
    pub(super) fn ended_as(&self, outcome: ItemOutcome) -> u32 {
        self.tally[place(outcome)]
    }

    fn item_mut(&mut self, index: u32) -> Option<&mut Item> {
        self.items.get_mut(usize::try_from(index).ok()?)
    }

    /// Ends everything that has not ended.
    fn close(&mut self, outcome: ItemOutcome, world: &World) {
        let open = |item: &&mut Item| !matches!(item.state, ItemState::Ended(_));
        let mut closed = 0;
        for item in self.items.iter_mut().filter(open) {
            item.state = ItemState::Ended(outcome);
            closed += 1;
        }
        self.stuck = 0;
        self.tally[place(outcome)] += closed;
        world
            .records
            .count_items(outcome.as_str(), u64::from(closed));
    }

    /// Counts how the item at `index` ended, if it did.
    fn count(&mut self, index: u32, world: &World) {
        match self.item_mut(index).map(|item| item.state) {
            Some(ItemState::Ended(outcome)) => {
                self.tally[place(outcome)] += 1;
                world.records.count_items(outcome.as_str(), 1);
            }
            Some(ItemState::Stuck) => self.stuck += 1,
            Some(ItemState::Waiting) | None => {}
        }
    }
}

fn place(outcome: ItemOutcome) -> usize {
    ItemOutcome::ALL
        .iter()
        .position(|one| *one == outcome)
        .unwrap_or_default()
}

impl Batch {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its requests are answered.
    pub(super) fn desk<'a>(&'a self, world: &'a World) -> Desk<'a> {
        Desk {
            world,
            dialect: Dialect {
                version: &self.version,
                beta: !self.beta.is_empty(),
            },
            batch: self.number,
            created: self.timing.created,
        }
    }

    /// Requests that are not done.
    pub(super) fn waiting(&self) -> u32 {
        let state = self.state();
        self.count - state.tally.iter().sum::<u32>()
    }

    /// Does what was due by `now`, at most this many requests. Says whether there is more to do.
    pub(super) fn advance(&self, world: &World, now: Instant, most: u32) -> bool {
        let state = &mut *self.state();
        if state.ended_at.is_some() {
            return false;
        }
        let (closes, outcome) = self.closing(state);
        // Nothing is answered after a batch has expired or was cancelled.
        let due = self.timing.due(now.min(closes));
        let until = due.min(state.done.saturating_add(most));
        self.work_until(until, state, world);
        // More is due than one step takes: the caller comes again.
        if until < due {
            return true;
        }
        if state.done == self.count && state.stuck == 0 {
            // When the last request was due, and not when somebody looked.
            state.ended_at = Some(self.timing.due_at(self.count.saturating_sub(1)));
        } else if closes <= now {
            state.close(outcome, world);
            state.ended_at = Some(closes);
        }
        false
    }

    /// When it ends at the latest, and what is left then is called.
    fn closing(&self, state: &State) -> (Instant, ItemOutcome) {
        let expires = self.timing.expires();
        match state.canceled_at.map(|at| self.timing.canceled(at)) {
            // A cancel that comes too late finds the batch expired.
            Some(canceled) if canceled <= expires => (canceled, ItemOutcome::Canceled),
            _ => (expires, ItemOutcome::Expired),
        }
    }

    fn work_until(&self, until: u32, state: &mut State, world: &World) {
        let desk = self.desk(world);
        while state.done < until {
            let before = state.done;
            let opened: Opened = self.pack.open(self.pack.block_of(before));
            for (index, params) in opened.requests() {
                if index < before || index >= until {
                    continue;
                }
                if let Some(item) = state.item_mut(index) {
                    desk.work(item, params, self.timing.due_at(index));
                }
                state.count(index, world);
                state.done = index + 1;
            }
            if state.done == before {
                // A block that cannot be read back: its requests hang.
                state.done = until;
                state.stuck += until - before;
            }
        }
    }

    /// What tests may know of it.
    pub(super) fn record(&self, world: &World) -> BatchRecord {
        let state = self.state();
        BatchRecord {
            id: self.id.clone(),
            created_at_ms: world.epoch.ms_at(self.timing.created),
            ended_at_ms: state.ended_at.map(|at| world.epoch.ms_at(at)),
            processing_status: state.status().to_owned(),
            requests: self.count,
            succeeded: state.ended_as(ItemOutcome::Succeeded),
            errored: state.ended_as(ItemOutcome::Errored),
            canceled: state.ended_as(ItemOutcome::Canceled),
            expired: state.ended_as(ItemOutcome::Expired),
            downloads: state.downloads,
            deleted: state.deleted,
            bytes: self.bytes,
            version: self.version.clone(),
            beta: self.beta.clone(),
        }
    }

    /// What tests may know of its requests.
    pub(super) fn item_records(&self, world: &World) -> Vec<BatchItemRecord> {
        let state = self.state();
        let mut records = Vec::with_capacity(state.items.len());
        let mut items = state.items.iter();
        for block in 0..self.pack.blocks() {
            let opened = self.pack.open(block);
            for ((index, params), item) in opened.requests().zip(items.by_ref()) {
                let (outcome, at) = match item.state {
                    ItemState::Ended(outcome @ (ItemOutcome::Canceled | ItemOutcome::Expired)) => {
                        (Some(outcome), state.ended_at)
                    }
                    ItemState::Ended(outcome) => (Some(outcome), Some(self.timing.due_at(index))),
                    ItemState::Waiting | ItemState::Stuck => (None, None),
                };
                records.push(BatchItemRecord {
                    batch_id: self.id.clone(),
                    custom_id: item.custom_id.to_string(),
                    body_hash: format!("{:016x}", body_hash(params)),
                    prompt: prompt(params, LOGGED_PROMPT),
                    outcome,
                    at_ms: at.map(|at| world.epoch.ms_at(at)),
                });
            }
        }
        records
    }
}

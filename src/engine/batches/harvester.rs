//! The results of a batch, from the download into the store.
//!
//! Lines come in any order. Answers are recorded in groups, each in one transaction, and what brings
//! none once the download is whole (`sorting`). An attempt that has ended is left as it is, so a
//! download that broke off is simply begun again. Of answers, at most a few hundred are held.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::{mpsc, watch};

use super::batch_io::{BatchIo, Context};
use super::items::{Surroundings, Taken, never_processed, refused, take, without_line};
use super::short::{Lack, Missing, ResultDoubts, after_download, concerns_the_results, missing};
use super::signals::News;
use super::sorting::{Sorting, size};
use super::ways::Ways;
use crate::clock;
use crate::engine::batch_money::Recorded;
use crate::model::{
    AttemptId, AttemptOutcome, BatchState, CancelReason, Event, Halt, Lane, RequestCounts,
    ResultLines, ShortResults,
};
use crate::policy::DIFFERENT_JOBS;
use crate::provider::{BatchApi, Failure, ItemResult, Reserved, ResultLine};
use crate::store::{BatchRow, BatchStore, Next, OpenItem, Result};

/// Lines between the download and the group that is recorded.
const LINES_AHEAD: usize = 256;
/// Lines of a group, at most.
const GROUP: usize = 512;
/// Bytes of messages in a group, at most; a line may be large.
const GROUP_BYTES: usize = 8 << 20;
/// A group is recorded at the latest so long after its first line.
const GROUP_WAITS: Duration = Duration::from_millis(200);
/// Whole downloads after which a missing line is called so.
const DOWNLOADS: u32 = 2;

/// What a download of results brought.
#[derive(Debug, Default)]
pub(super) struct Harvested {
    pub(super) end: HarvestEnd,
    pub(super) lines: ResultLines,
    /// It came short: since when, and in how many downloads.
    pub(super) short: Option<ShortResults>,
    /// The API says that it has removed the results.
    pub(super) archived: bool,
    /// The whole run must stop, for this reason.
    pub(super) halt: Option<Halt>,
    /// The jobs of some model must wait, for this reason.
    pub(super) hold: Option<Halt>,
}

/// How a download ended.
#[derive(Debug, Default)]
pub(super) enum HarvestEnd {
    /// Every request of the batch has its end.
    #[default]
    Complete,
    /// The download was whole. Some requests had no line, which may be so; one more will tell.
    Incomplete,
    /// The download was whole, but some requests had no end in it whose answers may be paid for.
    Short(Lack),
    /// The download was whole, but not everything of it could be held.
    Postponed,
    /// It broke off, or there was none.
    Cut(Box<Failure>),
    /// We are leaving.
    Stopped,
}

/// The room that the line holds.
fn take_room(line: &mut ResultLine) -> Reserved {
    std::mem::take(&mut line.reserved)
}

/// Records the ends of the attempts of one batch.
pub(super) struct Harvester<'a, S, B> {
    io: &'a BatchIo<S, B>,
    row: &'a BatchRow,
    cancel: Option<CancelReason>,
    ways: Ways,
    rng: Rng,
    leaving: watch::Receiver<bool>,
    sorting: Sorting,
    done: Harvested,
    /// What the API last said of its requests.
    counts: RequestCounts,
    /// What has no line may be ended: the download was repeated.
    confirming: bool,
    doubts: ResultDoubts,
}

impl<'a, S: BatchStore, B: BatchApi> Harvester<'a, S, B> {
    pub(super) fn new(
        io: &'a BatchIo<S, B>,
        row: &'a BatchRow,
        cancel: Option<CancelReason>,
        context: Context,
    ) -> Self {
        Self {
            io,
            row,
            cancel,
            ways: context.ways,
            rng: context.rng,
            leaving: io.leaving(),
            sorting: Sorting::new(&row.nonce, false, ResultDoubts::default()),
            done: Harvested::default(),
            counts: row.counts,
            confirming: false,
            doubts: ResultDoubts::default(),
        }
    }

    /// Downloads the results once, after that many whole downloads, and records them.
    pub(super) async fn run(&mut self, downloads: u32, doubts: ResultDoubts) -> Result<Harvested> {
        self.confirming = downloads + 1 >= DOWNLOADS;
        self.doubts = doubts;
        self.sorting = Sorting::new(&self.row.nonce, downloads > 0, doubts);
        let remote_id = self.row.remote_id.clone().unwrap_or_default();
        if downloads > 0 || self.row.short.is_some() {
            self.look_again(&remote_id).await?;
        }
        let (sender, mut lines) = mpsc::channel(LINES_AHEAD);
        let io = self.io;
        let download = io.api.results(&remote_id, sender);
        let (told, taken) = tokio::join!(download, self.take_lines(&mut lines));
        let whole = taken?;
        let end = match told {
            _ if !whole => HarvestEnd::Stopped,
            Err(failure) => HarvestEnd::Cut(failure),
            Ok(_) => self.settle().await?,
        };
        self.note_short(&end).await?;
        self.add_lines();
        let done = std::mem::take(&mut self.done);
        Ok(Harvested { end, ..done })
    }

    /// The counts may have been put right meanwhile. If the API does not say, those that are known
    /// stand.
    async fn look_again(&mut self, remote_id: &str) -> Result<()> {
        let Ok(polled) = self.io.api.retrieve(remote_id).await else {
            return Ok(());
        };
        let now = self.io.clock.now();
        self.counts = polled.batch.counts;
        self.done.archived = polled.batch.archived_at.is_some_and(|at| at <= now);
        let store = &self.io.store;
        store.note_remote(self.row.id, polled.batch, now).await
    }

    /// The download was whole: what it says of requests without an answer holds now, and what has no
    /// line is missing.
    async fn settle(&mut self) -> Result<HarvestEnd> {
        let mut seen = self.sorting.seen();
        let contradicted = seen.contradicts(&self.counts);
        let held = self.sorting.take_held();
        // What the counts call paid is not taken for unpaid because a line says so.
        if !contradicted && !self.record_held(held).await? {
            return Ok(HarvestEnd::Stopped);
        }
        if !contradicted && self.sorting.wants_another() {
            return Ok(HarvestEnd::Postponed);
        }
        let open = self.io.row(self.row.id).await?.open_requests;
        if open > 0 {
            let unreadable = if self.doubts.over {
                0
            } else {
                // They are open, like those without a line.
                std::mem::take(&mut seen.unreadable)
            };
            let lack = self.lack(open, unreadable, contradicted);
            let missing = missing(&self.counts, &seen, open);
            if missing == Missing::Answers || lack.strange || contradicted {
                return Ok(HarvestEnd::Short(lack));
            }
            if !self.confirming {
                return Ok(HarvestEnd::Incomplete);
            }
            let before = self.done.lines.recorded;
            if !self.end_open(missing).await? {
                return Ok(HarvestEnd::Stopped);
            }
            self.done.lines.missing = self.done.lines.recorded - before;
            self.done.lines.recorded = before;
        }
        let now = self.io.clock.now();
        let store = &self.io.store;
        store
            .move_batch(self.row.id, BatchState::Harvested, now)
            .await?;
        Ok(HarvestEnd::Complete)
    }

    fn lack(&self, open: u64, unreadable: u64, contradicted: bool) -> Lack {
        Lack {
            open,
            unreadable,
            contradicted,
            strange: self.sorting.ours() == 0 && self.sorting.lines.unknown > 0,
        }
    }

    /// That results came short is written down before they are waited for, so that a crash does not
    /// begin the hours anew.
    async fn note_short(&mut self, end: &HarvestEnd) -> Result<()> {
        let is_short = match end {
            HarvestEnd::Short(_) => true,
            HarvestEnd::Cut(failure) => concerns_the_results(failure),
            _ => false,
        };
        let is_progress = self.done.lines.recorded > 0;
        let now = self.io.clock.now();
        let short = is_short.then(|| after_download(self.row.short, is_progress, now));
        self.done.short = short;
        if short.is_some() || (is_progress && self.row.short.is_some()) {
            self.io.store.note_short(self.row.id, short).await?;
        }
        Ok(())
    }

    /// Ends every open attempt of a batch whose results are gone, and for none of which anything was
    /// paid.
    pub(super) async fn expire(&mut self, missing: Missing) -> Result<Harvested> {
        if !self.end_open(missing).await? {
            self.done.end = HarvestEnd::Stopped;
        }
        Ok(std::mem::take(&mut self.done))
    }

    /// Fails the job of the entry that the API refused the batch for; false if it is not open.
    pub(super) async fn refuse(&mut self, attempt: AttemptId, failure: &Failure) -> Result<bool> {
        let items = self.open_items(vec![attempt]).await?;
        let found = !items.is_empty();
        let around = self.surroundings();
        let mut rng = self.rng.fork();
        let taken = items
            .into_iter()
            .map(|item| (refused(&around, &item, failure, &mut rng), item));
        let taken = taken.collect();
        self.record(taken).await?;
        Ok(found)
    }

    /// Takes line after line until there are no more; false if we are leaving.
    async fn take_lines(&mut self, lines: &mut mpsc::Receiver<ResultLine>) -> Result<bool> {
        loop {
            let Some(mut group) = self.group(lines).await else {
                lines.close();
                return Ok(false);
            };
            if group.is_empty() {
                return Ok(true);
            }
            let kept: Vec<Reserved> = group.iter_mut().map(take_room).collect();
            let answers = group.into_iter().filter_map(|line| self.sorting.take(line));
            let answers = answers.collect();
            self.record_results(answers).await?;
            drop(kept);
            fail::fail_point!("harvest-between-pages", |_| std::process::abort());
        }
    }

    /// The next lines; empty at the end, none if we are leaving.
    async fn group(&mut self, lines: &mut mpsc::Receiver<ResultLine>) -> Option<Vec<ResultLine>> {
        let first = tokio::select! {
            biased;
            _ = self.leaving.wait_for(|leaving| *leaving) => return None,
            line = lines.recv() => line,
        };
        let mut group: Vec<_> = first.into_iter().collect();
        let mut bytes: usize = group.iter().map(|line| size(&line.result)).sum();
        let more = async {
            while !group.is_empty() && group.len() < GROUP && bytes < GROUP_BYTES {
                let Some(line) = lines.recv().await else {
                    break;
                };
                bytes += size(&line.result);
                group.push(line);
            }
        };
        // A slow download does not keep what has come from being recorded.
        let _ = clock::timeout(GROUP_WAITS, more).await;
        Some(group)
    }

    /// Records what brought no answer, in groups as well; false if we are leaving.
    async fn record_held(&mut self, held: Vec<(AttemptId, ItemResult)>) -> Result<bool> {
        let mut held = held.into_iter();
        loop {
            let group: BTreeMap<_, _> = held.by_ref().take(GROUP).collect();
            if group.is_empty() {
                return Ok(true);
            }
            if *self.leaving.borrow() {
                return Ok(false);
            }
            self.record_results(group).await?;
        }
    }

    fn add_lines(&mut self) {
        let (lines, found) = (&mut self.done.lines, self.sorting.lines);
        lines.repeated += found.repeated;
        lines.unknown += found.unknown;
        lines.unreadable += found.unreadable;
    }

    async fn record_results(&mut self, mut results: BTreeMap<AttemptId, ItemResult>) -> Result<()> {
        let items = self.open_items(results.keys().copied().collect()).await?;
        let around = self.surroundings();
        let mut rng = self.rng.fork();
        let mut taken = Vec::with_capacity(items.len());
        for item in items {
            if let Some(result) = results.remove(&item.job.attempt) {
                taken.push((take(&around, &item, result, &mut rng), item));
            }
        }
        self.record(taken).await
    }

    /// Ends page by page what is open; false if we are leaving.
    async fn end_open(&mut self, missing: Missing) -> Result<bool> {
        loop {
            let open = self.io.store.missing_items(self.row.id).await?;
            if open.is_empty() {
                return Ok(true);
            }
            if *self.leaving.borrow() {
                return Ok(false);
            }
            let items = self.open_items(open).await?;
            let around = self.surroundings();
            let mut rng = self.rng.fork();
            let taken = items.into_iter().map(|item| {
                let taken = match missing {
                    Missing::Unprocessed(outcome) => never_processed(&around, &item, outcome),
                    Missing::Unpaid | Missing::Answers => without_line(&around, &item, &mut rng),
                };
                (taken, item)
            });
            let taken = taken.collect();
            self.record(taken).await?;
        }
    }

    async fn open_items(&self, attempts: Vec<AttemptId>) -> Result<Vec<OpenItem>> {
        if attempts.is_empty() {
            return Ok(Vec::new());
        }
        self.io.store.open_items(self.row.id, attempts).await
    }

    fn surroundings(&self) -> Surroundings<'a> {
        Surroundings {
            settings: &self.io.settings,
            ways: self.ways,
            cancel: self.cancel,
            others_succeeded: self.counts.succeeded > 0,
            run_goes_well: self.io.goes_well(),
            few: (self.row.requests as usize) < DIFFERENT_JOBS,
            now: self.io.clock.now(),
        }
    }

    /// Records these ends in one transaction, then tells of them.
    async fn record(&mut self, mut taken: Vec<(Taken, OpenItem)>) -> Result<()> {
        if taken.is_empty() {
            return Ok(());
        }
        let finishes = taken.iter().map(|(taken, _)| taken.finish.clone());
        let finishes = finishes.collect();
        let lesser = self.io.store.finish(self.io.run, finishes).await?;
        for instead in lesser {
            let attempt = instead.record.attempt;
            let refused = taken
                .iter_mut()
                .find(|(_, item)| item.job.attempt == attempt);
            if let Some((taken, _)) = refused {
                taken.finish = instead;
            }
        }
        self.done.lines.recorded += taken.len() as u64;
        let (mut events, mut for_live): (Vec<Event>, bool) = (Vec::new(), false);
        let mut recorded = Recorded::new(self.row.id);
        let now = self.io.clock.now();
        for (taken, item) in taken {
            let record = &taken.finish.record;
            recorded.push(&item, record);
            self.io.note(record.outcome);
            let maker = &self.io.events;
            let (attempt, job) = maker.finished(now, &item.job, &taken.finish, Lane::Batch);
            events.push(attempt);
            events.extend(job);
            let is_canceled = record.outcome == AttemptOutcome::Canceled;
            let elsewhere = is_canceled && self.cancel.is_none();
            self.done.lines.canceled_elsewhere += u64::from(elsewhere);
            let goes_again = taken.finish.next != Next::Hold && !taken.finish.next.is_end();
            for_live |= goes_again && taken.finish.lane == Lane::Live;
            self.done.halt = self.done.halt.take().or(taken.halt);
            self.done.hold = self.done.hold.take().or(taken.hold);
        }
        self.io.tell(News::Recorded(recorded)).await;
        self.io.tell(News::Events(events)).await;
        if for_live {
            self.io.tell(News::JobsForLive).await;
        }
        Ok(())
    }
}

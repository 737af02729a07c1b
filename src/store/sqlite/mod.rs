//! The store in one SQLite file.
//!
//! Owns the file, its lock and its schema. One thread owns the only write connection and commits
//! in groups with `synchronous=FULL` (`writer`); readers have read-only connections of their own
//! ([`SqliteReader`]). Job ids carry run and line, so that a run's rows lie together and in input
//! order. Texts are packed and unpacked on the caller's thread, never on the writer's.
//!
//! Failpoints stand before and behind every commit; with the feature `failpoints` the action
//! `return` aborts the process there, as a crash would.
//!
//! ```text
//! schema          ../../../schemas/sqlite/*.sql, applied by migrate
//! open            what must be true of a file, pragmas
//! identity, lock  which file a store is, whatever its name, and who dispatches from it
//! imprint         whether the file still holds this store
//! companion       files beside the store
//! backup          a copy before the schema changes
//! writer, tx      one transaction for many calls; tallies kept in step
//! load            submit: rows of a run that is still invisible
//! claim, finish   the life of an attempt; finish serves both lanes
//! ended           what an ended attempt says, and the sum over it
//! amend           what its next attempt asks differently
//! control         start, snapshot, leave, cancel, retry
//! record          ends of attempts, and what becomes of one that the store cannot hold
//! bounds          what attempts may have cost that may have been billed
//! spool, replay   where answers go that the store does not take, and how they come back
//! spool_files     which spools are a store's
//! spool_format    ... and what stands in one
//! kept            answers that have no place in the store
//! sent            marks of what was really sent, for whoever comes after a kill
//! sent_format     ... and when they are believed
//! tally           what is counted, and the two queues
//! batch_store     the verbs of the batch lane, which are
//! queue           ... the queue for batches
//! fill            ... what goes into a batch and onto the wire
//! batches         ... where batches stand
//! harvest         ... what must be known of a result's job
//! requests        what requests share, and who warms the cache for it
//! disband        ... batches that are taken apart
//! reader, rows    pages for exports; columns: by their position
//! groups, slices  sums for reports, in parts of bounded size
//! health          what doctor asks
//! seen            ids of an input of which nothing is stored
//! verify          the invariants, held against every row
//! ```

mod amend;
mod backup;
mod batch_store;
mod batches;
mod blob;
mod bounds;
mod cancel_jobs;
mod checkpoint;
mod claim;
mod columns;
mod companion;
mod control;
mod disband;
mod ended;
mod errors;
mod estimates;
mod file_system;
mod fill;
mod finish;
mod groups;
mod harvest;
mod health;
mod identity;
mod imprint;
mod kept;
mod load;
mod load_lock;
mod lock;
mod migrate;
mod open;
mod queue;
mod reader;
mod record;
mod replay;
mod requests;
mod rows;
mod seen;
mod sent;
mod sent_format;
mod slices;
mod spool;
mod spool_files;
mod spool_format;
mod tally;
#[cfg(test)]
mod tests;
mod tx;
mod verify;
mod waits;
mod writer;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::model::{
    AttemptId, ClaimedJob, DispatchOptions, Endpoint, Halt, NewJob, Pico, RequestBody, RunId,
};
use crate::store::{
    CancelFilter, CanceledJobs, Claim, Claimed, DuplicateId, EstimateSums, Finish, MaybeBilled,
    NewRun, Recovered, Result, RetryFilter, RunSnapshot, StatusChange, Store, Unbounded,
};

pub use health::place_of;
pub use load_lock::LoadLock;
pub use lock::DispatchLock;
pub use reader::SqliteReader;
pub use seen::SeenIds;
pub use spool_files::{Aside, aside, spooled};

use identity::StoreFile;
use kept::Kept;
use sent::SentMarks;
use spool::Spool;
use tx::Tx;
use writer::Writer;

/// The write side of a SQLite store. Clones share one writer.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writer: Writer,
    spool: Arc<Spool>,
    kept: Arc<Kept>,
    marks: Arc<SentMarks>,
    file: StoreFile,
}

impl SqliteStore {
    /// Opens the store at `path`, and makes or migrates it as needed.
    ///
    /// # Errors
    ///
    /// Every [`crate::store::StoreError`] that is about the file: not writable, not ours, newer, damaged, on a
    /// network file system, or locked.
    pub fn open(path: &Path) -> Result<Self> {
        let opened = open::open_writer(path)?;
        let file = opened.file.clone();
        let id = spool_files::id_of(&opened.connection, path)?;
        Ok(Self {
            writer: Writer::spawn(Tx::new(opened))?,
            spool: Arc::new(Spool::beside(&file.path, id, true)),
            kept: Arc::new(Kept::beside(&file.path, true)),
            marks: Arc::new(SentMarks::beside(&file, id, true)),
            file,
        })
    }

    /// Brings the store at `path`, which is of an older version, up to date, behind a backup.
    ///
    /// # Errors
    ///
    /// As [`SqliteStore::open`].
    pub fn upgrade(path: &Path) -> Result<()> {
        open::open_writer(path).map(drop)
    }

    /// The same store without the writer's thread: every call works on the caller's thread, so
    /// that a test on virtual time never waits in real time. Nothing is synced to the disk.
    pub fn open_inline(path: &Path) -> Result<Self> {
        let opened = open::open_writer(path)?;
        opened
            .connection
            .pragma_update(None, "synchronous", "OFF")
            .map_err(|error| errors::explain(path, &error))?;
        let file = opened.file.clone();
        let id = spool_files::id_of(&opened.connection, path)?;
        Ok(Self {
            writer: Writer::inline(Tx::new(opened)),
            spool: Arc::new(Spool::beside(&file.path, id, false)),
            kept: Arc::new(Kept::beside(&file.path, false)),
            marks: Arc::new(SentMarks::beside(&file, id, false)),
            file,
        })
    }

    /// The store's own file, without links: whoever goes on by it stays with this store.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Ends the writer's thread and folds the write-ahead log back into the file. Nothing is lost
    /// without it; a tidy process leaves one file behind instead of three.
    pub async fn close(&self) {
        self.writer.close().await;
    }

    /// The runs that are loading, or whose load was broken off. A [`LoadLock`] tells which.
    pub async fn loading(&self) -> Result<Vec<RunId>> {
        self.writer.call(|tx| load::loading(tx)).await
    }
}

impl Store for SqliteStore {
    async fn begin_load(&self, run: NewRun) -> Result<()> {
        self.writer.call(move |tx| load::begin(tx, &run)).await
    }

    async fn add_jobs(&self, run: RunId, jobs: Vec<NewJob>) -> Result<Vec<DuplicateId>> {
        let packed: Vec<_> = jobs.into_iter().map(load::PackedJob::from).collect();
        self.writer
            .call(move |tx| load::add(tx, run, &packed))
            .await
    }

    async fn finish_load(&self, run: RunId, fingerprint: [u8; 32]) -> Result<()> {
        self.writer
            .call(move |tx| load::finish(tx, run, &fingerprint))
            .await
    }

    async fn finish_load_once(&self, run: RunId, fingerprint: [u8; 32]) -> Result<Option<RunId>> {
        self.writer
            .call(move |tx| load::finish_once(tx, run, &fingerprint))
            .await
    }

    async fn sweep_load(&self, run: RunId) -> Result<bool> {
        self.writer.call(move |tx| load::sweep(tx, run)).await
    }

    async fn start_run(
        &self,
        run: RunId,
        now: Timestamp,
        max_interruptions: u32,
    ) -> Result<Recovered> {
        let replayed = self.replay(run).await?;
        let sent = self.marks.left();
        let start =
            move |tx: &mut Tx| control::start(tx, run, now, max_interruptions, sent.as_ref());
        let recovered = self.writer.call(start).await?;
        Ok(Recovered {
            replayed,
            ..recovered
        })
    }

    async fn begin_marks(&self, run: RunId) -> Result<()> {
        let dispatch = *Uuid::now_v7().as_bytes();
        self.writer
            .call(move |tx| sent::believe(tx, run, dispatch))
            .await?;
        if let Err(error) = self.marks.begin(run, dispatch) {
            sent::warn(self.marks.path(), &error);
        }
        Ok(())
    }

    fn mark_sent(&self, attempt: AttemptId) {
        self.marks.mark(attempt);
    }

    async fn claim(&self, claim: Claim) -> Result<Claimed> {
        let model = claim.model.clone();
        let run = claim.run;
        let claims = self.writer.call(move |tx| claim::claim(tx, &claim)).await?;
        let mut jobs = Vec::with_capacity(claims.jobs.len());
        for packed in claims.jobs {
            let (attempt, at) = (packed.attempt, time(packed.started_at_ms));
            match unpack_claim(&model, packed) {
                Ok(job) => jobs.push(job),
                Err(why) => self.fail_damaged(run, attempt, at, &why).await?,
            }
        }
        Ok(Claimed {
            jobs,
            next_due: claims
                .next_due_ms
                .and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            more: claims.more,
        })
    }

    async fn finish(&self, run: RunId, finishes: Vec<Finish>) -> Result<Vec<Finish>> {
        fail::fail_point!("store-finish");
        let attempts: Vec<_> = finishes.iter().map(|it| it.record.attempt).collect();
        let lesser = self.record(run, finishes).await?;
        self.marks.recorded(&attempts);
        Ok(lesser)
    }

    async fn reserve_spool(&self, slots: u32) -> Result<()> {
        self.spool.reserve(slots)
    }

    async fn spool(&self, run: RunId, finishes: Vec<Finish>) -> Vec<Finish> {
        self.spool.append(run, finishes)
    }

    async fn release_spool(&self) {
        self.spool.release();
    }

    async fn release(&self, run: RunId, attempts: Vec<AttemptId>) -> Result<()> {
        self.writer
            .call(move |tx| claim::release(tx, run, &attempts))
            .await
    }

    async fn without_bound(&self, run: RunId, after: Option<AttemptId>) -> Result<Vec<Unbounded>> {
        let page = self
            .writer
            .call(move |tx| bounds::without_bound(tx, run, after))
            .await?;
        Ok(page.into_iter().map(bounds::Packed::unpack).collect())
    }

    async fn keep_bounds(&self, run: RunId, bounds: Vec<(AttemptId, Pico)>) -> Result<()> {
        self.writer
            .call(move |tx| bounds::keep(tx, run, &bounds))
            .await
    }

    async fn maybe_billed(&self, run: RunId) -> Result<MaybeBilled> {
        self.writer
            .call(move |tx| bounds::maybe_billed(tx, run))
            .await
    }

    async fn keep_options(&self, run: RunId, options: DispatchOptions) -> Result<()> {
        self.writer
            .call(move |tx| control::keep_options(tx, run, &options))
            .await
    }

    async fn name_run(&self, run: RunId, name: String) -> Result<()> {
        self.writer
            .call(move |tx| control::name_run(tx, run, &name))
            .await
    }

    async fn snapshot(&self, run: RunId) -> Result<RunSnapshot> {
        let snapshot = self
            .writer
            .call(move |tx| control::snapshot(tx, run))
            .await?;
        lock::renew(&self.file)?;
        Ok(snapshot)
    }

    async fn note_estimates(&self, run: RunId, sums: Vec<EstimateSums>) -> Result<()> {
        self.writer
            .call(move |tx| estimates::note(tx, run, &sums))
            .await
    }

    async fn note_status(&self, run: RunId, change: StatusChange) -> Result<()> {
        self.writer
            .call(move |tx| control::note_status(tx, run, &change))
            .await
    }

    async fn leave_run(&self, run: RunId, now: Timestamp, halt: Option<Halt>) -> Result<()> {
        self.writer
            .call(move |tx| control::leave(tx, run, now, halt.as_ref()))
            .await?;
        self.marks.end();
        Ok(())
    }

    async fn cancel(&self, run: RunId, now: Timestamp) -> Result<bool> {
        self.writer
            .call(move |tx| control::cancel(tx, run, now))
            .await
    }

    async fn cancel_jobs(
        &self,
        run: RunId,
        filter: CancelFilter,
        after_line: u64,
        now: Timestamp,
    ) -> Result<CanceledJobs> {
        self.writer
            .call(move |tx| cancel_jobs::cancel_jobs(tx, run, &filter, after_line, now))
            .await
    }

    async fn retry(
        &self,
        run: RunId,
        filter: RetryFilter,
        after_line: u64,
    ) -> Result<(u64, Option<u64>)> {
        let kept = self.kept.jobs_of(run);
        self.writer
            .call(move |tx| control::retry(tx, run, &filter, after_line, &kept))
            .await
    }
}

/// A claimed job with its body unpacked, or why that cannot be.
fn unpack_claim(
    model: &str,
    packed: claim::PackedClaim,
) -> std::result::Result<ClaimedJob, String> {
    let body = RequestBody::from_json(blob::unpack(&packed.body)?);
    let (body, amendment) = match packed.amendment {
        Some(amendment) => amend::unpack(&amendment, &body)?,
        None => (body, None),
    };
    Ok(ClaimedJob {
        attempt: packed.attempt,
        custom_id: packed.custom_id,
        model: model.to_owned(),
        body,
        amendment,
        history: packed.history,
        last_class: packed.last_class,
        last_message: packed.last_message,
        started_at: time(packed.started_at_ms),
        first_started_at: time(packed.first_started_at_ms),
        previous_ended_at: packed.previous_ended_at_ms.map(time),
        endpoint: Endpoint::First,
    })
}

/// A time as the store keeps it; what no time is can only come from a damaged row.
fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

//! An input file into the store: read and checked on one thread, stored by another, a bounded
//! number of jobs in between.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use super::budget::Budgeted;
use super::judge::{Judge, Noted};
use super::lanes::Told;
use super::session::Session;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::input::{JobReader, LineError, Problems, ReadError, Source};
use crate::model::{JsonStep, NewJob, RunId};
use crate::policy::Forecast;
use crate::store::sqlite::LoadLock;
use crate::store::{NewRun, Store};

/// Jobs of one commit, at most: a dispatcher that runs meanwhile never waits long for the lock.
const CHUNK_JOBS: usize = 1_000;
/// Bytes of one commit, about: lines may be large.
const CHUNK_BYTES: usize = 8 << 20;
/// Chunks that are read ahead.
const CHUNKS_AHEAD: usize = 2;

/// What came of reading a file to its end.
pub(super) struct Loaded {
    pub(super) jobs: u64,
    pub(super) problems: Problems,
    pub(super) notes: BTreeMap<Told, Noted>,
    pub(super) content_hash: [u8; 32],
    /// What the jobs are expected to need.
    pub(super) forecast: Box<Forecast>,
    /// How they fit into the budget, if there is one.
    pub(super) budget: Option<Budgeted>,
}

/// Reads `source` to its end into a new run that is still invisible: [`finish`] makes it visible,
/// [`discard`] takes it out again.
pub(super) async fn load(
    session: &Session,
    run: NewRun,
    source: Source,
    judge: Judge,
    forecast: Box<Forecast>,
) -> Result<Loaded, Failure> {
    let (id, shaping, submitted_at) = (run.id, run.shaping.clone(), run.created_at);
    session.store.begin_load(run).await?;
    let (sender, mut receiver) = mpsc::channel(CHUNKS_AHEAD);
    let reading = tokio::task::spawn_blocking(move || {
        let reader = JobReader::new(source, &shaping, submitted_at);
        read(reader, judge, forecast, &sender)
    });
    let (mut stored, mut duplicates) = (0, Vec::new());
    while let Some(chunk) = receiver.recv().await {
        let count = chunk.len() as u64;
        let doubled = session.store.add_jobs(id, chunk).await?;
        stored += count - doubled.len() as u64;
        duplicates.extend(doubled);
    }
    let mut loaded = reading.await.map_err(|_| lost_reader())??;
    for double in duplicates {
        loaded.problems.push(LineError::duplicate_id(
            double.line,
            &double.custom_id,
            double.first_line,
        ));
    }
    loaded.jobs = stored;
    Ok(loaded)
}

/// Takes out everything that was loaded.
pub(super) async fn discard(session: &Session, run: RunId, lock: LoadLock) -> Result<(), Failure> {
    // In pieces, so that no transaction holds a million rows.
    while session.store.sweep_load(run).await? {}
    // Held to the end, so that no other process sweeps the same load.
    drop(lock);
    Ok(())
}

/// Runs on a thread of its own.
fn read(
    mut reader: JobReader,
    mut judge: Judge,
    mut forecast: Box<Forecast>,
    sender: &mpsc::Sender<Vec<NewJob>>,
) -> Result<Loaded, Failure> {
    let mut chunk = Chunk::default();
    while let Some(item) = reader.next() {
        let item = item.map_err(|error| unreadable(&error))?;
        let place = |path: &[JsonStep]| reader.column_of(path);
        let job = judge.judge(item, place, |job, body| {
            forecast.add(&job.model, body);
        })?;
        // Good lines after a bad one are stored too: the store is what finds doubled ids.
        if let Some(job) = job {
            chunk.push(job);
        }
        if chunk.is_full() {
            chunk.send(sender)?;
        }
    }
    chunk.send(sender)?;
    let content_hash = reader.content_hash().unwrap_or_default();
    Ok(Loaded {
        jobs: 0,
        problems: judge.problems,
        notes: judge.notes,
        content_hash,
        forecast,
        budget: judge.budget,
    })
}

#[derive(Default)]
struct Chunk {
    jobs: Vec<NewJob>,
    bytes: usize,
}

impl Chunk {
    fn push(&mut self, job: NewJob) {
        self.bytes += job.body.len();
        self.jobs.push(job);
    }

    fn is_full(&self) -> bool {
        // By bytes too: a thousand large bodies would not fit into memory.
        self.jobs.len() >= CHUNK_JOBS || self.bytes >= CHUNK_BYTES
    }

    fn send(&mut self, sender: &mpsc::Sender<Vec<NewJob>>) -> Result<(), Failure> {
        let chunk = std::mem::take(self);
        if chunk.jobs.is_empty() {
            return Ok(());
        }
        sender
            .blocking_send(chunk.jobs)
            .map_err(|_| Failure::internal("the load was broken off", "submit the file again"))
    }
}

/// The input cannot be read to its end: nothing is stored.
pub(super) fn unreadable(error: &ReadError) -> Failure {
    let mut failure = Failure::from_problem(Exit::Usage, error.problem());
    failure.next.push_str("; nothing was stored");
    failure
}

/// An input without a single line.
pub(super) fn no_job(file: &std::path::Path) -> Failure {
    let name = match file.to_string_lossy() {
        name if name == "-" => "standard input".to_owned(),
        name => name.into_owned(),
    };
    Failure::usage(
        format!("{name} has no job"),
        "write one JSON object on each line; `claude-run submit --help` shows the two forms",
    )
}

/// What went wrong there was told when it happened.
pub(super) fn lost_reader() -> Failure {
    Failure::internal(
        "reading the input failed",
        "report the bug that was told above; nothing was stored",
    )
}

/// Takes the lock that keeps the load from being swept away while this process lives.
pub(super) fn lock(session: &Session, run: RunId) -> Result<LoadLock, Failure> {
    Ok(LoadLock::acquire(&session.path, run)?)
}

/// Shared by submit and check.
pub(super) fn open(file: &std::path::Path) -> Result<Source, Failure> {
    Source::open(file).map_err(|error| Failure::from_problem(Exit::Usage, error.problem()))
}

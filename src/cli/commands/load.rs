//! An input file into the store: read and checked on one thread, stored by another, a bounded
//! number of jobs in between.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use super::budget::Budgeted;
use super::lanes::{Lanes, Remark, Told};
use super::session::Session;
use crate::cli::failure::Failure;
use crate::input::{Item, JobReader, LineError, LineNote, Problems, ReadError, Source};
use crate::model::{NewJob, RunId, Shaping};
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
    pub(super) notes: BTreeMap<Told, u64>,
    pub(super) content_hash: [u8; 32],
    /// What the jobs are expected to need.
    pub(super) forecast: Box<Forecast>,
    /// How they fit into the budget, if there is one.
    pub(super) budget: Option<Budgeted>,
}

/// What is said of good lines: for their lane, and for the budget.
pub(super) struct Judge {
    pub(super) lanes: Lanes,
    pub(super) budget: Option<Budgeted>,
}

/// Reads `source` to its end into a new run that is still invisible: [`finish`] makes it visible,
/// [`discard`] takes it out again. As soon as a line is bad, no more is stored, unless bad lines
/// are to be skipped.
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
    let reading = {
        let shaping = shaping.clone();
        tokio::task::spawn_blocking(move || {
            read(
                JobReader::new(source, &shaping, submitted_at),
                &shaping,
                judge,
                forecast,
                &sender,
            )
        })
    };
    let (mut stored, mut duplicates) = (0, Vec::new());
    while let Some(chunk) = receiver.recv().await {
        if !duplicates.is_empty() && !shaping.skip_invalid {
            continue;
        }
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
    while session.store.sweep_load(run).await? {}
    drop(lock);
    Ok(())
}

/// Runs on a thread of its own.
fn read(
    mut reader: JobReader,
    shaping: &Shaping,
    mut judge: Judge,
    mut forecast: Box<Forecast>,
    sender: &mpsc::Sender<Vec<NewJob>>,
) -> Result<Loaded, Failure> {
    let mut problems = Problems::new(reader.name());
    let mut notes = BTreeMap::new();
    let mut chunk = Chunk::default();
    for item in &mut reader {
        match item.map_err(|error| unreadable(&error))? {
            Item::Bad(error) => problems.push(error),
            Item::Job { job, notes: about } => {
                if let Some(refused) = remark(&mut judge, &job, &about, &mut notes) {
                    problems.push(refused);
                } else if problems.is_empty() || shaping.skip_invalid {
                    forecast.add(&job.model, &job.body);
                    chunk.push(job);
                }
            }
        }
        if chunk.is_full() {
            chunk.send(sender)?;
        }
    }
    chunk.send(sender)?;
    let content_hash = reader.content_hash().unwrap_or_default();
    Ok(Loaded {
        jobs: 0,
        problems,
        notes,
        content_hash,
        forecast,
        budget: judge.budget,
    })
}

/// Counts what is to be told of a line; why it cannot be carried out, if it cannot.
pub(super) fn remark(
    judge: &mut Judge,
    job: &NewJob,
    about: &[LineNote],
    told: &mut BTreeMap<Told, u64>,
) -> Option<LineError> {
    let (mut tell, mut refused) = (Vec::new(), None);
    for note in about {
        match judge.lanes.judge(job, note) {
            Remark::Refuse(error) => refused = refused.or(Some(error)),
            Remark::Tell(what) => tell.push(what),
            Remark::Nothing => {}
        }
    }
    if let (None, Some(budget)) = (&refused, &mut judge.budget) {
        refused = budget.judge(job);
    }
    if refused.is_none() {
        for what in tell {
            *told.entry(what).or_default() += 1;
        }
    }
    refused
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
    let mut failure = of_input(&error.to_string());
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

/// From an error of the input room: one text of the shape "what; what to do next".
fn of_input(text: &str) -> Failure {
    // The last one: a file's name may hold it too.
    match text.rsplit_once("; ") {
        Some((what, next)) => Failure::usage(what, next),
        None => Failure::usage(
            text,
            "give a JSONL file, a .gz or .zst of one, or - for standard input",
        ),
    }
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
    Source::open(&file.to_string_lossy()).map_err(|error| of_input(&error.to_string()))
}

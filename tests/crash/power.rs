//! Power cuts: the real binary works while everything that it does to its files is recorded; then
//! the files are put together as a disk would show them after a power cut at some instant, opened,
//! and compared with what had been acknowledged by then.
//!
//! Acknowledged is what a user was told: the end of `submit --no-run`, and each line of `--events`,
//! which stands in the same record behind the writes that it relies on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use claude_run::simulator::{FaultRate, Latency, SimulatorSettings};
use claude_run::store::Reader;
use claude_run::store::sqlite::{SqliteReader, SqliteStore};
use fastrand::Rng;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::bench::{Bench, MODEL};
use super::disk::{Disk, Syncs};
use super::process::Process;
use super::recording::{Record, Recorder, What};
use super::setting;

/// Jobs of the recorded run; `POWER_JOBS` asks for more.
const JOBS: u64 = 600;
/// Cuts of the plain suite with syncs as they were; `POWER_CUTS` asks for more.
const CUTS: u64 = 150;
/// Cuts on disks that must lose something.
const LOSSY_CUTS: u64 = 30;
const CONCURRENCY: &str = "8";
const EVENTS: &str = "events.jsonl";

/// What the cuts of one kind of disk found.
#[derive(Debug, Default)]
struct Tally {
    cuts: u64,
    /// Cuts after which something acknowledged was missing, and the most that was.
    lost: u64,
    most_lost: usize,
    /// Cuts after which the store was damaged or told something else than it had acknowledged.
    corrupt: u64,
    examples: Vec<String>,
}

/// One recorded run, and what is true of it in the end.
pub struct Story {
    pub records: Vec<Record>,
    jobs: u64,
    /// Where the log stood when the input was said to be stored.
    loaded_at: usize,
    acknowledged: Vec<Acknowledged>,
    truth: Content,
}

/// What one line of events said.
struct Acknowledged {
    /// Where the log stood when it was written.
    at: usize,
    what: Said,
}

enum Said {
    Started(String, u64),
    AttemptEnded(String, u64, String),
    JobEnded(String),
}

/// What a store tells.
#[derive(Debug, Default)]
struct Content {
    jobs: u64,
    /// How each attempt ended, if it did.
    attempts: BTreeMap<(String, u64), Option<String>>,
    results: BTreeMap<String, Vec<u8>>,
}

/// How a store was found.
pub struct Found {
    /// What is missing of what was acknowledged.
    pub lost: Vec<String>,
    pub corrupt: Option<String>,
}

static STORY: LazyLock<Story> = LazyLock::new(|| {
    let bench = Bench::new(a_mixed_day());
    let recorder = Recorder::new();
    let jobs = setting("POWER_JOBS", JOBS);
    bench.write_jobs(jobs);
    let folder = bench.path("");
    let load = bench.command(&["submit", "jobs.jsonl", "--model", MODEL, "--no-run"]);
    Process::start(recorder.watch(load, &folder))
        .end()
        .must_succeed();
    let loaded_at = recorder.position();
    Process::start(recorder.watch(resume(&bench), &folder))
        .end()
        .must_succeed();
    let story = Story::of(&bench, &recorder, jobs, loaded_at);
    assert!(story.acknowledged.len() as u64 > 3 * jobs);
    story
});

fn a_mixed_day() -> SimulatorSettings {
    SimulatorSettings {
        seed: 1,
        latency: Latency {
            median: std::time::Duration::from_millis(5),
            spread: 0.5,
        },
        faults: ["500", "reset", "429-bare"]
            .map(|name| FaultRate {
                case: name.parse().unwrap(),
                probability: 0.03,
            })
            .into(),
        ..SimulatorSettings::default()
    }
}

pub fn resume(bench: &Bench) -> std::process::Command {
    let base_url = bench.simulator.base_url();
    let options = ["--retry-scale", "0.01", "--concurrency", CONCURRENCY];
    let endpoint = ["--base-url", &base_url, "--events", EVENTS];
    bench.command(&[&["resume"], &options[..], &endpoint].concat())
}

impl Story {
    /// Of a run that is complete now.
    pub fn of(bench: &Bench, recorder: &Recorder, jobs: u64, loaded_at: usize) -> Self {
        let records = recorder.recorded();
        let acknowledged = acknowledged(&records);
        Self {
            records,
            jobs,
            loaded_at,
            acknowledged,
            truth: Content::read(&bench.store()).unwrap(),
        }
    }

    /// So many cuts at random instants.
    fn cut(&self, syncs: Syncs, cuts: u64, seed: u64) -> Tally {
        let mut rng = Rng::with_seed(seed);
        let random = std::iter::repeat_with(|| rng.usize(..=self.records.len()));
        let mut instants: Vec<_> = random.take(usize::try_from(cuts).unwrap()).collect();
        instants.sort_unstable();
        let mut disk = Disk::new(&self.records, syncs, seed);
        let mut tally = Tally::default();
        for instant in instants {
            disk.go_on_to(instant);
            let folder = in_memory();
            disk.cut(&mut rng, folder.path());
            tally.add(instant, self.examine(folder.path(), instant));
        }
        tally
    }

    /// Opens what a cut behind so many records has left, as the next process would.
    pub fn examine(&self, folder: &Path, instant: usize) -> Found {
        let at = instant
            .checked_sub(1)
            .map_or(0, |last| self.records[last].to);
        let store = folder.join("store.db");
        match open_and_verify(&store).and_then(|()| Content::read(&store)) {
            Ok(found) => Found {
                lost: self.missing(&found, at),
                corrupt: self.contradiction(&found),
            },
            Err(error) => Found {
                lost: Vec::new(),
                corrupt: Some(error),
            },
        }
    }

    fn missing(&self, found: &Content, at: usize) -> Vec<String> {
        let said = self.acknowledged.iter().filter(|said| said.at <= at);
        let is_missing = |said: &&Acknowledged| match &said.what {
            Said::Started(id, n) => !found.attempts.contains_key(&(id.clone(), *n)),
            Said::AttemptEnded(id, n, outcome) => {
                let ended = found.attempts.get(&(id.clone(), *n));
                ended.is_none_or(|ended| ended.as_ref() != Some(outcome))
            }
            Said::JobEnded(id) => !found.results.contains_key(id),
        };
        let mut missing: Vec<_> = said
            .filter(is_missing)
            .map(|said| said.what.to_string())
            .collect();
        if self.loaded_at <= at && found.jobs != self.jobs {
            missing.push(format!("{} of {} jobs", self.jobs - found.jobs, self.jobs));
        }
        missing
    }

    /// A result that is none of those of the whole run.
    fn contradiction(&self, found: &Content) -> Option<String> {
        let wrong = found
            .results
            .iter()
            .find(|(id, result)| self.truth.results.get(*id) != Some(*result));
        wrong.map(|(id, _)| format!("the result of {id} is another one"))
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Started(id, n) => write!(f, "the start of attempt {n} of {id}"),
            Self::AttemptEnded(id, n, outcome) => write!(f, "attempt {n} of {id}: {outcome}"),
            Self::JobEnded(id) => write!(f, "the result of {id}"),
        }
    }
}

impl Tally {
    fn add(&mut self, instant: usize, found: Found) {
        self.cuts += 1;
        self.lost += u64::from(!found.lost.is_empty());
        self.most_lost = self.most_lost.max(found.lost.len());
        self.corrupt += u64::from(found.corrupt.is_some());
        let story = found.corrupt.or_else(|| found.lost.first().cloned());
        self.examples
            .extend(story.map(|story| format!("after record {instant}: {story}")));
    }
}

/// A folder for files that are looked at once; where it can be, on no disk, since syncs take time.
pub fn in_memory() -> TempDir {
    TempDir::new_in("/dev/shm").unwrap_or_else(|_| TempDir::new().unwrap())
}

/// A store as a power cut at some instant after the load has left it, with a simulator of its own.
fn after_a_cut(rng: &mut Rng) -> Bench {
    let loaded = STORY
        .records
        .partition_point(|record| record.to <= STORY.loaded_at);
    let mut disk = Disk::new(&STORY.records, Syncs::AsRecorded, rng.u64(..));
    disk.go_on_to(rng.usize(loaded..STORY.records.len()));
    let bench = Bench::new(a_mixed_day());
    disk.cut(rng, &bench.path(""));
    bench
}

/// The store opens for writing, as for a resume, and every invariant of every run holds.
pub fn open_and_verify(store: &Path) -> Result<(), String> {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let opened = SqliteStore::open(store).map_err(|error| error.to_string())?;
        opened.close().await;
        let reader = SqliteReader::open(store).map_err(|error| error.to_string())?;
        let runs = reader.runs().await.map_err(|error| error.to_string())?;
        let runs: Vec<_> = runs.iter().map(|run| run.id).collect();
        let found = reader.verify(&runs).map_err(|error| error.to_string())?;
        if found.holds() {
            return Ok(());
        }
        Err(format!("{found:?}"))
    })
}

impl Content {
    fn read(store: &Path) -> Result<Self, String> {
        Self::query(store).map_err(|error| error.to_string())
    }

    fn query(store: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let attempts = "SELECT custom_id, n, outcome FROM jobs JOIN attempts ON job_id = id";
        let results = "SELECT custom_id, coalesce(message_blob, error_blob) FROM jobs JOIN results ON job_id = id";
        // What is still loading was not acknowledged, and the next start clears it away.
        let jobs =
            "SELECT count(*) FROM jobs WHERE id >> 40 IN (SELECT id FROM runs WHERE state <> 0)";
        Ok(Self {
            jobs: connection.query_row(jobs, [], |row| row.get(0))?,
            attempts: connection
                .prepare(attempts)?
                .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?
                .collect::<rusqlite::Result<_>>()?,
            results: connection
                .prepare(results)?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?,
        })
    }
}

/// What the events file said, each line with the place in the log behind which it was said.
fn acknowledged(records: &[Record]) -> Vec<Acknowledged> {
    let mut file = None;
    let (mut acknowledged, mut line) = (Vec::new(), Vec::new());
    for record in records {
        match &record.what {
            What::Create { file: made, name } if name == EVENTS => file = Some(*made),
            What::Write { file: to, data, .. } if Some(*to) == file => {
                for byte in data {
                    if *byte != b'\n' {
                        line.push(*byte);
                        continue;
                    }
                    let event = serde_json::from_slice(&std::mem::take(&mut line)).unwrap();
                    let at = record.to;
                    acknowledged.extend(said(&event).map(|what| Acknowledged { at, what }));
                }
            }
            _ => {}
        }
    }
    acknowledged
}

fn said(event: &Value) -> Option<Said> {
    let text = |key: &str| event[key].as_str().unwrap().to_owned();
    let n = || event["n"].as_u64().unwrap();
    match event["type"].as_str().unwrap() {
        "attempt_started" => Some(Said::Started(text("custom_id"), n())),
        "attempt_ended" => Some(Said::AttemptEnded(text("custom_id"), n(), text("outcome"))),
        "job_ended" => Some(Said::JobEnded(text("custom_id"))),
        _ => None,
    }
}

/// Answers that cost money.
pub fn paid(bench: &Bench) -> u64 {
    let by_status = bench.simulator.stats().by_status;
    by_status.get(&200).copied().unwrap_or_default()
}

fn seed() -> u64 {
    let seed = setting("SEED", fastrand::u64(..=u64::from(u32::MAX)));
    eprintln!("SEED={seed}");
    seed
}

#[test]
fn a_power_cut_at_any_instant_loses_nothing_that_was_acknowledged() {
    let tally = STORY.cut(Syncs::AsRecorded, setting("POWER_CUTS", CUTS), seed());
    eprintln!(
        "as recorded (FULL), {} records: {tally:?}",
        STORY.records.len()
    );
    assert_eq!((tally.lost, tally.corrupt), (0, 0), "{tally:#?}");
}

#[test]
fn the_same_cuts_lose_what_was_acknowledged_when_commits_are_not_synced() {
    let tally = STORY.cut(Syncs::AtCheckpoints, LOSSY_CUTS, seed());
    eprintln!("at checkpoints alone (NORMAL): {tally:?}");
    assert!(tally.lost * 3 > tally.cuts, "{tally:#?}");
    assert_eq!(tally.corrupt, 0, "{tally:#?}");
}

#[test]
fn the_same_cuts_damage_the_store_when_nothing_is_synced() {
    let tally = STORY.cut(Syncs::Never, LOSSY_CUTS, seed());
    eprintln!("never (OFF): {tally:?}");
    assert!((tally.lost + tally.corrupt) * 3 > tally.cuts, "{tally:#?}");
    assert!(tally.corrupt > 0, "{tally:#?}");
}

#[test]
fn a_run_goes_on_to_its_end_after_a_power_cut() {
    let mut rng = Rng::with_seed(seed());
    for _ in 0..3 {
        let bench = after_a_cut(&mut rng);
        let left = STORY.jobs - bench.counts().succeeded;
        Process::start(resume(&bench)).end().must_succeed();
        assert_eq!(bench.counts().succeeded, STORY.jobs);
        assert_eq!(paid(&bench), left, "no more is asked than was left");
        open_and_verify(&bench.store()).unwrap();
    }
}

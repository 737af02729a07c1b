//! claude-run as a library: a run with your own provider, without command line or network.
//!
//! ```sh
//! cargo run --example embed
//! ```
//!
//! Five steps: open a store, load jobs into it, dispatch them, then read report and results. The
//! provider here gives a canned answer, and fails once on the way, so that a retry can be seen. To
//! send real requests, take `claude_run::provider::MessagesClient` in its place.

#![allow(
    clippy::print_stdout,
    reason = "an example shows its results on standard output"
)]

use std::error::Error;
use std::io::{self, Cursor};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use claude_run::clock::Clock;
use claude_run::engine::{BatchOptions, Ending, EngineSettings, Providers, Stopper, dispatch};
use claude_run::input::{Item, JobReader, Source, fingerprint};
use claude_run::model::{
    DispatchOptions, ErrorClass, Evidence, NewJob, RateLimits, RunId, Shaping, Tokens, Usage,
};
use claude_run::policy::{PriceTable, RetrySettings};
use claude_run::progress::Silent;
use claude_run::provider::{Failure, Message, Provider, Reply, Request, Reserved};
use claude_run::report::{ExportFormat, Layout, load_report, report_text, write_results};
use claude_run::store::sqlite::{DispatchLock, SqliteReader, SqliteStore};
use claude_run::store::{NewRun, Only, Reader, Store};
use serde_json::json;

/// An input file could stand here: `Source::open("prompts.jsonl")`.
const PROMPTS: &str = r#"{"custom_id": "sea", "prompt": "Why is the sea salty?"}
{"custom_id": "sky", "prompt": "Why is the sky blue?", "metadata": {"row": 2}}
{"prompt": "Why do leaves fall?", "max_tokens": 200}
"#;

const MODEL: &str = "claude-haiku-5-5";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    let clock = Clock::system();

    let store = SqliteStore::open(&path)?;
    let run = load(&store, clock).await?;
    let ending = run_to_its_end(store, &path, run, clock).await?;
    println!("The run ended: {ending:?}\n");
    show(&path, run).await
}

/// Checks the input line by line and stores its jobs. The run can be seen by nobody before the
/// last step, so a load that breaks off leaves no half of a run behind.
async fn load(store: &SqliteStore, clock: Clock) -> Result<RunId, Box<dyn Error>> {
    let shaping = Shaping {
        model: Some(MODEL.to_owned()),
        ..Shaping::default()
    };
    let id = RunId::generate();
    let run = NewRun {
        id,
        name: Some("embedded".to_owned()),
        file: "(built in)".to_owned(),
        simulated: true,
        created_at: clock.now(),
        shaping: shaping.clone(),
        options: DispatchOptions::default(),
    };
    store.begin_load(run).await?;

    let source = Source::from_reader("(built in)", Box::new(Cursor::new(PROMPTS)))?;
    let mut reader = JobReader::new(source, &shaping, clock.now());
    // A large input is added in pages of some hundred jobs.
    let jobs = reader
        .by_ref()
        .map(|item| job_of(item?))
        .collect::<Result<Vec<_>, _>>()?;
    let doubles = store.add_jobs(id, jobs).await?;
    if let Some(double) = doubles.first() {
        return Err(format!("{} stands in two lines", double.custom_id).into());
    }
    let content = reader
        .content_hash()
        .ok_or("the input was not read to its end")?;
    store
        .finish_load(id, fingerprint(&content, &shaping))
        .await?;
    Ok(id)
}

fn job_of(item: Item) -> Result<NewJob, Box<dyn Error>> {
    match item {
        Item::Job { job, .. } => Ok(job),
        Item::Bad(error) => Err(error.to_string().into()),
    }
}

/// Drives the run. If the process dies in here, the same call goes on where it stood: the store
/// remembers every attempt.
async fn run_to_its_end(
    store: SqliteStore,
    path: &Path,
    run: RunId,
    clock: Clock,
) -> Result<Ending, Box<dyn Error>> {
    // One dispatcher a store; the lock is let go when it is dropped.
    let _lock = DispatchLock::acquire(path)?;
    let run = find(&SqliteReader::open(path)?, run).await?;
    let settings = EngineSettings {
        heartbeat: claude_run::engine::Heartbeat::default(),
        concurrency: 2,
        stagger: Duration::ZERO,
        limits: claude_run::engine::LimitSettings::default(),
        retry: RetrySettings {
            // Waits that suit an example: a hundredth of the usual.
            scale: 0.01,
            ..RetrySettings::default()
        },
        timeout: Duration::from_mins(10),
        stream: claude_run::model::StreamMode::Auto,
        grace: Duration::from_secs(30),
        prices: Arc::new(PriceTable::embedded()),
        seed: None,
        after_halt: false,
        second: None,
        status: None,
        on_halt: claude_run::model::OnHalt::Exit,
        batch: BatchOptions::default(),
        amend: claude_run::policy::AmendSettings::default(),
    };
    // Keep the stopper, and `escalate` ends the run early: on Ctrl-C, say.
    let (_stopper, signal) = Stopper::new();
    // A program with a client of the Batches API gives it here, too.
    let providers = Providers::live_only(Arc::new(Canned::default()));
    // It watches nothing; an `Observer` of your own hears of every attempt.
    let mut observer = Silent;
    let store = Arc::new(store);
    Ok(dispatch(
        store,
        providers,
        clock,
        &run,
        settings,
        &mut observer,
        signal,
    )
    .await?)
}

/// Prints what the run did and cost, and its results as `claude-run export` writes them.
async fn show(path: &Path, run: RunId) -> Result<(), Box<dyn Error>> {
    let reader = SqliteReader::open(path)?;
    let prices = PriceTable::embedded();
    let stored = find(&reader, run).await?;
    let report = load_report(&reader, &stored, false, prices.version()).await?;
    println!("{}", report_text(&report, Layout::default()));
    let format = ExportFormat::Jsonl;
    write_results(&reader, run, Only::All, format, &mut io::stdout()).await?;
    Ok(())
}

async fn find(reader: &SqliteReader, id: RunId) -> Result<claude_run::model::Run, Box<dyn Error>> {
    let runs = reader.runs().await?;
    let found = runs.into_iter().find(|run| run.id == id);
    found.ok_or_else(|| "the run is gone".into())
}

/// Answers every request alike, except the first, which finds the API overloaded.
#[derive(Debug, Default)]
struct Canned {
    requests: AtomicU32,
}

impl Provider for Canned {
    async fn send(&self, request: Request) -> Reply {
        let is_first = self.requests.fetch_add(1, Ordering::Relaxed) == 0;
        Reply {
            result: if is_first {
                Err(Box::new(overloaded()))
            } else {
                Ok(answer_to(&request))
            },
            limits: RateLimits::default(),
            latency: Duration::from_millis(20),
            reserved: Reserved::default(),
        }
    }
}

/// The engine retries by the class alone; nothing here waits or counts.
fn overloaded() -> Failure {
    Failure {
        class: ErrorClass::Overloaded,
        evidence: Evidence {
            http_status: Some(529),
            message: Some("Overloaded".to_owned()),
            ..Evidence::default()
        },
        message: None,
        partial: None,
        unsent: false,
        revision: None,
    }
}

fn answer_to(request: &Request) -> Message {
    let text = format!("You asked in {} bytes. It depends.", request.body.len());
    let raw = json!({
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 12, "output_tokens": 9},
    });
    Message {
        raw: raw.to_string(),
        model: Some(MODEL.to_owned()),
        stop_reason: Some("end_turn".to_owned()),
        mark: None,
        usage: Usage {
            tokens: Tokens {
                input: 12,
                output: 9,
                ..Tokens::default()
            },
            ..Usage::default()
        },
        request_id: None,
        note: None,
    }
}

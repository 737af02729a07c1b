//! `--bundle`: one JSON file with what a support ticket needs.
//!
//! It holds versions, findings, settings, and of the latest run counts, the last failures with
//! their request ids, and when the API was down. It never holds a secret, a prompt, an answer,
//! what the user called things (ids, names, files of input), or the text of an error, which may
//! quote any of them. As a last net the finished text is searched for the credentials in use.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::finding::DoctorReport;
use crate::cli::commands::{SettingLine, config, targets};
use crate::cli::context::Context;
use crate::cli::environment;
use crate::cli::failure::Failure;
use crate::clock::Clock;
use crate::model::{AttemptOutcome, Budget, ErrorClass, JobCounts, Lane, Run, RunId, RunState};
use crate::provider::{Redactor, clean_secret};
use crate::report::StatusLook;
use crate::store::sqlite::SqliteReader;
use crate::store::{AttemptRow, MinuteGroup, Reader, StoreError};

/// Enough for a pattern, and for support to look each up.
const LAST_FAILURES: u32 = 50;

#[derive(Serialize)]
struct Bundle<'a> {
    written_at: Timestamp,
    program: Program,
    doctor: &'a DoctorReport,
    settings: Vec<SettingLine>,
    /// Why there is no run below, if the store cannot be read.
    store_error: Option<String>,
    latest_run: Option<RunFacts>,
}

#[derive(Serialize)]
struct Program {
    name: &'static str,
    version: &'static str,
    os: &'static str,
    arch: &'static str,
}

#[derive(Serialize)]
struct RunFacts {
    id: RunId,
    state: RunState,
    simulated: bool,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    halted_by: Option<ErrorClass>,
    halted_at: Option<Timestamp>,
    jobs: JobCounts,
    /// Ended attempts by error class; `none` is those without one.
    attempts_by_class: BTreeMap<&'static str, u64>,
    last_failures: Vec<FailureFacts>,
    downtime: Vec<Hour>,
    /// What the API's status page said meanwhile.
    status_page: Vec<StatusLook>,
}

#[derive(Serialize)]
struct FailureFacts {
    line: u64,
    n: u32,
    lane: Lane,
    model: String,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    outcome: Option<AttemptOutcome>,
    error_class: Option<ErrorClass>,
    http_status: Option<u16>,
    error_type: Option<String>,
    request_id: Option<String>,
}

/// An hour in which server or network failed.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Hour {
    /// Its beginning.
    begins: Timestamp,
    /// Attempts that ended in it.
    attempts: u64,
    /// Those that server or network failed.
    faults: u64,
    /// Minutes in which attempts ended, but by such faults alone.
    minutes_down: u64,
}

/// Writes the bundle, readable by its owner alone.
pub(super) async fn write(
    ctx: &Context,
    report: &DoctorReport,
    path: &Path,
) -> Result<(), Failure> {
    targets::refuse_ours(path, "--bundle", &ctx.settings.store.path, None)?;
    let (latest_run, store_error) = match latest_run(&ctx.settings.store.path).await {
        Ok(run) => (run, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let bundle = Bundle {
        written_at: Clock::system().now(),
        program: Program {
            name: "claude-run",
            version: env!("CARGO_PKG_VERSION"),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
        },
        doctor: report,
        settings: settings(ctx),
        store_error,
        latest_run,
    };
    let unwritten = |why: String| {
        let next = "name another file with --bundle, or correct the permissions of its folder";
        let what = format!("the bundle {} could not be written", path.display());
        Failure::internal(what, next).because(why)
    };
    let text = serde_json::to_string_pretty(&bundle).map_err(|why| unwritten(why.to_string()))?;
    // The whole text once more: a secret may stand where nobody expects it.
    let text = redactor(ctx).redact(&text).into_owned();
    save(path, &text).map_err(|why| unwritten(why.to_string()))
}

fn save(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // The settings in it are the user's own business.
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")
}

/// What `config --json` prints.
fn settings(ctx: &Context) -> Vec<SettingLine> {
    let mut rows = ctx.settings.rows();
    rows.extend(config::proxy_rows(&ctx.layers.env));
    rows.iter().map(config::as_json).collect()
}

/// Of the credentials in use, whether they can be sent or not.
fn redactor(ctx: &Context) -> Redactor {
    let fallback = &ctx.settings.fallback.endpoint;
    let variables = [environment::API_KEY, environment::AUTH_TOKEN].into_iter();
    let variables = variables.chain(fallback.api_key_env.as_ref().map(|name| name.0.as_str()));
    let raw = variables.filter_map(|variable| {
        let raw = ctx.layers.env.path(variable)?;
        Some(raw.to_string_lossy().into_owned())
    });
    let raw: Vec<_> = raw.collect();
    let clean = raw.iter().filter_map(|raw| clean_secret(raw, "key").ok()?);
    let clean: Vec<_> = clean.collect();
    let headers = ctx.settings.api.headers.0.iter();
    let headers = headers.chain(&fallback.headers.0);
    let secrets = headers.map(|header| &header.value).chain(&clean);
    let secrets = secrets.map(ExposeSecret::expose_secret);
    Redactor::new(secrets.chain(raw.iter().map(String::as_str)))
}

async fn latest_run(store: &Path) -> Result<Option<RunFacts>, StoreError> {
    let reader = match SqliteReader::open(store) {
        Err(StoreError::Missing { .. }) => return Ok(None),
        opened => opened?,
    };
    let Some(run) = reader.runs().await?.pop() else {
        return Ok(None);
    };
    let minutes = reader.attempts_by_minute(run.id)?;
    let failures = reader.last_failures(run.id, LAST_FAILURES)?;
    let mut facts = facts(&run, &minutes, failures);
    let changes = reader.status_changes(run.id).await?;
    facts.status_page = changes.into_iter().map(StatusLook::from).collect();
    Ok(Some(facts))
}

fn facts(run: &Run, minutes: &[MinuteGroup], failures: Vec<AttemptRow>) -> RunFacts {
    let mut attempts_by_class = BTreeMap::new();
    for group in minutes {
        let class = group.error_class.map_or("none", ErrorClass::as_str);
        *attempts_by_class.entry(class).or_default() += group.attempts;
    }
    RunFacts {
        id: run.id,
        state: run.state,
        simulated: run.simulated,
        created_at: run.created_at,
        started_at: run.started_at,
        ended_at: run.ended_at,
        halted_by: run.halt.as_ref().map(|halt| halt.class),
        halted_at: run.halt.as_ref().map(|halt| halt.at),
        jobs: run.jobs,
        attempts_by_class,
        last_failures: failures.into_iter().map(failure_facts).collect(),
        downtime: downtime(minutes),
        status_page: Vec::new(),
    }
}

fn failure_facts(row: AttemptRow) -> FailureFacts {
    FailureFacts {
        line: row.line,
        n: row.attempt.n,
        lane: row.lane,
        model: row.model,
        started_at: row.started_at,
        ended_at: row.ended_at,
        outcome: row.outcome,
        error_class: row.error_class,
        http_status: row.http_status,
        error_type: row.error_type,
        request_id: row.request_id,
    }
}

/// The hours with faults, from groups in the order of time.
fn downtime(minutes: &[MinuteGroup]) -> Vec<Hour> {
    let mut hours: Vec<Hour> = Vec::new();
    for minute in minutes.chunk_by(|a, b| a.minute == b.minute) {
        let hour = hour_of(minute[0].minute);
        if hours.last().is_none_or(|last| last.begins != hour) {
            hours.push(Hour {
                begins: hour,
                attempts: 0,
                faults: 0,
                minutes_down: 0,
            });
        }
        let attempts: u64 = minute.iter().map(|group| group.attempts).sum();
        let faults = minute.iter().filter(|group| is_fault(group));
        let faults: u64 = faults.map(|group| group.attempts).sum();
        if let Some(last) = hours.last_mut() {
            last.attempts += attempts;
            last.faults += faults;
            last.minutes_down += u64::from(faults == attempts);
        }
    }
    // Hours without a fault only make the list long.
    hours.retain(|hour| hour.faults > 0);
    hours
}

fn is_fault(group: &MinuteGroup) -> bool {
    let class = group.error_class;
    class.is_some_and(|class| class.info().budget == Budget::Faults)
}

fn hour_of(minute: Timestamp) -> Timestamp {
    let into = SignedDuration::from_secs(minute.as_second().rem_euclid(3600));
    minute - into
}

#[cfg(test)]
mod tests {
    use super::{AttemptOutcome, ErrorClass, Hour, MinuteGroup, downtime};

    #[test]
    fn a_minute_is_down_when_nothing_but_faults_ended_in_it() {
        let group = |minute: &str, error_class, attempts| MinuteGroup {
            minute: format!("2026-11-22T{minute}:00Z").parse().unwrap(),
            outcome: AttemptOutcome::Errored,
            error_class,
            attempts,
        };
        let down = Some(ErrorClass::Overloaded);
        let hours = downtime(&[
            group("09:58", None, 7),
            group("10:00", down, 2),
            group("10:00", Some(ErrorClass::Timeout), 1),
            group("10:01", down, 1),
            group("10:01", None, 1),
            group("10:02", Some(ErrorClass::InvalidRequest), 1),
            group("11:59", down, 4),
        ]);
        let hour = |hour: &str, attempts, faults, minutes_down| Hour {
            begins: format!("2026-11-22T{hour}:00:00Z").parse().unwrap(),
            attempts,
            faults,
            minutes_down,
        };
        assert_eq!(hours, [hour("10", 6, 4, 1), hour("11", 4, 4, 1)]);
    }
}

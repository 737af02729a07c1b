//! Which run is meant: an id, the beginning or the end of one, a name, `latest`, or nothing.

use std::path::Path;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::model::{Run, RunState};
use crate::progress::plural;
use crate::report::{may_mean, short_ids};
use crate::store::sqlite::{DispatchLock, SqliteReader, SqliteStore, aside};
use crate::store::{Reader, StoreError};

/// A store opened for reading, and whether a dispatcher is at work on it.
pub(super) struct Opened {
    pub(super) reader: SqliteReader,
    pub(super) dispatcher_alive: bool,
}

/// Opens the store for reading; one of an older version is brought up to date first.
///
/// # Errors
///
/// No store means no run (exit code 2).
pub(super) fn open(store: &Path) -> Result<Opened, Failure> {
    let opened = match SqliteReader::open(store) {
        // A reader never changes a store, so the writer brings it up to date first.
        Err(StoreError::TooOld { .. }) => {
            SqliteStore::upgrade(store).and_then(|()| SqliteReader::open(store))
        }
        opened => opened,
    };
    match opened {
        Ok(reader) => Ok(Opened {
            reader,
            dispatcher_alive: DispatchLock::is_held(store),
        }),
        Err(StoreError::Missing { path }) => {
            Err(no_run().because(format!("there is no store at {}", path.display())))
        }
        Err(error) => Err(error.into()),
    }
}

/// Says on standard error what lies beside the store because the store could not take it, if something
/// does.
pub(super) fn tell_of_spool(ctx: &Context) {
    let aside = match aside(&ctx.settings.store.path) {
        Ok(aside) => aside,
        Err(error) => return ctx.console.warn(error.to_string()),
    };
    for (file, answers) in aside.spooled {
        ctx.console.warn(format!(
            "{} that the store could not take: kept in {}, and recorded by the next `claude-run resume`",
            plural(answers, "answer"),
            file.display()
        ));
    }
    for file in aside.damaged {
        ctx.console.warn(format!(
            "{} has records that cannot be read any more: answers that were in them are asked for again, and billed twice. Remove the file when you do not want to look at it",
            file.display()
        ));
    }
    if let Some((file, answers)) = aside.of_another_store {
        ctx.console.warn(format!(
            "{} in {} belong to another store that had this name: they are left alone. Put that store back, under any name in this folder, and `claude-run resume --store` it",
            plural(answers, "answer"),
            file.display()
        ));
    }
    if let Some((file, answers)) = aside.kept {
        ctx.console.warn(format!(
            "{} that the store cannot hold or has no place for: kept in {}, one a line, and not asked for again (move the file away to have `claude-run retry` ask for them)",
            plural(answers, "answer"),
            file.display()
        ));
    }
}

/// The run that `wanted` means; left out it means the latest.
///
/// # Errors
///
/// No such run, or several (exit code 2).
pub(super) async fn one(reader: &SqliteReader, wanted: Option<&str>) -> Result<Run, Failure> {
    pick(reader.runs().await?, wanted)
}

/// Every run that is not ended, oldest first.
pub(super) async fn unfinished(reader: &SqliteReader) -> Result<Vec<Run>, Failure> {
    let runs = reader.runs().await?;
    Ok(runs
        .into_iter()
        .filter(|run| run.state != RunState::Ended)
        .collect())
}

/// The shortest end of the run's id that means it alone.
pub(super) fn short_id(all: &[Run], run: &Run) -> String {
    let ids: Vec<_> = all.iter().map(|run| run.id.to_string()).collect();
    let names: Vec<_> = all.iter().filter_map(|run| run.name.as_deref()).collect();
    let whole = run.id.to_string();
    let short = short_ids(&ids.iter().map(String::as_str).collect::<Vec<_>>(), &names);
    let ours = ids.iter().position(|id| *id == whole);
    ours.map_or(whole, |ours| short[ours].clone())
}

pub(super) fn no_run() -> Failure {
    Failure::usage(
        "no run",
        "submit a file of jobs with `claude-run submit FILE`, or name the store with --store",
    )
}

fn pick(mut runs: Vec<Run>, wanted: Option<&str>) -> Result<Run, Failure> {
    let latest = runs.pop().ok_or_else(no_run)?;
    let Some(wanted) = wanted.filter(|wanted| *wanted != "latest") else {
        return Ok(latest);
    };
    runs.push(latest);
    // Of several runs of one name the newest is meant, as with `latest`.
    if let Some(named) = runs
        .iter()
        // The newest of a name is the one that is meant.
        .rposition(|run| run.name.as_deref() == Some(wanted))
    {
        return Ok(runs.swap_remove(named));
    }
    by_part(runs, wanted)
}

fn by_part(runs: Vec<Run>, wanted: &str) -> Result<Run, Failure> {
    let wanted_id = wanted.to_ascii_lowercase();
    let mut matching: Vec<_> = runs
        .into_iter()
        .filter(|run| may_mean(&wanted_id, &run.id.to_string()))
        .collect();
    let list = "see all runs with `claude-run status`";
    match matching.len() {
        0 => Err(Failure::usage(format!("no run `{wanted}`"), list)
            .because("no run has this id, its beginning or end, or this name")),
        1 => Ok(matching.swap_remove(0)),
        count => Err(Failure::usage(
            format!("`{wanted}` is ambiguous"),
            format!("write more of the id; {list}"),
        )
        .because(format!(
            "{count} runs have an id that begins or ends like that"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::pick;
    use crate::model::{DispatchOptions, JobCounts, Pico, Run, RunState, Shaping};

    fn run(id: &str, name: Option<&str>) -> Run {
        Run {
            id: id.parse().unwrap(),
            name: name.map(str::to_owned),
            file: "jobs.jsonl".to_owned(),
            state: RunState::Ready,
            simulated: false,
            created_at: jiff::Timestamp::UNIX_EPOCH,
            started_at: None,
            ended_at: None,
            shaping: Shaping::default(),
            options: DispatchOptions::default(),
            halt: None,
            cancel_requested: false,
            answered: false,
            jobs: JobCounts::default(),
            cost: Pico::ZERO,
        }
    }

    const A: &str = "01957a1c-6f00-7000-8000-00000000000a";
    const B: &str = "01957a1c-7000-7000-8000-00000000000b";
    const C: &str = "0195ffff-0000-7000-8000-00000000000c";

    fn picked(wanted: Option<&str>) -> Result<String, String> {
        let runs = vec![run(A, Some("night")), run(B, Some("night")), run(C, None)];
        pick(runs, wanted)
            .map(|run| run.id.to_string())
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_run_is_found_by_id_prefix_name_and_latest() {
        for (wanted, id) in [
            (None, C),
            (Some("latest"), C),
            (Some(A), A),
            (Some("01957a1c-6"), A),
            (Some("01957A1C-7"), B),
            (Some("00000b"), B),
            (Some("000C"), C),
            (Some("night"), B),
        ] {
            assert_eq!(picked(wanted), Ok(id.to_owned()), "{wanted:?}");
        }
    }

    #[test]
    fn what_is_unknown_or_ambiguous_is_told() {
        assert!(picked(Some("01957a1c")).unwrap_err().contains("ambiguous"));
        assert!(
            picked(Some("weekly"))
                .unwrap_err()
                .contains("no run `weekly`")
        );
        assert!(
            pick(Vec::new(), None)
                .unwrap_err()
                .to_string()
                .starts_with("no run")
        );
    }
}

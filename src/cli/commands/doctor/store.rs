//! The store: its place, its health, who works on it, and what waits in it.

use std::path::Path;
use std::time::Duration;

use super::finding::Finding;
use crate::cli::failure::Failure;
use crate::model::{Run, RunState};
use crate::progress::{plural, thousands};
use crate::store::sqlite::{DispatchLock, SqliteReader, place_of};
use crate::store::{Place, Reader, StoreError, StoreHealth};

/// Below this a long run may fill the disk.
const LITTLE_ROOM: u64 = 1_000_000_000;

/// Everything about the store at this path; `limit` is for the check of its contents.
pub(super) async fn check(path: &Path, limit: Duration) -> Vec<Finding> {
    let mut findings = vec![place(path, &place_of(path))];
    let owned = path.to_owned();
    let inspection = tokio::task::spawn_blocking(move || inspect(&owned));
    match crate::clock::timeout(limit, inspection).await {
        Ok(Ok(inspected)) => findings.extend(contents(path, inspected).await),
        Ok(Err(error)) => {
            let why = Failure::internal("the check broke off", "Report this if it happens again.");
            let why = why.because(error.to_string());
            findings.push(Finding::from_failure(STORE, &why));
        }
        Err(_) => findings.push(unfinished_check(path, limit)),
    }
    findings
}

const STORE: &str = "store";

fn inspect(path: &Path) -> Result<(SqliteReader, StoreHealth), StoreError> {
    let reader = SqliteReader::open(path)?;
    let health = reader.health()?;
    Ok((reader, health))
}

async fn contents(
    path: &Path,
    inspected: Result<(SqliteReader, StoreHealth), StoreError>,
) -> Vec<Finding> {
    let (reader, health) = match inspected {
        Ok(inspected) => inspected,
        Err(StoreError::Missing { path }) => {
            let found = format!("none yet at {}; `submit` makes it", path.display());
            return vec![Finding::ok(STORE, found)];
        }
        Err(error) => return vec![Finding::from_failure(STORE, &error.into())],
    };
    let holder = DispatchLock::held_by(path);
    let mut findings = vec![health_of(path, &health), lock(holder.as_deref())];
    findings.push(match reader.runs().await {
        Ok(all) => runs(&all, holder.is_some()),
        Err(error) => Finding::from_failure("runs", &error.into()),
    });
    findings
}

fn health_of(path: &Path, health: &StoreHealth) -> Finding {
    let found = format!(
        "{}: schema version {}, {}",
        path.display(),
        health.schema_version,
        size(health.bytes)
    );
    match health.complaints.as_slice() {
        [] => Finding::ok(STORE, format!("{found}, no damage found")),
        complaints => {
            let damage = complaints.join("; ").replace('\n', " ");
            let why = StoreError::Corrupt {
                path: path.to_owned(),
                why: damage,
            };
            Finding::from_failure(STORE, &why.into())
        }
    }
}

fn unfinished_check(path: &Path, limit: Duration) -> Finding {
    let found = format!(
        "{}: its check was not finished within {} s",
        path.display(),
        limit.as_secs_f32()
    );
    let remedy = "It is large, or another process holds it: look again when the machine is idle.";
    Finding::warning(STORE, found, remedy)
}

fn place(path: &Path, place: &Place) -> Finding {
    const NAME: &str = "disk";
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = folder.display();
    let elsewhere = "name another store with --store or CLAUDE_RUN_STORE";
    if !place.exists {
        let remedy = format!("Make it (mkdir -p {folder}), or {elsewhere}.");
        return Finding::failed(NAME, format!("the folder {folder} does not exist"), remedy);
    }
    if let Some(kind) = &place.network {
        let found =
            format!("{folder} lies on a network file system ({kind}), where SQLite is not safe");
        return Finding::failed(NAME, found, format!("Use a local disk: {elsewhere}."));
    }
    if !place.writable {
        let remedy = format!("Correct the permissions, or {elsewhere}.");
        return Finding::failed(NAME, format!("the folder {folder} is not writable"), remedy);
    }
    match place.free_bytes {
        None => Finding::ok(
            NAME,
            format!("{folder}: how much is free is not known here"),
        ),
        Some(free) if free < LITTLE_ROOM => {
            let remedy = format!("Free some space, or {elsewhere}.");
            Finding::warning(NAME, format!("{folder}: only {} free", size(free)), remedy)
        }
        Some(free) => Finding::ok(NAME, format!("{folder}: {} free", size(free))),
    }
}

fn lock(holder: Option<&str>) -> Finding {
    let found = match holder {
        Some(pid) => format!("a run is at work (pid {pid})"),
        None => "no process is at work on it".to_owned(),
    };
    Finding::ok("lock", found)
}

fn runs(all: &[Run], at_work: bool) -> Finding {
    const NAME: &str = "runs";
    let unfinished: Vec<_> = all
        .iter()
        .filter(|run| run.state != RunState::Ended)
        .collect();
    if unfinished.is_empty() {
        let count = thousands(all.len() as u64);
        return Finding::ok(NAME, format!("{count}, all ended"));
    }
    let jobs: u64 = unfinished.iter().map(|run| run.jobs.open()).sum();
    let count = unfinished.len() as u64;
    let found = format!(
        "{} unfinished with {}",
        thousands(count),
        plural(jobs, "open job")
    );
    let halted = unfinished.iter().rev().find_map(|run| run.halt.as_ref());
    if let Some(halt) = halted {
        let found = format!("{found}; halted by {}", halt.class);
        return Finding::warning(NAME, found, halt.class.remedy_for(&halt.message));
    }
    if at_work {
        return Finding::ok(NAME, found);
    }
    Finding::warning(NAME, found, "`claude-run resume` goes on with them.")
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => {
            let tenths = bytes / 100_000_000;
            format!("{}.{} GB", thousands(tenths / 10), tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::finding::Level::{Failed, Ok, Warning};
    use super::{Place, place, size};

    #[test]
    fn sizes_are_rounded_down() {
        for (bytes, shown) in [
            (999, "0 kB"),
            (1_999_999, "1 MB"),
            (1_000_000_000, "1.0 GB"),
            (12_345_678_900_000, "12,345.6 GB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn a_place_must_be_local_writable_and_roomy() {
        let good = Place {
            exists: true,
            writable: true,
            free_bytes: Some(super::LITTLE_ROOM),
            network: None,
        };
        let but = |change: fn(&mut Place)| {
            let mut place = good.clone();
            change(&mut place);
            place
        };
        for (case, level) in [
            (good.clone(), Ok),
            (but(|place| place.free_bytes = None), Ok),
            (but(|place| place.free_bytes = Some(999_999_999)), Warning),
            (but(|place| place.writable = false), Failed),
            (but(|place| place.network = Some("NFS".to_owned())), Failed),
            (Place::default(), Failed),
        ] {
            let finding = place(Path::new("runs/store.db"), &case);
            assert_eq!(finding.level, level, "{finding:?}");
        }
    }
}

//! This machine: how many connections it lets a process open.

use super::finding::Finding;

const NAME: &str = "open_files";

/// Files besides connections: the store, its log, readers, the terminal, libraries.
const OTHER_FILES: u64 = 64;

/// The limit of open files against the concurrency in force.
pub(super) fn check(concurrency: u32) -> Finding {
    describe(open_files(), u64::from(concurrency))
}

#[cfg(unix)]
fn open_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
fn open_files() -> Option<u64> {
    None
}

/// Each request may hold two for a moment: a new connection while the old one closes.
fn describe(limit: Option<u64>, concurrency: u64) -> Finding {
    let Some(limit) = limit else {
        return Finding::ok(NAME, "no limit");
    };
    let wanted = concurrency * 2 + OTHER_FILES;
    let found = format!("{limit} allowed, {wanted} wanted for a concurrency of {concurrency}");
    if wanted <= limit {
        return Finding::ok(NAME, found);
    }
    let fitting = limit.saturating_sub(OTHER_FILES) / 2;
    let remedy = format!(
        "Raise the limit (ulimit -n {wanted}), or use --concurrency {}.",
        fitting.max(1)
    );
    Finding::warning(NAME, found, remedy)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level::{Ok, Warning};
    use super::describe;

    #[test]
    fn the_limit_must_hold_two_files_for_each_request_and_some_more() {
        for (limit, concurrency, level) in [
            (None, 10_000, Ok),
            (Some(192), 64, Ok),
            (Some(191), 64, Warning),
            (Some(10), 64, Warning),
        ] {
            assert_eq!(describe(limit, concurrency).level, level, "{limit:?}");
        }
        let remedy = describe(Some(1024), 1000).remedy.unwrap();
        assert!(remedy.contains("ulimit -n 2064"), "{remedy}");
        assert!(remedy.contains("--concurrency 480"), "{remedy}");
    }
}

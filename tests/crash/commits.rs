//! The process aborts right before or right behind its n-th commit.

use claude_run::simulator::SimulatorSettings;

use super::bench::Bench;
use super::ledger::AttemptSet;
use super::process::{Ended, Process};
use super::setting;
use super::verdict::every_job_ended_once;

/// Few jobs at a time, so that the commits are many and each does one thing.
const JOBS: u64 = 12;
const CONCURRENCY: u32 = 2;
/// Commits of the plain suite; `COMMITS=n` tries more.
const COMMITS: u64 = 25;

/// Starts or resumes the run with that failpoint behind so many harmless passes.
fn go_on_until(bench: &Bench, failpoint: &str, passes: u64) -> Ended {
    let armed = match passes {
        0 => format!("{failpoint}=return"),
        passes => format!("{failpoint}={passes}*off->return"),
    };
    let mut command = bench.go_on(CONCURRENCY);
    command.env("FAILPOINTS", armed);
    Process::start(command).end()
}

/// Crashes `submit` and then `resume` at that commit, and lets the third process finish. Says how
/// many of the two crashed: the run may have had fewer commits.
fn crash_twice(failpoint: &str, passes: u64) -> u64 {
    let bench = Bench::new(SimulatorSettings::default());
    bench.write_jobs(JOBS);
    let (mut crashes, mut left_open) = (0, AttemptSet::new());
    for _ in 0..2 {
        let ended = go_on_until(&bench, failpoint, passes);
        if !ended.is_aborted() {
            ended.must_succeed();
            break;
        }
        crashes += 1;
        left_open.append(&mut bench.open_attempts());
    }
    Process::start(bench.go_on(CONCURRENCY))
        .end()
        .must_succeed();
    every_job_ended_once(&bench, JOBS, &left_open);
    crashes
}

fn crash_at_every_commit(failpoint: &str) {
    let commits = setting("COMMITS", COMMITS);
    let crashes: u64 = (0..commits)
        .map(|passes| crash_twice(failpoint, passes))
        .sum();
    // How many commits a run makes depends on how its calls meet, but a dozen they always are.
    assert!(
        crashes * 2 > commits.min(COMMITS),
        "the failpoint struck only {crashes} times"
    );
    eprintln!("{failpoint}: {crashes} crashes");
}

#[test]
fn a_crash_before_any_commit_loses_nothing_and_doubles_nothing() {
    crash_at_every_commit("store-before-commit");
}

#[test]
fn a_crash_behind_any_commit_loses_nothing_and_doubles_nothing() {
    crash_at_every_commit("store-after-commit");
}

//! What must be true of runs that do not end with every job succeeded: one that was cancelled after a
//! kill, and one of an old store.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bench::{Bench, custom_id};
use super::ledger::{Attempt, AttemptSet, Ledger};
use super::verdict::tokens_of;

/// The run of the old store that goes on, and what it has.
const OLD_RUN: &str = "second";
const OLD_JOBS: u64 = 20;
/// Its jobs that were in flight when it was killed: no simulator of ours saw them.
const OLD_IN_FLIGHT: usize = 10;

/// Every job has one end: an answer, or the cancel. No request is without an attempt.
pub fn every_job_was_answered_or_canceled(bench: &Bench, jobs: u64) {
    let ledger = Ledger::open(&bench.store());
    ledger.must_be_sound();
    let count = |of: &str| ledger.number(&format!("SELECT count(*) FROM {of}"));
    assert_eq!(count("jobs WHERE state IN (4, 6)"), signed(jobs));
    assert_eq!(count("results"), count("jobs WHERE state = 4"));
    assert_eq!(count("attempts WHERE outcome IS NULL"), 0);
    assert_eq!(count("runs WHERE state = 'ended'"), 1);
    let attempts = ledger.attempts();
    let mut requests: BTreeMap<String, usize> = BTreeMap::new();
    for request in bench.simulator.log() {
        let (id, _) = request.prompt.split_once(':').unwrap();
        *requests.entry(id.to_owned()).or_default() += 1;
    }
    for n in 1..=jobs {
        let id = custom_id(n);
        let sent = requests.get(&id).copied().unwrap_or_default();
        let attempts = attempts.get(&id).map_or(&[][..], Vec::as_slice);
        assert!(sent <= attempts.len(), "{id}: {sent} sent, {attempts:#?}");
        let heard = attempts.iter().filter(|attempt| is_heard(attempt)).count();
        assert!(heard <= sent, "{id}: {sent} sent, {attempts:#?}");
    }
    let verified = bench.json(&["verify", "--json"]);
    assert_eq!(verified["ok"], true, "{verified:#}");
    assert_eq!(
        exported_ids(bench),
        (1..=jobs).map(custom_id).collect::<Vec<_>>()
    );
}

/// Some of its jobs fail whatever is done, so that it is known by its sums.
pub fn an_old_run_ended_once(bench: &Bench, left_open: &AttemptSet) {
    let ledger = Ledger::open(&bench.store());
    ledger.must_be_sound();
    let of_run = format!("JOIN runs ON runs.id = run_id WHERE runs.name = '{OLD_RUN}'");
    let count = |what: &str| ledger.number(&format!("SELECT count(*) FROM {what}"));
    let ended = count(&format!("jobs {of_run} AND jobs.state IN (4, 5)"));
    assert_eq!(ended, signed(OLD_JOBS));
    assert_eq!(
        count(&format!("results JOIN jobs ON jobs.id = job_id {of_run}")),
        ended
    );
    let attempts = ledger.attempts();
    let of_old = || attempts.iter().filter(|(id, _)| id.starts_with("b-"));
    let all = || of_old().flat_map(|(_, attempts)| attempts);
    let interrupted = all()
        .filter(|attempt| attempt.ended_as("interrupted"))
        .count();
    assert!(
        (OLD_IN_FLIGHT..=left_open.len()).contains(&interrupted),
        "what was left open is interrupted, unless it is known that it was not sent"
    );
    let heard = all().filter(|attempt| is_heard(attempt)).count();
    assert_eq!(
        heard + interrupted,
        all().count(),
        "every attempt has its end"
    );
    let requests = bench.simulator.log();
    let sent = requests
        .iter()
        .filter(|request| request.path == "/v1/messages")
        .count()
        + bench.simulator.batch_items().len();
    let unknown = interrupted - OLD_IN_FLIGHT;
    assert!(
        (heard..=heard + unknown).contains(&sent),
        "{heard} to {unknown} more, {sent} sent"
    );
    if sent == heard {
        money_is_the_simulators(bench);
    }
    let verified = bench.json(&["verify", "--json"]);
    assert_eq!(verified["ok"], true, "{verified:#}");
}

/// To the token, since every request was heard of.
fn money_is_the_simulators(bench: &Bench) {
    let stats = bench.simulator.stats();
    let [input, output] = tokens_of(stats.ledger.values().chain(stats.batch_ledger.values()));
    let report = bench.json(&["report", OLD_RUN, "--format", "json"]);
    assert_eq!(report["tokens"]["input"], input);
    assert_eq!(report["tokens"]["output"], output);
}

/// Its request was answered, with an error perhaps.
fn is_heard(attempt: &Attempt) -> bool {
    attempt.ended_as("succeeded") || attempt.ended_as("errored")
}

fn exported_ids(bench: &Bench) -> Vec<String> {
    let output = bench.output(&["export", "-o", "-"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let id = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["custom_id"].as_str().unwrap().to_owned()
    };
    text.lines().map(id).collect()
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap()
}

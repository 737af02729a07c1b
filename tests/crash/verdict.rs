//! What must be true of a run that has ended, however often it was killed on the way: the ledger
//! against the simulator's log, and every command's output against the ledger.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use claude_run::model::Pico;
use claude_run::simulator::{LedgerRow, LoggedRequest};
use serde_json::Value;

use super::bench::{Bench, custom_id};
use super::ledger::{Attempt, AttemptSet, Ledger};

/// Pico-USD of an input and of an output token of the model that the jobs name: 1 and 5 USD a
/// million.
const PRICE: [u64; 2] = [1_000_000, 5_000_000];

/// The numbers of a run that passed.
#[derive(Debug, Default)]
pub struct Verdict {
    pub jobs: u64,
    pub requests: usize,
    pub attempts: usize,
    pub interrupted: usize,
    pub repeated_answers: usize,
    /// Input and output tokens of the recorded answers.
    pub recorded: [u64; 2],
    /// And of all answers that the simulator began: those that were on the wire at a kill may not
    /// have been sent whole.
    pub begun: [u64; 2],
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} jobs, {} attempts, {} requests, {} interrupted, {} answers repeated",
            self.jobs, self.attempts, self.requests, self.interrupted, self.repeated_answers
        )
    }
}

/// Checks everything. `left_open`: the attempts that were open right after any crash.
pub fn every_job_ended_once(bench: &Bench, jobs: u64, left_open: &AttemptSet) -> Verdict {
    let ledger = Ledger::open(&bench.store());
    ledger.must_be_sound();
    assert_eq!(count(&ledger, "jobs"), jobs);
    assert_eq!(count(&ledger, "jobs WHERE state = 4"), jobs);
    assert_eq!(count(&ledger, "results"), jobs);
    let attempts = ledger.attempts();
    let mut log: HashMap<String, Vec<LoggedRequest>> = HashMap::new();
    for request in bench.simulator.log() {
        let (id, _) = request.prompt.split_once(':').unwrap();
        log.entry(id.to_owned()).or_default().push(request);
    }
    let mut verdict = Verdict {
        jobs,
        ..Verdict::default()
    };
    for n in 1..=jobs {
        let id = custom_id(n);
        check_job(&id, &attempts[&id], &log[&id], &mut verdict);
    }
    let interrupted = interrupted(&attempts);
    assert!(
        interrupted.is_subset(left_open),
        "only what a crash left open is interrupted: {:?}",
        interrupted.difference(left_open)
    );
    check_money(bench, &verdict);
    check_export(bench, jobs);
    check_report(bench, jobs, &attempts, &ledger);
    let verified = bench.json(&["verify", "--json"]);
    assert_eq!(verified["ok"], true, "{verified:#}");
    verdict
}

fn interrupted(attempts: &BTreeMap<String, Vec<Attempt>>) -> AttemptSet {
    let all = attempts
        .iter()
        .flat_map(|(id, attempts)| attempts.iter().map(move |attempt| (id, attempt)));
    all.filter(|(_, attempt)| attempt.ended_as("interrupted"))
        .map(|(id, attempt)| (id.clone(), attempt.n))
        .collect()
}

fn count(ledger: &Ledger, of: &str) -> u64 {
    let count = ledger.number(&format!("SELECT count(*) FROM {of}"));
    u64::try_from(count).unwrap()
}

fn check_job(id: &str, attempts: &[Attempt], requests: &[LoggedRequest], verdict: &mut Verdict) {
    let story = || format!("{id}: {attempts:#?} {requests:#?}");
    let numbers: Vec<_> = attempts.iter().map(|attempt| attempt.n).collect();
    let expected: Vec<_> = (1..=u32::try_from(attempts.len()).unwrap()).collect();
    assert_eq!(numbers, expected, "{}", story());
    let (last, before) = attempts.split_last().unwrap();
    assert!(last.ended_as("succeeded") && last.is_result, "{}", story());
    let is_done =
        |attempt: &Attempt| attempt.ended_as("errored") || attempt.ended_as("interrupted");
    assert!(
        before
            .iter()
            .all(|attempt| is_done(attempt) && !attempt.is_result),
        "{}",
        story()
    );

    let interrupted = attempts
        .iter()
        .filter(|attempt| attempt.ended_as("interrupted"))
        .count();
    assert!(
        requests.len() <= attempts.len(),
        "a request without an attempt: {}",
        story()
    );
    assert!(
        requests.len() + interrupted >= attempts.len(),
        "an attempt that was never sent: {}",
        story()
    );
    let answers = requests
        .iter()
        .filter(|request| request.status == Some(200))
        .count();
    assert!(answers >= 1, "{}", story());
    assert!(
        answers <= 1 + interrupted,
        "an answer was repeated without a crash: {}",
        story()
    );
    for attempt in attempts {
        check_attempt(attempt, requests, &story);
    }
    verdict.attempts += attempts.len();
    verdict.requests += requests.len();
    verdict.interrupted += interrupted;
    verdict.repeated_answers += answers - 1;
    for (of, tokens) in last.tokens.into_iter().enumerate() {
        verdict.recorded[of] += tokens;
        verdict.begun[of] += tokens * answers as u64;
    }
}

/// What was recorded is what the simulator sold, but for answers that a kill kept from us; the same
/// question has the same answer, so their size is known. Without such answers it is the same to
/// the token, and the cost follows from the tokens.
fn check_money(bench: &Bench, verdict: &Verdict) {
    let sold = tokens_of(bench.simulator.stats().ledger.values());
    for of in 0..2 {
        let (recorded, begun) = (verdict.recorded[of], verdict.begun[of]);
        let explained = recorded..=begun;
        assert!(explained.contains(&sold[of]), "{sold:?} sold: {verdict:?}");
    }
    let [input, output] = verdict.recorded;
    let cost = Pico(i128::from(input * PRICE[0] + output * PRICE[1]));
    let report = bench.json(&["report", "--format", "json"]);
    assert_eq!(report["cost_usd"]["total"], cost.to_string());
}

/// Input and output tokens of rows of the simulator's ledger.
pub fn tokens_of<'a>(rows: impl Iterator<Item = &'a LedgerRow>) -> [u64; 2] {
    rows.fold([0, 0], |[input, output], row| {
        [input + row.input_tokens, output + row.output_tokens]
    })
}

/// An attempt tells of an answer that was really sent, to a request of this very job.
fn check_attempt(attempt: &Attempt, requests: &[LoggedRequest], story: &dyn Fn() -> String) {
    if attempt.ended_as("interrupted") {
        assert_eq!(
            attempt.error_class.as_deref(),
            Some("interrupted"),
            "{}",
            story()
        );
        assert!(attempt.maybe_billed, "{}", story());
    }
    if !attempt.ended_as("succeeded") {
        assert_eq!(attempt.cost_pico, 0, "{}", story());
    }
    let Some(request_id) = &attempt.request_id else {
        assert!(!attempt.ended_as("succeeded"), "{}", story());
        return;
    };
    let request = requests
        .iter()
        .find(|request| request.request_id.as_ref() == Some(request_id));
    let status = request.and_then(|request| request.status);
    assert!(status.is_some(), "an answer of another job: {}", story());
    assert_eq!(status, attempt.http_status, "{}", story());
}

/// Every job once, in input order, succeeded.
fn check_export(bench: &Bench, jobs: u64) {
    let output = bench.output(&["export", "-o", "-"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ids: Vec<_> = lines
        .iter()
        .map(|line| line["custom_id"].as_str().unwrap())
        .collect();
    let expected: Vec<_> = (1..=jobs).map(custom_id).collect();
    assert_eq!(ids, expected);
    for line in &lines {
        assert_eq!(line["result"]["type"], "succeeded", "{line}");
        assert_eq!(line["result"]["message"]["type"], "message", "{line}");
    }
}

/// The report's sums are the ledger's.
fn check_report(
    bench: &Bench,
    jobs: u64,
    attempts: &BTreeMap<String, Vec<Attempt>>,
    ledger: &Ledger,
) {
    let report = bench.json(&["report", "--format", "json"]);
    let all = || attempts.values().flatten();
    let shown = &report["attempts"];
    assert_eq!(report["jobs"]["succeeded"], jobs);
    assert_eq!(report["jobs"]["total"], jobs);
    assert_eq!(shown["total"], all().count());
    assert_eq!(shown["open"], 0);
    assert_eq!(shown["results"], jobs);
    let interrupted = all().filter(|attempt| attempt.ended_as("interrupted"));
    assert_eq!(shown["interrupted"], interrupted.count());
    let maybe_billed = all().filter(|attempt| attempt.maybe_billed);
    assert_eq!(shown["maybe_billed"], maybe_billed.count());
    let mut by_class: BTreeMap<&str, u64> = BTreeMap::new();
    for class in all().filter_map(|attempt| attempt.error_class.as_deref()) {
        *by_class.entry(class).or_default() += 1;
    }
    assert_eq!(shown["by_class"], serde_json::to_value(by_class).unwrap());
    let cost: i64 = all().map(|attempt| attempt.cost_pico).sum();
    assert!(cost > 0);
    assert_eq!(report["cost_usd"]["total"], Pico(cost.into()).to_string());
    assert_eq!(
        report["cost_usd"]["wasted_on_retries"],
        Pico::ZERO.to_string()
    );
    assert_eq!(report["cost_usd"]["unknown_price_attempts"], 0);
    assert_eq!(ledger.number("SELECT cost_pico FROM runs"), cost);
}

//! `--cache-prefix auto`: what requests share is cached although no line asks for it, and it pays.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claude_run::model::{Pico, Tokens, Usage};
use claude_run::policy::PriceTable;
use claude_run::simulator::{Latency, LedgerRow, SimulatorSettings};
use serde_json::{Value, json};

use crate::harness::Desk;

/// Prefixes of 1,024 tokens and more are cached.
const MODEL: &str = "claude-sonnet-4-6";
const LIVE: &[&str] = &["submit", "jobs.jsonl", "--retry-scale", "0.001"];
const BATCH: &[&str] = &[
    "submit",
    "jobs.jsonl",
    "--retry-scale",
    "0.001",
    "--lane",
    "batch",
];
const AUTO: &[&str] = &["--cache-prefix", "auto"];

fn shared() -> String {
    "Know this by heart, \"all\" of it.\n".repeat(400)
}

/// A job of each prompt, all with the same long system prompt.
fn sharing(prompts: impl IntoIterator<Item = String>) -> String {
    let lines = (1..).zip(prompts).map(|(n, prompt)| {
        json!({"custom_id": format!("job-{n}"), "model": MODEL, "max_tokens": 50, "system": shared(), "prompt": prompt})
            .to_string()
            + "\n"
    });
    lines.collect()
}

fn questions(count: usize) -> String {
    sharing((0..count).map(|n| format!("Question {n}?")))
}

fn dollars(value: &Value) -> Pico {
    value.as_str().unwrap().parse().unwrap()
}

/// What the simulator's ledgers cost at our prices.
fn bill(desk: &Desk) -> Pico {
    let now = claude_run::clock::Clock::system().now();
    let stats = desk.simulator.stats();
    let sum = |ledger: &BTreeMap<String, LedgerRow>, batch_tier| -> Pico {
        let rows = ledger.iter().map(|(model, row)| {
            let tokens = Tokens {
                input: row.input_tokens,
                output: row.output_tokens,
                cache_read: row.cache_read_tokens,
                cache_write_5m: row.cache_write_5m_tokens,
                cache_write_1h: row.cache_write_1h_tokens,
            };
            let usage = Usage {
                tokens,
                batch_tier,
                ..Usage::default()
            };
            PriceTable::embedded().cost(model, &usage, now).total
        });
        rows.sum()
    };
    sum(&stats.ledger, false) + sum(&stats.batch_ledger, true)
}

/// Submits the jobs like that to a simulator of their own: what they cost, and the report.
fn submitted(jobs: &str, flags: &[&[&str]]) -> (Desk, Value) {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs);
    desk.run(&flags.concat()).expect(0);
    let report = desk.report();
    assert_eq!(dollars(&report["cost_usd"]["total"]), bill(&desk));
    (desk, report)
}

fn row(desk: &Desk) -> LedgerRow {
    let stats = desk.simulator.stats();
    let mut rows = stats
        .ledger
        .into_values()
        .chain(stats.batch_ledger.into_values());
    let row = rows.next().unwrap();
    assert_eq!(rows.next(), None, "one model, one lane");
    row
}

#[test]
fn a_shared_system_prompt_is_written_once_and_read_by_all_others() {
    let jobs = questions(20);
    let (plain, off) = submitted(&jobs, &[LIVE]);
    let used = row(&plain);
    assert_eq!(used.cache_read_tokens + used.cache_write_5m_tokens, 0);
    assert_eq!(off["cache_hit_rate"], 0.0);

    let checked = plain.run(&["check", "jobs.jsonl", "--json"]).expect(0);
    let foreseen = checked.json_lines()[0]["estimates"]["cache_prefix"].clone();
    assert_eq!(foreseen["jobs"], 20);
    assert!(dollars(&foreseen["live_usd"]) > dollars(&foreseen["batch_usd"]));
    plain.run(&["check", "jobs.jsonl"]).expect(0);

    let (desk, report) = submitted(&jobs, &[LIVE, AUTO]);
    let used = row(&desk);
    assert!(used.cache_write_5m_tokens > 1_024, "{used:?}");
    assert_eq!(used.cache_read_tokens, 19 * used.cache_write_5m_tokens);
    let (cost, before) = (&report["cost_usd"], dollars(&off["cost_usd"]["total"]));
    assert!(dollars(&cost["total"]).0 * 3 < before.0, "{cost}");
    assert!(dollars(&cost["saved_by_cache"]) > Pico::ZERO);
    assert!(report["cache_hit_rate"].as_f64().unwrap() > 0.9);
    let shown = desk.run(&["report"]).expect(0).stdout;
    for words in [
        "cache reads",
        "cache writes, 5 min",
        "saved by the cache",
        "read from the cache: 9",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn a_line_with_a_mark_of_its_own_and_one_that_shares_nothing_are_sent_as_they_are() {
    let desk = Desk::with(SimulatorSettings {
        log_bodies: true,
        ..SimulatorSettings::default()
    });
    let own = json!({"model": MODEL, "max_tokens": 50, "system": shared(), "messages": [
        {"role": "user", "content": [{"type": "text", "text": "own", "cache_control": {"type": "ephemeral"}}]},
    ]});
    let alone = json!({"model": MODEL, "max_tokens": 50, "system": "brief", "messages": [{"role": "user", "content": "alone"}]});
    let line =
        |id: &str, params: &Value| json!({"custom_id": id, "params": params}).to_string() + "\n";
    desk.write(
        "jobs.jsonl",
        questions(5) + &line("own", &own) + &line("alone", &alone),
    );
    desk.run(&[LIVE, AUTO].concat())
        .expect(0)
        .says(&["marking for the cache what 5 jobs share"]);
    let bodies: Vec<_> = desk
        .simulator
        .log()
        .into_iter()
        .filter_map(|seen| seen.body)
        .collect();
    for sent in [own, alone] {
        assert!(bodies.contains(&sent.to_string()), "{bodies:?}");
    }
    let marked = bodies
        .iter()
        .filter(|body| body.contains("\"system\":[{\"type\":\"text\""));
    assert_eq!(marked.count(), 5);
}

#[test]
fn a_run_that_was_killed_goes_on_with_the_very_same_requests() {
    let desk = Desk::with(SimulatorSettings {
        log_bodies: true,
        latency: Latency {
            median: Duration::from_millis(100),
            ..Latency::default()
        },
        ..SimulatorSettings::default()
    });
    desk.write("jobs.jsonl", questions(30));
    let flags = ["--concurrency", "4"];
    let run = desk.spawn(&[LIVE, AUTO, &flags].concat());
    desk.wait_for_requests(8);
    run.kill();
    desk.run(&["resume", "--retry-scale", "0.001"]).expect(0);
    let mut bodies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for seen in desk.simulator.log() {
        let body = seen.body.unwrap();
        assert_eq!(body.matches("\"cache_control\"").count(), 1, "{body:.200}");
        bodies.entry(seen.prompt).or_default().insert(body);
    }
    assert_eq!(bodies.len(), 30);
    assert!(bodies.values().all(|sent| sent.len() == 1), "{bodies:?}");
    assert_eq!(desk.report()["jobs"]["succeeded"], 30);
}

#[test]
fn a_batch_of_one_warms_the_cache_for_the_batch_of_the_others() {
    let jobs = questions(40);
    let (plain, off) = submitted(&jobs, &[BATCH]);
    assert_eq!(plain.simulator.stats().batches_created, 1);

    let (desk, report) = submitted(&jobs, &[BATCH, AUTO]);
    let used = row(&desk);
    assert!(used.cache_write_1h_tokens > 1_024, "{used:?}");
    assert_eq!(used.cache_read_tokens, 39 * used.cache_write_1h_tokens);
    assert_eq!(used.cache_write_5m_tokens, 0);
    let batches = desk.run(&["batches", "--json"]).expect(0).json_lines();
    let sizes: Vec<_> = batches
        .iter()
        .map(|batch| batch["requests"].clone())
        .collect();
    assert_eq!(sizes, [1, 39]);
    let (cost, before) = (&report["cost_usd"], dollars(&off["cost_usd"]["total"]));
    assert!(dollars(&cost["total"]).0 * 3 < before.0, "{cost}");
    assert!(report["cache_hit_rate"].as_f64().unwrap() > 0.9);
    desk.run(&["verify"]).expect(0);
}

#[test]
fn where_the_first_request_fails_or_nobody_waits_batches_go_without_marks() {
    let mut prompts: Vec<_> = (0..40).map(|n| format!("Question {n}?")).collect();
    prompts[0] = "[[sim: 500, ok]]".to_owned();
    let (desk, report) = submitted(&sharing(prompts), &[BATCH, AUTO]);
    assert_eq!(report["jobs"]["succeeded"], 40);
    let used = row(&desk);
    assert_eq!(used.cache_write_1h_tokens + used.cache_read_tokens, 0);

    let desk = Desk::new();
    desk.write("jobs.jsonl", questions(40));
    desk.run(&[BATCH, AUTO, &["--no-wait"]].concat()).expect(0);
    desk.run(&["resume", "--retry-scale", "0.001"]).expect(0);
    assert_eq!(desk.simulator.stats().batches_created, 1);
    assert_eq!(row(&desk).cache_write_1h_tokens, 0);
}

//! A budget of a dollar on a run that would cost three, on each lane, through the real binary.

use claude_run::model::Pico;
use claude_run::simulator::{OutputLength, SimulatorSettings};
use serde_json::{Value, json};

use crate::harness::Desk;
use crate::money::{bill, dollars};

/// With prompts and answers of different lengths.
fn desk(jobs: usize, seed: u64) -> Desk {
    let desk = Desk::with(SimulatorSettings {
        seed,
        output: OutputLength {
            median: 110,
            spread: 0.6,
        },
        ..SimulatorSettings::default()
    });
    let lines = (0..jobs).map(|n| {
        let prompt = "Say it again. ".repeat(n * 7919 % 40);
        let line = json!({
            "custom_id": format!("j-{n}"), "model": "claude-opus-4-6", "max_tokens": 1_024,
            "prompt": format!("{n}: {prompt}"),
        });
        line.to_string() + "\n"
    });
    desk.write("jobs.jsonl", lines.collect::<String>());
    desk
}

fn cost(report: &Value) -> Pico {
    dollars(&report["cost_usd"]["total"])
}

/// Each seed draws other answers; `SEEDS=20` tries more of them.
fn a_dollar_of_three(jobs: usize, flags: &[&str]) {
    let seeds = std::env::var("SEEDS").ok();
    let seeds = seeds.and_then(|text| text.parse().ok()).unwrap_or(1);
    for seed in 0..seeds {
        on_seed(jobs, flags, seed);
    }
}

fn on_seed(jobs: usize, flags: &[&str], seed: u64) {
    let desk = desk(jobs, seed);
    let flags = [flags, &["--retry-scale", "0.001", "--seed", "1"]].concat();
    let submit = [&["submit", "jobs.jsonl", "--budget-usd", "1"], &flags[..]].concat();
    desk.run(&submit).expect(4).says(&[
        "budget: 90% of $1.00",
        "own budget of $1.00",
        "resume --budget-usd",
    ]);
    let report = desk.report();
    let (spent, over) = (cost(&report), dollars(&report["over_budget_usd"]));
    assert_eq!(spent, bill(&desk), "nothing was bought that is not told");
    assert!(spent.0 * 100 >= Pico::USD.0 * 98, "only {spent} of 1.00");
    assert!(over.0 * 100 <= Pico::USD.0 * 2, "{over} over 1.00");
    assert!(spent <= Pico::USD + over, "{spent}, {over}");
    let jobs_now = &report["jobs"];
    assert_eq!(
        (&jobs_now["in_flight"], &jobs_now["in_batch"]),
        (&json!(0), &json!(0))
    );

    let resume = [&["resume", "--budget-usd", "9"], &flags[..]].concat();
    desk.run(&resume).expect(0);
    let report = desk.report();
    assert_eq!(report["jobs"]["succeeded"], json!(jobs));
    let whole = cost(&report);
    assert_eq!(whole, bill(&desk));
    let three = 28..34;
    assert!(three.contains(&(whole.0 * 10 / Pico::USD.0)), "{whole}");
    desk.run(&["verify"]).expect(0);
    eprintln!(
        "{flags:?} {seed}: {spent} of 1.00, {whole} in all, {} batches",
        desk.simulator.stats().batches_created
    );
}

#[test]
fn a_dollar_buys_a_third_of_a_live_run_of_three_dollars() {
    a_dollar_of_three(850, &[]);
}

#[test]
fn a_dollar_buys_a_third_of_a_batch_run_of_three_dollars() {
    a_dollar_of_three(1_700, &["--lane", "batch"]);
}

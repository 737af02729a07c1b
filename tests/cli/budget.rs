//! A budget of a dollar on a run that would cost three, on each lane, through the real binary.

use claude_run::model::Pico;
use claude_run::simulator::{OutputLength, SimulatorSettings};
use serde_json::{Value, json};

use crate::harness::{Desk, jobs};
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
fn a_dollar_of_three(jobs: usize, flags: &[&str], percent: std::ops::RangeInclusive<i128>) {
    let seeds = std::env::var("SEEDS").ok();
    let seeds = seeds.and_then(|text| text.parse().ok()).unwrap_or(1);
    for seed in 0..seeds {
        on_seed(jobs, flags, &percent, seed);
    }
}

fn on_seed(jobs: usize, flags: &[&str], percent: &std::ops::RangeInclusive<i128>, seed: u64) {
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
    let part = spent.0 * 100 / Pico::USD.0;
    assert!(percent.contains(&part), "{spent} of 1.00");
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
    // The last request that may cost three cents and a half does not fit; nothing is ever over.
    a_dollar_of_three(850, &[], 96..=99);
}

#[test]
fn a_dollar_buys_a_third_of_a_batch_run_of_three_dollars() {
    a_dollar_of_three(1_700, &["--lane", "batch"], 98..=101);
}

/// A line with these parameters besides a prompt.
fn line(n: usize, more: &Value) -> String {
    let mut params = json!({
        "model": "claude-haiku-4-5", "max_tokens": 500,
        "messages": [{"role": "user", "content": format!("Question {n}.")}],
    });
    for (key, value) in more.as_object().unwrap() {
        params[key] = value.clone();
    }
    json!({"custom_id": format!("j-{n}"), "params": params}).to_string() + "\n"
}

fn search(max_uses: Option<u32>) -> Value {
    let mut tool = json!({"type": "web_search_20250305", "name": "web_search"});
    if let Some(max_uses) = max_uses {
        tool["max_uses"] = json!(max_uses);
    }
    json!({"tools": [tool]})
}

fn document(source: &Value) -> Value {
    json!({"messages": [{"role": "user", "content": [{"type": "document", "source": source}]}]})
}

/// Everything was told, and nothing is over. What the endpoint billed is within the budget.
fn assert_within(desk: &Desk, budget: Pico) -> Pico {
    let report = desk.report();
    let spent = cost(&report);
    assert_eq!(spent, bill(desk), "nothing was bought that is not told");
    assert!(spent <= budget, "{spent} of {budget}");
    assert_eq!(dollars(&report["over_budget_usd"]), Pico::ZERO);
    spent
}

#[test]
fn searches_never_cost_more_than_the_budget() {
    let desk = Desk::new();
    let lines = (0..40).map(|n| line(n, &search(Some(3))));
    desk.write("jobs.jsonl", lines.collect::<String>());
    let halted = desk.run(&["submit", "jobs.jsonl", "--budget-usd", "2"]);
    halted.expect(4).says(&["own budget of $2.00"]);
    let spent = assert_within(&desk, Pico(2 * Pico::USD.0));
    // Each answer brings three searches: three cents, and the results that are read again and again.
    assert!(spent > Pico::USD, "{spent}");
    assert_eq!(
        desk.simulator.stats().ledger["claude-haiku-4-5-20251001"].web_searches % 3,
        0
    );
}

#[test]
fn a_turn_that_pauses_again_and_again_asks_for_room_each_time() {
    let desk = Desk::new();
    let lines = (0..20).map(|n| {
        let mut more = search(Some(2));
        let prompt = format!("{n} [[sim: pause-turn]]");
        more["messages"] = json!([{"role": "user", "content": prompt}]);
        line(n, &more)
    });
    desk.write("jobs.jsonl", lines.collect::<String>());
    let halted = desk.run(&["submit", "jobs.jsonl", "--budget-usd", "1"]);
    halted.expect(4).says(&["own budget of $1.00"]);
    assert_within(&desk, Pico::USD);
}

#[test]
fn short_answers_make_no_room_for_long_ones() {
    let desk = Desk::new();
    let prompts = (0..260).map(|n| match n {
        0..200 => format!("Short {n}."),
        _ => format!("Long {n}. [[sim: max-tokens-stop]]"),
    });
    desk.write("jobs.jsonl", jobs(prompts));
    let flags = ["--budget-usd", "3", "--max-tokens", "20000"];
    let halted = desk.run(&[&["submit", "jobs.jsonl"], &flags[..]].concat());
    // A long one costs ten cents: thirty would be three dollars.
    halted.expect(4).says(&["own budget of $3.00"]);
    let spent = assert_within(&desk, Pico(3 * Pico::USD.0));
    assert!(spent > Pico(27 * Pico::USD.0 / 10), "{spent}");
}

#[test]
fn a_line_that_has_no_bound_is_refused_under_a_budget_before_anything_is_stored() {
    let desk = Desk::new();
    let lines = [
        search(None),
        document(&json!({"type": "file", "file_id": "file_1"})),
        document(&json!({"type": "url", "url": "https://example.com/a.pdf"})),
        json!({"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}),
        json!({"model": "someone-elses"}),
        json!({}),
    ];
    let mut text: String = lines
        .iter()
        .enumerate()
        .map(|(n, more)| line(n, more))
        .collect();
    desk.write("jobs.jsonl", &text);
    for (flags, lines) in [
        (&["--lane", "live"], "live"),
        (&["--lane", "batch"], "batch"),
    ] {
        let submit = [&["submit", "jobs.jsonl", "--budget-usd", "5"], &flags[..]].concat();
        let refused = desk.run(&submit).expect(2).clear_error().says(&[
            "line 1, column 1: a budget cannot be kept for it",
            "max_uses",
            "--budget-assume-searches",
            "line 2",
            "`file`",
            "line 3",
            "`url`",
            "line 4",
            "code_execution_20250825",
            "line 5",
            "`someone-elses` has no known price",
            "[prices]",
        ]);
        assert!(!refused.stderr.contains("line 6"), "{lines}: {refused}");
        desk.assert_no_run();
    }
    // The first twenty, then a count.
    text.push_str(&(6..30).map(|n| line(n, &search(None))).collect::<String>());
    desk.write("many.jsonl", &text);
    let many = desk.run(&["submit", "many.jsonl", "--budget-usd", "5"]);
    many.expect(2).says(&["line 21, column 1", "and 9 more"]);
    assert_eq!(desk.simulator.stats().requests, 0);
}

#[test]
fn a_line_without_max_uses_is_held_for_by_the_user_s_word() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", line(1, &search(None)));
    let flags = ["--budget-usd", "9", "--budget-assume-searches", "10"];
    desk.run(&[&["submit", "jobs.jsonl"], &flags[..]].concat())
        .expect(0);
    // Not one more than was assumed: ten cents, and what was read.
    assert_within(&desk, Pico(9 * Pico::USD.0));
}

#[test]
fn a_stored_run_halts_at_what_a_budget_cannot_be_kept_for() {
    let desk = Desk::new();
    let url = json!({"type": "url", "url": "https://example.com/a.pdf"});
    desk.write("jobs.jsonl", line(1, &document(&url)));
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    let halted = desk.run(&["resume", "--budget-usd", "5"]).expect(4);
    halted.says(&["own budget of $5.00", "`j-1`", "`url`", "base64"]);
    assert_eq!(desk.simulator.stats().requests, 0);
    // And it goes on where nothing has to be kept.
    let without = desk.run(&["submit", "jobs.jsonl", "--new-run"]);
    without.expect(0);
}

#[test]
fn a_model_to_fall_back_to_needs_a_price_under_a_budget() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["Hello"]));
    let flags = ["--budget-usd", "5", "--fallback-model", "someone-elses"];
    let refused = desk.run(&[&["submit", "jobs.jsonl"], &flags[..]].concat());
    refused
        .expect(2)
        .clear_error()
        .says(&["`someone-elses`", "[prices]"]);
    desk.assert_no_run();
}

#[test]
fn submit_and_the_run_say_how_few_the_budget_allows_at_once() {
    let desk = Desk::new();
    let prompts = (0..30).map(|n| format!("Question {n}. [[sim: ok delay=1s]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    let flags = ["--budget-usd", "1", "--max-tokens", "20000"];
    let ran = desk.run(&[&["submit", "jobs.jsonl"], &flags[..]].concat());
    // Of haiku at 5 USD a million: eleven cents each, or one.
    let submitted = "the budget allows 9 open at once; `--max-tokens` 2000 would allow 30 (of 30)";
    ran.expect(0)
        .says(&[submitted, "open at once; `--max-tokens` 2000 would allow 8"]);
    let plenty = desk.run(&["submit", "jobs.jsonl", "--new-run", "--budget-usd", "100"]);
    assert!(!plenty.stderr.contains("open at once"), "{plenty}");
}

#[test]
fn where_not_one_request_fits_submit_says_what_to_do() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["Hello", "World"]));
    let flags = ["--budget-usd", "0.05", "--max-tokens", "20000"];
    let refused = desk.run(&[&["submit", "jobs.jsonl"], &flags[..]].concat());
    refused.expect(2).clear_error().says(&[
        "not one of 2 requests fits into the budget of $0.05",
        "--max-tokens",
        "raise --budget-usd",
    ]);
    desk.assert_no_run();
}

#[test]
fn a_budget_at_resume_is_for_one_run() {
    let desk = Desk::new();
    for name in ["one", "two"] {
        desk.write("jobs.jsonl", jobs([name]));
        desk.run(&["submit", "jobs.jsonl", "--no-run", "--name", name])
            .expect(0);
    }
    let refused = desk.run(&["resume", "--budget-usd", "0.5"]).expect(2);
    refused
        .clear_error()
        .says(&["2 runs are unfinished", "resume RUN"]);
    assert_eq!(desk.simulator.stats().requests, 0);
    desk.run(&["resume", "one", "--budget-usd", "0.5"])
        .expect(0);
    assert_eq!(desk.simulator.stats().requests, 1);
    // One is left.
    desk.run(&["resume", "--budget-usd", "0.5"]).expect(0);
}

#[test]
fn what_may_have_been_billed_stays_held_after_a_kill() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["Hello [[sim: hang]]", "World"]));
    // Eleven cents each: both fit, but not what was lost and one more beside it.
    let flags = [
        "--max-tokens",
        "20000",
        "--budget-usd",
        "0.20",
        "--concurrency",
        "1",
    ];
    let process = desk.spawn(&[&["submit", "jobs.jsonl"], &flags[..]].concat());
    desk.wait_for_open(1);
    process.kill();
    let halted = desk.run(&["resume"]).expect(4);
    halted.says(&[
        "is kept for attempts that may have been billed",
        "resume --budget-usd",
    ]);
    assert_eq!(desk.simulator.stats().requests, 1, "nothing more was sent");
    let kept = dollars(&desk.report()["attempts"]["maybe_billed_usd_at_most"]);
    assert!(
        kept > Pico(Pico::USD.0 / 10) && kept < Pico(Pico::USD.0 / 8),
        "{kept}"
    );
    // The same once more: nobody comes to know.
    desk.run(&["resume"]).expect(4);
    assert_eq!(desk.simulator.stats().requests, 1);
}

#[test]
fn a_truncated_answer_that_is_tried_again_with_more_room_holds_for_that() {
    let desk = Desk::new();
    let prompts = (0..20).map(|n| format!("{n} [[sim: max-tokens-stop]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    let flags = [
        "--max-tokens",
        "4000",
        "--on-truncated",
        "raise",
        "--budget-usd",
        "0.5",
    ];
    desk.run(&[&["submit", "jobs.jsonl"], &flags[..]].concat())
        .expect(4);
    assert_within(&desk, Pico(Pico::USD.0 / 2));
}

#[test]
fn a_dearer_model_to_fall_back_to_holds_its_own_price() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["Hello [[sim: refusal]]"]));
    // Two cents and a half of haiku fit, eleven of opus do not.
    let flags = [
        "--max-tokens",
        "4000",
        "--fallback-model",
        "claude-opus-4-6",
    ];
    let submit = [
        &["submit", "jobs.jsonl", "--budget-usd", "0.05"],
        &flags[..],
    ]
    .concat();
    desk.run(&submit)
        .expect(4)
        .says(&["own budget of $0.05", "may cost up to $0.11"]);
    assert_eq!(desk.simulator.stats().requests, 1, "opus is not asked");
}

#[test]
fn what_we_mark_for_the_cache_ourselves_is_held_for_as_written() {
    let desk = Desk::new();
    let system = "Know this by heart. ".repeat(1_500);
    let lines = (0..20).map(|n| line(n, &json!({"model": "claude-sonnet-4-6", "system": system})));
    desk.write("jobs.jsonl", lines.collect::<String>());
    // Each may write 30,000 tokens at 3.75 USD a million.
    let flags = ["--budget-usd", "0.5", "--cache-prefix", "auto"];
    let ran = desk.run(&[&["submit", "jobs.jsonl"], &flags[..]].concat());
    ran.expect(0).says(&["open at once"]);
    assert_within(&desk, Pico(Pico::USD.0 / 2));
    assert!(desk.simulator.stats().ledger["claude-sonnet-4-6"].cache_write_5m_tokens > 0);
}

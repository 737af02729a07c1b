//! Receipts that tell nothing, or more than can be, and answers under other names: what they cost, and
//! that the report says why.

use claude_run::model::Pico;
use serde_json::{Value, json};

use crate::harness::{Desk, jobs};
use crate::money::{bill, dollars};

/// Usage that is none.
const NO_USAGE: [&str; 12] = [
    "absent",
    "null",
    "zeros",
    "floats",
    "strings",
    "negative",
    "beyond",
    "no-output",
    "zero-output",
    "empty-step",
    "half-step",
    // Of a model whose fast speed has no known price.
    "fast",
];
const QUICK: [&str; 2] = ["--retry-scale", "0.001"];

/// A run of one job for each of these cases.
fn run_of(cases: impl IntoIterator<Item = String>, flags: &[&str]) -> Desk {
    let desk = Desk::new();
    let prompts = cases.into_iter().map(|case| format!("[[sim: {case}]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    let submit = ["submit", "jobs.jsonl", "--max-tokens", "100"];
    desk.run(&[&submit, &QUICK[..], flags].concat()).expect(0);
    desk.run(&["verify"]).expect(0);
    desk
}

fn usage(case: &str) -> String {
    format!("usage-{case}")
}

/// The sum over these rows, each of which has a cost.
fn sum_of(rows: &Value) -> Pico {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| dollars(&row["cost_usd"])).sum()
}

#[track_caller]
fn adds_up(desk: &Desk) -> Pico {
    let report = desk.report();
    let total = dollars(&report["cost_usd"]["total"]);
    assert_eq!(sum_of(&report["by_model"]), total);
    assert_eq!(sum_of(&report["by_lane"]), total);
    assert_eq!(sum_of(&json!(desk.attempts())), total);
    let results = desk.results();
    let exported = results.iter().map(|line| dollars(&line["run"]["cost_usd"]));
    assert_eq!(exported.sum::<Pico>(), total);
    total
}

fn an_answer_without_usage_costs_what_it_may(flags: &[&str]) {
    let desk = run_of(NO_USAGE.map(usage), flags);
    for (attempt, case) in desk.attempts().iter().zip(NO_USAGE) {
        assert_eq!(attempt["outcome"], "succeeded", "{case}");
        assert_eq!(attempt["cost_basis"], "at_most", "{case}");
        assert_eq!(attempt["cost_usd"], attempt["at_most_usd"], "{case}");
        // 100 tokens of output alone, at 5 USD per million and half of that in a batch.
        assert!(dollars(&attempt["cost_usd"]) >= Pico(250_000_000), "{case}");
        assert_eq!(attempt["price_row"], "claude-haiku-4-5-20251001", "{case}");
    }
    assert!(adds_up(&desk) >= bill(&desk), "never less than was billed");
    let report = desk.report();
    assert_eq!(report["cost_usd"]["at_most_attempts"], NO_USAGE.len());
    assert_eq!(report["cost_usd"]["unknown_price_attempts"], 0);
    assert_eq!(report["attempts"]["maybe_billed"], 0);
    for result in desk.results() {
        assert_eq!(result["result"]["type"], "succeeded");
        assert_eq!(result["run"]["cost_basis"], "at_most");
    }
    let text = desk.run(&["report"]).expect(0).stdout;
    assert!(
        text.contains("12 answers told no usage that can be priced"),
        "{text}"
    );
    let csv = desk
        .run(&["export", "--format", "csv", "-o", "-"])
        .expect(0);
    assert!(!csv.stdout.contains(",0.00,"), "{}", csv.stdout);
}

#[test]
fn an_answer_without_usage_costs_what_its_request_allows_and_says_so() {
    an_answer_without_usage_costs_what_it_may(&["--stream", "never"]);
}

#[test]
fn a_streamed_answer_without_usage_costs_what_its_request_allows() {
    an_answer_without_usage_costs_what_it_may(&["--stream", "always"]);
}

/// What the stream's beginning tells of its output is told before there is any.
#[test]
fn a_stream_whose_end_tells_no_usage_costs_what_its_request_allows() {
    let desk = run_of(["stream-no-usage".to_owned()], &["--stream", "always"]);
    let attempt = &desk.attempts()[0];
    assert_eq!(attempt["outcome"], "succeeded");
    assert_eq!(attempt["cost_basis"], "at_most");
    assert_eq!(attempt["cost_usd"], attempt["at_most_usd"]);
    assert!(adds_up(&desk) >= bill(&desk), "never less than was billed");
}

#[test]
fn an_answer_without_usage_in_a_batch_costs_what_its_request_allows_there() {
    an_answer_without_usage_costs_what_it_may(&["--lane", "batch"]);
}

#[test]
fn a_budget_holds_where_no_answer_tells_its_usage() {
    let desk = Desk::new();
    let prompts = (0..200).map(|n| format!("{n} [[sim: usage-absent]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    let submit = [
        "submit",
        "jobs.jsonl",
        "--max-tokens",
        "1000",
        "--budget-usd",
        "0.1",
    ];
    desk.run(&[&submit, &QUICK[..]].concat())
        .expect(4)
        .says(&["own budget of $0.10"]);
    let spent = adds_up(&desk);
    assert!(
        spent.0 * 10 <= Pico::USD.0 && spent.0 * 20 > Pico::USD.0,
        "{spent}"
    );
}

#[test]
fn receipts_that_no_store_can_hold_are_cut_and_marked_and_stop_nothing() {
    let cases = ["huge", "searches", "huge-steps"];
    for flags in [&["--lane", "live"], &["--lane", "batch"]] {
        let desk = run_of(cases.map(usage), flags);
        for (attempt, case) in desk.attempts().iter().zip(cases) {
            assert_eq!(attempt["cost_basis"], "saturated", "{case}");
            assert_eq!(attempt["cost_usd"], attempt["at_most_usd"], "{case}");
        }
        assert!(adds_up(&desk) >= bill(&desk));
        assert_eq!(desk.report()["cost_usd"]["saturated_attempts"], cases.len());
        assert!(desk.simulator.stats().requests <= 3, "bought once");
    }
}

#[test]
fn where_steps_and_the_whole_contradict_each_other_the_dearer_counts() {
    for flags in [
        &["--stream", "never"],
        &["--stream", "always"],
        &["--lane", "batch"],
    ] {
        let desk = run_of([usage("lesser-step")], flags);
        assert_eq!(adds_up(&desk), bill(&desk), "{flags:?}");
        assert_eq!(desk.attempts()[0]["cost_basis"], Value::Null, "{flags:?}");
    }
}

#[test]
fn a_live_answer_that_calls_itself_a_batchs_costs_the_live_price() {
    for how in ["never", "always"] {
        let desk = run_of([usage("batch-tier")], &["--stream", how]);
        assert_eq!(adds_up(&desk), bill(&desk), "{how}");
        let report = desk.report();
        assert_eq!(report["cost_usd"]["saved_by_batch"], "0.00", "{how}");
    }
}

#[test]
fn a_budget_holds_whatever_receipts_leave_out() {
    for (case, flags) in [
        ("usage-no-output", &["--stream", "never"]),
        ("usage-zero-output", &["--stream", "never"]),
        ("usage-empty-step", &["--lane", "batch"]),
        ("usage-half-step", &["--lane", "batch"]),
        ("usage-fast", &["--stream", "never"]),
        ("stream-no-usage", &["--stream", "always"]),
    ] {
        let desk = Desk::new();
        let prompts = (0..100).map(|n| format!("{n} [[sim: {case}]]"));
        desk.write("jobs.jsonl", jobs(prompts));
        let submit = [
            "submit",
            "jobs.jsonl",
            "--max-tokens",
            "1000",
            "--budget-usd",
            "0.05",
        ];
        desk.run(&[&submit, &QUICK[..], flags].concat()).expect(4);
        let spent = adds_up(&desk);
        assert!(spent >= bill(&desk), "{case}");
        // What a batch may cost over a budget is 2 % of it.
        assert!(spent.0 * 1_000 <= Pico::USD.0 * 51, "{case}: {spent}");
    }
}

#[test]
fn three_thousand_steps_are_added_up_and_cost_what_they_tell() {
    let desk = run_of([usage("many-steps")], &[]);
    // 3,000 times 10 in at 1 USD and 5 out at 5 USD per million.
    assert_eq!(adds_up(&desk).to_string(), "0.105");
    assert_eq!(desk.attempts()[0]["cost_basis"], Value::Null);
}

#[test]
fn a_gateways_spelling_of_a_known_model_is_priced_and_the_report_says_by_which_row() {
    let cases = ["ok", "model-openrouter", "model-bedrock"];
    let desk = run_of(cases.map(str::to_owned), &[]);
    adds_up(&desk);
    let attempts = desk.attempts();
    for (attempt, factor) in attempts.iter().zip([10, 10, 11]) {
        let tokens = &attempt["tokens"];
        let count = |kind: &str| i128::from(tokens[kind].as_u64().unwrap());
        // Per million: 1 USD in and 5 out; a tenth more where Bedrock keeps it in the USA.
        let due = (count("input") + 5 * count("output")) * 1_000_000 * factor / 10;
        assert_eq!(dollars(&attempt["cost_usd"]), Pico(due), "{attempt}");
        assert_eq!(attempt["cost_basis"], Value::Null);
    }
    let report = desk.report();
    for model in report["by_model"].as_array().unwrap() {
        assert_eq!(model["price_row"], "claude-haiku-4-5-20251001", "{model}");
    }
    let text = desk.run(&["report"]).expect(0).stdout;
    let mut rows = text
        .lines()
        .skip_while(|line| !line.contains("us.anthropic."));
    let below = rows.nth(1).unwrap();
    assert_eq!(
        below.trim(),
        "priced as claude-haiku-4-5-20251001",
        "{text}"
    );
}

#[test]
fn a_gateway_that_answers_under_a_name_of_its_own_costs_what_was_asked_and_is_held_by_the_budget() {
    let desk = Desk::new();
    let prompts = (0..200).map(|n| format!("{n} [[sim: model-own]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    let submit = [
        "submit",
        "jobs.jsonl",
        "--max-tokens",
        "500",
        "--budget-usd",
        "0.02",
    ];
    desk.run(&[&submit, &QUICK[..]].concat())
        .expect(4)
        .says(&["own budget of $0.02", "under a name without a known price"]);
    let spent = adds_up(&desk);
    assert!(spent.0 * 50 <= Pico::USD.0 && spent > Pico::ZERO, "{spent}");
    assert_eq!(spent, bill(&desk));
    let report = desk.report();
    assert_eq!(
        report["by_model"][0]["price_row"],
        "claude-haiku-4-5-20251001"
    );
    let attempts = report["attempts"]["total"].as_u64();
    assert_eq!(
        report["cost_usd"]["asked_model_attempts"].as_u64(),
        attempts
    );
}

#[test]
fn what_has_no_price_is_never_called_zero_dollars() {
    let desk = Desk::new();
    desk.write("prices.toml", "version = \"mine\"\n[[model]]\nid = \"claude-haiku-4-5\"\ncontext_window = 200000\nmax_output_tokens = 64000\n[[model.price]]\nfast = false\nfrom = 2090-01-01\ninput = \"1\"\noutput = \"5\"\ncache_write_5m = \"1\"\ncache_write_1h = \"2\"\ncache_read = \"1\"\n");
    desk.write("claude-run.toml", "[prices]\nfile = \"prices.toml\"\n");
    desk.write("jobs.jsonl", jobs(["Hello."]));
    let submit = desk
        .run(&["submit", "jobs.jsonl", "--events", "events.jsonl"])
        .expect(0);
    assert!(submit.stderr.contains("cost: unknown"), "{}", submit.stderr);
    assert!(!submit.stderr.contains("cost: $0.00"), "{}", submit.stderr);
    let attempt = desk.attempts().remove(0);
    assert_eq!(
        (&attempt["cost_usd"], &attempt["unknown_price"]),
        (&Value::Null, &json!(true))
    );
    let run = &desk.results()[0]["run"];
    assert_eq!(
        (&run["cost_usd"], &run["unknown_price"]),
        (&Value::Null, &json!(true))
    );
    let text = desk.run(&["report"]).expect(0).stdout;
    let total = text.lines().find(|line| line.trim().starts_with("total"));
    assert!(
        total.unwrap().ends_with("UNKNOWN") && !total.unwrap().contains("0.00"),
        "{text}"
    );
    let ended = desk.read("events.jsonl");
    let ended = ended.lines().find(|line| line.contains("attempt_ended"));
    assert!(ended.unwrap().contains("\"cost_usd\":null"), "{ended:?}");
}

#[test]
fn a_crash_leaves_a_bound_of_what_may_have_been_billed() {
    let desk = Desk::new();
    let prompts = (0..3).map(|n| format!("Say {n}. [[sim: ok delay=60s, ok]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    let process = desk.spawn(&["submit", "jobs.jsonl", "--max-tokens", "1000"]);
    desk.wait_for_open(3);
    process.kill();
    let resume = desk.run(&["resume", "--retry-scale", "0.001"]).expect(0);
    let report = desk.report();
    let most = dollars(&report["attempts"]["maybe_billed_usd_at_most"]);
    assert_eq!(report["attempts"]["maybe_billed"], 3);
    // 1,000 tokens of output each, at 5 USD per million, and the prompts.
    assert!(most.0 >= 15 * Pico::USD.0 / 1_000, "{most}");
    assert!(most.0 < 20 * Pico::USD.0 / 1_000, "{most}");
    let each = desk
        .attempts()
        .into_iter()
        .filter(|attempt| attempt["n"] == 1);
    assert_eq!(
        each.map(|attempt| dollars(&attempt["at_most_usd"]))
            .sum::<Pico>(),
        most
    );
    assert!(
        resume
            .stderr
            .contains(&format!("at most ${}", most.shown(false))),
        "{}",
        resume.stderr
    );
    let text = desk.run(&["report"]).expect(0).stdout;
    let told = format!(
        "3 attempts may have been billed: at most ${}",
        most.shown(false)
    );
    assert!(text.contains(&told), "{text}");
    desk.run(&["verify"]).expect(0);
}

#[test]
fn a_run_that_is_cancelled_after_a_crash_knows_the_bound_too() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["Say it. [[sim: ok delay=60s]]"]));
    let process = desk.spawn(&["submit", "jobs.jsonl"]);
    desk.wait_for_open(1);
    process.kill();
    desk.run(&["cancel"]).expect(0);
    let report = desk.report();
    assert_eq!(report["attempts"]["maybe_billed"], 1);
    assert!(dollars(&report["attempts"]["maybe_billed_usd_at_most"]) > Pico::ZERO);
}

#[test]
fn a_bound_that_is_none_is_not_told_as_one() {
    let desk = Desk::new();
    let tools = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    let params = json!({
        "model": "claude-haiku-4-5", "max_tokens": 100, "tools": tools,
        "messages": [{"role": "user", "content": "Search. [[sim: ok delay=60s, usage-absent]]"}],
    });
    let line = json!({"custom_id": "a", "params": params});
    desk.write("jobs.jsonl", line.to_string());
    let process = desk.spawn(&["submit", "jobs.jsonl"]);
    desk.wait_for_open(1);
    process.kill();
    desk.run(&["resume", "--retry-scale", "0.001"]).expect(0);
    let report = desk.report();
    assert_eq!(report["attempts"]["maybe_billed_usd_at_most"], Value::Null);
    assert_eq!(report["attempts"]["maybe_billed_unbounded"], 1);
    assert_eq!(
        report["cost_usd"]["unknown_price_attempts"], 1,
        "no usage, and no bound either"
    );
    let text = desk.run(&["report"]).expect(0).stdout;
    assert!(
        text.contains("1 attempt may have been billed: nothing bounds for how much"),
        "{text}"
    );
}

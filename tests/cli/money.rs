//! The report: every key, and money that adds up to the last digit.

use claude_run::model::{Pico, Tokens, Usage};
use claude_run::policy::PriceTable;
use claude_run::simulator::LedgerRow;
use serde_json::{Value, json};

use crate::harness::{Desk, assert_keys, jobs, plain_jobs};

pub(crate) fn dollars(value: &Value) -> Pico {
    let text = value.as_str().expect("money is a decimal string");
    text.parse().unwrap()
}

/// What the simulator's own ledgers cost at our prices; batches at half.
pub(crate) fn bill(desk: &Desk) -> Pico {
    let (table, now) = (
        PriceTable::embedded(),
        claude_run::clock::Clock::system().now(),
    );
    let stats = desk.simulator.stats();
    let live = stats.ledger.iter().map(|row| (row, false));
    let batch = stats.batch_ledger.iter().map(|row| (row, true));
    let costs = live.chain(batch).map(|((model, row), batch_tier)| {
        let usage = Usage {
            tokens: tokens(row),
            web_searches: row.web_searches,
            batch_tier,
            ..Usage::default()
        };
        let cost = table.cost(model, &usage, now);
        assert!(!cost.unknown_price, "{model} has no price");
        cost.total
    });
    costs.sum()
}

fn tokens(row: &LedgerRow) -> Tokens {
    Tokens {
        input: row.input_tokens,
        output: row.output_tokens,
        cache_read: row.cache_read_tokens,
        cache_write_5m: row.cache_write_5m_tokens,
        cache_write_1h: row.cache_write_1h_tokens,
    }
}

/// A prompt whose system text is cached for that long.
fn cached(ttl: &str, n: usize) -> String {
    let system = json!([{
        "type": "text",
        "text": format!("{ttl}: {}", "Know this by heart. ".repeat(1_500)),
        "cache_control": {"type": "ephemeral", "ttl": ttl},
    }]);
    let messages = json!([{"role": "user", "content": format!("Question {n}.")}]);
    let params = json!({"model": "claude-sonnet-4-6", "max_tokens": 200, "system": system, "messages": messages});
    json!({"custom_id": format!("cached-{ttl}-{n}"), "params": params}).to_string()
}

fn mixed() -> String {
    let mut lines = vec![jobs([
        "Hello",
        "[[sim: 529*2, ok]]",
        "[[sim: 500, ok]]",
        "[[sim: 400]]",
        "[[sim: refusal-with-output]]",
        "[[sim: max-tokens-stop]]",
    ])];
    for (n, model) in ["claude-sonnet-5-5", "claude-opus-5", "claude-haiku-5-5"]
        .iter()
        .enumerate()
    {
        let line = json!({"custom_id": format!("other-{n}"), "model": model, "prompt": "Tell me more.", "max_tokens": 77});
        lines.push(line.to_string() + "\n");
    }
    for ttl in ["5m", "1h"] {
        lines.extend((0..3).map(|n| cached(ttl, n) + "\n"));
    }
    lines.concat()
}

#[test]
fn the_report_equals_the_endpoint_s_own_ledger_to_the_last_digit() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", mixed());
    // One at a time, so that the cache is written once and then read.
    let flags = ["--concurrency", "1", "--retry-scale", "0.001"];
    desk.run(&[&["submit", "jobs.jsonl"], &flags[..]].concat())
        .expect(3);
    let report = desk.report();
    let cost = &report["cost_usd"];
    let total = dollars(&cost["total"]);
    assert_eq!(total, bill(&desk));
    assert!(total > Pico::ZERO);

    assert_eq!(dollars(&cost["live"]) + dollars(&cost["batch"]), total);
    let of = |rows: &Value| -> Pico {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| dollars(&row["cost_usd"])).sum()
    };
    assert_eq!(of(&report["by_model"]), total);
    assert_eq!(of(&json!(desk.attempts())), total);
    let results = desk.results();
    let exported = results.iter().map(|line| dollars(&line["run"]["cost_usd"]));
    assert_eq!(exported.sum::<Pico>(), total);

    let ledger = desk.simulator.stats().ledger;
    let sum = |of: fn(&LedgerRow) -> u64| ledger.values().map(of).sum::<u64>();
    assert_eq!(
        report["tokens"],
        json!({
            "input": sum(|row| row.input_tokens),
            "output": sum(|row| row.output_tokens),
            "cache_read": sum(|row| row.cache_read_tokens),
            "cache_write_5m": sum(|row| row.cache_write_5m_tokens),
            "cache_write_1h": sum(|row| row.cache_write_1h_tokens),
        })
    );
    for kind in ["cache_read", "cache_write_5m", "cache_write_1h"] {
        assert_ne!(report["tokens"][kind], 0, "{kind}");
    }
}

#[test]
fn the_report_has_every_key_of_the_contract() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", mixed());
    desk.run(&["submit", "jobs.jsonl", "--retry-scale", "0.001"])
        .expect(3);
    let report = desk.report();
    assert_keys(
        &report,
        "run_id jobs attempts tokens cost_usd by_model duration_s price_table",
    );
    assert_keys(
        &report["jobs"],
        "total succeeded failed canceled pending in_flight in_batch",
    );
    assert_keys(
        &report["attempts"],
        "total by_class interrupted maybe_billed",
    );
    assert_keys(
        &report["cost_usd"],
        "total live batch saved_by_batch saved_by_cache wasted_on_retries unknown_price_attempts",
    );
    assert_eq!(
        report["price_table"]["version"],
        PriceTable::embedded().version()
    );
    assert!(report["duration_s"].as_f64().unwrap() > 0.0);
    assert_eq!(report["jobs"]["total"], 15);
    assert_eq!(report["jobs"]["failed"], 2);
    let by_class = &report["attempts"]["by_class"];
    assert_eq!(by_class["overloaded"], 2);
    assert_eq!(by_class["server_error"], 1);
    assert_eq!(by_class["invalid_request"], 1);
    assert_eq!(by_class["refused"], 1);
    assert_eq!(by_class["truncated"], 1);
    assert_eq!(report["attempts"]["total"], 18);
    let either = desk.run(&["report", "--json"]).expect(0);
    assert_eq!(either.json_lines(), [report]);
}

/// A price table for the model of plain jobs that holds from that day on.
fn own_prices(from: &str) -> String {
    format!(
        "version = \"mine-7\"\n\n[[model]]\nid = \"claude-haiku-4-5-20251001\"\naliases = [\"claude-haiku-4-5\"]\n\
         context_window = 200_000\nmax_output_tokens = 64_000\nstatus = \"current\"\n\
         [[model.price]]\nfrom = {from}\ninput = \"7.000001\"\noutput = \"70\"\n\
         cache_write_5m = \"9\"\ncache_write_1h = \"14\"\ncache_read = \"0.70\"\n"
    )
}

#[test]
fn the_user_s_own_prices_replace_ours() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["Hello", "Good morning"]));
    desk.write("claude-run.toml", "[prices]\nfile = \"prices.toml\"\n");
    desk.write("prices.toml", own_prices("2020-01-01"));
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    let ledger = desk.simulator.stats().ledger;
    let row = ledger.values().next().unwrap();
    let expected = row.input_tokens * 7_000_001 + row.output_tokens * 70_000_000;
    let report = desk.report();
    assert_eq!(
        dollars(&report["cost_usd"]["total"]),
        Pico(i128::from(expected))
    );
    let version = report["price_table"]["version"].as_str().unwrap();
    assert!(version.contains("mine-7"), "{version}");
}

#[test]
fn an_answer_without_a_known_price_is_counted_and_said_and_never_free() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["Hello", "Good morning"]));
    desk.write("claude-run.toml", "[prices]\nfile = \"prices.toml\"\n");
    desk.write("prices.toml", own_prices("2999-01-01"));
    desk.run(&["submit", "jobs.jsonl"])
        .expect(0)
        .says(&["without a known price"]);
    let report = desk.report();
    assert_eq!(report["cost_usd"]["unknown_price_attempts"], 2);
    assert_eq!(report["cost_usd"]["total"], "0.00");
    let text = desk.run(&["report"]).expect(0).stdout;
    assert!(text.contains("PRICE UNKNOWN"), "{text}");
}

#[test]
fn a_found_price_table_makes_no_budget_void() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["Hello"]));
    desk.write("claude-run.toml", "[prices]\nfile = \"prices.toml\"\n");
    let cheap = own_prices("2020-01-01").replace("\"7.000001\"", "\"0.000001\"");
    desk.write("prices.toml", cheap);
    let submit = ["submit", "jobs.jsonl", "--budget-usd", "1"];
    desk.run(&submit)
        .expect(2)
        .says(&["claude-haiku-4-5", "merely found", "config trust"]);
    assert_eq!(desk.simulator.stats().requests, 0);
    desk.run(&["config", "trust"])
        .expect(0)
        .says(&["prices.file"]);
    desk.run(&submit).expect(0);
    // Dearer ones keep the budget.
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["Hello"]));
    desk.write("claude-run.toml", "[prices]\nfile = \"prices.toml\"\n");
    desk.write("prices.toml", own_prices("2020-01-01"));
    desk.run(&submit)
        .expect(0)
        .says(&["counted at prices of", "prices.toml"]);
}

#[test]
fn an_estimate_without_a_known_price_is_no_zero_dollars() {
    let desk = Desk::new();
    let model = |model: &str| json!({"prompt": "Hello", "model": model, "max_tokens": 10});
    desk.write("jobs.jsonl", model("acme-1").to_string());
    let check = desk.run(&["check", "jobs.jsonl"]).expect(0).stdout;
    assert!(
        check.contains("unknown") && !check.contains("0.00"),
        "{check}"
    );
    let submit = desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    submit.says(&["unknown live (at most: unknown), unknown in batches"]);
    let both = [model("acme-1"), model("claude-haiku-4-5")];
    desk.write("jobs.jsonl", both.map(|line| format!("{line}\n")).concat());
    let json = desk
        .run(&["check", "jobs.jsonl", "--json"])
        .expect(0)
        .stdout;
    let estimates = &serde_json::from_str::<Value>(&json).unwrap()["estimates"];
    for lane in ["live", "batch"] {
        assert_eq!(estimates[lane]["max_cost_usd"], Value::Null, "{json}");
        assert!(dollars(&estimates[lane]["cost_usd"]) > Pico::ZERO, "{json}");
    }
}

#[test]
fn a_price_table_that_cannot_be_used_is_named() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["Hello"]));
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    desk.write("claude-run.toml", "[prices]\nfile = \"none.toml\"\n");
    for args in [&["report"][..], &["submit", "jobs.jsonl", "--new-run"]] {
        desk.run(args).expect(2).clear_error().says(&["none.toml"]);
    }
    assert_eq!(desk.simulator.stats().requests, 1);
}

#[test]
fn a_run_halts_at_its_budget_and_goes_on_with_more() {
    let desk = Desk::new();
    // Haiku 4.5 at 5 USD per million: each of these may cost 0.005 before any answer is known.
    let lines = (0..40).map(|n| {
        json!({"custom_id": format!("j-{n}"), "prompt": "Hello", "model": "claude-haiku-4-5", "max_tokens": 1_000})
            .to_string()
            + "\n"
    });
    desk.write("jobs.jsonl", lines.collect::<String>());
    let halted = desk.run(&["submit", "jobs.jsonl", "--budget-usd", "0.006"]);
    halted
        .expect(4)
        .says(&["own budget of $0.006", "resume --budget-usd"]);
    let report = desk.report();
    let spent = dollars(&report["cost_usd"]["total"]);
    assert!(
        spent > Pico::ZERO && spent <= dollars(&json!("0.006")),
        "{spent}"
    );
    assert_eq!(report["budget_usd"], "0.006");
    assert_eq!(report["over_budget_usd"], "0.00");
    assert_eq!(report["jobs"]["in_flight"], 0);

    let requests_before = desk.simulator.stats().requests;
    desk.run(&["resume"]).expect(4);
    assert_eq!(
        desk.simulator.stats().requests,
        requests_before,
        "nothing fits"
    );
    desk.run(&["resume", "--budget-usd", "1"]).expect(0);
    let report = desk.report();
    assert_eq!(report["budget_usd"], "1.00");
    assert_eq!(dollars(&report["cost_usd"]["total"]), bill(&desk));
    for (amount, why) in [
        ("0", "more than 0"),
        ("-1", "budget"),
        ("1,5", "amount of dollars"),
    ] {
        let line = format!("--budget-usd={amount}");
        desk.run(&["submit", "jobs.jsonl", &line])
            .expect(2)
            .says(&[why]);
    }
}

#[test]
fn check_tells_what_a_file_will_cost_on_each_lane() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(200));
    let check = |flags: &[&str]| -> Value {
        let args = [&["check", "jobs.jsonl", "--json"], flags].concat();
        serde_json::from_str(&desk.run(&args).expect(0).stdout).unwrap()
    };
    let guessed = check(&["--rpm", "100"])["estimates"].clone();
    let (live, batch) = (&guessed["live"], &guessed["batch"]);
    for key in ["cost_usd", "max_cost_usd"] {
        let half = dollars(&batch[key]);
        assert_eq!(dollars(&live[key]), half + half, "{key}");
    }
    assert!(dollars(&live["max_cost_usd"]) > dollars(&live["cost_usd"]));
    // 200 requests at 100 a minute.
    assert_eq!(
        (&live["time_s"], &live["limits_known"]),
        (&json!(120), &json!(true))
    );
    assert_eq!(check(&[])["estimates"]["live"]["limits_known"], false);
    assert_eq!(guessed["exact"], json!(null));
    assert_eq!(desk.simulator.stats().requests, 0, "nothing was sent");

    let exact = check(&["--exact", "--sample", "20"])["estimates"].clone();
    assert!(
        (11..=20).contains(&exact["exact"]["requests"].as_u64().unwrap()),
        "{exact}"
    );
    desk.run(&["check", "jobs.jsonl"]).expect(0);
    let text = desk.run(&["check", "jobs.jsonl"]).expect(0).stdout;
    for words in ["Estimate:", "live", "batch", "limits are not known"] {
        assert!(text.contains(words), "{text}");
    }
    desk.run(&["submit", "jobs.jsonl"])
        .expect(0)
        .says(&["expected:"]);
    let report = desk.report();
    let spent = dollars(&report["cost_usd"]["total"]);
    assert!(spent <= dollars(&exact["live"]["max_cost_usd"]), "{spent}");
    let counted = exact["input_tokens"].as_f64().unwrap();
    let came = report["tokens"]["input"].as_f64().unwrap();
    assert!((counted / came - 1.0).abs() < 0.1, "{counted} for {came}");
}

#[test]
fn all_runs_are_summed_up_by_day_model_and_run() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(3));
    for name in ["one", "two"] {
        desk.run(&["submit", "jobs.jsonl", "--name", name])
            .expect(0);
    }
    desk.run(&["submit", "jobs.jsonl", "--simulate"]).expect(0);
    for (by, rows) in [("day", 1), ("model", 1), ("run", 2)] {
        let out = desk
            .run(&["report", "--all", "--by", by, "--json"])
            .expect(0);
        let totals: Value = serde_json::from_str(&out.stdout).unwrap();
        assert_eq!(
            dollars(&totals["total"]["cost_usd"]["total"]),
            bill(&desk),
            "{by}"
        );
        let real = totals["rows"].as_array().unwrap().iter();
        let real: Vec<_> = real.filter(|row| row["simulated"] == false).collect();
        assert_eq!(real.len(), rows, "{by}");
        let sum: Pico = real
            .iter()
            .map(|row| dollars(&row["cost_usd"]["total"]))
            .sum();
        assert_eq!(sum, bill(&desk), "{by}");
    }
    let text = desk.run(&["report", "--all"]).expect(0).stdout;
    assert!(
        text.contains("By month") && text.contains("SIMULATED"),
        "{text}"
    );
    desk.run(&["report", "--all", "latest"]).expect(2);
}

/// The decimal numbers of a text that have more significant digits than people read.
fn long_amounts(text: &str) -> Vec<&str> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let numbers = text.split(|c| !is_number(c)).map(|it| it.trim_matches('.'));
    let amounts = numbers.filter(|it| it.matches('.').count() == 1);
    let digits = |amount: &str| {
        let all: String = amount.chars().filter(char::is_ascii_digit).collect();
        all.trim_start_matches('0').len()
    };
    amounts.filter(|amount| digits(amount) > 4).collect()
}

#[test]
fn money_for_people_has_few_digits_everywhere_and_all_of_them_with_v() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs((0..201).map(|n| "word ".repeat(37 + n))));
    let estimate = |flags: &[&str]| {
        let check = desk.run(&[&["check", "jobs.jsonl"], flags].concat());
        check.expect(0).stdout
    };
    let json: Value = serde_json::from_str(&estimate(&["--json"])).unwrap();
    let exact = json["estimates"]["live"]["cost_usd"].as_str().unwrap();
    assert_ne!(long_amounts(exact), [""; 0], "{exact} tells nothing here");
    assert_eq!(long_amounts(&estimate(&[])), [""; 0]);
    assert!(estimate(&["-v"]).contains(exact), "{exact}");

    let told = desk.run(&["submit", "jobs.jsonl"]).expect(0).stderr;
    let expected = told.lines().find(|line| line.contains("expected:"));
    assert_eq!(long_amounts(expected.unwrap()), [""; 0]);
    let told = desk.run(&["submit", "jobs.jsonl", "-v"]);
    assert!(told.stderr.contains(exact), "{told}");

    let cost = desk.attempts()[0]["cost_usd"].as_str().unwrap().to_owned();
    let table = |flags: &[&str]| {
        let shown = desk.run(&[&["attempts"], flags].concat());
        shown.expect(0).stdout
    };
    assert!(table(&["-v"]).contains(&cost), "{cost}");
    assert_eq!(long_amounts(&table(&[])), [""; 0]);
}

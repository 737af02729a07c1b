//! The status page during an outage, through the real binary.

use claude_run::simulator::{ImitatedPage, Indicator, SimulatorSettings};
use serde_json::{Value, json};

use crate::harness::{Desk, jobs};

/// Jobs that overload the API for a while, so that the circuit opens, and are answered then.
fn outage(page: &ImitatedPage, config: &str) -> Desk {
    let mut desk = Desk::with(SimulatorSettings {
        status_page: page.clone(),
        ..SimulatorSettings::default()
    });
    let base = desk.simulator.base_url();
    desk.write("named.toml", config.replace("PAGE", &base));
    desk.set("CLAUDE_RUN_CONFIG", "named.toml");
    desk.write(
        "jobs.jsonl",
        jobs((0..30).map(|n| format!("{n} [[sim: 529, ok]]"))),
    );
    desk
}

/// Not all jobs leave at once, and no second try may succeed before twenty first ones have failed in a row:
/// the waits are long enough for a machine that does much else.
const FAST: [&str; 6] = [
    "submit",
    "jobs.jsonl",
    "--retry-scale",
    "0.3",
    "--events",
    "events.jsonl",
];
const ASKED: &str = "[status]\nurl = \"PAGE\"";

/// The looks at the page that the simulator has seen.
fn looks(desk: &Desk) -> usize {
    let log = desk.simulator.log();
    log.iter()
        .filter(|request| request.path.starts_with("/api/v2/"))
        .count()
}

fn told(desk: &Desk) -> Vec<Value> {
    let events = crate::harness::json_lines(&desk.read("events.jsonl"));
    let is_page = |event: &Value| event["type"] == "status_page";
    events.into_iter().filter(is_page).collect()
}

#[test]
fn a_major_outage_is_shown_recorded_and_reported_with_its_name() {
    let page = ImitatedPage {
        indicator: Indicator::Major,
        challenge: false,
    };
    let desk = outage(&page, ASKED);
    desk.run(&FAST)
        .expect(0)
        .says(&["status page: major outage: Elevated errors (simulated)"]);
    assert_eq!(looks(&desk), 1, "at most one look in five minutes");
    let told = told(&desk);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["indicator"], "major");
    let report = desk.report();
    let page = &report["status_page"];
    assert_eq!(page.as_array().map(Vec::len), Some(1), "{page}");
    assert_eq!(page[0]["indicator"], "major");
    assert_eq!(page[0]["incident"], "Elevated errors (simulated)");
    assert_eq!(page[0]["component"], "partial_outage");
    let text = desk.run(&["report"]).expect(0).stdout;
    assert!(text.contains("What the status page said"), "{text}");
    desk.run(&["doctor", "--bundle", "bundle.json"]);
    let bundle: Value = serde_json::from_str(&desk.read("bundle.json")).unwrap();
    assert_eq!(&bundle["latest_run"]["status_page"], page);
}

#[test]
fn the_page_is_asked_only_where_it_speaks_of_the_endpoint_and_is_not_switched_off() {
    for config in ["", "[status]\nenabled = false\nurl = \"PAGE\""] {
        let desk = outage(&ImitatedPage::default(), config);
        desk.run(&FAST).expect(0);
        assert_eq!(looks(&desk), 0, "{config}");
        assert_eq!(told(&desk), [] as [Value; 0]);
        assert_eq!(desk.report()["status_page"], json!([]));
    }
}

#[test]
fn a_challenge_in_place_of_the_page_tells_nothing() {
    let page = ImitatedPage {
        indicator: Indicator::Critical,
        challenge: true,
    };
    let desk = outage(&page, ASKED);
    desk.run(&FAST).expect(0);
    assert_eq!(looks(&desk), 1);
    assert_eq!(desk.report()["status_page"], json!([]));
}

#[test]
fn the_log_tells_it_too() {
    let page = ImitatedPage {
        indicator: Indicator::Minor,
        challenge: false,
    };
    let desk = outage(&page, ASKED);
    let log = desk.run(&[&FAST[..], &["-v"]].concat()).expect(0).stderr;
    let is_log = |line: &&str| line.contains("INFO") && line.contains("degraded_performance");
    let line = log.lines().find(is_log).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("status page: minor outage: Elevated errors (simulated)"));
}

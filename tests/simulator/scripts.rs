//! Scripts inside prompts, their options, and faults at random.

use std::time::Duration;

use claude_run::simulator::{FaultRate, SimulatorSettings};

use super::support::{ask, header, start};

#[tokio::test]
async fn a_script_is_played_once_for_each_body() {
    let simulator = start(SimulatorSettings::default());
    let script = "[[sim: 529*2, 500, ok]]";
    for expected in [529, 529, 500, 200, 200] {
        let response = ask(&simulator, script).await.unwrap();
        assert_eq!(response.status().as_u16(), expected);
    }
    let other = ask(&simulator, &format!("another {script}")).await.unwrap();
    assert_eq!(other.status(), 529);
    let log = simulator.log();
    let attempts: Vec<_> = log.iter().map(|request| request.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5, 1]);
    assert_eq!(log[0].body_hash, log[4].body_hash);
    assert_ne!(log[0].body_hash, log[5].body_hash);
}

#[tokio::test]
async fn a_bad_script_is_a_400_that_says_why() {
    let simulator = start(SimulatorSettings::default());
    let response = ask(&simulator, "[[sim: 529, explode]]").await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("there is no case `explode`")
    );
}

#[tokio::test]
async fn options_change_headers_and_bodies() {
    let simulator = start(SimulatorSettings::default());
    let cases = [
        ("429 retry-after=3", "retry-after", Some("3")),
        ("529 retry-after=0.5", "retry-after", Some("0.5")),
        ("429 retry-after=garbage", "retry-after", Some("garbage")),
        ("429 retry-after=-1", "retry-after", Some("-1")),
        ("429 retry-after=none", "retry-after", None),
        ("429 retry-after-ms=250", "retry-after-ms", Some("250")),
        ("529 should-retry=false", "x-should-retry", Some("false")),
        ("400 should-retry=true", "x-should-retry", Some("true")),
        ("500 no-request-id", "request-id", None),
    ];
    for (step, name, expected) in cases {
        let response = ask(&simulator, &format!("[[sim: {step}]]")).await.unwrap();
        assert_eq!(header(&response, name), expected, "{step}");
    }
    let dated = ask(&simulator, "[[sim: 429 retry-after=date:+2s]]")
        .await
        .unwrap();
    assert!(header(&dated, "retry-after").unwrap().ends_with(" GMT"));
    let text = |step: &'static str| {
        let asked = ask(&simulator, step);
        async move { asked.await.unwrap().text().await.unwrap() }
    };
    assert!(
        !text("[[sim: 500 no-request-id]]")
            .await
            .contains("request_id")
    );
    assert!(text("[[sim: 500 details]]").await.contains("\"details\":{"));
    let capped = text("[[sim: 429-spend-cap regain=2031-05-01]]").await;
    assert!(capped.contains("You will regain access on 2031-05-01 at 00:00 UTC."));
}

#[tokio::test]
async fn a_delay_is_kept() {
    let simulator = start(SimulatorSettings::default());
    let started = tokio::time::Instant::now();
    ask(&simulator, "[[sim: ok delay=30ms]]").await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(30));
}

#[tokio::test]
async fn random_faults_are_the_same_in_every_order() {
    let settings = SimulatorSettings {
        seed: 5,
        faults: vec![FaultRate {
            case: "529".parse().unwrap(),
            probability: 0.5,
        }],
        ..SimulatorSettings::default()
    };
    let prompts: Vec<_> = (0..20).map(|n| format!("prompt {n}")).collect();
    let mut runs = Vec::new();
    for backwards in [false, true] {
        let simulator = start(settings.clone());
        let mut statuses = vec![0; prompts.len()];
        let order: Vec<usize> = if backwards {
            (0..prompts.len()).rev().collect()
        } else {
            (0..prompts.len()).collect()
        };
        for n in order {
            statuses[n] = ask(&simulator, &prompts[n])
                .await
                .unwrap()
                .status()
                .as_u16();
        }
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&529) && runs[0].contains(&200));
}

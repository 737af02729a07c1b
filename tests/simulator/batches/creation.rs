//! Calls that create a batch and do not say so, or do not create one.

use std::io::ErrorKind;

use claude_run::simulator::{BatchSettings, FaultRate, SimulatorSettings};

use super::support::{
    counts, create, created, get, look, many, of, read, results, skip, slow, with,
};
use crate::support::{header, io_kind, start};

#[tokio::test]
async fn a_batch_whose_answer_was_lost_exists() {
    let simulator = with(slow());
    let error = create(&simulator, &of(&["[[batch: lost-answer, ok]]"]))
        .await
        .unwrap_err();
    assert!(error.status().is_none());
    assert_eq!(io_kind(&error), Some(ErrorKind::ConnectionReset));
    let (_, list) = read(get(&simulator, "").await).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(counts(&list["data"][0]), [1, 0, 0, 0, 0]);
    created(&simulator, &of(&["[[batch: lost-answer, ok]]"])).await;
    assert_eq!(simulator.stats().batches_created, 2);
    let log = simulator.log();
    assert_eq!((log[0].case.as_str(), log[0].status), ("lost-answer", None));
}

#[tokio::test]
async fn errors_and_cuts_before_the_creation_create_nothing() {
    let simulator = start(SimulatorSettings::default());
    for (case, status) in [
        ("413-html", 413),
        ("500", 500),
        ("502", 502),
        ("529", 529),
        ("429 retry-after=7", 429),
        ("400-credit", 400),
        ("200-overloaded-error-body", 200),
    ] {
        let body = of(&[&format!("[[batch: {case}]]")]);
        let response = create(&simulator, &body).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{case}");
        let limited = case.starts_with("429");
        assert_eq!(
            header(&response, "retry-after"),
            limited.then_some("7"),
            "{case}"
        );
    }
    let error = create(&simulator, &of(&["[[batch: reset]]"]))
        .await
        .unwrap_err();
    assert_eq!(io_kind(&error), Some(ErrorKind::ConnectionReset));
    assert_eq!(simulator.stats().batches_created, 0);
    assert!(simulator.batches().is_empty());
}

#[tokio::test]
async fn half_an_answer_stands_for_a_whole_batch() {
    let simulator = start(SimulatorSettings::default());
    for case in [
        "truncated-json",
        "wrong-length",
        "reset-mid-body",
        "empty-200",
    ] {
        let body = of(&[&format!("[[batch: {case}]]")]);
        let response = create(&simulator, &body).await.unwrap();
        let answer = response.json::<serde_json::Value>().await;
        assert!(answer.is_err(), "{case}");
    }
    assert_eq!(simulator.stats().batches_created, 4);
}

#[tokio::test]
async fn a_script_of_the_settings_is_for_all_calls() {
    let simulator = with(BatchSettings {
        script: Some("lost-answer, 529*2, ok hidden=1m".parse().unwrap()),
        ..BatchSettings::default()
    });
    assert!(create(&simulator, &many(1)).await.is_err());
    for _ in 0..2 {
        assert_eq!(create(&simulator, &many(1)).await.unwrap().status(), 529);
    }
    let id = created(&simulator, &many(1)).await;
    assert_eq!(get(&simulator, &format!("/{id}")).await.status(), 404);
    skip(std::time::Duration::from_mins(1)).await;
    look(&simulator, &id).await;
    assert_eq!(simulator.stats().batches_created, 2);
}

#[tokio::test]
async fn a_refused_body_uses_up_no_step() {
    let simulator = with(BatchSettings {
        script: Some("529, ok".parse().unwrap()),
        ..BatchSettings::default()
    });
    assert_eq!(create(&simulator, &of(&[])).await.unwrap().status(), 400);
    assert_eq!(create(&simulator, &many(1)).await.unwrap().status(), 529);
}

#[tokio::test]
async fn faults_of_the_call_strike_by_seed() {
    let run = async |seed| {
        let simulator = start(SimulatorSettings {
            seed,
            batches: BatchSettings {
                create_faults: vec![FaultRate {
                    case: "lost-answer".parse().unwrap(),
                    probability: 0.5,
                }],
                ..BatchSettings::default()
            },
            ..SimulatorSettings::default()
        });
        let mut lost = Vec::new();
        for _ in 0..20 {
            lost.push(create(&simulator, &many(1)).await.is_err());
        }
        assert_eq!(simulator.stats().batches_created, 20);
        lost
    };
    let first = run(3).await;
    assert!(first.contains(&true) && first.contains(&false), "{first:?}");
    assert_eq!(first, run(3).await);
}

#[tokio::test]
async fn a_script_can_change_the_course_of_one_batch() {
    let simulator = start(SimulatorSettings::default());
    let slow = created(&simulator, &of(&["[[batch: ok takes=1h stall=0.5]]", "b"])).await;
    let quick = created(&simulator, &many(2)).await;
    skip(super::support::HOUR).await;
    assert_eq!(
        look(&simulator, &slow).await["processing_status"],
        "in_progress"
    );
    assert_eq!(results(&simulator, &quick).await.len(), 2);
}

#[tokio::test]
async fn a_bad_script_is_a_400_that_says_why() {
    let simulator = start(SimulatorSettings::default());
    let (status, error) = read(
        create(&simulator, &of(&["a", "[[batch: explode]]"]))
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(status, 400);
    let message = error["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("requests.1: there is no case `explode`"),
        "{message}"
    );
}

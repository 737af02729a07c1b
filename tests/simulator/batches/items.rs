//! What single requests of a batch come to.

use claude_run::simulator::{
    BatchSettings, ErrorNesting, FaultRate, ItemOutcome, SimulatorSettings,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{
    HOUR, counts, created, line, look, many, of, read, request, results, skip, slow, with,
};
use crate::support::{ask, body, start};

/// The result of one request with these changes to its parameters.
async fn result(changes: &Value) -> Value {
    let simulator = start(SimulatorSettings::default());
    let mut params = body("Hi");
    for (key, value) in changes.as_object().unwrap() {
        params[key] = value.clone();
    }
    let id = created(
        &simulator,
        &json!({"requests": [{"custom_id": "a", "params": params}]}),
    )
    .await;
    results(&simulator, &id).await[0]["result"].clone()
}

#[tokio::test]
async fn wrong_parameters_become_errored_results_in_the_words_of_the_api() {
    let cases = [
        (
            json!({"messages": null}),
            "invalid_request_error",
            "messages: Field required",
        ),
        (
            json!({"stream": true}),
            "invalid_request_error",
            "\"stream=True\" is not supported in the Message Batches API",
        ),
        (
            json!({"max_tokens": 0}),
            "invalid_request_error",
            "max_tokens: must be greater than or equal to 1",
        ),
        (
            json!({"max_tokens": 64_001}),
            "invalid_request_error",
            "max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens for claude-haiku-4-5-20251001",
        ),
        (
            json!({"model": "claude-none"}),
            "not_found_error",
            "model: claude-none",
        ),
        (
            json!({"nonsense": 1}),
            "invalid_request_error",
            "nonsense: Extra inputs are not permitted",
        ),
        (
            json!({"fallbacks": []}),
            "invalid_request_error",
            "fallbacks: Extra inputs are not permitted",
        ),
        (
            json!({"speed": "fast"}),
            "invalid_request_error",
            "\"speed\" is not supported in the Message Batches API",
        ),
    ];
    for (changes, kind, message) in cases {
        let expected = json!({"type": "errored", "error": {"type": "error", "request_id": null,
            "error": {"type": kind, "message": message}}});
        assert_eq!(result(&changes).await, expected, "{changes}");
    }
}

#[tokio::test]
async fn the_headers_of_the_call_hold_for_every_request() {
    let simulator = start(SimulatorSettings::default());
    let with_header = async |name, value, extra: Value| {
        let mut batch = of(&["Hi"]);
        for (key, value) in extra.as_object().unwrap() {
            batch["requests"][0]["params"][key] = value.clone();
        }
        let call = request(&simulator, Method::POST, "").header(name, value);
        let (_, created) = read(call.json(&batch).send().await.unwrap()).await;
        let lines = results(&simulator, created["id"].as_str().unwrap()).await;
        lines[0]["result"]["error"]["error"]["message"].clone()
    };
    let refused = with_header(
        "anthropic-beta",
        "server-side-fallback-2026-07-01",
        json!({"fallbacks": "default"}),
    )
    .await;
    assert_eq!(
        refused,
        "\"fallbacks\" is not supported in the Message Batches API"
    );
    assert_eq!(
        simulator.batches()[0].beta,
        "server-side-fallback-2026-07-01"
    );
}

#[tokio::test]
async fn a_good_answer_is_that_of_messages_with_the_tier_of_batches() {
    let simulator = start(SimulatorSettings::default());
    let id = created(&simulator, &of(&["What is the capital of France?"])).await;
    let lines = results(&simulator, &id).await;
    let message = &lines[0]["result"]["message"];
    assert_eq!(message["usage"]["service_tier"], "batch");
    let live: Value = ask(&simulator, "What is the capital of France?")
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(message["content"], live["content"]);
    assert_eq!(
        message["usage"]["input_tokens"],
        live["usage"]["input_tokens"]
    );
    assert_eq!(
        message["usage"]["output_tokens"],
        live["usage"]["output_tokens"]
    );
}

#[tokio::test]
async fn a_script_in_a_prompt_is_for_its_request_alone() {
    let simulator = start(SimulatorSettings::default());
    let cases = [
        ("plain", "succeeded", "end_turn"),
        ("[[sim: refusal]]", "succeeded", "refusal"),
        ("[[sim: max-tokens-stop]]", "succeeded", "max_tokens"),
        ("[[sim: 529]]", "errored", "overloaded_error"),
        ("[[sim: 400-credit]]", "errored", "invalid_request_error"),
        ("[[sim: 429]]", "errored", "rate_limit_error"),
        ("[[sim: reset]]", "errored", "api_error"),
        ("[[sim: 502]]", "errored", "api_error"),
        (
            "[[sim: 200-overloaded-error-body]]",
            "errored",
            "overloaded_error",
        ),
        ("[[sim: stream-eof]]", "errored", "invalid_request_error"),
        ("[[sim: explode]]", "errored", "invalid_request_error"),
        ("[[sim: item-expired]]", "expired", ""),
        ("[[sim: item-canceled]]", "canceled", ""),
    ];
    let id = created(&simulator, &of(&cases.map(|case| case.0))).await;
    let lines = results(&simulator, &id).await;
    for (at, (prompt, kind, word)) in cases.into_iter().enumerate() {
        let result = &line(&lines, &format!("a-{at}"))["result"];
        assert_eq!(result["type"], kind, "{prompt}: {result}");
        let told = result
            .pointer("/message/stop_reason")
            .or_else(|| result.pointer("/error/error/type"));
        assert_eq!(
            told.map_or("", |word| word.as_str().unwrap()),
            word,
            "{prompt}"
        );
    }
    let outcomes: Vec<_> = simulator
        .batch_items()
        .iter()
        .map(|item| item.outcome)
        .collect();
    assert_eq!(
        outcomes[11..],
        [Some(ItemOutcome::Expired), Some(ItemOutcome::Canceled)]
    );
}

#[tokio::test]
async fn a_script_goes_on_from_batch_to_batch_and_in_messages() {
    let simulator = start(SimulatorSettings::default());
    let prompt = "[[sim: 529, item-expired, 500, ok]]";
    for expected in ["errored", "expired"] {
        let id = created(&simulator, &of(&[prompt])).await;
        assert_eq!(
            results(&simulator, &id).await[0]["result"]["type"],
            expected
        );
    }
    assert_eq!(ask(&simulator, prompt).await.unwrap().status(), 500);
    assert_eq!(ask(&simulator, prompt).await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_is_cancelled_uses_up_no_step() {
    let simulator = with(slow());
    let prompt = "[[sim: 529, ok]]";
    let id = created(&simulator, &of(&[prompt])).await;
    super::support::cancel(&simulator, &id).await;
    assert_eq!(counts(&look(&simulator, &id).await), [0, 0, 0, 1, 0]);
    assert_eq!(ask(&simulator, prompt).await.unwrap().status(), 529);
}

#[tokio::test]
async fn a_request_that_hangs_keeps_the_batch_open_until_it_expires() {
    let simulator = start(SimulatorSettings::default());
    let id = created(&simulator, &of(&["fine", "[[sim: hang]]"])).await;
    assert_eq!(
        look(&simulator, &id).await["processing_status"],
        "in_progress"
    );
    assert_eq!(simulator.batches()[0].succeeded, 1);
    skip(24 * HOUR).await;
    assert_eq!(counts(&look(&simulator, &id).await), [0, 1, 0, 0, 1]);
}

#[tokio::test]
async fn both_nestings_of_an_error_can_be_had() {
    let simulator = start(SimulatorSettings::default());
    let id = created(
        &simulator,
        &of(&["[[sim: 529]]", "[[sim: item-flat-error]]"]),
    )
    .await;
    let lines = results(&simulator, &id).await;
    let nested = &line(&lines, "a-0")["result"]["error"];
    assert_eq!(
        (&nested["type"], &nested["error"]["type"]),
        (&json!("error"), &json!("overloaded_error"))
    );
    assert!(
        nested["request_id"]
            .as_str()
            .unwrap()
            .starts_with("workerreq_")
    );
    let flat = &line(&lines, "a-1")["result"]["error"];
    assert_eq!(
        flat,
        &json!({"type": "overloaded_error", "message": "Overloaded"})
    );
    let simulator = with(BatchSettings {
        nesting: ErrorNesting::Once,
        ..BatchSettings::default()
    });
    let id = created(&simulator, &of(&["[[sim: 500]]"])).await;
    assert_eq!(
        results(&simulator, &id).await[0]["result"]["error"]["type"],
        "api_error"
    );
}

#[tokio::test]
async fn faults_strike_by_seed_as_often_as_they_are_told_to() {
    let rate = |name: &str, probability| FaultRate {
        case: name.parse().unwrap(),
        probability,
    };
    let run = async |seed| {
        let simulator = start(SimulatorSettings {
            seed,
            faults: vec![rate("item-expired", 0.2), rate("529", 0.1)],
            ..SimulatorSettings::default()
        });
        let id = created(&simulator, &many(400)).await;
        let [_, succeeded, errored, _, expired] = counts(&look(&simulator, &id).await);
        assert!((240..320).contains(&succeeded), "{succeeded}");
        assert!((20..65).contains(&errored), "{errored}");
        assert!((50..115).contains(&expired), "{expired}");
        let items = simulator.batch_items();
        items.iter().map(|item| item.outcome).collect::<Vec<_>>()
    };
    assert_eq!(run(1).await, run(1).await);
    assert_ne!(run(1).await, run(2).await);
}

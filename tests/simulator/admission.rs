//! Who is let in: credentials, sizes, limits.

use claude_run::simulator::{ClassLimits, RateLimits, Simulator, SimulatorSettings};
use serde_json::Value;

use super::support::{ask, body, client, header, one_request, start};

async fn send(simulator: &Simulator, headers: &[(&str, &str)], body: String) -> (u16, Value) {
    let mut request = client().post(format!("{}/v1/messages", simulator.base_url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.body(body).send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

#[tokio::test]
async fn credentials_and_headers_are_checked_first() {
    let simulator = start(SimulatorSettings::default());
    let version = ("anthropic-version", "2023-06-01");
    let cases = [
        (vec![version], 401, "x-api-key header is required"),
        (
            vec![version, ("x-api-key", "sk-invalid")],
            401,
            "invalid x-api-key",
        ),
        (
            vec![("x-api-key", "k")],
            400,
            "anthropic-version: header is required",
        ),
        (
            vec![version, ("authorization", "Bearer k")],
            400,
            "The request body is not valid JSON: ",
        ),
    ];
    for (headers, status, message) in cases {
        let (got, value) = send(&simulator, &headers, "{".into()).await;
        assert_eq!(got, status, "{headers:?}");
        let text = value["error"]["message"].as_str().unwrap();
        assert!(text.starts_with(message), "{text}");
    }
}

#[tokio::test]
async fn a_body_that_no_strict_parser_takes_is_refused() {
    let simulator = start(SimulatorSettings::default());
    let headers = [("x-api-key", "k"), ("anthropic-version", "2023-06-01")];
    for value in [r#""\ud800""#, r#"{"\udc00":1}"#, "-1e400"] {
        let text = body("Hi").to_string();
        let text = text.replacen('{', &format!(r#"{{"metadata":{{"user_id":{value}}},"#), 1);
        let (status, error) = send(&simulator, &headers, text).await;
        assert_eq!(
            (status, &error["error"]["type"]),
            (400, &"invalid_request_error".into())
        );
        let message = error["error"]["message"].as_str().unwrap();
        assert!(
            message.starts_with("The request body is not valid JSON: "),
            "{message}"
        );
    }
}

#[tokio::test]
async fn only_named_keys_are_accepted_when_there_are_any() {
    let simulator = start(SimulatorSettings {
        accepted_keys: vec!["sk-ant-right".to_owned().into()],
        ..SimulatorSettings::default()
    });
    for (key, status) in [("sk-ant-right", 200), ("sk-ant-wrong", 401)] {
        let headers = [("x-api-key", key), ("anthropic-version", "2023-06-01")];
        let (got, _) = send(&simulator, &headers, body("Hi").to_string()).await;
        assert_eq!(got, status);
    }
}

#[tokio::test]
async fn a_body_over_32_mb_is_refused_at_the_edge() {
    let simulator = start(SimulatorSettings::default());
    let response = ask(&simulator, &"x".repeat(33 * 1024 * 1024))
        .await
        .unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(
        header(&response, "content-type"),
        Some("text/html; charset=UTF-8")
    );
}

#[tokio::test]
async fn limits_refuse_with_a_true_retry_after_and_full_headers() {
    let simulator = start(SimulatorSettings {
        limits: Some(RateLimits::same_for_all(ClassLimits {
            requests_per_minute: 2,
            ..ClassLimits::default()
        })),
        ..SimulatorSettings::default()
    });
    let first = ask(&simulator, "one").await.unwrap();
    assert_eq!(first.status(), 200);
    for family in ["requests", "tokens", "input-tokens", "output-tokens"] {
        for part in ["limit", "remaining", "reset"] {
            let name = format!("anthropic-ratelimit-{family}-{part}");
            assert!(header(&first, &name).is_some(), "{name}");
        }
    }
    assert_eq!(
        header(&first, "anthropic-ratelimit-requests-remaining"),
        Some("1")
    );
    assert_eq!(
        header(&first, "anthropic-ratelimit-input-tokens-remaining"),
        Some("2000000")
    );
    ask(&simulator, "two").await.unwrap();
    let refused = ask(&simulator, "three").await.unwrap();
    assert_eq!(refused.status(), 429);
    let wait: u64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert!((28..=30).contains(&wait), "{wait}");
    assert_eq!(
        header(&refused, "anthropic-ratelimit-requests-remaining"),
        Some("0")
    );
    assert_eq!(simulator.stats().by_case["limited"], 1);
}

#[tokio::test]
async fn a_limited_request_does_not_use_up_a_step() {
    let simulator = start(SimulatorSettings {
        max_concurrent: Some(1),
        ..SimulatorSettings::default()
    });
    let script = "[[sim: 529, ok]]";
    let mut hanging = Box::pin(ask(&simulator, "[[sim: hang]]"));
    tokio::select! {
        answer = &mut hanging => panic!("a hanging request was answered: {answer:?}"),
        _ = one_request(&simulator) => {}
    }
    let refused = ask(&simulator, script).await.unwrap();
    assert_eq!(refused.status(), 429);
    let text = refused.text().await.unwrap();
    assert!(text.contains("Number of concurrent connections"), "{text}");
    drop(hanging);
    while simulator.stats().open > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&simulator, script).await.unwrap().status(), 529);
}

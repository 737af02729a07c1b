//! What bounds the cost of a request, by its parts; and that no answer within the bounds costs more.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Bounds, Unbounded, at_most};
use crate::model::{Lane, Pico, RequestBody, Tokens, Usage};
use crate::policy::PriceTable;

const MILLIONTH: i128 = Pico::USD.0 / 1_000_000;

fn at() -> jiff::Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn bounds(body: &Value) -> Bounds {
    Bounds::read(&RequestBody::from_json(body.to_string()))
}

fn most_of(model: &str, body: &Value) -> Result<Pico, Unbounded> {
    let prices = PriceTable::embedded();
    at_most(&prices, model, &bounds(body), (Lane::Live, at()), None)
}

/// In millionths of a dollar, rounded up.
fn price(model: &str, body: &Value) -> i128 {
    let most = most_of(model, body).unwrap();
    (most.0 + MILLIONTH - 1) / MILLIONTH
}

fn question(content: &Value) -> Value {
    json!({"max_tokens": 1_000, "inference_geo": "global",
        "messages": [{"role": "user", "content": content}]})
}

fn with(key: &str, value: Value) -> Value {
    let mut body = question(&json!("Hello"));
    body[key] = value;
    body
}

/// What a body costs more than the plain question, besides its own bytes, in millionths.
fn more(model: &str, body: &Value, a_token: i128) -> i128 {
    let plain = question(&json!("Hello"));
    let bytes = |body: &Value| i128::try_from(body.to_string().len()).unwrap();
    price(model, body) - price(model, &plain) - (bytes(body) - bytes(&plain)) * a_token
}

#[test]
fn the_answer_has_all_of_max_tokens_and_the_prompt_a_token_for_each_byte() {
    let body = question(&json!("Hello"));
    let bytes = i128::try_from(body.to_string().len()).unwrap();
    // 3 USD in and 15 USD out per million: 3 and 15 millionths a token.
    let expected = (bytes + 100) * 3 + 1_000 * 15;
    assert_eq!(price("claude-sonnet-4-6", &body), expected);
    let prices = PriceTable::embedded();
    let longer = bounds(&body).with_max_tokens(64_000);
    let way = (Lane::Batch, at());
    let half = at_most(&prices, "claude-sonnet-4-6", &longer, way, None).unwrap();
    assert_eq!(half.0 * 2, (expected + 63_000 * 15) * MILLIONTH);
}

#[test]
fn what_is_left_open_is_taken_as_dear_as_it_can_be() {
    let model = "claude-opus-4-6";
    let plain = question(&json!("Hello"));
    let mut anywhere = plain.clone();
    anywhere.as_object_mut().unwrap().remove("inference_geo");
    // A workspace's own region may be the USA, which costs a tenth more.
    let ratio = price(model, &anywhere) * 100 / price(model, &plain);
    assert!((108..=110).contains(&ratio), "{ratio}");
    for (ttl, cents) in [(None, 125), (Some("5m"), 125), (Some("1h"), 200)] {
        let mut mark = json!({"type": "ephemeral"});
        if let Some(ttl) = ttl {
            mark["ttl"] = json!(ttl);
        }
        let block = json!([{"type": "text", "text": "x".repeat(100_000), "cache_control": mark}]);
        let marked = price(model, &question(&block));
        let bare = json!([{"type": "text", "text": "x".repeat(100_000)}]);
        let ratio = (marked - 25_000) * 100 / (price(model, &question(&bare)) - 25_000);
        assert_eq!(ratio, cents, "{ttl:?}");
    }
}

#[test]
fn a_model_with_bands_is_priced_by_the_band_that_the_bytes_reach() {
    let small = question(&json!("x".repeat(50_000)));
    let large = question(&json!("x".repeat(100_000)));
    let (small, large) = (
        price("claude-haiku-5-5", &small),
        price("claude-haiku-5-5", &large),
    );
    // 0.10 and 0.50 USD per million; above 100,000 tokens 0.50 and 2.50.
    assert!((5_500..5_700).contains(&small), "{small}");
    assert!((52_500..53_000).contains(&large), "{large}");
}

#[test]
fn fast_speed_that_may_fall_back_costs_the_dearer_of_both() {
    let (plain, fast) = (question(&json!("Hello")), with("speed", json!("fast")));
    assert!(price("claude-opus-5-5", &fast) > price("claude-opus-5-5", &plain) * 19 / 10);
    let refused = most_of("claude-haiku-4-5", &fast).unwrap_err();
    assert!(matches!(refused, Unbounded::NoPrice { .. }), "{refused}");
}

#[test]
fn a_picture_has_its_largest_size_and_a_pdf_file_the_model_s_window() {
    let (model, data) = ("claude-haiku-4-5", "A".repeat(3_000_000));
    let picture = |source: Value| question(&json!([{"type": "image", "source": source}]));
    for source in [
        json!({"type": "base64", "media_type": "image/png", "data": data}),
        json!({"type": "url", "url": "https://example.com/a.png"}),
        json!({"type": "file", "file_id": "file_1"}),
    ] {
        let price = price(model, &picture(source.clone()));
        assert!((10_000..11_500).contains(&price), "{price}: {source:.60}");
    }
    let small = json!({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="});
    let pdf = question(&json!([{"type": "document", "source": small}]));
    assert_eq!(price(model, &pdf), 200_000 + 5_000);
    let nested = json!([{"type": "tool_result", "tool_use_id": "t", "content": [
        {"type": "document", "source": {"type": "content", "content": [
            {"type": "image", "source": {"type": "url", "url": "x"}}]}}]}]);
    assert!(price(model, &question(&nested)) > 10_000);
}

#[test]
fn a_search_costs_its_fee_and_its_results_are_read_again_in_every_round() {
    let model = "claude-haiku-4-5";
    let search = |uses: Value| {
        let mut tool = json!({"type": "web_search_20250305", "name": "web_search"});
        tool["max_uses"] = uses;
        with("tools", json!([tool]))
    };
    let prices: Vec<i128> = [1, 2, 5]
        .iter()
        .map(|uses| price(model, &search(json!(uses))))
        .collect();
    // Fee, and at 1.25 USD per million the results: read twice; then 1+2+2; then 1+2+3+4+5+5 times.
    for (price, (uses, read)) in prices.iter().zip([(1, 2), (2, 5), (5, 20)]) {
        let least = uses * 10_000 + read * 20_000 * 5 / 4;
        assert!(
            *price > least && *price < least + 80_000,
            "{price} for {least}"
        );
    }
    assert!(prices.is_sorted());
}

#[test]
fn a_fetch_may_bring_as_much_as_fits_into_the_model() {
    let fetch = json!([{"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": 1,
        "max_content_tokens": 500}]);
    // Of a PDF file `max_content_tokens` bounds nothing: two more rounds with a full window.
    let price = price("claude-haiku-4-5", &with("tools", fetch));
    assert!((500_000..525_000).contains(&price), "{price}");
}

#[test]
fn searches_without_a_bound_take_the_user_s() {
    let tools = json!([{"type": "web_search_20260209", "name": "web_search"}]);
    let body = with("tools", tools);
    let prices = PriceTable::embedded();
    let most = |assumed| {
        at_most(
            &prices,
            "claude-haiku-4-5",
            &bounds(&body),
            (Lane::Live, at()),
            assumed,
        )
    };
    let tool = "web_search_20260209".to_owned();
    assert_eq!(most(None), Err(Unbounded::Uses { tool }));
    let mut bounded = body.clone();
    bounded["tools"][0]["max_uses"] = json!(3);
    let bytes = bounded.to_string().len() - body.to_string().len();
    let by_line = most_of("claude-haiku-4-5", &bounded).unwrap();
    let assumed = most(Some(3)).unwrap();
    assert!(by_line >= assumed);
    // Five rounds read those bytes at 1.25 millionths each.
    let same = by_line.0 - assumed.0;
    assert_eq!(same, i128::try_from(bytes).unwrap() * 5 * MILLIONTH * 5 / 4);
}

#[test]
fn what_has_no_bound_is_named_with_its_remedy() {
    let document = |source: Value| question(&json!([{"type": "document", "source": source}]));
    let tool = |kind: &str| with("tools", json!([{"type": kind, "name": "x"}]));
    for (body, words) in [
        (
            document(json!({"type": "file", "file_id": "file_1"})),
            "`file`",
        ),
        (
            document(json!({"type": "url", "url": "https://example.com"})),
            "`url`",
        ),
        // Blocks of kinds that nobody knows yet.
        (
            question(&json!([{"type": "audio", "source": {"type": "url", "url": "x"}}])),
            "`url`",
        ),
        (
            question(&json!([{"type": "video", "source": {"type": "file", "file_id": "f"}}])),
            "`file`",
        ),
        (
            question(&json!([{"type": "archive", "source": {"file_id": "f"}}])),
            "`file`",
        ),
        (
            question(&json!([{"type": "container_upload", "file_id": "f"}])),
            "`file`",
        ),
        (
            question(&json!([{"type": "tool_result", "content": [
                {"type": "document", "source": {"type": "url", "url": "x"}}]}])),
            "`url`",
        ),
        (tool("web_search_20250305"), "max_uses"),
        (tool("web_fetch_20250910"), "max_uses"),
        (tool("code_execution_20250825"), "code_execution_20250825"),
        (tool("advisor_20260301"), "advisor_20260301"),
        (tool("mcp_toolset"), "mcp_toolset"),
        (tool("never_heard_of"), "never_heard_of"),
        (with("mcp_servers", json!([{"type": "url"}])), "mcp_servers"),
        (with("fallbacks", json!("default")), "fallbacks"),
        (
            with("container", json!({"skills": [{"type": "anthropic"}]})),
            "container",
        ),
        (
            with(
                "context_management",
                json!({"edits": [{"type": "compact_20260112"}]}),
            ),
            "context_management",
        ),
    ] {
        let refused = most_of("claude-opus-5-5", &body).unwrap_err();
        let said = refused.to_string();
        assert!(
            said.contains(words) && said.contains("; "),
            "{said}: {body}"
        );
    }
    let unknown = most_of("someone-elses", &question(&json!("x"))).unwrap_err();
    assert!(unknown.to_string().contains("someone-elses"), "{unknown}");
    let unreadable = Bounds::read(&RequestBody::from_json("[]"));
    assert_eq!(unreadable.unbounded, Some(Unbounded::Unreadable));
}

#[test]
fn what_costs_nothing_of_its_own_is_not_refused() {
    for (key, value) in [
        ("container", json!("container_011")),
        ("container", json!({"id": "container_011"})),
        ("container", Value::Null),
        ("mcp_servers", json!([])),
        (
            "context_management",
            json!({"edits": [{"type": "clear_tool_uses_20250919"}]}),
        ),
        (
            "tools",
            json!([{"name": "f", "input_schema": {"type": "object"}}]),
        ),
        (
            "tools",
            json!([{"type": "custom", "name": "f", "input_schema": {}}]),
        ),
        ("tools", json!([{"type": "bash_20250124", "name": "bash"}])),
        (
            "tools",
            json!([{"type": "tool_search_tool_bm25_20251119", "name": "t"}]),
        ),
    ] {
        let body = with(key, value.clone());
        assert!(most_of("claude-opus-5-5", &body).is_ok(), "{key}: {value}");
    }
    // What looks like a document within a tool's input is the model's own words.
    let input = json!([{"type": "tool_use", "id": "t", "name": "f",
        "input": {"type": "document", "source": {"type": "url", "url": "x"}}}]);
    assert_eq!(more("claude-opus-4-6", &question(&input), 5), 0);
}

#[test]
fn of_a_member_that_stands_twice_the_last_holds_as_at_the_api() {
    let tool = r#"{"type":"web_search_20250305","name":"web_search","max_uses":1,"max_uses":9}"#;
    let twice = format!(r#"{{"max_tokens":1,"messages":[],"tools":[{tool}]}}"#);
    let prices = PriceTable::embedded();
    let bounds = Bounds::read(&RequestBody::from_json(twice));
    let most = at_most(
        &prices,
        "claude-haiku-4-5",
        &bounds,
        (Lane::Live, at()),
        None,
    )
    .unwrap();
    assert!(most.0 > 9 * Pico::USD.0 / 100, "{most}");
}

proptest! {
    /// Whatever the text, and whatever an answer within its bounds uses: it never costs more.
    #[test]
    fn no_answer_within_the_bounds_costs_more(
        text in ".{0,400}",
        marked in prop::option::of(any::<bool>()),
        model in prop::sample::select(vec!["claude-haiku-5-5", "claude-opus-5-5", "claude-haiku-4-5"]),
        (read, long) in (0.0..1.0_f64, any::<bool>()),
        (output, us_geo) in (0..=1_000_u64, any::<bool>()),
    ) {
        let mut block = json!({"type": "text", "text": text});
        if let Some(long) = marked {
            block["cache_control"] = json!({"type": "ephemeral", "ttl": if long { "1h" } else { "5m" }});
        }
        let mut body = question(&json!([block]));
        body.as_object_mut().unwrap().remove("inference_geo");
        let prompt = text.len() as u64 + 20;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
        let read = (prompt as f64 * read) as u64;
        let written = marked.map_or(0, |_| prompt - read);
        let in_an_hour = if marked == Some(true) && long { written } else { 0 };
        let tokens = Tokens {
            input: prompt - read - written,
            output,
            cache_read: read,
            cache_write_5m: written - in_an_hour,
            cache_write_1h: in_an_hour,
        };
        let usage = Usage { tokens, us_geo, ..Usage::default() };
        let cost = PriceTable::embedded().cost(model, &usage, at());
        prop_assert!(cost.total <= most_of(model, &body).unwrap());
    }

    #[test]
    fn any_body_has_bounds(text in ".{0,200}") {
        let _ = Bounds::read(&RequestBody::from_json(text));
    }
}

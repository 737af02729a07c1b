//! Which requests are marked and where, and that a mark changes nothing else.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::places::{Count, places};
use super::{Census, Keep, Marker, worth_warming};
use crate::model::{JobId, RequestBody, SharedPrefix};
use crate::policy::{PriceTable, Prompt};

/// Its least tokens that are cached: 1,024.
const MODEL: &str = "claude-sonnet-4-6";

fn body(value: &Value) -> RequestBody {
    RequestBody::from_json(value.to_string())
}

fn words(n: usize) -> String {
    "know this by heart ".repeat(n)
}

/// A text of a little over `tokens` tokens by the estimate.
fn text(tokens: usize) -> String {
    words(tokens / 4)
}

fn question(n: u64) -> Value {
    json!({"role": "user", "content": format!("question {n}")})
}

fn request(system: &Value, n: u64) -> Value {
    json!({"model": MODEL, "max_tokens": 100, "system": system, "messages": [question(n)]})
}

fn chosen(requests: &[Value]) -> Vec<SharedPrefix> {
    let at = "2026-11-22T00:00:00Z".parse().unwrap();
    let mut census = Census::new(PriceTable::embedded(), at);
    for (n, request) in requests.iter().enumerate() {
        let model = request["model"].as_str().unwrap();
        census.add(
            JobId(i64::try_from(n).unwrap() + 1),
            model,
            &body(request).view(),
        );
    }
    census.choose()
}

/// The requests as they are sent.
fn sent(requests: &[Value]) -> Vec<Value> {
    let marker = Marker::new(&chosen(requests));
    let send = |request| marker.marked(&body(request), Keep::FiveMinutes);
    let parse = |body: RequestBody| serde_json::from_str(body.as_str()).unwrap();
    requests.iter().map(send).map(parse).collect()
}

fn marks(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(marks).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| usize::from(key == "cache_control") + marks(value))
            .sum(),
        _ => 0,
    }
}

#[test]
fn a_long_system_prompt_that_three_requests_share_is_marked_once() {
    let system = json!(text(2_000));
    let three: Vec<_> = (0..3).map(|n| request(&system, n)).collect();
    for (n, sent) in sent(&three).iter().enumerate() {
        let block = json!({"type": "text", "text": system, "cache_control": {"type": "ephemeral"}});
        let mut expected = three[n].clone();
        expected["system"] = json!([block]);
        assert_eq!(sent, &expected);
    }
    assert_eq!(sent(&three[..2]), three[..2], "two are too few");
    let prefixes = chosen(&three);
    assert_eq!(
        (prefixes[0].jobs, &prefixes[0].first[..]),
        (3, &[1, 2, 3][..])
    );
}

#[test]
fn nothing_is_marked_that_is_too_short_or_has_no_known_price() {
    for (model, tokens, marked) in [
        (MODEL, 1_300, true),
        (MODEL, 800, false),
        ("claude-opus-4-6", 3_000, false),
        ("claude-opus-4-6", 5_000, true),
        // Its minimum is not published.
        ("claude-opus-5-5", 2_500, false),
        ("claude-opus-5-5", 6_000, true),
        ("someone-elses", 9_000, false),
    ] {
        let requests: Vec<_> = (0..5)
            .map(|n| {
                let mut request = request(&json!(text(tokens)), n);
                request["model"] = json!(model);
                request
            })
            .collect();
        let found: usize = sent(&requests).iter().map(marks).sum();
        assert_eq!(found, if marked { 5 } else { 0 }, "{model} {tokens}");
    }
}

type Make<'a> = Box<dyn Fn(u64) -> Value + 'a>;

#[test]
fn the_mark_stands_at_the_end_of_what_is_shared() {
    let block = |text: &str| json!({"type": "text", "text": text});
    let tools = json!([{"name": "a", "input_schema": {"description": text(2_000)}}, {"name": "b"}]);
    let long = text(2_000);
    let with = |key: &str, value: &Value, n: u64| {
        let mut request = request(&json!(format!("number {n}")), n);
        request[key] = value.clone();
        request
    };
    let cases: Vec<(&str, &str, Make<'_>)> = vec![
        (
            "tools",
            "/tools/1/cache_control",
            Box::new(|n| with("tools", &tools, n)),
        ),
        (
            "the first of two system blocks",
            "/system/0/cache_control",
            Box::new(|n| request(&json!([block(&long), block(&format!("{n}"))]), n)),
        ),
        (
            "a document before the question",
            "/messages/0/content/0/cache_control",
            Box::new(|n| {
                let content = json!([block(&long), block(&format!("{n}?"))]);
                json!({"model": MODEL, "messages": [{"role": "user", "content": content}]})
            }),
        ),
        (
            "examples before the question",
            "/messages/1/content/0/cache_control",
            Box::new(|n| {
                let turns = json!([{"role": "user", "content": long}, {"role": "assistant", "content": "yes"}, question(n)]);
                json!({"model": MODEL, "messages": turns})
            }),
        ),
        (
            "requests that are the same",
            "/messages/0/content/0/cache_control",
            Box::new(|_| json!({"model": MODEL, "messages": [{"role": "user", "content": long}]})),
        ),
    ];
    for (what, place, make) in cases {
        let requests: Vec<_> = (0..4).map(make).collect();
        for sent in sent(&requests) {
            assert!(sent.pointer(place).is_some(), "{what}: {sent:.300}");
            assert_eq!(marks(&sent), 1, "{what}");
        }
    }
}

#[test]
fn what_may_not_be_marked_is_not() {
    let long = text(3_000);
    let last =
        |turn: Value| json!({"model": MODEL, "messages": [{"role": "user", "content": "q"}, turn]});
    for request in [
        last(json!({"role": "assistant", "content": long})),
        last(json!({"role": "user", "content": [{"type": "thinking", "thinking": long}]})),
        last(
            json!({"role": "user", "content": [{"type": "text", "text": " \n"}, {"type": "odd", "text": long}]}),
        ),
        last(json!({"role": "system", "content": long})),
        json!({"model": MODEL, "tools": [{"name": long, "defer_loading": true}], "messages": []}),
        json!({"model": MODEL, "system": long, "messages": [{"role": "user", "content": [
            {"type": "tool_result", "content": [{"type": "text", "text": "x", "cache_control": null}]},
        ]}]}),
    ] {
        let same = vec![request; 5];
        assert_eq!(sent(&same), same);
    }
}

#[test]
fn what_the_cache_goes_by_keeps_requests_apart_and_nothing_else() {
    let system = json!(text(2_000));
    for (key, apart) in [
        ("temperature", false),
        ("max_tokens", false),
        ("metadata", false),
        ("thinking", true),
        ("tool_choice", true),
        ("something_new", true),
    ] {
        let requests: Vec<_> = (0..4)
            .map(|n| {
                let mut request = request(&system, n);
                request[key] = json!(n);
                request
            })
            .collect();
        assert_eq!(chosen(&requests).is_empty(), apart, "{key}");
    }
}

#[test]
fn each_branch_is_marked_where_it_saves_most() {
    let block = |text: String| json!({"type": "text", "text": text});
    let shared = text(2_000);
    let make = |document: usize, n: u64| {
        let own = format!("{document}: {}", words(100 + 1_000 * document));
        request(&json!([block(shared.clone()), block(own)]), n)
    };
    // Ten ask about a long document; of short ones each has but one question.
    let mut requests: Vec<_> = (0..10).map(|n| make(3, n)).collect();
    requests.extend((0..10).map(|n| {
        let mut request = make(0, n);
        request["system"][1]["text"] = json!(format!("short {n}"));
        request
    }));
    let prefixes = chosen(&requests);
    assert_eq!(
        prefixes.iter().map(|it| it.jobs).collect::<Vec<_>>(),
        [10, 10]
    );
    assert!(prefixes[0].tokens > prefixes[1].tokens);
    assert!(
        prefixes[1].first.is_empty(),
        "its first rows are marked elsewhere"
    );
    let sent = sent(&requests);
    assert!(sent[0]["system"][1].get("cache_control").is_some());
    assert!(sent[15]["system"][0].get("cache_control").is_some());
    assert!(sent.iter().all(|sent| marks(sent) == 1));
}

#[test]
fn an_entry_for_an_hour_is_worth_its_write_from_the_third_reader_on() {
    let prices = PriceTable::embedded();
    let at = "2026-11-22T00:00:00Z".parse().unwrap();
    let prices = prices
        .model(MODEL)
        .unwrap()
        .prices(at, 5_000, false)
        .unwrap();
    for (jobs, worth) in [(0, false), (1, false), (2, false), (3, true), (1_000, true)] {
        assert_eq!(worth_warming(prices, jobs), worth, "{jobs}");
    }
}

#[test]
fn the_mark_is_where_the_estimate_sees_it() {
    let requests: Vec<_> = (0..3).map(|n| request(&json!(text(2_000)), n)).collect();
    let prefixes = chosen(&requests);
    let marked = Marker::new(&prefixes).marked(&body(&requests[0]), Keep::OneHour);
    let prompt = Prompt::read(&marked);
    let prefix = prompt.shared_prefix().unwrap();
    assert!(prefix.for_an_hour);
    let plain = places(&body(&requests[0]).view(), Count::Tokens);
    assert!(
        (plain[0].tokens - prefix.tokens).abs() < 1.0,
        "{plain:?} {prefix:?}"
    );
}

/// Requests of all shapes, some with marks of their own.
fn any_request() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just(text(1_500)),
        Just(text(2_500)),
        "[a-z \\n\"é]{0,6}".prop_map(|text| text),
    ];
    let block = (text.clone(), 0..8_u8).prop_map(|(text, kind)| match kind {
        0 => json!({"type": "image", "source": {"type": "url", "url": text}}),
        1 => json!({"text": text, "type": "text", "cache_control": {"type": "ephemeral"}}),
        _ => json!({"type": "text", "text": text}),
    });
    let content = prop_oneof![
        text.prop_map(Value::from),
        prop::collection::vec(block, 0..3).prop_map(Value::from),
    ];
    let turns = prop::collection::vec(content.clone(), 1..4);
    (prop::option::of(content), turns).prop_map(|(system, turns)| {
        let turns = turns.into_iter().enumerate().map(|(n, content)| {
            json!({"role": if n % 2 == 0 { "user" } else { "assistant" }, "content": content})
        });
        let mut request = json!({"model": MODEL, "messages": turns.collect::<Vec<_>>()});
        if let Some(system) = system {
            request["system"] = system;
        }
        request
    })
}

/// Without our mark, and strings as blocks: what a request means.
fn meaning(value: &Value) -> Value {
    let blocks = |content: &Value| match content {
        Value::String(text) => json!([{"type": "text", "text": text}]),
        other => other.clone(),
    };
    let mut value = value.clone();
    if let Some(system) = value.get("system").map(blocks) {
        value["system"] = system;
    }
    for turn in value["messages"].as_array_mut().unwrap() {
        turn["content"] = blocks(&turn["content"]);
    }
    without_marks(&value)
}

fn without_marks(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_marks).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(key, _)| *key != "cache_control")
            .map(|(key, value)| (key.clone(), without_marks(value)))
            .collect(),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_request_gets_one_mark_at_most_and_means_the_same(
        kinds in prop::collection::vec((any_request(), 1..6_usize), 1..4),
        pretty in any::<bool>(),
    ) {
        let requests: Vec<_> = kinds
            .into_iter()
            .flat_map(|(request, times)| vec![request; times])
            .collect();
        let prefixes = chosen(&requests);
        prop_assert!(prefixes.iter().all(|prefix| prefix.tokens >= 1_024 && prefix.jobs >= 3));
        let marker = Marker::new(&prefixes);
        for request in &requests {
            let text = if pretty { serde_json::to_string_pretty(request) } else { serde_json::to_string(request) };
            let before = RequestBody::from_json(text.unwrap());
            let once = marker.marked(&before, Keep::OneHour);
            let after: Value = serde_json::from_str(once.as_str()).unwrap();
            prop_assert_eq!(meaning(&after), meaning(request));
            if marks(request) > 0 {
                prop_assert_eq!(once.as_str(), before.as_str());
            } else {
                prop_assert!(marks(&after) <= 1);
            }
            prop_assert_eq!(marker.marked(&once, Keep::OneHour), once);
        }
    }

    #[test]
    fn any_text_is_survived(text in ".{0,200}") {
        let body = RequestBody::from_json(text);
        prop_assert!(places(&body.view(), Count::Tokens).is_empty());
    }
}

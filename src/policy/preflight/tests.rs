//! Every rule with requests that break it, and requests that do not.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Addressee, Reviewer, Rule, Rules};
use crate::model::JsonView;
use crate::policy::PriceTable;

/// A day between the release of the newest model and the first retirement that is announced.
const NOW: &str = "2026-11-20T12:00:00Z";
/// A PNG of one pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn anthropic() -> Addressee {
    Addressee {
        first_party: true,
        api_version: "2023-06-01".to_owned(),
        has_betas: false,
    }
}

fn look_over(to: &Addressee, model: &str, rest: &str) -> Vec<(Rule, String)> {
    let now: Timestamp = NOW.parse().unwrap();
    let prices = Arc::new(PriceTable::embedded());
    let mut preflight = Reviewer::new(Rules::embedded(), prices, to.clone(), now);
    let body = body(model, rest);
    let view = JsonView::of(&body);
    assert!(view.members().is_some(), "{body}");
    let found = preflight.look_over(model, &view);
    for fault in &found {
        let part = view.at(&fault.path);
        let whole = fault.path.is_empty() || part.raw().len() < body.len();
        // What is left out stands nowhere; the part around it is named.
        assert!(whole || fault.text.contains("has no"), "{fault}");
    }
    found
        .into_iter()
        .map(|fault| (fault.rule, fault.text))
        .collect()
}

/// A request with these members; it is given a message and a `max_tokens` if they name none.
fn body(model: &str, rest: &str) -> String {
    let mut members = vec![format!(r#""model":"{model}""#)];
    if !rest.contains(r#""max_tokens""#) {
        members.push(r#""max_tokens":1000"#.to_owned());
    }
    if !rest.contains(r#""messages""#) {
        members.push(r#""messages":[{"role":"user","content":"Hi"}]"#.to_owned());
    }
    if !rest.is_empty() {
        members.push(rest.to_owned());
    }
    format!("{{{}}}", members.join(","))
}

/// The rules that a request breaks, each once.
fn broken(model: &str, rest: &str) -> Vec<Rule> {
    let mut rules: Vec<_> = look_over(&anthropic(), model, rest)
        .into_iter()
        .map(|(rule, _)| rule)
        .collect();
    rules.dedup();
    rules
}

fn turns(turns: &str) -> String {
    format!(r#""messages":[{turns}]"#)
}

fn image(media_type: &str, data: &str) -> String {
    turns(&format!(
        r#"{{"role":"user","content":[{{"type":"image","source":{{"type":"base64","media_type":"{media_type}","data":"{data}"}}}}]}}"#
    ))
}

fn tool(rest: &str) -> String {
    format!(r#""tools":[{{{rest}}}]"#)
}

/// A PNG that says of itself that it is so large; no more of it is there.
fn png_of(width: u32, height: u32) -> String {
    use base64::Engine;
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn what_the_api_refuses_is_found_by_its_rule() {
    let marked = |n: usize| {
        let block = r#"{"type":"text","text":"long","cache_control":{"type":"ephemeral"}}"#;
        let blocks = vec![block; n].join(",");
        turns(&format!(r#"{{"role":"user","content":[{blocks}]}}"#))
    };
    let (used, result) = (
        r#"{"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"f","input":{}}]}"#,
        r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"x"}]}"#,
    );
    let asked = r#"{"role":"user","content":"Hi"}"#;
    let schema = r#""input_schema":{"type":"object"}"#;
    let new = "claude-opus-5-5";
    let old = "claude-haiku-4-5";
    for (model, rest, rule) in [
        ("claude-sonet-5", String::new(), Rule::UnknownModel),
        ("claude-imaginary-9", String::new(), Rule::UnknownModel),
        ("claude-3-haiku-20240307", String::new(), Rule::RetiredModel),
        ("claude-opus-4-20250514", String::new(), Rule::RetiredModel),
        ("claude-sonnet-4-5", String::new(), Rule::RetiringModel),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", String::new(), Rule::OtherPlatform),
        ("anthropic/claude-opus-5.5", String::new(), Rule::OtherPlatform),
        (new, r#""max_tokens":999999"#.to_owned(), Rule::MaxTokens),
        (old, r#""max_tokens":64001"#.to_owned(), Rule::MaxTokens),
        (old, turns(&format!(r#"{{"role":"user","content":"{}"}}"#, "lorem ipsum dolor ".repeat(90_000))), Rule::Window),
        (new, r#""temperature":0.5"#.to_owned(), Rule::Sampling),
        (new, r#""top_k":5"#.to_owned(), Rule::Sampling),
        (old, r#""temperature":0.5,"top_p":0.9"#.to_owned(), Rule::Sampling),
        (old, r#""temperature":1.5"#.to_owned(), Rule::Sampling),
        (old, r#""temperature":"hot""#.to_owned(), Rule::Sampling),
        (new, r#""thinking":{"type":"enabled","budget_tokens":2000},"max_tokens":4000"#.to_owned(), Rule::Thinking),
        (new, r#""thinking":{"type":"disabled"}"#.to_owned(), Rule::Thinking),
        ("claude-opus-5", r#""thinking":{"type":"disabled"},"output_config":{"effort":"max"}"#.to_owned(), Rule::Thinking),
        (old, r#""thinking":{"type":"adaptive"}"#.to_owned(), Rule::Thinking),
        (old, r#""thinking":{"type":"enabled"}"#.to_owned(), Rule::Thinking),
        (old, r#""thinking":{"type":"enabled","budget_tokens":500}"#.to_owned(), Rule::Thinking),
        (old, r#""thinking":{"type":"enabled","budget_tokens":2000},"max_tokens":2000"#.to_owned(), Rule::Thinking),
        (old, r#""thinking":{"type":"enabled","budget_tokens":2000},"max_tokens":4000,"temperature":0.2"#.to_owned(), Rule::Thinking),
        (new, turns(&format!(r#"{asked},{{"role":"assistant","content":"Once"}}"#)), Rule::Prefill),
        ("claude-sonnet-5", turns(&format!(r#"{{"role":"system","content":"x"}},{asked}"#)), Rule::SystemTurn),
        (new, turns(r#"{"role":"human","content":"x"}"#), Rule::Role),
        (new, turns(r#"{"role":"user","content":" \n\t"}"#), Rule::BlankText),
        (new, turns(r#"{"role":"user","content":[{"type":"text","text":""}]}"#), Rule::BlankText),
        (new, turns(&format!("{asked},{used},{asked}")), Rule::ToolPairs),
        (new, turns(&format!("{asked},{result}")), Rule::ToolPairs),
        (new, turns(&format!("{asked},{used},{result},{used},{result}")), Rule::ToolPairs),
        (new, tool(&format!(r#""name":"two words",{schema}"#)), Rule::ToolName),
        (new, tool(&format!(r#""description":"x",{schema}"#)), Rule::ToolName),
        (new, format!(r#""tools":[{{"name":"f",{schema}}},{{"name":"f",{schema}}}]"#), Rule::ToolName),
        (new, tool(r#""name":"f""#), Rule::ToolSchema),
        (new, tool(r#""name":"f","input_schema":{"type":"array"}"#), Rule::ToolSchema),
        (new, tool(r#""name":"f","input_schema":{"type":"object","properties":{"a":{"type":"strng"}}}"#), Rule::ToolSchema),
        (new, tool(r#""name":"f","input_schema":{"type":"object","required":"a"}"#), Rule::ToolSchema),
        (new, format!(r#"{},"tool_choice":{{"type":"any"}}"#, tool(&format!(r#""name":"f",{schema}"#))), Rule::ToolChoice),
        (old, format!(r#"{},"tool_choice":{{"type":"tool","name":"g"}}"#, tool(&format!(r#""name":"f",{schema}"#))), Rule::ToolChoice),
        (new, marked(5), Rule::CacheMarks),
        (new, format!(r#"{},"cache_control":{{"type":"ephemeral"}}"#, marked(4)), Rule::CacheMarks),
        (new, turns(r#"{"role":"user","content":[{"type":"text","text":" x ","cache_control":{"type":"ephemeral"}},{"type":"text","text":"y","cache_control":{"type":"ephemeral","ttl":"1h"}}]}"#), Rule::CacheMarks),
        (old, marked(1), Rule::CacheTooShort),
        (new, image("image/png", "%%%%"), Rule::Base64),
        (new, image("image/png", &format!("data:image/png;base64,{PNG}")), Rule::Base64),
        (new, image("image/png", &PNG[..PNG.len() - 7]), Rule::Base64),
        (new, image("image/jpeg", PNG), Rule::Image),
        (new, image("image/jpeg", "Qk1mAAAAAAAAADYAAAAoAAAA"), Rule::Image),
        (new, image("image/png", &png_of(9_000, 10)), Rule::Image),
        (new, image("image/png", &format!("{}{}", &PNG[..88], "A".repeat(14_000_004))), Rule::Image),
        (new, image("application/pdf", "SGVsbG8gd29ybGQh").replace(r#""type":"image""#, r#""type":"document""#), Rule::Document),
        (new, r#""max_token":5"#.to_owned(), Rule::MisspeltKey),
        (new, r#""sytem":"x""#.to_owned(), Rule::MisspeltKey),
        (old, r#""inference_geo":"us""#.to_owned(), Rule::Parameter),
    ] {
        let shown = &rest[..rest.len().min(200)];
        let found = broken(model, &rest);
        assert!(found.contains(&rule), "{model} {shown}: {found:?}, not {rule:?}");
    }
}

#[test]
fn every_rule_is_broken_above_and_has_a_name_and_a_summary() {
    let source = include_str!("tests.rs");
    for rule in Rule::ALL {
        assert!(source.contains(&format!("Rule::{rule:?})")), "{rule:?}");
        assert!(!rule.summary().is_empty() && !rule.name().contains('_'));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn what_the_api_takes_is_passed_over() {
    let schema = r#""input_schema":{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}"#;
    let (used, result) = (
        r#"{"role":"assistant","content":[{"type":"text","text":"So"},{"type":"tool_use","id":"t1","name":"f","input":{}}]}"#,
        r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":""},{"type":"text","text":"go on"}]}"#,
    );
    let asked = r#"{"role":"user","content":"Hi"}"#;
    for (model, rest) in [
        ("claude-opus-5-5", String::new()),
        ("claude-haiku-4-5-20251001", String::new()),
        // Nothing is known of other makers' models, of private ones and of their parameters.
        ("gpt-x", r#""temperature":2"#.replace('2', "0.5")),
        (
            "my-fine-tune",
            r#""thinking":{"type":"disabled"}"#.to_owned(),
        ),
        ("claude-opus-5-5", r#""max_tokens":128000"#.to_owned()),
        (
            "claude-opus-5-5",
            r#""temperature":1,"top_p":1.0"#.to_owned(),
        ),
        (
            "claude-opus-5-5",
            r#""temperature":null,"thinking":null,"tools":null"#.to_owned(),
        ),
        ("claude-haiku-4-5", r#""temperature":0.5"#.to_owned()),
        (
            "claude-opus-4-6",
            r#""temperature":0.5,"top_p":0.9,"top_k":3"#.to_owned(),
        ),
        (
            "claude-opus-5-5",
            r#""thinking":{"type":"adaptive"}"#.to_owned(),
        ),
        (
            "claude-opus-5",
            r#""thinking":{"type":"disabled"}"#.to_owned(),
        ),
        (
            "claude-haiku-4-5",
            r#""thinking":{"type":"enabled","budget_tokens":1024},"max_tokens":4000"#.to_owned(),
        ),
        (
            "claude-haiku-4-5",
            turns(&format!(
                r#"{asked},{{"role":"assistant","content":"Once"}}"#
            )),
        ),
        (
            "claude-opus-5-5",
            turns(&format!(r#"{{"role":"system","content":"x"}},{asked}"#)),
        ),
        // Turns of one role in a row are joined by the API.
        ("claude-opus-5-5", turns(&format!("{asked},{asked}"))),
        (
            "claude-opus-5-5",
            turns(&format!("{asked},{used},{result}")),
        ),
        // A paused turn goes on behind the use of the API's own tool.
        (
            "claude-opus-5-5",
            turns(&format!(
                r#"{asked},{{"role":"assistant","content":[{{"type":"server_tool_use","id":"s","name":"web_search","input":{{}}}}]}}"#
            )),
        ),
        (
            "claude-opus-5-5",
            tool(&format!(r#""name":"get_weather-2",{schema}"#)),
        ),
        // The API's own tools have their schemas there.
        (
            "claude-opus-5-5",
            tool(r#""type":"web_search_20260209","name":"web_search""#),
        ),
        (
            "claude-haiku-4-5",
            format!(
                r#"{},"tool_choice":{{"type":"tool","name":"f"}}"#,
                tool(&format!(r#""name":"f",{schema}"#))
            ),
        ),
        ("claude-opus-5-5", image("image/png", PNG)),
        ("claude-opus-5-5", image("image/png", &png_of(8_000, 10))),
        (
            "claude-opus-5-5",
            image("image/jpeg", PNG).replace("base64\"", "url\""),
        ),
        (
            "claude-opus-5-5",
            image("application/pdf", "JVBERi0xLjcKJeLjz9MK")
                .replace(r#""type":"image""#, r#""type":"document""#),
        ),
        // A key that is far from all that are known may be new at the API.
        ("claude-opus-5-5", r#""quantum_mode":true"#.to_owned()),
    ] {
        let found = look_over(&anthropic(), model, &rest);
        assert!(
            found.is_empty(),
            "{model} {}: {found:?}",
            &rest[..rest.len().min(200)]
        );
    }
}

#[test]
fn elsewhere_models_are_called_as_people_like_and_betas_allow_more() {
    let gateway = Addressee {
        first_party: false,
        ..anthropic()
    };
    for name in [
        "anthropic/claude-opus-5.5",
        "claude-3-haiku-20240307",
        "claude-imaginary-9",
    ] {
        assert_eq!(look_over(&gateway, name, ""), [], "{name}");
    }
    let found = look_over(
        &gateway,
        "anthropic/claude-opus-5.5",
        r#""temperature":0.5"#,
    );
    assert_eq!(found[0].0, Rule::Sampling);
    let beta = Addressee {
        has_betas: true,
        ..anthropic()
    };
    // A beta raises what a batch may give.
    assert_eq!(
        look_over(&beta, "claude-opus-5-5", r#""max_tokens":300000"#),
        []
    );
    let newer = Addressee {
        api_version: "2026-10-21".to_owned(),
        ..anthropic()
    };
    let found = look_over(&newer, "claude-haiku-4-5", r#""temperature":1"#);
    assert_eq!(found[0].0, Rule::Sampling);
}

#[test]
fn a_fault_is_told_with_its_place_and_the_way_out() {
    let said = |model: &str, rest: &str| look_over(&anthropic(), model, rest)[0].1.clone();
    assert_eq!(
        said("claude-opus-5-5", r#""max_tokens":999999"#),
        "`max_tokens` is 999999, but claude-opus-5-5 gives at most 128,000 tokens: lower it"
    );
    assert_eq!(
        said("claude-sonet-5", ""),
        "`model` is `claude-sonet-5`, which is no model that is known: did you mean claude-sonnet-5?"
    );
    assert_eq!(
        said("claude-sonnet-4-5", ""),
        "`model` is claude-sonnet-4-5-20250929, which is retired in 10 days: claude-sonnet-5-5 took over from it"
    );
    assert_eq!(
        said("claude-opus-5-5", &image("image/jpeg", PNG)),
        "`messages.0.content.0.source.data` is image/png by its bytes, but `media_type` says image/jpeg: write image/png"
    );
    assert_eq!(
        said("claude-opus-5-5", r#""sytem":"x""#),
        "the request has the key `sytem`, which the API refuses: did you mean `system`?"
    );
}

#[test]
fn what_is_quoted_of_a_request_is_short_and_harmless_to_a_terminal() {
    let long = format!("\\u001b]8;;x\\u0007{}", "a".repeat(5_000));
    for rest in [
        turns(&format!(r#"{{"role":"{long}","content":"x"}}"#)),
        turns(&format!(
            r#"{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"{long}","content":"x"}}]}}"#
        )),
        format!(r#""tool_choice":{{"type":"tool","name":"{long}"}}"#),
        image(&long, PNG),
        tool(&format!(
            r#""name":"f","input_schema":{{"type":"object","required":"{long}"}}"#
        )),
    ] {
        let found = look_over(&anthropic(), "claude-haiku-4-5", &rest);
        let text = &found[0].1;
        assert!(
            text.len() < 400 && !text.contains(char::is_control),
            "{text}"
        );
    }
}

#[test]
fn one_request_is_told_of_twenty_faults_at_most() {
    let blank = r#"{"role":"user","content":""}"#;
    let many = turns(&vec![blank; 1_000].join(","));
    assert_eq!(look_over(&anthropic(), "claude-opus-5-5", &many).len(), 20);
}

/// Each id would else be compared with all the others.
#[test]
fn a_hundred_thousand_results_take_no_time_by_their_square() {
    let blocks = |kind: &str, key: &str| {
        let block = |n: u32| format!(r#"{{"type":"{kind}","{key}":"t{n}"}}"#);
        (0..100_000).map(block).collect::<Vec<_>>().join(",")
    };
    let (uses, results) = (
        blocks("tool_use", "id"),
        blocks("tool_result", "tool_use_id"),
    );
    let rest = turns(&format!(
        r#"{{"role":"assistant","content":[{uses}]}},{{"role":"user","content":[{results}]}}"#
    ));
    // They are too many for the window, but stand in pairs.
    assert_eq!(broken("claude-haiku-4-5", &rest), [Rule::Window]);
}

proptest::proptest! {
    #[test]
    fn no_json_breaks_it(text in r#"[{}\[\]":,a-z0-9 ]{0,80}"#, key in "messages|tools|system|thinking|tool_choice") {
        let body = format!(r#"{{"{key}":{text}}}"#);
        let mut preflight = Reviewer::new(
            Rules::embedded(),
            Arc::new(PriceTable::embedded()),
            anthropic(),
            NOW.parse().unwrap(),
        );
        preflight.look_over("claude-opus-5-5", &JsonView::of(&body));
    }
}

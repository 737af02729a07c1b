//! Lines that become jobs, and exactly which.

use super::{good, with_model};
use crate::input::NoteKind;
use crate::model::{Lane, Shaping};

fn everything() -> Shaping {
    Shaping {
        model: Some("flag-model".to_owned()),
        max_tokens: Some(7),
        system: Some("Say \"no\"\n".to_owned()),
        temperature: Some(0.5),
        skip_invalid: false,
    }
}

/// The body for a line, with only a model given by flags.
const BODIES: [(&str, &str); 15] = [
    (
        r#"{"prompt":"hi"}"#,
        r#"{"model":"m","max_tokens":4096,"messages":[{"role":"user","content":"hi"}]}"#,
    ),
    (
        r#" { "prompt" : "a\u00e9\"é\/" , "model" : "x\u0079" } "#,
        r#"{"model":"x\u0079","max_tokens":4096,"messages":[{"role":"user","content":"a\u00e9\"é\/"}]}"#,
    ),
    (
        r#"{"prompt":"p","system":"s","max_tokens":0,"temperature":1.0}"#,
        r#"{"model":"m","max_tokens":0,"system":"s","temperature":1.0,"messages":[{"role":"user","content":"p"}]}"#,
    ),
    (
        r#"{"prompt":"p","system":[{"type":"text","text":"s"}],"temperature":1e-1}"#,
        r#"{"model":"m","max_tokens":4096,"system":[{"type":"text","text":"s"}],"temperature":1e-1,"messages":[{"role":"user","content":"p"}]}"#,
    ),
    (
        r#"{"params":{"messages":[1]}}"#,
        r#"{"model":"m","max_tokens":4096,"messages":[1]}"#,
    ),
    (
        r#"{"params":{"model":"a","max_tokens":1,"messages":[1]}}"#,
        r#"{"model":"a","max_tokens":1,"messages":[1]}"#,
    ),
    (
        r#"{"params" : { "messages" : [ 1.50, "\u0041" ],  "max_tokens":1 , "unknown":{"a":1,"a":1E5} } }"#,
        r#"{"model":"m", "messages" : [ 1.50, "\u0041" ],  "max_tokens":1 , "unknown":{"a":1,"a":1E5} }"#,
    ),
    (
        r#"{"params":{"stream":true,"model":"a","max_tokens":1,"messages":[1]}}"#,
        r#"{"model":"a","max_tokens":1,"messages":[1]}"#,
    ),
    (
        r#"{"params":{"model":"a","stream":false, "max_tokens":1,"messages":[1]}}"#,
        r#"{"model":"a","max_tokens":1,"messages":[1]}"#,
    ),
    (
        r#"{"params":{"model":"a","max_tokens":1,"messages":[1], "stream":true }}"#,
        r#"{"model":"a","max_tokens":1,"messages":[1] }"#,
    ),
    (
        r#"{"params":{"messages":[1],"stream":true}}"#,
        r#"{"model":"m","max_tokens":4096,"messages":[1]}"#,
    ),
    (
        r#"{"params":{"mod\u0065l":"a","max_tokens":1,"messages":[1]}}"#,
        r#"{"mod\u0065l":"a","max_tokens":1,"messages":[1]}"#,
    ),
    (
        r#"{"params":{"model":"a","max_tokens":1,"messages":[{"stream":true}],"temperature":null,"system":[]}}"#,
        r#"{"model":"a","max_tokens":1,"messages":[{"stream":true}],"temperature":null,"system":[]}"#,
    ),
    (
        r#"{"metadata":{"params":{"messages":[]}},"params":{"messages":[1]}}"#,
        r#"{"model":"m","max_tokens":4096,"messages":[1]}"#,
    ),
    (
        "{\"prompt\":\"\\u0000 \u{7f} \u{2028}\"}",
        "{\"model\":\"m\",\"max_tokens\":4096,\"messages\":[{\"role\":\"user\",\"content\":\"\\u0000 \u{7f} \u{2028}\"}]}",
    ),
];

#[test]
fn bodies_keep_what_was_written_and_gain_only_defaults() {
    for (line, body) in BODIES {
        let (job, _) = good(line, &with_model());
        assert_eq!(job.body.as_str(), body, "{line}");
        let _: serde_json::Value = serde_json::from_str(body).unwrap();
    }
}

#[test]
fn flags_fill_both_forms_where_the_line_is_silent() {
    let filled = r#"{"model":"flag-model","max_tokens":7,"system":"Say \"no\"\n","temperature":0.5,"messages":[{"role":"user","content":"p"}]}"#;
    let silent = [
        r#"{"prompt":"p"}"#,
        r#"{"params":{"messages":[{"role":"user","content":"p"}]}}"#,
    ];
    for line in silent {
        let (job, _) = good(line, &everything());
        assert_eq!(job.body.as_str(), filled);
        assert_eq!(job.model, "flag-model");
    }
    let line =
        r#"{"params":{"model":"a","max_tokens":1,"system":"","temperature":0,"messages":[1]}}"#;
    let (job, _) = good(line, &everything());
    assert_eq!(
        job.body.as_str(),
        r#"{"model":"a","max_tokens":1,"system":"","temperature":0,"messages":[1]}"#
    );
    assert_eq!(job.model, "a");
}

#[test]
fn the_model_is_told_with_escapes_resolved() {
    let (job, _) = good(
        r#"{"params":{"model":"a\u0062","messages":[1]}}"#,
        &Shaping::default(),
    );
    assert_eq!(job.model, "ab");
}

#[test]
fn a_line_keeps_its_id_or_gets_one_from_its_number() {
    let longest = "é".repeat(128);
    for (given, id) in [
        (r#""a-1""#.to_owned(), "a-1"),
        (r#"" ü \u263a \" ""#.to_owned(), " ü ☺ \" "),
        (format!("\"{longest}\""), &*longest),
    ] {
        let (job, _) = good(
            &format!(r#"{{"custom_id":{given},"prompt":"p"}}"#),
            &with_model(),
        );
        assert_eq!(job.custom_id, id);
    }
    let (job, _) = good("\n \t\n{\"prompt\":\"p\"}", &with_model());
    assert_eq!((&*job.custom_id, job.line), ("line-3", 3));
}

#[test]
fn lane_deadline_and_metadata_are_read() {
    let job = |rest: &str| good(&format!(r#"{{"prompt":"p",{rest}}}"#), &with_model()).0;
    assert_eq!(job(r#""lane":"live""#).lane, Some(Lane::Live));
    assert_eq!(job(r#""lane":"batch""#).lane, Some(Lane::Batch));
    assert_eq!(job(r#""lane":"auto""#).lane, None);
    for (deadline, at) in [
        ("6h", "2026-11-22T18:00:00Z"),
        ("200ms", "2026-11-22T12:00:00.2Z"),
        ("2026-12-01T10:00:00+01:00", "2026-12-01T09:00:00Z"),
    ] {
        let found = job(&format!(r#""deadline":"{deadline}""#)).deadline;
        assert_eq!(found, Some(at.parse().unwrap()), "{deadline}");
    }
    for metadata in [r#"{ "row" : 17.0, "row":1 }"#, "null", "[]", r#""\u0041""#] {
        let found = job(&format!(r#""metadata" : {metadata} "#)).metadata;
        assert_eq!(found.as_deref(), Some(metadata));
    }
    let plain = good(r#"{"prompt":"p"}"#, &with_model()).0;
    assert_eq!(
        (plain.lane, plain.deadline, plain.metadata),
        (None, None, None)
    );
}

#[test]
fn remarks_name_place_and_matter() {
    let cases = [
        (
            r#"{"params":{"stream":true,"messages":[1]}}"#,
            NoteKind::StreamTakenOut,
            12,
        ),
        (
            r#"{"lane":"batch","params":{"messages":[1],"speed":"fast"}}"#,
            NoteKind::NotInBatch("speed"),
            42,
        ),
        (
            r#"{"params":{"fallbacks":"default","messages":[1]}}"#,
            NoteKind::NotInBatch("fallbacks"),
            12,
        ),
        (
            r#"{"prompt":"p","max_tokens":0}"#,
            NoteKind::NotInBatch("max_tokens"),
            15,
        ),
        (
            r#"{"params":{"messages":[1],"fallback_credit_token":"t"}}"#,
            NoteKind::IgnoredInBatch("fallback_credit_token"),
            27,
        ),
        (
            r#"{"prompt":"ü","deadline":"2020-01-01T00:00:00Z"}"#,
            NoteKind::DeadlinePast,
            15,
        ),
    ];
    for (line, kind, column) in cases {
        let (_, notes) = good(line, &with_model());
        let seen: Vec<_> = notes.iter().map(|note| (note.kind, note.column)).collect();
        assert_eq!(seen, [(kind, column)], "{line}");
    }
    assert_eq!(good(r#"{"prompt":"p"}"#, &with_model()).1, []);
}

#[test]
fn remarks_about_batches_concern_the_batch_lane_alone() {
    let params = r#""params":{"messages":[1],"speed":"fast"}"#;
    let notes = |lane: &str| good(&format!("{{{lane}{params}}}"), &with_model()).1;
    assert_eq!(notes(r#""lane":"live","#), []);
    let unsaid = &notes("")[0];
    assert!(unsaid.concerns(Some(Lane::Batch)));
    assert!(!unsaid.concerns(Some(Lane::Live)) && !unsaid.concerns(None));
    let asked = &notes(r#""lane":"batch","#)[0];
    assert!(asked.concerns(Some(Lane::Live)));
    assert_eq!(
        asked.to_string(),
        "line 1, column 42: the batch lane refuses `speed`: leave it out, or use the live lane"
    );
}

#[test]
fn what_the_batches_api_refuses_is_for_the_live_lane_alone() {
    let params =
        |key: &str| format!(r#"{{"params":{{"model":"m","max_tokens":1,"messages":[1],{key}}}}}"#);
    let cases = [
        (params(r#""speed":"fast""#), true),
        (params(r#""fallbacks":"default""#), true),
        (params(r#""store":true"#), true),
        (params(r#""previous_thread_event_id":"e""#), true),
        (params(r#""cache_hint":1"#), true),
        (params(r#""context_hint":1"#), true),
        (r#"{"prompt":"p","max_tokens":0}"#.to_owned(), true),
        (params(r#""fallback_credit_token":"t""#), false),
        // Taken out of the body: how an answer travels does not change it.
        (params(r#""stream":true"#), false),
        (r#"{"prompt":"p"}"#.to_owned(), false),
    ];
    for (line, live_only) in cases {
        let (job, _) = good(&line, &with_model());
        assert_eq!(job.live_only, live_only, "{line}");
    }
}

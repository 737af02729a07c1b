//! Every kind of line, in every form that was seen or documented.

use proptest::prelude::*;

use super::read_result_line;
use crate::model::ErrorClass as C;
use crate::provider::{
    Failure, HeaderView, ItemResult, MAX_ERROR_TEXT, MAX_RAW_ERROR, classify_response,
};

const MESSAGE: &str = r#"{"type":"message", "content":[],"model":"m-1","stop_reason":"end_turn","usage":{"input_tokens":2,"output_tokens":1,"service_tier":"batch"}}"#;

fn result(result: &str) -> ItemResult {
    let line = format!(r#"{{"custom_id":"k-1-1","result":{result}}}"#);
    let line = read_result_line(line.as_bytes());
    assert_eq!(line.custom_id.as_deref(), Some("k-1-1"));
    line.result
}

fn failure(text: &str) -> Box<Failure> {
    match result(text) {
        ItemResult::Errored(failure) => failure,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn an_answer_is_what_the_live_lane_makes_of_it() {
    for (stop, mark) in [
        ("\"end_turn\"", None),
        ("\"tool_use\"", None),
        ("\"max_tokens\"", Some(C::Truncated)),
        (
            "\"model_context_window_exceeded\"",
            Some(C::ContextWindowExceeded),
        ),
        ("\"pause_turn\"", Some(C::Paused)),
        ("\"something_new\"", Some(C::Unknown)),
        ("null", Some(C::Unknown)),
    ] {
        let text = MESSAGE.replace("\"end_turn\"", stop);
        let live = classify_response(
            200,
            HeaderView::none(),
            text.as_bytes(),
            jiff::Timestamp::UNIX_EPOCH,
        );
        let ItemResult::Succeeded(message) =
            result(&format!(r#"{{"message": {text} ,"type":"succeeded"}}"#))
        else {
            panic!("{stop}");
        };
        assert_eq!(message.raw, text);
        assert_eq!(message.mark, mark, "{stop}");
        assert_eq!(Ok(*message), live);
    }
}

#[test]
fn a_refusal_is_a_failure_that_keeps_its_message() {
    let text = MESSAGE.replace("end_turn", "refusal");
    let failure = failure(&format!(r#"{{"type":"succeeded","message":{text}}}"#));
    assert_eq!(failure.class, C::Refused);
    assert_eq!(failure.evidence.error_type.as_deref(), Some("refused"));
    assert_eq!(failure.evidence.http_status, None);
    assert_eq!(failure.message.unwrap().raw, text);
}

#[test]
fn an_error_is_classified_by_its_type_in_both_nestings() {
    for (kind, message, class) in [
        (
            "invalid_request_error",
            "messages: Field required",
            C::InvalidRequest,
        ),
        (
            "invalid_request_error",
            "prompt is too long: 2 tokens > 1 maximum",
            C::PromptTooLong,
        ),
        (
            "invalid_request_error",
            "\\\"stream=True\\\" is not supported in the Message Batches API",
            C::InvalidRequest,
        ),
        ("not_found_error", "model: claude-none-1", C::ModelNotFound),
        ("api_error", "Internal server error", C::ServerError),
        ("overloaded_error", "Overloaded", C::Overloaded),
        ("timeout_error", "x", C::GatewayTimeout),
        ("rate_limit_error", "x", C::RateLimited),
        ("billing_error", "x", C::Billing),
        ("request_too_large", "x", C::RequestTooLarge),
        ("something_new", "x", C::Unknown),
    ] {
        let inner = format!(r#"{{"type":"{kind}","message":"{message}"}}"#);
        let double = format!(r#"{{"type":"error","error":{inner},"request_id":"workerreq_1"}}"#);
        let deep = failure(&format!(r#"{{"type":"errored","error":{double}}}"#));
        let flat = failure(&format!(r#"{{"type":"errored","error":{inner}}}"#));
        for found in [&deep, &flat] {
            assert_eq!(found.class, class, "{kind}");
            assert_eq!(found.evidence.error_type.as_deref(), Some(kind));
            assert_eq!(found.evidence.http_status, None);
            assert_eq!(found.evidence.retry_after, None);
        }
        assert_eq!(deep.evidence.request_id.as_deref(), Some("workerreq_1"));
        assert_eq!(deep.evidence.raw_error.as_deref(), Some(&*double));
        let envelope = format!(r#"{{"type":"error","error":{inner}}}"#);
        assert_eq!(flat.evidence.raw_error, Some(envelope));
    }
}

#[test]
fn an_error_without_a_type_is_still_told() {
    for (text, class, words) in [
        (r#"{"type":"errored"}"#, C::Unknown, "does not say why"),
        (
            r#"{"type":"errored","error":null}"#,
            C::Unknown,
            "does not say why",
        ),
        (
            r#"{"type":"errored","error":"went wrong"}"#,
            C::Unknown,
            "went wrong",
        ),
        (
            r#"{"type":"errored","error":{"message":"went wrong"}}"#,
            C::Unknown,
            "went wrong",
        ),
        (
            r#"{"type":"errored","error":"prompt is too long"}"#,
            C::PromptTooLong,
            "too long",
        ),
    ] {
        let failure = failure(text);
        assert_eq!(failure.class, class, "{text}");
        let message = failure.evidence.message.unwrap();
        assert!(message.contains(words), "{text}: {message}");
    }
}

#[test]
fn what_was_not_processed_says_so() {
    assert_eq!(result(r#"{"type":"canceled"}"#), ItemResult::Canceled);
    assert_eq!(result(r#"{"type":"expired","new":1}"#), ItemResult::Expired);
}

#[test]
fn an_answer_that_is_no_message_is_unreadable_and_paid_for_all_the_same() {
    for text in [
        r#"{"type":"succeeded"}"#,
        r#"{"type":"succeeded","message":null}"#,
        r#"{"type":"succeeded","message":{"type":"message"}}"#,
    ] {
        let ItemResult::Unreadable(words) = result(text) else {
            panic!("{text}");
        };
        assert!(words.contains("the answer cannot be read"), "{words}");
    }
}

#[test]
fn what_cannot_be_read_is_shown_in_part() {
    for (line, id) in [
        ("", None),
        ("{", None),
        ("[]", None),
        ("null", None),
        ("{}", None),
        (r#"{"custom_id":"a"}"#, Some("a")),
        (r#"{"custom_id":"a","result":{}}"#, Some("a")),
        (
            r#"{"custom_id":"a","result":{"type":"postponed"}}"#,
            Some("a"),
        ),
        (r#"{"custom_id":"a","result":{"type":7}}"#, Some("a")),
        (r#"{"custom_id":7,"result":{}}"#, None),
        // As every SDK reads it.
        (r#"{"custom_id":"a","custom_id":"b"}"#, Some("b")),
        (r#"{"type":"error","error":{"type":"api_error"}}"#, None),
    ] {
        let read = read_result_line(line.as_bytes());
        assert_eq!(read.custom_id.as_deref(), id, "{line}");
        assert!(matches!(read.result, ItemResult::Unreadable(_)), "{line}");
    }
    let latin = read_result_line(b"{\"custom_id\":\"a\",\"x\":\"\xE9\"}");
    assert!(matches!(latin.result, ItemResult::Unreadable(_)));
    let deep = format!(
        r#"{{"type":"succeeded","message":{{"content":{}}}}}"#,
        "[".repeat(100_000)
    );
    let deep = format!(r#"{{"custom_id":"a","result":{deep}}}"#);
    let ItemResult::Unreadable(words) = read_result_line(deep.as_bytes()).result else {
        panic!("a line that is no JSON");
    };
    assert!(words.len() < 300, "{words}");
}

#[test]
fn a_key_in_an_error_is_masked() {
    let text =
        r#"{"type":"errored","error":{"type":"api_error","message":"bad sk-ant-api03-hidden"}}"#;
    let shown = format!("{:?}", failure(text));
    assert!(!shown.contains("hidden"), "{shown}");
    let line = read_result_line(b"junk sk-ant-api03-hidden");
    assert!(!format!("{line:?}").contains("hidden"));
}

/// What the fuzz target asserts, too.
fn check(line: &[u8]) {
    let read = read_result_line(line);
    match &read.result {
        ItemResult::Succeeded(message) => {
            serde_json::from_str::<serde_json::Value>(&message.raw).unwrap();
        }
        ItemResult::Errored(failure) => {
            let kept = &failure.evidence;
            assert_eq!(kept.http_status, None);
            assert!(kept.message.as_ref().unwrap().len() <= MAX_ERROR_TEXT);
            let raw = kept.raw_error.as_ref();
            assert!(raw.is_none_or(|raw| raw.len() <= 2 * MAX_RAW_ERROR));
        }
        ItemResult::Unreadable(words) => assert!(!words.is_empty() && words.len() < 3_000),
        ItemResult::Canceled | ItemResult::Expired => {
            assert!(read.custom_id.is_none_or(|id| id.len() <= 256));
        }
    }
}

#[test]
fn the_seeds_of_the_fuzzer_are_read() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/batch_line");
    let mut seen = 0;
    for seed in std::fs::read_dir(seeds).unwrap() {
        check(&std::fs::read(seed.unwrap().path()).unwrap());
        seen += 1;
    }
    assert!(seen > 5, "{seen}");
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(line in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&line);
    }

    #[test]
    fn no_json_is_too_strange(
        id in "[a-z\\\\\"0-9]{0,5}",
        kind in "(succeeded|errored|canceled|expired|x)",
        part in "(message|error|x)",
        value in "(null|7|\"t\"|\\[\\]|\\{\\}|\\{\"type\":\"(error|message|t)\",\"(error|content|message)\":(null|\\[\\]|\"t\"|\\{\"type\":\"t\"\\})\\})",
    ) {
        let id = serde_json::Value::from(id);
        check(format!(r#"{{"custom_id":{id},"result":{{"type":"{kind}","{part}":{value}}}}}"#).as_bytes());
    }
}

#[test]
fn a_message_that_strict_readers_refuse_is_read_as_a_live_one_is() {
    let line = |message: &[u8]| {
        let line = [
            br#"{"custom_id":"a","result":{"type":"succeeded","message":"#,
            message,
            b"}}",
        ];
        match read_result_line(&line.concat()).result {
            ItemResult::Succeeded(message) => (message.raw, message.note.is_some()),
            other => panic!("{other:?}"),
        }
    };
    let cases: [(&[u8], &str, bool); 4] = [
        (br#"{"content":[]}"#, r#"{"content":[]}"#, false),
        (br#"{"content":7,"content":[]}"#, r#"{"content":[]}"#, true),
        (
            br#"{"content":["\ud83e"]}"#,
            r#"{"content":["\ufffd"]}"#,
            true,
        ),
        (
            b"{\"content\":[\"\xFF\"]}",
            "{\"content\":[\"\u{fffd}\"]}",
            true,
        ),
    ];
    for (message, raw, altered) in cases {
        assert_eq!(line(message), (raw.to_owned(), altered));
    }
}

//! Answers that are odd: they quote their request, tell an error under a success, or can be read only
//! by who is lenient.

use super::tests::{api_error, now, read};
use super::{MAX_UNREADABLE, classify_response, take_back_what_it_quotes};
use crate::model::ErrorClass as C;
use crate::provider::HeaderView;

#[test]
fn words_of_the_request_itself_are_nobody_s_evidence() {
    let prompt = r#"{"messages":[{"content":"What does \"Credit balance is too low\" mean?"}]}"#;
    let other = r#"{"messages":[{"content":"What is credit?"}]}"#;
    let billing = api_error("invalid_request_error", "Your credit balance is too low");
    let coded =
        r#"{"error":{"type":"insufficient_quota","message":"You exceeded your current quota"}}"#;
    let quota = r#"{"content":"you exceeded your current quota"}"#;
    for (status, body, request, class) in [
        (400, billing.as_str(), other, C::Billing),
        (400, &billing, prompt, C::InvalidRequest),
        // The status says it without any words, and so does a code.
        (402, &billing, prompt, C::Billing),
        (429, coded, quota, C::SpendLimit),
    ] {
        let mut failure = read(status, &[], body).unwrap_err();
        take_back_what_it_quotes(&mut failure, request);
        assert_eq!(failure.class, class, "{status} {request}");
    }
}

#[test]
fn an_error_under_a_success_status_keeps_its_message_and_its_code() {
    for (body, words) in [
        (
            r#"{"error":{"code":502,"message":"Provider returned error"}}"#,
            "HTTP 200 with an error: Provider returned error (code 502)",
        ),
        (
            r#"{"error":{"type":"api_error","code":"model_down","message":"Down"}}"#,
            "Down (code model_down)",
        ),
        (
            r#"{"error":{"message":"no model for you"}}"#,
            "HTTP 200, but the body is JSON, but not what was asked for: no model for you",
        ),
        (
            r#"{"error":{"code":"odd"}}"#,
            "HTTP 200 with an error: an error (code odd)",
        ),
    ] {
        let evidence = read(200, &[], body).unwrap_err().evidence;
        assert_eq!(evidence.message.as_deref(), Some(words));
    }
}

#[test]
fn what_the_official_sdks_read_is_read_and_what_was_altered_is_told() {
    let read = |body: &[u8]| classify_response(200, HeaderView::none(), body, now()).unwrap();
    let deep = format!(
        r#"{{"x":{}{},"content":[]}}"#,
        "[".repeat(400),
        "]".repeat(400)
    );
    let cases: &[(&[u8], &str, bool)] = &[
        (b"\xEF\xBB\xBF{\"content\":[]}", r#"{"content":[]}"#, false),
        (b"{\"content\":[]}\0\0", r#"{"content":[]}"#, false),
        (deep.as_bytes(), &deep, false),
        (
            br#"{"stop_reason":"refusal","content":7,"stop_reason":"end_turn","content":[]}"#,
            r#"{"stop_reason":"end_turn","content":[]}"#,
            true,
        ),
        (
            br#"{"content":[{"text":"\ud83e"}]}"#,
            r#"{"content":[{"text":"\ufffd"}]}"#,
            true,
        ),
        (
            b"{\"content\":[\"\xFF\"]}",
            "{\"content\":[\"\u{fffd}\"]}",
            true,
        ),
    ];
    for (body, raw, altered) in cases {
        let message = read(body);
        assert_eq!(message.raw, *raw);
        assert_eq!(message.note.is_some(), *altered, "{raw}");
    }
}

#[test]
fn a_complete_answer_that_cannot_be_read_is_kept_with_words_that_stay_the_same() {
    let failure = |body: &str| read(200, &[], body).unwrap_err();
    for (one, other) in [
        (r#"{"content":["a"]}{"#, r#"{"content":["longer"]}{"#),
        (r#"{"content":["a"#, r#"{"content":["longer"#),
        (r#"{"content":NaN}"#, r#"{"x":1,"content":NaN}"#),
        (r#"{"choices":[]}"#, r#"{"choices":[1]}"#),
    ] {
        let (one_failure, other_failure) = (failure(one), failure(other));
        assert_eq!(one_failure.class, C::BadResponse);
        assert_eq!(one_failure.evidence.message, other_failure.evidence.message);
        assert_eq!(one_failure.evidence.unreadable.as_deref(), Some(one));
    }
    let secret = failure(r#"{"key":"sk-ant-api03-hidden-hidden-hidden"}"#);
    assert!(!format!("{secret:?}").contains("hidden"));
    let long = failure(&format!("{{\"x\":\"{}\"", "é".repeat(MAX_UNREADABLE)));
    assert!(long.evidence.unreadable.unwrap().len() <= MAX_UNREADABLE);
    // Packed without a word.
    let packed = classify_response(200, HeaderView::none(), b"\x1f\x8b\x08\0\xff", now());
    assert!(packed.unwrap_err().evidence.unreadable.is_some());
    // What is no answer of the API at all was not paid for.
    for body in ["", "<html>", "event: ping\n\n", "upstream"] {
        assert_eq!(failure(body).evidence.unreadable, None, "{body}");
    }
}

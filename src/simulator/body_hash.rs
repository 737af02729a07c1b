//! What tells one question from another: a hash of the body.
//!
//! Whether the answer is streamed is no part of the question, so `stream` at the top level does not
//! count; nor does a paused turn that a client sends back to be continued, and the `container` in
//! which it goes on. So scripts, answers and
//! attempt numbers go on when a client turns from plain answers to streams, and when it goes on
//! with a turn.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::cache;
use super::request::PAUSES_AT;

/// The hash of a body.
pub(super) fn body_hash(body: &[u8]) -> u64 {
    // A turn that goes on is the same question, streamed or not, in whatever container.
    let question = without_paused_turn(body);
    let question = without(&question, "stream");
    cache::first_u64(blake3::hash(&without(&question, "container")).as_bytes())
}

/// The body without a last message that is a paused turn, byte for byte as the client sent it
/// before.
fn without_paused_turn(body: &[u8]) -> Cow<'_, [u8]> {
    cut_paused_turn(body).map_or(Cow::Borrowed(body), Cow::Owned)
}

fn cut_paused_turn(body: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Turn {
        role: String,
        content: Vec<Block>,
    }
    #[derive(Deserialize)]
    struct Block {
        #[serde(rename = "type")]
        kind: String,
    }
    let text = std::str::from_utf8(body).ok()?;
    // A search is cheaper than a parse, and hardly any body has it.
    if !text.contains(PAUSES_AT) {
        return None;
    }
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).ok()?;
    let turns: Vec<&RawValue> = serde_json::from_str(members.get("messages")?.get()).ok()?;
    let [.., before, last] = turns.as_slice() else {
        return None;
    };
    let turn: Turn = serde_json::from_str(last.get()).ok()?;
    let pauses = turn
        .content
        .last()
        .is_some_and(|block| block.kind == PAUSES_AT);
    let end =
        |value: &RawValue| value.get().as_ptr().addr() - text.as_ptr().addr() + value.get().len();
    (turn.role == "assistant" && pauses)
        .then(|| [&body[..end(before)], &body[end(last)..]].concat())
}

/// The body without that member, byte for byte as a client would send it that has none.
fn without<'a>(body: &'a [u8], key: &str) -> Cow<'a, [u8]> {
    cut(body, key).map_or(Cow::Borrowed(body), Cow::Owned)
}

fn cut(body: &[u8], key: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let quoted = format!("\"{key}\"");
    if !text.contains(&quoted) {
        return None;
    }
    let members: BTreeMap<&str, &RawValue> = serde_json::from_str(text).ok()?;
    let value = members.get(key)?.get();
    let start = value.as_ptr().addr() - text.as_ptr().addr();
    let before = text[..start].rfind(&quoted)?;
    let (before, after) = (text[..before].trim_end(), &text[start + value.len()..]);
    // One comma goes with the member: the one after it, or for the last member the one before.
    let rest = match after.trim_start().strip_prefix(',') {
        Some(rest) => [before, rest.trim_start()].concat(),
        None => [before.strip_suffix(',').unwrap_or(before), after].concat(),
    };
    Some(rest.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::body_hash;

    #[test]
    fn whether_the_answer_is_streamed_and_where_its_code_runs_do_not_count() {
        let plain = body_hash(br#"{"model":"m","stop":["stream"]}"#);
        for same in [
            r#"{"stream":true,"model":"m","stop":["stream"]}"#,
            r#"{"model":"m", "stream" : false, "stop":["stream"]}"#,
            r#"{"model":"m","stop":["stream"],"stream":true}"#,
            r#"{"container":"c","model":"m","stop":["stream"],"stream":true}"#,
        ] {
            assert_eq!(body_hash(same.as_bytes()), plain, "{same}");
        }
    }

    #[test]
    fn a_paused_turn_that_is_sent_back_does_not_count() {
        let body = |turns: &str| format!(r#"{{"m":1,"messages":[{{"q":1}}{turns}],"n":2}}"#);
        let paused =
            r#",{"role":"assistant","content":[{"type":"text"},{"type":"server_tool_use"}]}"#;
        let hash = |turns: &str| body_hash(body(turns).as_bytes());
        assert_eq!(hash(paused), hash(""));
        let answered = paused.replace("server_tool_use\"}", "server_tool_use\"},{\"type\":\"x\"}");
        for other in [&answered, &paused.replace("assistant", "user")] {
            assert_ne!(hash(other), hash(""), "{other}");
        }
    }

    #[test]
    fn everything_else_does() {
        let all = [
            r#"{"model":"m"}"#,
            r#"{"model":"n"}"#,
            r#"{"model":"m","x":{"stream":true}}"#,
            r#"{"model":"m","x":{"stream":false}}"#,
            r#"{"model": "m"}"#,
            r#"{"stream""#,
            "",
        ];
        for (index, one) in all.iter().enumerate() {
            for other in &all[..index] {
                assert_ne!(
                    body_hash(one.as_bytes()),
                    body_hash(other.as_bytes()),
                    "{one} {other}"
                );
            }
        }
        assert_ne!(body_hash(b"\xFF\"stream\""), body_hash(b"\"stream\""));
    }
}

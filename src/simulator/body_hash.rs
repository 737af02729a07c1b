//! What tells one question from another: a hash of the body.
//!
//! Whether the answer is streamed is no part of the question, so `stream` at the top level does not
//! count: scripts, answers and attempt numbers go on when a client turns from plain answers to
//! streams.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::cache;

/// The hash of a body.
pub(super) fn body_hash(body: &[u8]) -> u64 {
    cache::first_u64(blake3::hash(&without_stream(body)).as_bytes())
}

/// The body without its `stream`, byte for byte as a client would send it that has none.
fn without_stream(body: &[u8]) -> Cow<'_, [u8]> {
    cut(body).map_or(Cow::Borrowed(body), Cow::Owned)
}

fn cut(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    if !text.contains("\"stream\"") {
        return None;
    }
    let members: BTreeMap<&str, &RawValue> = serde_json::from_str(text).ok()?;
    let value = members.get("stream")?.get();
    let start = value.as_ptr().addr() - text.as_ptr().addr();
    let before = text[..start].rfind("\"stream\"")?;
    let (before, after) = (text[..before].trim_end(), &text[start + value.len()..]);
    // One comma goes with the member: the one behind it, or for the last member the one before.
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
    fn whether_the_answer_is_streamed_does_not_count() {
        let plain = body_hash(br#"{"model":"m","stop":["stream"]}"#);
        for same in [
            r#"{"stream":true,"model":"m","stop":["stream"]}"#,
            r#"{"model":"m", "stream" : false, "stop":["stream"]}"#,
            r#"{"model":"m","stop":["stream"],"stream":true}"#,
        ] {
            assert_eq!(body_hash(same.as_bytes()), plain, "{same}");
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

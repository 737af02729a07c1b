//! Good plain answers that are written oddly: what gateways make of them, and what strict readers
//! refuse.
//!
//! Pure: from the bytes of an answer to its bytes. The first ones hold the whole answer for the
//! official SDKs; the last ones for nobody.

use super::faults::Oddity;
use super::message::Message;
use super::sse;

/// Levels of nesting in an answer that is nested deeply: more than strict readers take, fewer than
/// the official SDKs do.
const LEVELS: usize = 400;

/// The bytes of that answer.
pub(super) fn written(message: &Message, oddity: Oddity) -> Vec<u8> {
    let plain = serde_json::to_string(message).unwrap_or_default();
    let inside = plain.strip_prefix('{').unwrap_or(&plain);
    let in_text = |odd: &[u8]| {
        let start = plain.find(TEXT).map_or(plain.len(), |at| at + TEXT.len());
        let (before, after) = plain.as_bytes().split_at(start);
        [before, odd, after].concat()
    };
    match oddity {
        Oddity::RepeatedKey => format!(r#"{{"content":[],"stop_reason":"refusal",{inside}"#).into(),
        Oddity::HalfCharacter => in_text(br"\ud83e"),
        Oddity::NotUtf8 => in_text(b"\xFF"),
        Oddity::Deep => {
            let (open, close) = ("[".repeat(LEVELS), "]".repeat(LEVELS));
            format!(r#"{{"deep":{open}{close},{inside}"#).into()
        }
        Oddity::ByteOrderMark => format!("\u{feff}{plain}").into(),
        Oddity::Padded => format!("{plain}\n\0\0\0\0").into(),
        Oddity::OpenEnd => plain.into(),
        Oddity::Events => sse::plain(message).chunks.concat(),
        Oddity::TrailingText => format!("{plain}{plain}").into(),
    }
}

const TEXT: &str = "\"text\":\"";

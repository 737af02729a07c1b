//! Halves of surrogate pairs in JSON text. The grammar allows their escapes, but they stand for no
//! character, and not every reader takes them.

use std::borrow::Cow;

/// Bytes of an escape of four hexadecimal digits.
const ESCAPE: usize = 6;

/// The UTF-16 unit that the escape at this place stands for, if there is one of the form `\u0000`.
#[must_use]
pub fn utf16_unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at + ESCAPE)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

/// Whether the escape at this place is half of a surrogate pair; else, if it stands for a unit of
/// UTF-16, the bytes of it and of its other half.
#[must_use]
pub fn whole_escape(json: &str, at: usize) -> Option<Result<usize, Half>> {
    let unit = utf16_unit(json, at)?;
    let is_followed = || matches!(utf16_unit(json, at + ESCAPE), Some(0xDC00..=0xDFFF));
    Some(match unit {
        0xD800..=0xDBFF if is_followed() => Ok(2 * ESCAPE),
        // A second half that follows no first one, or a first one without its second.
        0xD800..=0xDFFF => Err(Half),
        _ => Ok(ESCAPE),
    })
}

/// Half of a surrogate pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half;

/// Where the escapes of half surrogate pairs stand in JSON text, each six bytes long. Backslashes
/// stand in strings alone, so the strings need not be told from the rest.
#[must_use]
pub fn half_pairs(json: &str) -> Vec<usize> {
    let (mut halves, mut at) = (Vec::new(), 0);
    while let Some(found) = json[at..].find('\\') {
        at += found;
        at += match whole_escape(json, at) {
            Some(Ok(bytes)) => bytes,
            Some(Err(Half)) => {
                halves.push(at);
                ESCAPE
            }
            // The next character belongs to the escape, whatever it is.
            // Another escape: its letter may be a backslash, which begins none.
            None => 1 + json[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    halves
}

/// The text with U+FFFD in these places of [`half_pairs`]. It is as long as it was, so that all
/// places stay right.
#[must_use]
pub fn replaced(json: &str, halves: &[usize]) -> String {
    let mut whole = json.to_owned();
    for at in halves {
        whole.replace_range(at..&(at + ESCAPE), "\\ufffd");
    }
    whole
}

/// The text with U+FFFD for every half of a surrogate pair; owned if there is one.
#[must_use]
pub fn without_half_pairs(json: &str) -> Cow<'_, str> {
    match half_pairs(json) {
        halves if halves.is_empty() => Cow::Borrowed(json),
        halves => Cow::Owned(replaced(json, &halves)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{half_pairs, without_half_pairs};

    #[test]
    fn halves_are_found_and_pairs_and_escaped_backslashes_are_none() {
        for (json, halves, whole) in [
            (r#""\ud83d\ude00""#, vec![], r#""\ud83d\ude00""#),
            (r#""a\ud83d""#, vec![2], r#""a\ufffd""#),
            (r#""\ude00\ud83dx""#, vec![1, 7], r#""\ufffd\ufffdx""#),
            (r#""\\ud83d""#, vec![], r#""\\ud83d""#),
            (r#""\u00e9\n""#, vec![], r#""\u00e9\n""#),
            (r"\ud83", vec![], r"\ud83"),
            ("\\é", vec![], "\\é"),
        ] {
            assert_eq!(half_pairs(json), halves, "{json}");
            assert_eq!(without_half_pairs(json), whole);
        }
    }

    proptest! {
        #[test]
        fn json_stays_json_and_becomes_readable(text in "[\\\\ud8c0-9ae\"é{}\\[\\],: ]{0,40}") {
            let whole = without_half_pairs(&text);
            let parsed = |json: &str| serde_json::from_str::<&serde_json::value::RawValue>(json).is_ok();
            prop_assert_eq!(parsed(&text), parsed(&whole));
            let string = format!("\"{text}\"");
            if parsed(&string) {
                prop_assert!(serde_json::from_str::<String>(&without_half_pairs(&string)).is_ok());
            }
        }
    }
}

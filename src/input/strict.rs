//! What the grammar of JSON allows and no strict parser takes: half a surrogate pair, a number that
//! is not finite, nesting without end.
//!
//! The API refuses a whole body for any of them, and a whole batch for one entry, without saying
//! which. Request bodies go out byte for byte, so such a line is refused before it is stored.

use super::line_error::{Fault, LONE_SURROGATE_HINT, shown};
use crate::model::half_pairs::{Half, whole_escape};

/// How deep brackets may be nested, the line's own included. Parsers give up at 128 (`serde_json`),
/// 200 (pydantic), about 990 (Python's `json`) or 1,024 (`orjson`, whose words the API's refusals
/// have); a create call puts two levels around a line. No request needs a tenth of it.
pub(super) const MOST_NESTING: usize = 500;

/// No `f64` of fewer digits is infinite without an exponent.
const MOST_PLAIN_DIGITS: usize = 300;

/// Checks a text that is known to be JSON by its grammar.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            // Strings are skipped as a whole: brackets and digits in them mean nothing.
            b'"' => at = string(text, at + 1)?,
            b'-' | b'0'..=b'9' => at = number(text, at)?,
            b'{' | b'[' => {
                depth += 1;
                if depth > MOST_NESTING {
                    return Err(Fault::at(
                        at,
                        format!(
                            "brackets are nested more than {MOST_NESTING} levels deep, the API reads no such request: flatten it, or put the inner part into a string"
                        ),
                    ));
                }
                at += 1;
            }
            b'}' | b']' => {
                // A closing bracket too many is for the grammar to refuse, not for this walk.
                depth = depth.saturating_sub(1);
                at += 1;
            }
            _ => at += 1,
        }
    }
    Ok(())
}

/// Where the string ends whose first character stands at `from`.
fn string(text: &str, from: usize) -> Result<usize, Fault> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
            None => return Ok(bytes.len()),
            Some(run) if rest[run] == b'"' => return Ok(at + run + 1),
            Some(run) => at = escape(text, at + run)?,
        }
    }
}

/// Where the escape ends whose backslash stands at `from`; its second half included, if it has one.
fn escape(text: &str, from: usize) -> Result<usize, Fault> {
    match whole_escape(text, from) {
        None => Ok(from + 2),
        Some(Ok(bytes)) => Ok(from + bytes),
        Some(Err(Half)) => Err(half(text, from)),
    }
}

fn half(text: &str, at: usize) -> Fault {
    let escape = &text[at..at + 6];
    Fault::at(
        at,
        format!(
            "`{escape}` is half of a surrogate pair and stands for no character, the API reads no such request: {LONE_SURROGATE_HINT}"
        ),
    )
}

/// Where the number ends that begins at `from`.
fn number(text: &str, from: usize) -> Result<usize, Fault> {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let rest = &text.as_bytes()[from..];
    let end = from + rest.iter().take_while(|byte| is_part(byte)).count();
    let digits = &text[from..end];
    // Parsing every number would cost more than the rest of the walk.
    let may_be_huge = digits.len() > MOST_PLAIN_DIGITS || digits.contains(['e', 'E']);
    if may_be_huge && digits.parse::<f64>().is_ok_and(f64::is_infinite) {
        return Err(Fault::at(
            from,
            format!(
                "the number {} is larger than any that JSON parsers can hold (1.8e308), the API reads no such request: write a smaller one, or put it into a string",
                shown(digits)
            ),
        ));
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MOST_NESTING, check};

    #[test]
    fn what_strict_parsers_take_is_taken() {
        let deep = format!("{}{}", "[".repeat(MOST_NESTING), "]".repeat(MOST_NESTING));
        for text in [
            r#""\ud83d\ude00 \uD83D\uDE00 \u00e9 \\ud800 \\\\ud800""#,
            r#"{"a":[1e308,-1.7976931348623157e308,1e-400,0,-0.0,12]}"#,
            r#"{"[[[[":"1e400 {{{{"}"#,
            "\"\u{10FFFF}\"",
            &"9".repeat(308),
            &deep,
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_no_strict_parser_takes_is_found_where_it_stands() {
        let many = "9".repeat(310);
        let deep = "[".repeat(MOST_NESTING + 1);
        let objects = "{\"a\":".repeat(MOST_NESTING + 1);
        for (text, offset) in [
            (r#"{"a":"x\ud800"}"#, 7),
            (r#"{"a":"\udc00"}"#, 6),
            (r#"{"a":"\ud800\ud83d\ude00"}"#, 6),
            (r#"{"a":"\ud83d\\ude00"}"#, 6),
            (r#"{"a":"\uDBFFA"}"#, 6),
            (r#"{"\ud800":1}"#, 2),
            (r#"{"a":[1, 1e400]}"#, 9),
            (r#"{"a":-1E+999}"#, 5),
            (&many, 0),
            (&deep, MOST_NESTING),
            (&objects, 5 * MOST_NESTING),
        ] {
            let fault = check(text).expect_err(text);
            assert_eq!(fault.offset(), offset, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_strict_parser(text in "[\"\\\\ud8c0-9e+\\-a{}\\[\\],: ]{0,24}") {
            // The grammar is the caller's to check.
            if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
                let strict = serde_json::from_str::<serde_json::Value>(&text);
                prop_assert_eq!(check(&text).is_ok(), strict.is_ok(), "{}", text);
            } else {
                let _ = check(&text);
            }
        }
    }
}

//! Text from outside, fit for a terminal.
//!
//! A prompt, an answer or an error message may hold what a terminal obeys: escape sequences, the
//! 8-bit controls that stand for them (C1), and marks that let text run backwards, so that a person
//! reads something else than what is there.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal would obey this character, or show those beside it in another order. Newlines
/// and tabs are controls, too.
#[must_use]
pub fn is_control(c: char) -> bool {
    c.is_control() || is_bidi_control(c)
}

/// Whether it lets text run in another direction: Unicode's `Bidi_Control`.
#[must_use]
pub fn is_bidi_control(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// The text with each control written out as JSON writes it (`\u001b`), but for newlines and tabs.
/// JSON stays the JSON that it was: there a control stands in strings alone.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    // Line ends and tabs are ours; anything else could move the cursor or hide text.
    let obeyed = |c: char| is_control(c) && c != '\n' && c != '\t';
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if obeyed(c) {
            // Every control has a code of at most four digits.
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// User text as it may stand in a message: short, and harmless to a terminal.
#[must_use]
pub fn shown(text: &str) -> String {
    const MOST_CHARS: usize = 60;
    let mut shown: String = text
        .chars()
        .take(MOST_CHARS)
        .flat_map(|c| {
            let escape = is_control(c).then(|| c.escape_default());
            let plain = escape.is_none().then_some(c);
            escape.into_iter().flatten().chain(plain)
        })
        .collect();
    if text.chars().nth(MOST_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        for (text, shown) in [
            (
                "plain, naïve 日本 🦀\n\tnext",
                "plain, naïve 日本 🦀\n\tnext",
            ),
            ("\u{1b}[2Jgone", "\\u001b[2Jgone"),
            (
                "\u{9b}2J \u{9d}0;title\u{7}",
                "\\u009b2J \\u009d0;title\\u0007",
            ),
            (
                "a\u{202e}b\u{2066}c\u{200f}d\u{61c}",
                "a\\u202eb\\u2066c\\u200fd\\u061c",
            ),
            (
                "over\rwritten\u{8}\u{7f}",
                "over\\u000dwritten\\u0008\\u007f",
            ),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn json_stays_the_json_that_it_was() {
        let text = serde_json::json!({"a\u{9b}": ["\u{202e}\u{7f}", "\n"]}).to_string();
        let shown = printable(&text);
        assert_ne!(shown, text);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&shown), read(&text));
    }
}

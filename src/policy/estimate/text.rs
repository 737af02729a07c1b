//! Tokens of a text, by kind of character.
//!
//! The weights are rules of thumb for the plain tokenizer: four letters of English make a token,
//! digits and signs make more, a Chinese or Japanese character about one. They are right within some
//! tens of per cent; `ratio` corrects what a run's own texts make of them.

/// Thousandths of a token for a character that begins with this byte.
const WEIGHTS: [u32; 256] = weights();
/// A character written as an escape of its code (`\u4e2d`).
const ESCAPED: u32 = 1_000;

const fn weights() -> [u32; 256] {
    let mut weights = [0; 256];
    let mut byte = 0_u8;
    loop {
        weights[byte as usize] = match byte {
            b'a'..=b'z' | b' ' => 230,
            b'A'..=b'Z' => 300,
            b'0'..=b'9' => 450,
            b'\n' | b'\t' | b'\r' => 250,
            // Signs; and two bytes: accented Latin, Greek, Cyrillic, Hebrew, Arabic.
            0x21..=0x7F | 0xC2..=0xDF => 500,
            // The rest of a character whose first byte has been counted, and bytes that no text has.
            0x00..=0x1F | 0x80..=0xC1 | 0xF5..=0xFF => 0,
            // Three bytes: Indic scripts, Chinese, Japanese, Korean.
            0xE0..=0xEF => 1_000,
            // Four bytes: emoji, rare characters.
            0xF0..=0xF4 => 2_000,
        };
        if byte == u8::MAX {
            return weights;
        }
        byte += 1;
    }
}

/// Tokens of a text as it stands in JSON, with its escapes; quotes around it do not matter.
pub(super) fn tokens(raw: &str) -> f64 {
    let mut thousandths: u64 = 0;
    let mut bytes = raw.as_bytes();
    while let Some(at) = bytes.iter().position(|byte| *byte == b'\\') {
        thousandths += sum(&bytes[..at]);
        let (weight, length) = match bytes.get(at + 1) {
            // Half a pair counts as one; the two halves of an emoji weigh like the four bytes that
            // it would have.
            Some(b'u') => (ESCAPED, 6),
            Some(b'n' | b't' | b'r') => (WEIGHTS[usize::from(b'\n')], 2),
            _ => (WEIGHTS[usize::from(b'"')], 2),
        };
        thousandths += u64::from(weight);
        // An escape may be cut off at the end of what is no valid JSON.
        bytes = &bytes[(at + length).min(bytes.len())..];
    }
    thousandths += sum(bytes);
    #[expect(
        clippy::cast_precision_loss,
        reason = "an estimate needs no more than a float's precision"
    )]
    let tokens = thousandths as f64 / 1_000.0;
    tokens
}

fn sum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .map(|byte| u64::from(WEIGHTS[usize::from(*byte)]))
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::tokens;

    #[test]
    fn kinds_of_text_weigh_differently() {
        for (kind, text, from, to) in [
            (
                "prose",
                "The quick brown fox jumps over the lazy dog, as it always did.",
                13.0,
                17.0,
            ),
            (
                "code",
                "for (i=0; i<10; i++) { x[i] = y[i]*2; }",
                13.0,
                24.0,
            ),
            ("digits", "3141592653589793", 5.0, 9.0),
            (
                "Russian",
                "Съешь же ещё этих мягких французских булок",
                15.0,
                25.0,
            ),
            ("Chinese", "我能吞下玻璃而不伤身体", 9.0, 13.0),
            ("escaped Chinese", r"\u6211\u80fd", 1.5, 2.5),
            ("escapes", r#"a\nb\"c\\"#, 1.5, 3.0),
            ("a lone backslash", r"\", 0.0, 1.0),
        ] {
            let found = tokens(text);
            assert!((from..=to).contains(&found), "{kind}: {found}");
        }
    }

    proptest! {
        #[test]
        fn a_longer_text_never_has_fewer_tokens(a in ".{0,80}", b in ".{0,80}") {
            let raw = |text: &str| serde_json::to_string(text).unwrap();
            let both = tokens(&raw(&format!("{a}{b}")));
            prop_assert!(both + 1e-9 >= tokens(&raw(&a)));
        }
    }
}

//! Takes credentials out of text that is stored or shown.
//!
//! Two nets: whatever looks like an Anthropic key, and the very credentials in use (a gateway's
//! token looks like nothing in particular). Both also catch what servers escape as JSON may be (`\/`,
//! `\u0026`), once or several times over, since whoever reads the text undoes that. Model output is
//! not touched: it is the user's.

use std::borrow::Cow;
use std::ops::Range;

use secrecy::{ExposeSecret, SecretString};

const KEY_PREFIX: &str = "sk-ant-";
const MASK: &str = "[redacted]";

/// Shorter credentials are dummies of local gateways; masking them would only mangle messages.
const MIN_SECRET_BYTES: usize = 6;

/// Masks everything that looks like an Anthropic key (`sk-ant-...`).
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    if !text.contains(KEY_PREFIX) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(KEY_PREFIX) {
        let (before, key) = rest.split_at(start);
        clean.push_str(before);
        clean.push_str(KEY_PREFIX);
        clean.push_str(MASK);
        let end = key.find(|c: char| !is_key_char(c)).unwrap_or(key.len());
        rest = &key[end..];
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

fn is_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// Masks the credentials in use as well. `Debug` shows none of them.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    secrets: Vec<SecretString>,
}

impl Redactor {
    /// A redactor of these secrets, in whatever form JSON gives them.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms = Vec::new();
        for secret in secrets {
            // Masking a short word would tear up ordinary text.
            if secret.len() < MIN_SECRET_BYTES {
                continue;
            }
            // JSON may hold it with its quotes and backslashes escaped.
            let quoted = serde_json::Value::from(secret).to_string();
            let escaped = &quoted[1..quoted.len() - 1];
            if escaped != secret {
                forms.push(escaped.to_owned());
            }
            forms.push(secret.to_owned());
        }
        // The longest first, so that no secret leaves the tail of a longer one behind.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        let secrets = forms.into_iter().map(SecretString::from).collect();
        Self { secrets }
    }

    /// The text without credentials.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for secret in &self.secrets {
            if clean.contains(secret.expose_secret()) {
                clean = Cow::Owned(clean.replace(secret.expose_secret(), MASK));
            }
        }
        let clean = match clean {
            Cow::Borrowed(text) => redact(text),
            Cow::Owned(text) => Cow::Owned(redact(&text).into_owned()),
        };
        match self.masked_as_written(&clean) {
            Some(masked) => Cow::Owned(masked),
            None => clean,
        }
    }

    /// The text without what is a credential once its escapes are undone. None if there is none.
    fn masked_as_written(&self, text: &str) -> Option<String> {
        let mut plain = PlainText::of(text);
        let mut found: Vec<Range<usize>> = Vec::new();
        // A gateway may quote a quote; each level has escapes of its own.
        for _ in 0..MOST_LEVELS {
            if !plain.text.contains('\\') {
                break;
            }
            plain = plain.undone();
            for secret in &self.secrets {
                found.extend(plain.places_of(secret.expose_secret()));
            }
            found.extend(plain.keys());
        }
        if found.is_empty() {
            return None;
        }
        found.sort_by_key(|range| range.start);
        let (mut masked, mut at) = (String::with_capacity(text.len()), 0);
        for range in found {
            if range.start >= at {
                masked.push_str(&text[at..range.start]);
                masked.push_str(MASK);
            }
            at = at.max(range.end);
        }
        masked.push_str(&text[at..]);
        Some(masked)
    }
}

/// Escapes within escapes: an error that quotes an error that quotes an error.
const MOST_LEVELS: usize = 3;

/// A text whose escapes are undone, and where each of its bytes comes from.
struct PlainText {
    text: String,
    /// For each byte, and for the end, the place in the first text.
    from: Vec<usize>,
}

impl PlainText {
    fn of(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            from: (0..=text.len()).collect(),
        }
    }

    /// One level of escapes less. What is none stays as it is.
    fn undone(&self) -> Self {
        let mut plain = Self {
            text: String::with_capacity(self.text.len()),
            from: Vec::with_capacity(self.from.len()),
        };
        let mut at = 0;
        while let Some(c) = self.text[at..].chars().next() {
            let (c, length) = escape(&self.text[at..]).unwrap_or((c, c.len_utf8()));
            let from = self.from[at];
            plain.from.extend(std::iter::repeat_n(from, c.len_utf8()));
            plain.text.push(c);
            at += length;
        }
        plain.from.push(self.from[self.text.len()]);
        plain
    }

    fn places_of(&self, secret: &str) -> impl Iterator<Item = Range<usize>> {
        self.text
            .match_indices(secret)
            .map(|(at, found)| self.from[at]..self.from[at + found.len()])
    }

    /// What looks like an Anthropic key and has not been masked.
    fn keys(&self) -> impl Iterator<Item = Range<usize>> {
        self.text.match_indices(KEY_PREFIX).filter_map(|(at, _)| {
            let after = &self.text[at + KEY_PREFIX.len()..];
            let length = after.find(|c: char| !is_key_char(c)).unwrap_or(after.len());
            let end = at + KEY_PREFIX.len() + length;
            (!after.starts_with(MASK)).then(|| self.from[at]..self.from[end])
        })
    }
}

/// The character that an escape at the beginning of the text stands for, and how long it is.
fn escape(text: &str) -> Option<(char, usize)> {
    let rest = text.strip_prefix('\\')?;
    match rest.chars().next()? {
        c @ ('/' | '\\' | '"') => Some((c, 2)),
        'u' => {
            let unit = u32::from_str_radix(rest.get(1..5)?, 16).ok()?;
            char::from_u32(unit).map(|c| (c, 6))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{Redactor, redact};

    #[test]
    fn keys_are_masked_wherever_they_stand() {
        let cases = [
            (
                "bad key sk-ant-api03-AbC_d-9.",
                "bad key sk-ant-[redacted].",
            ),
            ("sk-ant-oat01-xyz", "sk-ant-[redacted]"),
            (
                r#"{"k":"sk-ant-admin-1","l":"sk-ant-2"}"#,
                r#"{"k":"sk-ant-[redacted]","l":"sk-ant-[redacted]"}"#,
            ),
            ("sk-ant-", "sk-ant-[redacted]"),
            ("äsk-ant-xä", "äsk-ant-[redacted]ä"),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text), expected);
        }
        assert!(matches!(redact("no key here"), Cow::Borrowed(_)));
    }

    #[test]
    fn the_credentials_in_use_are_masked_as_such_and_as_json_writes_them() {
        let redactor = Redactor::new(["gateway-token", "a\"quoted\\one", "gateway-token-2", "abc"]);
        let text = r#"gateway-token-2 gateway-token "a\"quoted\\one" a"quoted\one abc sk-ant-1"#;
        assert_eq!(
            redactor.redact(text),
            r#"[redacted] [redacted] "[redacted]" [redacted] abc sk-ant-[redacted]"#
        );
    }

    #[test]
    fn what_is_escaped_in_any_way_that_json_has_is_masked_too() {
        let redactor = Redactor::new(["gw/secret&key", "plain-token"]);
        for (text, expected) in [
            (
                r#"{"m":"bad gw\/secret&key."}"#,
                r#"{"m":"bad [redacted]."}"#,
            ),
            (r"bad gw\/secret\u0026key.", "bad [redacted]."),
            (
                r"bad gw/secret\u0026key, \u0070lain-token",
                "bad [redacted], [redacted]",
            ),
            (r"gw\\/secret\\u0026key twice", "[redacted] twice"),
            (r"sk\u002dant\u002dapi03-x end", "[redacted] end"),
            (r"sk-ant-api03-x\/y", r"sk-ant-[redacted]\/y"),
            (r"C:\new\u00e9\uZZZZ \ud83d\", r"C:\new\u00e9\uZZZZ \ud83d\"),
        ] {
            assert_eq!(redactor.redact(text), expected, "{text}");
        }
    }

    #[test]
    fn a_redactor_does_not_show_its_secrets() {
        let shown = format!("{:?}", Redactor::new(["gateway-token"]));
        assert!(!shown.contains("gateway"), "{shown}");
    }
}

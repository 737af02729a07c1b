//! Takes credentials out of text that is stored or shown.
//!
//! Two nets: whatever looks like an Anthropic key, and the very credentials in use (a gateway's
//! token looks like nothing in particular). Model output is not touched: it is the user's.

use std::borrow::Cow;

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
            if secret.len() < MIN_SECRET_BYTES {
                continue;
            }
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
        match clean {
            Cow::Borrowed(text) => redact(text),
            Cow::Owned(text) => Cow::Owned(redact(&text).into_owned()),
        }
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
    fn a_redactor_does_not_show_its_secrets() {
        let shown = format!("{:?}", Redactor::new(["gateway-token"]));
        assert!(!shown.contains("gateway"), "{shown}");
    }
}

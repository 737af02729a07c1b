//! The API key and the bearer token: cleaned, checked, never shown.

use secrecy::SecretString;

use super::ClientError;

/// What proves who we are. Both are sent if both are there, as the official SDKs do.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Sent as `x-api-key`.
    pub api_key: Option<SecretString>,
    /// Sent as `Authorization: Bearer`.
    pub auth_token: Option<SecretString>,
}

impl Credentials {
    /// Credentials from raw text, each cleaned by [`clean_secret`].
    pub fn new(api_key: Option<&str>, auth_token: Option<&str>) -> Result<Self, ClientError> {
        let clean = |text: Option<&str>, name| match text {
            Some(text) => clean_secret(text, name),
            None => Ok(None),
        };
        Ok(Self {
            api_key: clean(api_key, "API key")?,
            auth_token: clean(auth_token, "auth token")?,
        })
    }

    /// Whether there is none at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.api_key.is_none() && self.auth_token.is_none()
    }
}

/// Trims white space and quotes that copying leaves around a secret. Nothing left is no secret: an
/// empty variable counts as unset.
///
/// `name` is what the error calls the secret.
///
/// # Errors
/// If a character inside cannot stand in a header. The error does not show the secret.
pub fn clean_secret(text: &str, name: &'static str) -> Result<Option<SecretString>, ClientError> {
    let clean = unquoted(text);
    if clean.is_empty() {
        return Ok(None);
    }
    match clean.chars().position(|c| !c.is_ascii_graphic()) {
        None => Ok(Some(SecretString::from(clean))),
        Some(index) => Err(ClientError::SecretCharacter {
            name,
            position: index + 1,
        }),
    }
}

/// What is left of a value without the white space and quotes that copying leaves around it.
#[must_use]
pub fn unquoted(text: &str) -> &str {
    text.trim_matches(|c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '"' | '\'' | '`' | '\u{201c}' | '\u{201d}' | '\u{2018}' | '\u{2019}' | '\u{feff}'
            )
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::{Credentials, clean_secret};

    #[test]
    fn white_space_and_quotes_are_trimmed() {
        for text in [
            "sk-ant-x",
            " sk-ant-x\n",
            "\"sk-ant-x\"",
            "' sk-ant-x '\r\n",
            "\u{201c}sk-ant-x\u{201d}",
            "\u{feff}sk-ant-x",
        ] {
            let secret = clean_secret(text, "API key").unwrap().unwrap();
            assert_eq!(secret.expose_secret(), "sk-ant-x", "{text:?}");
        }
    }

    #[test]
    fn an_empty_secret_is_none() {
        for text in ["", "  ", "\"\"", "'\n'"] {
            assert!(clean_secret(text, "API key").unwrap().is_none(), "{text:?}");
        }
    }

    #[test]
    fn characters_that_no_header_takes_are_refused_without_showing_the_secret() {
        for text in ["sk-ant abc", "sk-ant\nabc", "sk-antäabc", "sk-ant\0abc"] {
            let error = clean_secret(text, "API key").unwrap_err().to_string();
            assert!(error.contains("character 7"), "{error}");
            assert!(!error.contains("sk-") && !error.contains("abc"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let both = Credentials::new(Some("sk-ant-hidden"), Some("token-hidden")).unwrap();
        let shown = format!("{both:?}");
        assert!(!shown.contains("hidden"), "{shown}");
        assert!(!both.is_empty() && Credentials::default().is_empty());
    }
}

//! The root of an API or of a status page, and how a URL is shown.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::provider::{DEFAULT_BASE_URL, unquoted};

/// The root of an API or of a status page, as the user wrote it: what an endpoint takes of it is checked by
/// [`crate::provider::BaseUrl`]. Shows itself without user info and query, which may hold credentials.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("pattern" = "^https?://"))]
pub struct HttpUrl(String);

impl HttpUrl {
    /// Text that is not checked yet: clap would repeat in its error what may hold a password.
    #[expect(clippy::unnecessary_wraps, reason = "clap asks for a result")]
    pub(in crate::cli) fn unread(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }

    /// The API itself.
    #[must_use]
    pub fn the_api() -> Self {
        Self(DEFAULT_BASE_URL.to_owned())
    }

    /// Reads an `http` or `https` URL with a host. A slash at the end is dropped.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the URL without repeating it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = unquoted(text);
        let no_scheme = "must begin with https:// (or http://) and name a host";
        let url = reqwest::Url::parse(text).map_err(|why| {
            if text.contains("://") {
                format!("is no URL ({why}): write something like https://host/path")
            } else {
                no_scheme.to_owned()
            }
        })?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(no_scheme.to_owned());
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// The whole URL, credentials included: for the HTTP client and for nothing that is shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it holds something that must not be stored or shown.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        shown_url(&self.0) != self.0
    }
}

impl FromStr for HttpUrl {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl TryFrom<String> for HttpUrl {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

/// As it may be shown.
impl From<HttpUrl> for String {
    fn from(url: HttpUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown_url(&self.0))
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({self})")
    }
}

/// A URL as it may be shown: without user info, query and fragment. Works on text, so that what is
/// no valid URL (a proxy written `user:password@host:3128`) is covered too.
#[must_use]
pub fn shown_url(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (visible, hidden) = url.split_at(end);
    let (scheme, rest) = visible
        .split_once("://")
        .map_or(("", visible), |(scheme, rest)| (scheme, rest));
    // What seems to be a query or a fragment may be the rest of a password that was written as it is.
    let may_be_user_info = hidden.contains('@') && !rest.contains('@');
    if may_be_user_info && (hidden.starts_with('#') || rest.contains(':')) {
        let scheme = if scheme.is_empty() {
            ""
        } else {
            &visible[..scheme.len() + 3]
        };
        return format!("{scheme}…");
    }
    // The last `@`, wherever it stands: a password may hold an unescaped slash.
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if scheme.is_empty() {
        host.to_owned()
    } else {
        format!("{scheme}://{host}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_has_neither_user_info_nor_query() {
        for (url, shown) in [
            ("https://api.anthropic.com", "https://api.anthropic.com"),
            (
                "https://me:pa/ss@gate.test:8443/v?k=1#x",
                "https://gate.test:8443/v",
            ),
            ("me:pass@proxy:3128", "proxy:3128"),
            ("http://h?token=a@b", "http://h"),
            ("http://me:pa#ss@h:1", "http://…"),
            ("http://to#ken@h:1", "http://…"),
            ("http://me:1234?x@h:1", "http://…"),
            ("me:pa#ss@h:1", "…"),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }

    #[test]
    fn base_urls_are_checked_and_lose_their_last_slash() {
        assert_eq!(
            HttpUrl::parse(" https://h.test/a/ ").unwrap().expose(),
            "https://h.test/a"
        );
        // As copying leaves it, and as a file with Windows' line ends does.
        for quoted in [
            "\"https://h.test\"\r",
            "'https://h.test/'",
            "\u{201c}https://h.test\u{201d}",
        ] {
            assert_eq!(HttpUrl::parse(quoted).unwrap().expose(), "https://h.test");
        }
        for bad in [
            "",
            "api.anthropic.com",
            "ftp://h.test",
            "file:///etc",
            "http://",
        ] {
            assert!(HttpUrl::parse(bad).is_err(), "{bad}");
        }
        let secret = HttpUrl::parse("https://me:hunter2@h.test").unwrap();
        assert!(secret.has_secret());
        assert_eq!(
            format!("{secret:?} {secret}"),
            "HttpUrl(https://h.test) https://h.test"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_password_survives_in_a_shown_url(
            password in "[A-Z/:@%]{1,12}",
            query in "[A-Z@/]{0,9}",
        ) {
            let shown = shown_url(&format!("https://me:{password}@h.test/v1?{query}"));
            proptest::prop_assert_eq!(shown, "https://h.test/v1");
        }
    }
}

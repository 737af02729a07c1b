//! The endpoint's root, checked and normalised.
//!
//! Owns the rules of what is accepted as a base URL; does not know whether anything answers there.

use reqwest::Url;

use super::{ClientError, unquoted};

/// The host of [`super::DEFAULT_BASE_URL`].
const FIRST_PARTY_HOST: &str = "api.anthropic.com";

/// A base URL: `http` or `https`, no user info, no query, no trailing slash, no `/v1`. A path is
/// kept, because gateways live under one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    root: Url,
    stripped: bool,
}

impl BaseUrl {
    /// Reads a base URL. A trailing slash is tolerated, and a trailing `/v1` or `/v1/messages` is
    /// taken off (see [`BaseUrl::note`]).
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let refused = |reason: &str| ClientError::BaseUrl {
            reason: reason.to_owned(),
        };
        let mut root = Url::parse(unquoted(text)).map_err(|error| refused(&error.to_string()))?;
        if !matches!(root.scheme(), "http" | "https") {
            return Err(refused("it does not begin with https:// or http://"));
        }
        if !root.username().is_empty() || root.password().is_some() {
            return Err(refused(
                "it carries a user name or password; give credentials as a key, a token or a custom header",
            ));
        }
        if root.query().is_some() || root.fragment().is_some() {
            return Err(refused("it has a query or a fragment"));
        }
        let (path, stripped) = root_path(root.path());
        let path = path.to_owned();
        root.set_path(&path);
        Ok(Self { root, stripped })
    }

    /// What was changed, in words for the user, if anything was.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        self.stripped.then(|| {
            format!(
                "the base URL is the root without /v1: using {}",
                self.as_str()
            )
        })
    }

    /// The root without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.root.as_str().trim_end_matches('/')
    }

    /// The URL of an endpoint below the root; `path` begins with a slash.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> Url {
        let mut url = self.root.clone();
        let full = format!("{}{path}", self.root.path().trim_end_matches('/'));
        url.set_path(&full);
        url
    }

    /// Whether requests are encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.root.scheme() == "https"
    }

    /// The host, without the brackets of an IPv6 address, and the port.
    #[must_use]
    pub fn host_and_port(&self) -> (&str, u16) {
        let host = self.root.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (host, self.root.port_or_known_default().unwrap_or_default())
    }

    /// Whether it is Anthropic's own API, with nothing in between.
    #[must_use]
    pub fn is_first_party(&self) -> bool {
        self.root.host_str() == Some(FIRST_PARTY_HOST)
    }

    /// Whether requests go to Anthropic's own API, encrypted and at its own port.
    #[must_use]
    pub fn is_the_api(&self) -> bool {
        self.is_first_party() && self.is_https() && self.root.port().is_none()
    }

    /// Host, port if it is not the scheme's own, and path: where requests go, in short.
    #[must_use]
    pub fn place(&self) -> &str {
        let text = self.as_str();
        text.split_once("://").map_or(text, |(_, place)| place)
    }

    /// Whether the host is this machine. A name that says so is never asked of a name server.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let (host, _) = self.host_and_port();
        is_local_name(host)
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.to_canonical().is_loopback())
    }
}

/// Names of this machine (RFC 6761). A dot at the end says that nothing is to be added to a name.
pub(super) fn is_local_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host == "localhost" || host.ends_with(".localhost")
}

/// The path without slashes at its end and without the API's own part, and whether that was there.
fn root_path(path: &str) -> (&str, bool) {
    let path = path.trim_end_matches('/');
    for own in ["/v1/messages", "/v1"] {
        if let Some(root) = path.strip_suffix(own) {
            return (root.trim_end_matches('/'), true);
        }
    }
    (path, false)
}

#[cfg(test)]
mod tests {
    use super::BaseUrl;

    #[test]
    fn endpoints_stand_below_the_root() {
        let cases = [
            (
                "https://api.anthropic.com",
                "https://api.anthropic.com/v1/messages",
            ),
            (
                "https://api.anthropic.com/",
                "https://api.anthropic.com/v1/messages",
            ),
            (
                " https://api.anthropic.com// ",
                "https://api.anthropic.com/v1/messages",
            ),
            (
                "https://host/anthropic",
                "https://host/anthropic/v1/messages",
            ),
            ("https://host/a%20b/", "https://host/a%20b/v1/messages"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/messages"),
            ("http://[::1]:8080/", "http://[::1]:8080/v1/messages"),
            ("https://host/v1", "https://host/v1/messages"),
            (
                "https://host/anthropic/v1/",
                "https://host/anthropic/v1/messages",
            ),
            ("https://host/v1/messages", "https://host/v1/messages"),
            ("HTTPS://HOST/v10", "https://host/v10/v1/messages"),
        ];
        for (text, expected) in cases {
            let base = BaseUrl::parse(text).unwrap();
            assert_eq!(base.endpoint("/v1/messages").as_str(), expected, "{text}");
        }
    }

    #[test]
    fn host_and_port_are_those_of_a_socket() {
        for (text, host, port, first_party) in [
            ("https://api.anthropic.com/", "api.anthropic.com", 443, true),
            (
                "https://API.anthropic.com:8443",
                "api.anthropic.com",
                8443,
                true,
            ),
            ("http://[::1]/x", "::1", 80, false),
            (
                "https://api.anthropic.com.test",
                "api.anthropic.com.test",
                443,
                false,
            ),
        ] {
            let base = BaseUrl::parse(text).unwrap();
            assert_eq!(base.host_and_port(), (host, port));
            assert_eq!(base.is_first_party(), first_party, "{text}");
        }
    }

    #[test]
    fn the_api_itself_is_its_host_encrypted_and_at_its_own_port() {
        for (text, is_the_api, place) in [
            ("https://api.anthropic.com", true, "api.anthropic.com"),
            (
                "HTTPS://API.Anthropic.com:443/v1/",
                true,
                "api.anthropic.com",
            ),
            ("http://api.anthropic.com", false, "api.anthropic.com"),
            (
                "https://api.anthropic.com:8443",
                false,
                "api.anthropic.com:8443",
            ),
            ("https://api.anthropic.com.", false, "api.anthropic.com."),
            (
                "https://api.anthropic.com.evil.test",
                false,
                "api.anthropic.com.evil.test",
            ),
            // A Cyrillic letter.
            (
                "https://\u{430}pi.anthropic.com",
                false,
                "xn--pi-6kc.anthropic.com",
            ),
            (
                "https://gate.test/customer/7/",
                false,
                "gate.test/customer/7",
            ),
        ] {
            let base = BaseUrl::parse(text).unwrap();
            assert_eq!(
                (base.is_the_api(), base.place()),
                (is_the_api, place),
                "{text}"
            );
        }
    }

    #[test]
    fn a_stripped_v1_is_told() {
        let base = BaseUrl::parse("https://host/anthropic/v1").unwrap();
        assert!(
            base.note()
                .unwrap()
                .ends_with("using https://host/anthropic")
        );
        assert_eq!(BaseUrl::parse("https://host/").unwrap().note(), None);
    }

    #[test]
    fn what_cannot_be_a_base_url_is_refused_with_a_reason_and_without_secrets() {
        let cases = [
            ("api.anthropic.com", "base"),
            ("localhost:8080", "https://"),
            ("ftp://host", "https://"),
            ("https://user:hidden@host", "user name"),
            ("https://hidden@host", "user name"),
            ("https://host?key=hidden", "query"),
            ("https://host#x", "fragment"),
            ("", "base"),
            ("https://", "host"),
        ];
        for (text, expected) in cases {
            let error = BaseUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn loopback_hosts_are_recognised() {
        for text in [
            "http://localhost:1",
            "http://sim.localhost",
            "http://127.0.0.1",
            "http://127.9.9.9",
            "http://[::1]:8",
            "http://[::ffff:127.0.0.1]",
            "http://localhost.",
            "http://LOCALHOST:8080/path",
            "http://2130706433",
            "http://0x7f.1",
            "http://127.1",
            "http://0177.0.0.1",
            "http://127.0.0.1.",
            // The backslash begins the path.
            r"http://127.0.0.1\@gate.test",
        ] {
            assert!(BaseUrl::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in [
            "http://10.0.0.1",
            "https://localhost.example",
            "http://[::2]",
            "http://localhost.evil.test",
            "http://evil-localhost",
            "http://127.0.0.1.evil.test",
            "http://0.0.0.0",
            "http://[::]",
            "http://[::ffff:10.0.0.1]",
            "http://2130706434.evil.test",
            "http://128.0.0.1",
            "http://host.docker.internal",
            "http://169.254.169.254",
        ] {
            assert!(!BaseUrl::parse(text).unwrap().is_loopback(), "{text}");
        }
    }
}

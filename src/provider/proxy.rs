//! Which proxy a request goes through, told by the same rules as the HTTP client's own.

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use super::BaseUrl;

/// The proxy variables of an environment. `Debug` shows no credentials.
#[derive(Debug)]
pub struct ProxyRules(Matcher);

impl ProxyRules {
    /// The rules that these variables make. `variable` is asked for each of the well-known names;
    /// of a pair the upper-case one counts.
    #[must_use]
    pub fn of_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            variable(name)
                .or_else(|| variable(&name.to_ascii_lowercase()))
                .unwrap_or_default()
        };
        let rules = Matcher::builder()
            .all(either("ALL_PROXY"))
            .http(either("HTTP_PROXY"))
            .https(either("HTTPS_PROXY"))
            .no(either("NO_PROXY"));
        Self(rules.build())
    }

    /// The proxy for this base URL, without its user info; none for a direct connection, which
    /// every connection to this machine is.
    #[must_use]
    pub fn proxy_for(&self, base: &BaseUrl) -> Option<BaseUrl> {
        if base.is_loopback() {
            return None;
        }
        let target: Uri = base.as_str().parse().ok()?;
        let proxy = self.0.intercept(&target)?;
        let uri = proxy.uri();
        // Rebuilt from its parts: what the user wrote may hold a password.
        let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
            Some("https") => 443,
            Some("socks5" | "socks5h" | "socks4" | "socks4a") => 1080,
            _ => 80,
        });
        let scheme = if uri.scheme_str() == Some("https") {
            "https"
        } else {
            "http"
        };
        BaseUrl::parse(&format!("{scheme}://{}:{port}", uri.host()?)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{BaseUrl, ProxyRules};

    fn proxy(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let rules = ProxyRules::of_variables(|name| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        });
        let proxy = rules.proxy_for(&BaseUrl::parse(url).unwrap())?;
        assert!(!format!("{rules:?}{proxy:?}").contains("hidden"));
        let (host, port) = proxy.host_and_port();
        Some(format!("{host}:{port}"))
    }

    #[test]
    fn the_proxy_of_the_scheme_is_used_and_never_for_this_machine() {
        let https = ("HTTPS_PROXY", "http://me:hidden@proxy.test:3128");
        let api = "https://api.anthropic.com";
        let told = Some("proxy.test:3128".to_owned());
        assert_eq!(proxy(&[https], api), told);
        assert_eq!(proxy(&[("https_proxy", "proxy.test:3128")], api), told);
        assert_eq!(
            proxy(&[("ALL_PROXY", "http://p")], api),
            Some("p:80".to_owned())
        );
        assert_eq!(proxy(&[https], "http://gate.test"), None);
        assert_eq!(proxy(&[https, ("NO_PROXY", ".anthropic.com")], api), None);
        assert_eq!(proxy(&[https], "https://127.0.0.1:8443"), None);
        assert_eq!(proxy(&[], api), None);
    }
}

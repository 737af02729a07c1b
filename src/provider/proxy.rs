//! Which proxy a request goes through.
//!
//! Owns the reading of the proxy variables. The HTTP client is told the outcome and looks at no
//! variable itself, so what `doctor` says of a proxy is what requests do. A proxy that cannot be
//! used is an error, never a direct connection: the way around it may be one that must not be taken.

use std::fmt;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{ClientBuilder, NoProxy, Proxy, Url};

use super::{BaseUrl, ClientError, unquoted};

/// The proxy variables of an environment. `Debug` shows no credentials.
#[derive(Clone, Default)]
pub struct ProxyRules {
    http: Option<Variable>,
    https: Option<Variable>,
    none_for: String,
}

/// A variable that names a proxy.
#[derive(Clone)]
struct Variable {
    name: String,
    value: String,
}

/// The proxy that requests go through. `Debug` shows no credentials.
#[derive(Clone)]
pub struct ProxyServer {
    url: Url,
    variable: String,
}

/// What a proxy may speak, and the port where it listens unless the address says another.
const SCHEMES: [(&str, u16); 6] = [
    ("http", 80),
    ("https", 443),
    ("socks4", 1080),
    ("socks4a", 1080),
    ("socks5", 1080),
    ("socks5h", 1080),
];

impl ProxyRules {
    /// The rules that these variables make. `variable` is asked for each of the well-known names. Of
    /// a pair the upper-case one counts, unless it is empty.
    #[must_use]
    pub fn of_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: String| {
            let value = variable(&name)?;
            let value = unquoted(&value).to_owned();
            (!value.is_empty()).then_some(Variable { name, value })
        };
        let either = |name: &str| set(name.to_owned()).or_else(|| set(name.to_ascii_lowercase()));
        let all = either("ALL_PROXY");
        Self {
            // ALL_PROXY stands for what the scheme's own variable does not say.
            http: either("HTTP_PROXY").or_else(|| all.clone()),
            https: either("HTTPS_PROXY").or(all),
            none_for: either("NO_PROXY").map_or_else(String::new, |variable| variable.value),
        }
    }

    /// The proxy for this base URL; none for a direct connection, which every connection to this
    /// machine is.
    ///
    /// # Errors
    ///
    /// The variable that counts holds no address of a proxy of a kind that is known.
    pub fn proxy_for(&self, base: &BaseUrl) -> Result<Option<ProxyServer>, ClientError> {
        let variable = if base.is_https() {
            &self.https
        } else {
            &self.http
        };
        match variable {
            // A proxy on another machine would reach itself by the name of this one.
            Some(variable) if !base.is_loopback() && !self.excepts(base) => {
                ProxyServer::parse(variable).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether `NO_PROXY` names the host, by curl's rules.
    fn excepts(&self, base: &BaseUrl) -> bool {
        let rules = Matcher::builder().all("http://proxy").no(&*self.none_for);
        let target = base.as_str().parse::<Uri>();
        target.is_ok_and(|target| rules.build().intercept(&target).is_none())
    }

    /// A client that goes by these rules: to the base URL, and to wherever that redirects.
    pub(super) fn on(
        &self,
        builder: ClientBuilder,
        base: &BaseUrl,
    ) -> Result<ClientBuilder, ClientError> {
        // Whatever the client would find by itself is switched off.
        let builder = builder.no_proxy();
        // Asked for the error alone: a proxy that cannot be read must not mean a direct connection.
        self.proxy_for(base)?;
        if base.is_loopback() {
            return Ok(builder);
        }
        let builder = self.add(builder, self.http.as_ref(), Proxy::http::<Url>);
        Ok(self.add(builder, self.https.as_ref(), Proxy::https::<Url>))
    }

    fn add(
        &self,
        builder: ClientBuilder,
        variable: Option<&Variable>,
        proxy: fn(Url) -> reqwest::Result<Proxy>,
    ) -> ClientBuilder {
        // One that is no address is refused where it counts; elsewhere it proxies nothing.
        let server = variable.and_then(|variable| ProxyServer::parse(variable).ok());
        match server.map(|server| proxy(server.url)) {
            Some(Ok(proxy)) => builder.proxy(proxy.no_proxy(NoProxy::from_string(&self.none_for))),
            _ => builder,
        }
    }
}

impl ProxyServer {
    fn parse(variable: &Variable) -> Result<Self, ClientError> {
        let refused = |reason: String| ClientError::Proxy {
            variable: variable.name.clone(),
            reason,
        };
        let value = &variable.value;
        // Without a scheme it is an HTTP proxy, as curl takes it.
        let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
        let scheme = scheme.to_ascii_lowercase();
        let Some((_, port)) = SCHEMES.iter().find(|(known, _)| *known == scheme) else {
            // What stands there instead of a scheme may be a password.
            let is_word = scheme.len() <= 12 && scheme.chars().all(|c| c.is_ascii_alphanumeric());
            let scheme = if is_word {
                format!("`{scheme}://`")
            } else {
                "that".to_owned()
            };
            return Err(refused(format!(
                "{scheme} is no kind of proxy that is known here"
            )));
        };
        let mut url = Url::parse(&format!("{scheme}://{rest}")).map_err(|error| {
            refused(format!("its value is no address ({error}); special characters of a password are written like %40"))
        })?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refused("its value names no host".to_owned()));
        }
        if url.port().is_none() {
            // Kinds that URLs know drop the port that is theirs by default; ours is theirs.
            let _ = url.set_port(Some(*port));
        }
        Ok(Self {
            url,
            variable: variable.name.clone(),
        })
    }

    /// The host, without the brackets of an IPv6 address, and the port.
    #[must_use]
    pub fn host_and_port(&self) -> (&str, u16) {
        let host = self.url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = self.url.port_or_known_default();
        (host, port.unwrap_or_default())
    }

    /// The variable that names it.
    #[must_use]
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// Whether names of endpoints are looked up by the proxy; only `socks4` and `socks5` leave that
    /// to us.
    #[must_use]
    pub fn resolves_names(&self) -> bool {
        !matches!(self.url.scheme(), "socks4" | "socks5")
    }
}

/// The address without user and password.
impl fmt::Display for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        let (_, port) = self.host_and_port();
        write!(f, "{}://{host}:{port}", self.url.scheme())
    }
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyServer({self} of {})", self.variable)
    }
}

impl fmt::Debug for ProxyRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |variable: &Option<Variable>| {
            let variable = variable.as_ref()?;
            Some(ProxyServer::parse(variable).map_or_else(
                |_| format!("what {} holds", variable.name),
                |server| server.to_string(),
            ))
        };
        f.debug_struct("ProxyRules")
            .field("http", &shown(&self.http))
            .field("https", &shown(&self.https))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{BaseUrl, ClientError, ProxyRules, ProxyServer};

    fn proxy(variables: &[(&str, &str)], url: &str) -> Result<Option<ProxyServer>, ClientError> {
        let rules = ProxyRules::of_variables(|name| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        });
        let proxy = rules.proxy_for(&BaseUrl::parse(url).unwrap());
        assert!(!format!("{rules:?}{proxy:?}").contains("hidden"));
        proxy
    }

    fn told(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let proxy = proxy(variables, url).unwrap()?;
        Some(format!("{proxy} {}", proxy.variable()))
    }

    const API: &str = "https://api.anthropic.com";

    #[test]
    fn the_proxy_of_the_scheme_is_used_and_never_for_this_machine() {
        let https = ("HTTPS_PROXY", "http://me:hidden@proxy.test:3128");
        let expected = Some("http://proxy.test:3128 HTTPS_PROXY".to_owned());
        assert_eq!(told(&[https], API), expected);
        assert_eq!(
            told(&[("ALL_PROXY", "http://p")], API),
            Some("http://p:80 ALL_PROXY".to_owned())
        );
        assert_eq!(told(&[https], "http://gate.test"), None);
        for all in ["*", ".anthropic.com", "api.anthropic.com, other"] {
            assert_eq!(told(&[https, ("NO_PROXY", all)], API), None, "{all}");
            assert_eq!(told(&[https, ("no_proxy", all)], API), None, "{all}");
        }
        assert_eq!(told(&[https, ("NO_PROXY", "thropic.com")], API), expected);
        assert_eq!(told(&[https], "https://127.0.0.1:8443"), None);
        assert_eq!(told(&[], API), None);
    }

    #[test]
    fn an_empty_variable_counts_as_unset_beside_the_other_of_its_pair() {
        let lower = (
            "https_proxy",
            "'socks5h://p'
",
        );
        let expected = Some("socks5h://p:1080 https_proxy".to_owned());
        for empty in ["", " ", "\"\""] {
            assert_eq!(told(&[("HTTPS_PROXY", empty), lower], API), expected);
            assert_eq!(told(&[("ALL_PROXY", empty), lower], API), expected);
            assert_eq!(told(&[("HTTPS_PROXY", empty)], API), None);
        }
        let upper = ("HTTPS_PROXY", "https://q");
        assert_eq!(
            told(&[upper, lower], API),
            Some("https://q:443 HTTPS_PROXY".to_owned())
        );
    }

    #[test]
    fn every_kind_of_proxy_has_its_port() {
        for (value, shown) in [
            ("proxy:3128", "http://proxy:3128"),
            ("me:hidden@proxy:3128", "http://proxy:3128"),
            ("HTTP://proxy", "http://proxy:80"),
            ("https://proxy", "https://proxy:443"),
            ("socks4://proxy", "socks4://proxy:1080"),
            ("socks4a://proxy:9", "socks4a://proxy:9"),
            ("socks5://me:hidden@proxy", "socks5://proxy:1080"),
            ("socks5h://[::1]:9050/", "socks5h://[::1]:9050"),
        ] {
            let found = told(&[("HTTPS_PROXY", value)], API);
            assert_eq!(found, Some(format!("{shown} HTTPS_PROXY")), "{value}");
        }
    }

    #[test]
    fn a_proxy_of_no_known_kind_is_an_error_where_it_counts() {
        for bad in [
            "ftp://hidden@proxy",
            "socks6://proxy",
            "me-hidden-://x://proxy",
            "http://",
            "http://me:hid#den@proxy:1",
            "http://proxy:hidden",
            "http://pro xy",
        ] {
            let error = proxy(&[("https_proxy", bad)], API).unwrap_err();
            let words = error.to_string();
            assert!(words.contains("https_proxy"), "{words}");
            assert!(!words.contains("hid"), "{words}");
            let elsewhere = proxy(&[("https_proxy", bad)], "http://gate.test").unwrap();
            assert!(elsewhere.is_none());
            let excepted = [("https_proxy", bad), ("NO_PROXY", "api.anthropic.com")];
            assert!(proxy(&excepted, API).unwrap().is_none());
        }
    }
}

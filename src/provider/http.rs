//! The HTTP client and the headers of every request.
//!
//! Owns the choices about connections: no retries and no redirects of the client's own (every
//! request on the wire is an attempt of the ledger), bounded pools, proxies never for this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder};
use secrecy::{ExposeSecret, SecretString};

use super::base_url::is_local_name;
use super::connect_limit::ConnectLimit;
use super::roots::{self, read_bundle};
use super::transport::causes_of;
use super::{BaseUrl, ClientError, ClientSettings, Http, Network, Redactor, clean_secret};

const USER_AGENT: &str = concat!("claude-run/", env!("CARGO_PKG_VERSION"));

/// A long generation is silent for minutes: probes keep firewalls from forgetting the connection.
/// The values are those of the official SDKs.
const KEEPALIVE: Duration = Duration::from_mins(1);
const KEEPALIVE_RETRIES: u32 = 5;

/// How much of a stream HTTP/2 takes in that nobody reads yet: as much as is read in a round trip or two.
const STREAM_WINDOW: u32 = 256 * 1024;

/// How much of all streams of a connection: enough for every one that stands still, so that answers that
/// wait for room in memory hold up no other one.
fn connection_window(requests: usize) -> u32 {
    let all = requests
        .saturating_add(1)
        .saturating_mul(STREAM_WINDOW as usize);
    u32::try_from(all).unwrap_or(u32::MAX).min(LARGEST_WINDOW)
}

/// The protocol's bound (RFC 9113, section 6.9.1).
const LARGEST_WINDOW: u32 = (1 << 31) - 1;

/// Headers that belong to the HTTP client, and `origin`, with which the API takes us for a browser
/// and may refuse the key (errors page).
const FORBIDDEN_HEADERS: &[&str] = &[
    "origin",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "accept-encoding",
    "connection",
];

/// A custom header with one of these in its name carries a secret.
const SECRET_NAMES: &[&str] = &[
    "key",
    "token",
    "auth",
    "secret",
    "cookie",
    "password",
    "credential",
    "signature",
];

/// Builds the client for this base URL.
pub(super) fn build_client(
    settings: &ClientSettings,
    base: &BaseUrl,
) -> Result<Client, ClientError> {
    build(|| api_builder(settings), base, &settings.network)
}

/// Builds a client that reads a public page: it follows a few redirects and carries no credentials.
pub(super) fn build_page_client(
    page: &BaseUrl,
    network: &Network,
    redirects: usize,
) -> Result<Client, ClientError> {
    let redirects = || reqwest::redirect::Policy::limited(redirects);
    let builder = || base_builder().redirect(redirects()).http1_only();
    build(builder, page, network)
}

fn build(
    builder: impl Fn() -> ClientBuilder,
    base: &BaseUrl,
    network: &Network,
) -> Result<Client, ClientError> {
    let builder =
        || -> Result<_, ClientError> { Ok(at_home(network.proxies.on(builder(), base)?, base)) };
    let bundle = match &network.ca_bundle {
        Some(path) => read_bundle(path)?,
        None => Vec::new(),
    };
    let finish = |builder| finish(builder, network);
    // Without TLS on the way there is no need to load the system's certificates.
    if base.is_loopback() && !base.is_https() {
        return finish(builder()?.tls_certs_only([]));
    }
    match finish(builder()?.tls_certs_merge(bundle.clone())) {
        // A machine without CA certificates can still use those of the bundle, or no TLS at all.
        Err(_) if !bundle.is_empty() || !base.is_https() => {
            finish(builder()?.tls_certs_only(bundle))
        }
        built => built,
    }
}

/// A name of this machine leads to this machine, whatever a name server makes of it.
fn at_home(builder: ClientBuilder, base: &BaseUrl) -> ClientBuilder {
    let (host, port) = base.host_and_port();
    if !is_local_name(host) {
        return builder;
    }
    let addresses: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    builder.resolve_to_addrs(
        host,
        &addresses.map(|address| SocketAddr::new(address, port)),
    )
}

/// What holds for every client.
fn base_builder() -> ClientBuilder {
    Client::builder()
        // Each request may be billed: only the store decides to send it again.
        .retry(reqwest::retry::never())
        // A page that was redirected to need not learn where the request came from.
        .referer(false)
        .gzip(true)
        .user_agent(USER_AGENT)
}

fn api_builder(settings: &ClientSettings) -> ClientBuilder {
    let builder = base_builder()
        // A redirect would take key and prompt to another host.
        .redirect(reqwest::redirect::Policy::none())
        .connector_layer(ConnectLimit(settings.connect_timeout))
        // As many as may be open: else each burst would make new TLS handshakes.
        .pool_max_idle_per_host(settings.max_connections)
        // A request is written at once; Nagle's wait would only delay its last piece.
        .tcp_nodelay(true)
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE)
        .tcp_keepalive_retries(KEEPALIVE_RETRIES);
    match settings.http {
        Http::Auto => builder
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(connection_window(settings.max_connections)),
        Http::Http1 => builder.http1_only(),
    }
}

fn finish(builder: ClientBuilder, network: &Network) -> Result<Client, ClientError> {
    builder.build().map_err(|error| {
        let reason = causes_of(&error);
        ClientError::Tls {
            reason: match roots::told(network) {
                Some(told) => format!("{reason}; {told}"),
                None => reason,
            },
        }
    })
}

/// The headers of every request of this client.
pub(super) fn request_headers(settings: &ClientSettings) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    insert(&mut headers, "anthropic-version", &settings.version)?;
    if let Some(id) = &settings.workspace_id {
        insert(&mut headers, "anthropic-workspace-id", id)?;
    }
    let credentials = &settings.credentials;
    if let Some(key) = checked(credentials.api_key.as_ref(), "API key")? {
        headers.insert("x-api-key", secret_value("x-api-key", key.expose_secret())?);
    }
    if let Some(token) = checked(credentials.auth_token.as_ref(), "auth token")? {
        let bearer = format!("Bearer {}", token.expose_secret());
        headers.insert(AUTHORIZATION, secret_value("authorization", &bearer)?);
    }
    let mut beta = settings.beta.clone();
    for (name, value) in &settings.custom_headers {
        if name.trim().eq_ignore_ascii_case(BETA) {
            // One header for all betas, as the API reads only the first of its name.
            beta.push(value.clone());
        } else {
            insert(&mut headers, name, value)?;
        }
    }
    if let Some(beta) = join_beta(&beta) {
        insert(&mut headers, BETA, &beta)?;
    }
    Ok(headers)
}

const BETA: &str = "anthropic-beta";

/// One header, each name once: of a repeated header only the first is honoured.
fn join_beta(values: &[String]) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for name in values.iter().flat_map(|value| value.split(',')) {
        let name = name.trim();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| names.join(","))
}

fn checked(
    secret: Option<&SecretString>,
    name: &'static str,
) -> Result<Option<SecretString>, ClientError> {
    match secret {
        Some(secret) => clean_secret(secret.expose_secret(), name),
        None => Ok(None),
    }
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), ClientError> {
    let name = name.trim();
    let refused = |reason| ClientError::Header {
        name: name.to_owned(),
        reason,
    };
    let key: HeaderName = name
        .parse()
        .map_err(|_| refused("its name has a character that no header name may have"))?;
    // After parsing, which has made its letters small.
    if FORBIDDEN_HEADERS.contains(&key.as_str()) {
        return Err(refused("claude-run sets it, or leaves it out on purpose"));
    }
    headers.insert(key, secret_value(name, value.trim())?);
    Ok(())
}

/// A value that the HTTP stack does not show in its own logs.
fn secret_value(name: &str, value: &str) -> Result<HeaderValue, ClientError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| ClientError::Header {
        name: name.to_owned(),
        reason: "its value has a character that no header value may have",
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Secret by its name; or long, one word, and not of a header whose values everybody knows: what
/// users add for a gateway of theirs is mostly its credential, whatever its name.
fn is_secret(name: &HeaderName, value: &HeaderValue) -> bool {
    let name = name.as_str();
    let known = name.starts_with("anthropic-") || KNOWN_NAMES.contains(&name);
    let one_word = value.len() >= MIN_GATE_BYTES && !value.as_bytes().contains(&b' ');
    SECRET_NAMES.iter().any(|part| name.contains(part)) || (one_word && !known)
}

/// Headers whose values are no secrets, however long.
const KNOWN_NAMES: [&str; 5] = [
    "accept",
    "accept-encoding",
    "content-type",
    "host",
    "user-agent",
];

/// Shorter values of headers with any name are words of a language.
const MIN_GATE_BYTES: usize = 12;

/// A redactor of every secret in these headers, with and without a scheme such as `Bearer`.
pub(super) fn redactor_of(headers: &HeaderMap) -> Redactor {
    let values = headers
        .iter()
        .filter(|(name, value)| is_secret(name, value))
        .filter_map(|(_, value)| value.to_str().ok());
    Redactor::new(
        values
            // An error may quote the token without its scheme.
            .flat_map(|value| [Some(value), value.split_whitespace().last()])
            .flatten(),
    )
}

#[cfg(test)]
mod tests;

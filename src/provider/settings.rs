//! What a client is made from, and why one cannot be made.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Credentials, ProxyRules, ReadBudget};
use crate::clock::Clock;
use crate::model::Problem;

/// The first-party API.
pub const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";

/// The API version that accepts users' existing request files (later ones refuse `temperature`).
pub const DEFAULT_VERSION: &str = "2023-06-01";

/// Long enough for a slow proxy, short enough not to hold a slot of the concurrency.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The API sends pings through the longest thinking; twice a minute of silence means that nobody is
/// there any more.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_mins(2);

/// As many idle connections as the official SDKs keep.
const MAX_CONNECTIONS: usize = 100;

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Http {
    /// What TLS negotiates. HTTP/2 puts all requests to a host on one connection; servers cap its
    /// streams at around 100, so that more requests in flight queue unseen, and one broken
    /// connection cuts them all.
    Auto,
    /// HTTP/1.1, one connection for each request in flight: the queue is ours, and a broken
    /// connection costs one attempt.
    #[default]
    Http1,
}

/// The way out of this machine: what clients of an API and of public pages share. By default without
/// a proxy, and with the system's certificates.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Which proxy requests go through; never one for a URL on this machine.
    pub proxies: ProxyRules,
    /// A PEM file of further trusted certificates.
    pub ca_bundle: Option<PathBuf>,
    /// The variables that say where the system's certificates are, as `NAME=PATH`: told where a
    /// certificate was not accepted.
    pub roots_from: Option<String>,
}

/// Everything a client needs to know. `Debug` shows no secret.
#[derive(Clone)]
pub struct ClientSettings {
    /// Endpoint root, without `/v1` (a trailing one is taken off).
    pub base_url: String,
    /// May be empty: a custom header may carry what a gateway wants, a simulator wants nothing.
    pub credentials: Credentials,
    /// `anthropic-version`.
    pub version: String,
    /// `anthropic-beta`, sent as one header.
    pub beta: Vec<String>,
    /// Further headers. They replace ours of the same name, but `anthropic-beta` is joined. Their
    /// values are treated as secrets.
    pub custom_headers: Vec<(String, String)>,
    /// `anthropic-workspace-id`, for keys that span several workspaces.
    pub workspace_id: Option<String>,
    /// Time allowed for name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Longest silence between two pieces of a stream; never longer than the request's timeout. Pings
    /// alone are taken for five times as long, and through thinking that is not shown without end.
    /// Plain answers are silent until they are complete, so only their timeout counts.
    pub idle_timeout: Duration,
    /// Most idle connections kept for reuse. What is in flight is bounded by the engine.
    pub max_connections: usize,
    /// The way out of this machine.
    pub network: Network,
    /// Which HTTP is spoken.
    pub http: Http,
    /// Tells the time that HTTP dates in `retry-after` are compared with.
    pub clock: Clock,
    /// How much of answers may be in memory; clients that are made from clones of it share it.
    pub read_budget: ReadBudget,
}

impl ClientSettings {
    /// Default settings for this endpoint and these credentials.
    #[must_use]
    pub fn new(base_url: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            base_url: base_url.into(),
            credentials,
            version: DEFAULT_VERSION.to_owned(),
            beta: Vec::new(),
            custom_headers: Vec::new(),
            workspace_id: None,
            connect_timeout: CONNECT_TIMEOUT,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            max_connections: MAX_CONNECTIONS,
            network: Network::default(),
            http: Http::default(),
            clock: Clock::system(),
            read_budget: ReadBudget::default(),
        }
    }
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self
            .custom_headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        // The base URL may be one that will be refused for carrying a password.
        f.debug_struct("ClientSettings")
            .field("version", &self.version)
            .field("beta", &self.beta)
            .field("custom_headers", &names)
            .field("credentials", &self.credentials)
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}

/// Why a client cannot be made. All are faults of the configuration.
#[derive(Debug)]
pub enum ClientError {
    /// The base URL is no usable endpoint.
    BaseUrl {
        /// What is wrong with it; does not repeat the URL, which may carry a password.
        reason: String,
    },
    /// A credential that cannot be sent.
    SecretCharacter {
        /// What the secret is called.
        name: &'static str,
        /// Where the character stands, from 1.
        position: usize,
    },
    /// A header that cannot be sent.
    Header {
        /// The header's name.
        name: String,
        /// What is wrong with it; does not repeat the value.
        reason: &'static str,
    },
    /// A proxy that cannot be used.
    Proxy {
        /// The variable.
        variable: String,
        /// What is wrong with it; does not repeat the value, which may carry a password.
        reason: String,
    },
    /// The certificate file cannot be used.
    CaBundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up.
    Tls {
        /// What the TLS library says.
        reason: String,
    },
}

impl ClientError {
    /// What happened, why, and what to do next.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::BaseUrl { reason } => Problem::new(
                "the base URL cannot be used",
                format!(
                    "give the API's root with --base-url or ANTHROPIC_BASE_URL, for example {DEFAULT_BASE_URL}"
                ),
            )
            .because(reason),
            Self::SecretCharacter { name, position } => Problem::new(
                format!("the {name} cannot be sent"),
                "copy it again, without spaces or line breaks",
            )
            .because(format_args!(
                "its character {position} is not allowed in a header"
            )),
            Self::Header { name, reason } => Problem::new(
                format!("the header `{name}` cannot be sent"),
                "correct it in the configuration or in ANTHROPIC_CUSTOM_HEADERS",
            )
            .because(reason),
            Self::Proxy { variable, reason } => Problem::new(
                format!("the proxy that {variable} names cannot be used"),
                format!(
                    "write it as http://HOST:PORT, https://HOST:PORT, socks5://HOST:PORT or socks5h://HOST:PORT, or unset {variable}"
                ),
            )
            .because(reason),
            Self::CaBundle { path, reason } => Problem::new(
                format!("the certificates of {} cannot be used", path.display()),
                "give a PEM file with --ca-bundle",
            )
            .because(reason),
            Self::Tls { reason } => Problem::new(
                "no secure connection can be set up",
                "install the system's CA certificates (package ca-certificates), or give a PEM file with --ca-bundle",
            )
            .because(reason),
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl std::error::Error for ClientError {}

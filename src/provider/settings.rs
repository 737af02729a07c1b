//! What a client is made from.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Credentials, ProxyRules, ReadBudget};
use crate::clock::Clock;

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

/// Most bytes of an answer that are read. The longest output of any model is a few MB; generated
/// files and search results may come with it.
pub const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

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

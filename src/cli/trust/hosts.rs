//! Hosts, and certificates, that the user has named before.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Entry;

/// An endpoint that the user named once by flag, by variable or in a file of their own.
///
/// It is known by its whole root: scheme, host, port and path. The path belongs to it, because
/// gateways that serve many customers tell them apart by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownHost {
    /// The root, as a base URL is normalised.
    pub root: String,
    /// Whether requests to it may go unencrypted.
    #[serde(default)]
    pub insecure_http: bool,
    /// What named it first.
    pub named_by: String,
    /// When.
    pub at: Timestamp,
}

impl Entry for KnownHost {
    const KIND: &'static str = "hosts";

    fn about(&self) -> &str {
        &self.root
    }
}

/// A file of certificates that the user named once by flag, so that a run may go on with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownBundle {
    /// Its absolute path.
    pub ca_bundle: String,
    /// When it was named.
    pub at: Timestamp,
}

impl Entry for KnownBundle {
    const KIND: &'static str = "ca-bundles";

    fn about(&self) -> &str {
        &self.ca_bundle
    }
}

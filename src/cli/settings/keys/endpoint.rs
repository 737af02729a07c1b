//! The settings that say where requests, keys and prompts go, and with what.

use serde_json::json;

use super::{InFile, Key, duration, one, path};
use crate::cli::environment;

/// Root of the API.
pub const BASE_URL: Key = Key {
    name: "api.base_url",
    flag: Some("--base-url"),
    env: Some(environment::BASE_URL),
    file: InFile::Trusted,
    about: "Root of the API",
    rows: |s| one(&s.api.base_url, |url| json!(url.to_string())),
};
/// Version of the API.
pub const VERSION: Key = Key {
    name: "api.version",
    flag: None,
    env: None,
    file: InFile::Any,
    about: "Version of the API that requests are written for (header anthropic-version)",
    rows: |s| one(&s.api.version, |text| json!(text)),
};
/// Betas.
pub const BETA: Key = Key {
    name: "api.beta",
    flag: None,
    env: None,
    file: InFile::Any,
    about: "Beta features to ask for (header anthropic-beta)",
    rows: |s| one(&s.api.betas, |names| json!(names)),
};
/// Workspace.
pub const WORKSPACE_ID: Key = Key {
    name: "api.workspace_id",
    flag: None,
    env: Some(environment::WORKSPACE_ID),
    file: InFile::Trusted,
    about: "Workspace, for keys that span several (header anthropic-workspace-id)",
    rows: |s| one(&s.api.workspace_id, |id| json!(id)),
};
/// Further headers; their values are never shown.
pub const HEADERS: Key = Key {
    name: "api.headers",
    flag: None,
    env: Some(environment::CUSTOM_HEADERS),
    file: InFile::Trusted,
    about: "Headers added to every request; only their names are shown",
    rows: |s| {
        one(&s.api.headers, |headers| {
            headers.iter().map(|header| json!(header.name)).collect()
        })
    },
};
/// Certificates to trust.
pub const CA_BUNDLE: Key = Key {
    name: "api.ca_bundle",
    flag: Some("--ca-bundle"),
    env: None,
    file: InFile::Trusted,
    about: "PEM file of further certificates to trust",
    rows: |s| one(&s.api.ca_bundle, path),
};
/// Whether requests may go unencrypted to another machine.
pub const INSECURE_HTTP: Key = Key {
    name: "api.insecure_http",
    flag: Some("--insecure-http"),
    env: Some(environment::INSECURE_HTTP),
    file: InFile::Trusted,
    about: "Let keys and prompts go unencrypted (http://) to another machine",
    rows: |s| one(&s.api.insecure_http, |on| json!(on)),
};
/// Root of the second endpoint.
pub const SECOND_BASE_URL: Key = Key {
    name: "fallback.endpoint.base_url",
    flag: None,
    env: None,
    file: InFile::Trusted,
    about: "Root of a second endpoint, used while the first does not work",
    rows: |s| {
        one(&s.fallback.endpoint.base_url, |url| {
            json!(url.as_ref().map(ToString::to_string))
        })
    },
};
/// The variable that holds the second endpoint's key; the key is never shown.
pub const SECOND_API_KEY_ENV: Key = Key {
    name: "fallback.endpoint.api_key_env",
    flag: None,
    env: None,
    file: InFile::Trusted,
    about: "Name of the environment variable that holds the second endpoint's key",
    rows: |s| one(&s.fallback.endpoint.api_key_env, |name| json!(name)),
};
/// Whether that variable may be one that is known to hold somebody else's secret.
pub const SECOND_ALLOW_FOREIGN_KEY_ENV: Key = Key {
    name: "fallback.endpoint.allow_foreign_key_env",
    flag: None,
    env: None,
    file: InFile::Trusted,
    about: "Let api_key_env name a variable that is known to hold another service's secret",
    rows: |s| one(&s.fallback.endpoint.allow_foreign_key_env, |on| json!(on)),
};
/// Headers for the second endpoint; their values are never shown.
pub const SECOND_HEADERS: Key = Key {
    name: "fallback.endpoint.headers",
    flag: None,
    env: None,
    file: InFile::Trusted,
    about: "Headers added to requests to the second endpoint; only their names are shown",
    rows: |s| {
        one(&s.fallback.endpoint.headers, |headers| {
            headers.iter().map(|header| json!(header.name)).collect()
        })
    },
};
/// When the second endpoint is used.
pub const SECOND_AFTER: Key = Key {
    name: "fallback.endpoint.after",
    flag: None,
    env: None,
    file: InFile::Trusted,
    about: "How long a model must have failed at the first endpoint before the second is used",
    rows: |s| one(&s.fallback.endpoint.after, duration),
};
/// What the second endpoint calls the models.
pub const SECOND_MODELS: Key = Key {
    name: "fallback.endpoint.models",
    flag: None,
    env: None,
    file: InFile::Trusted,
    about: "Ids of models here, and what the second endpoint calls them",
    rows: |s| {
        one(&s.fallback.endpoint.models, |models| {
            let pairs = models.iter();
            pairs
                .map(|(ours, theirs)| json!(format!("{ours} = {theirs}")))
                .collect()
        })
    },
};
/// Whether the status page is asked.
pub const STATUS_ENABLED: Key = Key {
    name: "status.enabled",
    flag: None,
    env: None,
    file: InFile::Any,
    about: "Whether the API's status page is asked",
    rows: |s| one(&s.status.enabled, |on| json!(on)),
};
/// Root of the status page.
pub const STATUS_URL: Key = Key {
    name: "status.url",
    flag: None,
    env: None,
    file: InFile::Trusted,
    about: "Root of the status page; by default the first-party API's, for that API alone",
    rows: |s| {
        one(&s.status.url, |url| {
            json!(url.as_ref().map(ToString::to_string))
        })
    },
};

//! What every client of an endpoint is made from: settings, and a passage through the gate.

use secrecy::ExposeSecret;

use crate::cli::settings::Settings;
use crate::cli::trust::Passage;
use crate::clock::Clock;
use crate::provider::{ClientSettings, Credentials};

/// A gateway's own header may take the place of the key.
pub(super) fn carries_credentials(settings: &Settings) -> bool {
    let names = ["authorization", "x-api-key"];
    let headers = &settings.api.headers.0;
    headers
        .iter()
        .any(|header| names.contains(&header.name.to_ascii_lowercase().as_str()))
}

/// What any client is made from. The passage proves that the gate was passed.
pub(super) fn client_settings(
    settings: &Settings,
    credentials: Credentials,
    clock: Clock,
    _passed: &Passage,
) -> ClientSettings {
    let api = &settings.api;
    let headers = api.headers.0.iter();
    ClientSettings {
        version: api.version.0.clone(),
        beta: api.beta.iter().map(|name| name.0.clone()).collect(),
        custom_headers: headers
            .map(|header| (header.name.clone(), header.value.expose_secret().to_owned()))
            .collect(),
        workspace_id: api.workspace_id.clone().map(|id| id.0),
        network: settings.network(),
        max_connections: settings.dispatch.concurrency.0 as usize,
        idle_timeout: settings.dispatch.idle_timeout.0,
        clock,
        ..ClientSettings::new(api.base_url.expose(), credentials)
    }
}

//! The second endpoint: settings and its key into a client.

use secrecy::{ExposeSecret, SecretString};

use super::client_settings::client_settings;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::settings::Settings;
use crate::cli::trust::{Passage, gate};
use crate::cli::values::KeyVariable;
use crate::clock::Clock;
use crate::engine::SecondEndpoint;
use crate::provider::{ClientSettings, Credentials, MessagesClient, ReadBudget, clean_secret};

/// What is made of the settings of a second endpoint.
pub(super) struct Second {
    pub(super) client: MessagesClient,
    /// What the engine must know of it.
    pub(super) engine: SecondEndpoint,
    /// The way to it.
    pub(super) passage: Passage,
}

/// A client of the second endpoint, if there is one. It has the certificates, version and betas of
/// the first, and headers and key of its own.
///
/// # Errors
///
/// Keys and prompts may not go there, its key is not there, or the settings make no client (exit code 2).
pub(super) fn second_client(
    ctx: &Context,
    settings: &Settings,
    clock: Clock,
    read_budget: ReadBudget,
) -> Result<Option<Second>, Failure> {
    let fallback = &settings.fallback.endpoint;
    let (Some(base_url), Some(passage)) = (&fallback.base_url, gate::second(ctx, settings)?) else {
        return Ok(None);
    };
    let credentials = Credentials {
        api_key: second_key(ctx, settings)?,
        auth_token: None,
    };
    let headers = fallback.headers.0.iter();
    let client = MessagesClient::new(&ClientSettings {
        base_url: base_url.expose().to_owned(),
        custom_headers: headers
            .map(|header| (header.name.clone(), header.value.expose_secret().to_owned()))
            .collect(),
        workspace_id: None,
        read_budget,
        ..client_settings(settings, credentials, clock, &passage)
    })?;
    let engine = SecondEndpoint {
        shown: base_url.to_string(),
        after: fallback.after.0,
        models: fallback.models.clone(),
    };
    Ok(Some(Second {
        client,
        engine,
        passage,
    }))
}

/// The key in the variable that the config file names, if it names one.
///
/// # Errors
///
/// The variable is not set, or holds what no header may carry: better said at once than at night,
/// when the endpoint is needed.
pub(super) fn second_key(
    ctx: &Context,
    settings: &Settings,
) -> Result<Option<SecretString>, Failure> {
    let Some(KeyVariable(name)) = &settings.fallback.endpoint.api_key_env else {
        return Ok(None);
    };
    let text = ctx.layers.env.text(name)?.unwrap_or_default();
    let key = clean_secret(text, "key of the second endpoint").map_err(|_| {
        Failure::usage(
            format!("the value of {name} cannot be a key"),
            format!("copy the key anew, on one line, into {name}"),
        )
        .because("it holds a blank, a line break or a letter outside ASCII")
    })?;
    if key.is_none() {
        return Err(Failure::usage(
            "there is no key for the second endpoint",
            format!("set {name}, or take [fallback.endpoint] out of the configuration"),
        )
        .because(format!("{name}, which `api_key_env` names, is not set")));
    }
    Ok(key)
}

//! `[api]`: where requests go, and with which headers.

use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::places::shown_if_set;
use crate::cli::values::{HeaderTable, HeaderText, HttpUrl};

/// The version that takes what users' files hold today: its successor refuses `temperature`.
const DEFAULT_VERSION: &str = "2023-06-01";

/// `[api]`
#[derive(Args, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// API root.
    // It may hold a password by mistake, so the flag is read where nothing echoes it.
    #[arg(long, value_name = "URL", value_parser = HttpUrl::unread, help_heading = "Endpoint", hide_short_help = true)]
    #[schemars(extend("found_file" = "refused"))]
    pub base_url: HttpUrl,
    /// Version of the API that requests are written for (header anthropic-version).
    #[arg(skip)]
    pub version: HeaderText,
    /// Beta features to ask for (header anthropic-beta).
    #[arg(skip)]
    pub beta: Vec<HeaderText>,
    /// Workspace, for keys that span several (header anthropic-workspace-id).
    #[arg(skip)]
    #[schemars(extend("found_file" = "refused"))]
    pub workspace_id: Option<HeaderText>,
    /// Headers added to every request. Credentials belong into the environment.
    #[arg(skip)]
    #[schemars(extend("found_file" = "refused"))]
    pub headers: HeaderTable,
    /// Trust the certificates of this PEM file too.
    ///
    /// In the config file its path is relative to that file's folder.
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Endpoint",
        hide_short_help = true
    )]
    #[serde(serialize_with = "shown_if_set")]
    #[schemars(extend("found_file" = "refused"))]
    pub ca_bundle: Option<PathBuf>,
    /// Allow http:// beyond this machine.
    ///
    /// Keys and prompts may then go unencrypted to another machine.
    #[arg(
        long,
        action = clap::ArgAction::Set,
        num_args = 0,
        default_missing_value = "true",
        help_heading = "Endpoint",
        hide_short_help = true
    )]
    #[schemars(extend("found_file" = "refused"))]
    pub insecure_http: bool,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            base_url: HttpUrl::the_api(),
            version: HeaderText(DEFAULT_VERSION.to_owned()),
            beta: Vec::new(),
            workspace_id: None,
            headers: HeaderTable::default(),
            ca_bundle: None,
            insecure_http: false,
        }
    }
}

//! `[fallback]`: who is asked instead.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::cli::values::{HeaderTable, HttpUrl, KeyVariable, ModelId, Wait};

/// `[fallback]`
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(transform = super::without_defaults_of_tables)]
pub struct Fallback {
    /// Model to ask after a refusal or two overloads; repeat for more.
    ///
    /// They are asked in this order.
    #[arg(
        long = "fallback-model",
        value_name = "ID",
        help_heading = "Retries",
        hide_short_help = true
    )]
    pub models: Vec<ModelId>,
    /// A second endpoint, for a model that has failed at the first for a while.
    #[arg(skip)]
    pub endpoint: FallbackEndpoint,
}

/// `[fallback.endpoint]`: a matter of the place and not of a run, so it has no flags.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "SecondEndpoint")]
pub struct FallbackEndpoint {
    /// Root of the second endpoint's API; without it there is none.
    #[schemars(extend("found_file" = "refused"))]
    pub base_url: Option<HttpUrl>,
    /// Name of the environment variable that holds its key; it ends in `_KEY` or `_TOKEN`.
    #[schemars(extend("found_file" = "refused"))]
    pub api_key_env: Option<KeyVariable>,
    /// Let `api_key_env` name a variable that is known to hold another service's secret.
    #[schemars(extend("found_file" = "refused"))]
    pub allow_foreign_key_env: bool,
    /// Headers added to every request to it. Credentials belong into the environment.
    #[schemars(extend("found_file" = "refused"))]
    pub headers: HeaderTable,
    /// How long a model must have failed at the first endpoint before this one is used.
    #[schemars(extend("found_file" = "refused"))]
    pub after: Wait,
    /// Ids of models here, and what the second endpoint calls them.
    #[serde(serialize_with = "pairs")]
    #[schemars(extend("found_file" = "refused"))]
    pub models: BTreeMap<String, String>,
}

impl Fallback {
    /// The models' ids as text.
    #[must_use]
    pub fn model_ids(&self) -> Vec<String> {
        self.models.iter().map(|id| id.0.clone()).collect()
    }
}

impl Default for FallbackEndpoint {
    fn default() -> Self {
        Self {
            base_url: None,
            api_key_env: None,
            allow_foreign_key_env: false,
            headers: HeaderTable::default(),
            // Longer than the short outages, which cost less than a second bill.
            after: Wait(Duration::from_mins(5)),
            models: BTreeMap::new(),
        }
    }
}

fn pairs<S: Serializer>(
    models: &BTreeMap<String, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let pairs = models.iter();
    serializer.collect_seq(pairs.map(|(ours, theirs)| format!("{ours} = {theirs}")))
}

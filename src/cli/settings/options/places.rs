//! The small areas: where things lie, which page is asked, what standard error shows.

use std::path::{Path, PathBuf};

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::cli::values::{ColorChoice, HttpUrl};

/// `[store]`
#[derive(Args, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// File that holds runs, jobs and results; relative to this file's folder.
    #[arg(skip)]
    #[serde(serialize_with = "shown")]
    #[schemars(extend("found_file" = "inside"))]
    pub path: PathBuf,
}

/// `[status]`
#[derive(Args, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Status {
    /// Whether the API's status page is asked at all.
    #[arg(skip)]
    pub enabled: bool,
    /// Root of the status page; by default the first-party API's, for that API alone.
    #[arg(skip)]
    #[schemars(extend("found_file" = "refused"))]
    pub url: Option<HttpUrl>,
}

/// `[prices]`
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// Price table laid over the built-in one, model by model; relative to this file's folder.
    #[arg(skip)]
    #[serde(serialize_with = "shown_if_set")]
    pub file: Option<PathBuf>,
}

/// `[preflight]`
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Preflight {
    /// Rules of what models accept, laid over the built-in ones; relative to this file's folder.
    #[arg(skip)]
    #[serde(serialize_with = "shown_if_set")]
    pub file: Option<PathBuf>,
}

/// `[output]`
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Output {
    /// Colour on standard error.
    #[arg(skip)]
    pub color: ColorChoice,
    /// Print results and errors only.
    #[arg(skip)]
    pub quiet: bool,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: PathBuf::from("./claude-run.db"),
        }
    }
}

impl Default for Status {
    fn default() -> Self {
        Self {
            enabled: true,
            url: None,
        }
    }
}

/// A path as text, even if it is none.
fn shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

#[expect(clippy::ref_option, reason = "serde lends the field")]
pub(super) fn shown_if_set<S: Serializer>(
    path: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => shown(path, serializer),
        None => serializer.serialize_none(),
    }
}

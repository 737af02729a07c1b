//! Whether, and where, requests are marked for the prompt cache that do not mark themselves.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What is done about long beginnings that requests share without saying so.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CachePrefix {
    /// They are marked with one `cache_control` where that pays.
    Auto,
    /// Requests are sent as the user wrote them.
    #[default]
    Off,
}

impl CachePrefix {
    /// The name used in flags and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Off => "off",
        }
    }
}

impl FromStr for CachePrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            other => Err(format!("`{other}` is neither `auto` nor `off`")),
        }
    }
}

/// A beginning that jobs of a run share and that is worth a mark. Chosen once and kept with the run,
/// so that every later dispatch sends the same requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedPrefix {
    /// Names its text, and what else the cache goes by.
    pub hash: u64,
    /// The model of its jobs.
    pub model: String,
    /// Its tokens, estimated.
    pub tokens: u64,
    /// Jobs that are marked at its end.
    pub jobs: u64,
    /// The rows of some of them, the first ones: any of these can warm the cache for a batch.
    #[serde(default)]
    pub first: Vec<i64>,
}

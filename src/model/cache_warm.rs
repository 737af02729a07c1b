//! Whether requests that share a cached beginning wait for one of them to warm it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What is done about a prompt cache that is cold.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CacheWarm {
    /// One request goes first, the rest after its answer.
    #[default]
    Auto,
    /// All go as they come.
    Off,
}

impl CacheWarm {
    /// The name used in flags and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Off => "off",
        }
    }
}

impl FromStr for CacheWarm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            other => Err(format!("`{other}` is neither `auto` nor `off`")),
        }
    }
}

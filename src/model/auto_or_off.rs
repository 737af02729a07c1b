//! A thing that is done where it pays, or not at all.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whether something is done where that pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AutoOrOff {
    /// Where it pays.
    Auto,
    /// Nowhere.
    Off,
}

impl AutoOrOff {
    /// The name used in flags and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Off => "off",
        }
    }
}

impl FromStr for AutoOrOff {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            other => Err(format!("`{other}` is neither `auto` nor `off`")),
        }
    }
}

//! Whether answers are streamed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// When an answer is asked for as a stream of events. What comes of it is the same message.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum StreamMode {
    /// Where a plain answer would take too long, or did.
    #[default]
    Auto,
    /// Wherever the API allows it.
    Always,
    /// Nowhere.
    Never,
}

impl StreamMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Always, Self::Never];

    /// The name used in flags, the config file and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for StreamMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for StreamMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| format!("`{text}` is none of auto, always, never"))
    }
}

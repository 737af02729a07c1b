//! What a user says of the lane of jobs whose line names none.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::job::Lane;

/// The lane of jobs whose line names none.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LaneChoice {
    /// The cheapest that keeps their deadline; live without one.
    #[default]
    Auto,
    /// Always the live lane.
    Live,
    /// Always the batch lane.
    Batch,
}

impl LaneChoice {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Live, Self::Batch];

    /// The name used in flags, the config file, the store and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Live => "live",
            Self::Batch => "batch",
        }
    }

    /// The lane that is forced; none if the deadline decides.
    #[must_use]
    pub fn forced(self) -> Option<Lane> {
        match self {
            Self::Auto => None,
            Self::Live => Some(Lane::Live),
            Self::Batch => Some(Lane::Batch),
        }
    }
}

impl fmt::Display for LaneChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LaneChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|lane| lane.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no lane: write `auto`, `live` or `batch`"))
    }
}

#[cfg(test)]
mod tests {
    use super::LaneChoice;

    #[test]
    fn every_choice_is_read_back_from_its_name_in_flags_and_json() {
        for choice in LaneChoice::ALL {
            assert_eq!(choice.as_str().parse(), Ok(choice));
            let json = serde_json::to_string(&choice).unwrap();
            assert_eq!(json, format!("\"{choice}\""));
        }
        assert!("fast".parse::<LaneChoice>().is_err());
    }
}

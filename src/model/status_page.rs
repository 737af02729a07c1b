//! What the API's public status page says: a hint, never a fact.
//!
//! The page may say `none` in the middle of an outage and `major` for one that does not touch us.
//! What our own requests meet decides; the page only helps to explain it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad things are, in the words of Atlassian Statuspage.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Indicator {
    /// All systems operational.
    None,
    /// Degraded.
    Minor,
    /// A partial outage.
    Major,
    /// A major outage.
    Critical,
    /// Scheduled maintenance is under way.
    Maintenance,
    /// The page could not be read, or says what we do not know: neither up nor down.
    #[default]
    Unknown,
}

impl Indicator {
    /// The name used in the store and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the API says of itself that much of it does not work.
    #[must_use]
    pub fn is_major(self) -> bool {
        matches!(self, Self::Major | Self::Critical)
    }

    /// What it means, in words: `major outage`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::None => "no known problem",
            Self::Minor => "minor outage",
            Self::Major => "major outage",
            Self::Critical => "critical outage",
            Self::Maintenance => "maintenance",
            Self::Unknown => "unknown",
        }
    }

    /// The indicator of that name; `Unknown` for any other name, because the page may invent some.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        name.parse().unwrap_or_default()
    }
}

impl fmt::Display for Indicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one look at the status page brought. The default knows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PageStatus {
    /// The page's indicator.
    pub indicator: Indicator,
    /// The name of the worst unresolved incident, or of the maintenance under way.
    pub incident: Option<String>,
    /// The status of the API's own component, such as `operational` or `partial_outage`.
    pub component: Option<String>,
}

/// One line for people: `major outage: Elevated errors`.
impl fmt::Display for PageStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.indicator.words())?;
        match &self.incident {
            Some(name) => write!(f, ": {name}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Indicator, PageStatus};

    #[test]
    fn a_status_reads_as_what_it_means_and_the_name_of_the_incident() {
        let mut status = PageStatus {
            indicator: Indicator::Major,
            incident: None,
            component: Some("partial_outage".to_owned()),
        };
        assert_eq!(status.to_string(), "major outage");
        status.incident = Some("Elevated errors".to_owned());
        assert_eq!(status.to_string(), "major outage: Elevated errors");
    }

    #[test]
    fn names_are_those_of_json_and_unknown_ones_are_unknown() {
        for name in ["none", "minor", "major", "critical", "maintenance"] {
            let indicator = Indicator::from_name(name);
            assert_eq!(indicator.as_str(), name);
            assert_eq!(serde_json::json!(indicator), name);
        }
        for name in ["", "None", "on_fire", "unknown"] {
            assert_eq!(Indicator::from_name(name), Indicator::Unknown, "{name}");
        }
    }
}

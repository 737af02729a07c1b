//! Which rule set the time of a job's next try.

use serde::{Deserialize, Serialize};

/// What a job waits by after an attempt that failed.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum WaitRule {
    /// The server asked for it (`retry-after`).
    RetryAfter,
    /// Most others of its model succeeded, so it goes again soon.
    Evidence,
    /// The waits of its error class.
    Table,
    /// The waits that the user set for its error class.
    Settings,
    /// It is the last try that is allowed, which comes no sooner than the waits of the class would let it.
    LastTry,
    /// The answer would stop more than this job, and others go first to see whether it is true.
    Doubt,
    /// The endpoint had never answered: the job is not given up, and waits for that.
    FirstAnswer,
}

impl WaitRule {
    /// The name used in the store and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The rule of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    /// The rule in words, behind a time.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::RetryAfter => "as the server asked",
            Self::Evidence => "soon, since most others succeeded",
            Self::Table => "by the waits of its class",
            Self::Settings => "by the waits that you set",
            Self::LastTry => "as late as the waits of its class, since it is the last try",
            Self::Doubt => "once others have seen whether that is true",
            Self::FirstAnswer => "since the endpoint had never answered",
        }
    }
}

//! What a check found, in the shape that `doctor --json` has.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::model::ErrorClass;

/// How a check ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not looked at, because something before it failed.
    Skipped,
    /// In order.
    #[default]
    Ok,
    /// A run would work, but something deserves a look.
    Warning,
    /// A run would not work.
    Failed,
}

impl Level {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The check's stable name.
    pub name: &'static str,
    /// How it ended.
    pub level: Level,
    /// What was found; never a secret.
    pub found: String,
    /// What to do, if it is not in order.
    pub remedy: Option<String>,
}

impl Finding {
    /// Nothing is wrong.
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            level: Level::Ok,
            found: found.into(),
            remedy: None,
        }
    }

    /// Nothing was looked at.
    pub(super) fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self {
            level: Level::Skipped,
            ..Self::ok(name, why)
        }
    }

    /// Something deserves a look.
    pub(super) fn warning(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Warning,
            remedy: Some(remedy.into()),
            ..Self::ok(name, found)
        }
    }

    /// A run would not work.
    pub(super) fn failed(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Failed,
            ..Self::warning(name, found, remedy)
        }
    }

    /// From an error that is worded already.
    pub(super) fn from_failure(name: &'static str, failure: &Failure) -> Self {
        let found = match &failure.why {
            Some(why) => format!("{}: {why}", failure.what),
            None => failure.what.clone(),
        };
        Self::failed(name, found, &*failure.next)
    }
}

/// The remedy of what was said, for someone who has no run to go on with.
pub(super) fn remedy_of(class: ErrorClass, said: &str) -> String {
    let remedy = class.remedy_for(said);
    match remedy.strip_suffix("; then `claude-run resume`.") {
        Some(remedy) => format!("{remedy}."),
        None => remedy.to_owned(),
    }
}

/// Everything that `doctor` found: the object that `doctor --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DoctorReport {
    /// The version of claude-run.
    pub version: &'static str,
    /// The worst level of all checks; `failed` is exit code 1.
    pub level: Level,
    /// The checks, in the order in which a request meets what they look at.
    pub checks: Vec<Finding>,
}

impl DoctorReport {
    pub(super) fn new(checks: Vec<Finding>) -> Self {
        let levels = checks.iter().map(|check| check.level);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            level: levels.max().unwrap_or_default(),
            checks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DoctorReport, Finding, Level, remedy_of};
    use crate::cli::failure::Failure;
    use crate::model::ErrorClass;

    #[test]
    fn the_worst_check_decides() {
        let (ok, warning) = (Finding::ok("a", "x"), Finding::warning("b", "x", "y"));
        let failed = Finding::from_failure("c", &Failure::usage("x", "y").because("z"));
        assert_eq!((&*failed.found, failed.level), ("x: z", Level::Failed));
        for (checks, level) in [
            (vec![], Level::Ok),
            (vec![ok.clone()], Level::Ok),
            (vec![warning.clone(), ok.clone()], Level::Warning),
            (vec![ok, failed, warning], Level::Failed),
        ] {
            assert_eq!(DoctorReport::new(checks).level, level);
        }
    }

    #[test]
    fn remedies_speak_of_no_run() {
        for class in ErrorClass::all() {
            let remedy = remedy_of(class, "");
            assert!(remedy.ends_with('.'), "{remedy}");
            assert!(!remedy.ends_with("then `claude-run resume`."), "{remedy}");
        }
    }
}

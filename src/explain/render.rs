//! Explanations as text for people and as JSON for programs.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::handling::{Billed, Handling, handling};
use super::reading::Recognised;
use crate::model::ErrorClass;
use crate::policy::RetrySettings;

/// What `explain --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Explanation")]
pub struct Explained {
    /// What the text was read as, such as `HTTP status 529`.
    pub read_as: String,
    /// Whose word it is, or what else is to be known.
    pub note: Option<String>,
    /// The classes that it may be, the most likely first. Empty if nothing went wrong.
    pub classes: Vec<ExplainedClass>,
}

/// One class, with what a run does about it under the settings in force.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ExplainedClass {
    /// Its stable name.
    pub class: ErrorClass,
    /// What happened.
    pub meaning: &'static str,
    /// What makes the class: status, error type, words of the message.
    pub evidence: &'static str,
    /// What usually leads to it.
    pub causes: &'static str,
    /// What claude-run does about it.
    pub what_happens: String,
    /// Waits before the first, second, ... retry; the last one repeats, and each is drawn between
    /// half and one and a half times its value. Empty without a schedule.
    pub waits_ms: Vec<u64>,
    /// Whether it counts towards the attempt limit of the job.
    pub counts: bool,
    /// Whether it costs money.
    pub billed: Billed,
    /// What you can do.
    pub remedy: &'static str,
}

/// Explains what was recognised, with the waits and limits of these settings.
#[must_use]
pub fn explain(found: &Recognised, settings: &RetrySettings) -> Explained {
    Explained {
        read_as: found.reading.clone(),
        note: found.note.clone(),
        classes: found
            .classes
            .iter()
            .map(|class| ExplainedClass::of(*class, settings, &found.said))
            .collect(),
    }
}

impl ExplainedClass {
    fn of(class: ErrorClass, settings: &RetrySettings, said: &str) -> Self {
        let info = class.info();
        let Handling {
            what_happens,
            waits,
            counts,
            billed,
        } = handling(class, settings);
        let ms = |wait: &std::time::Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self {
            class,
            meaning: info.meaning,
            evidence: info.evidence,
            causes: info.causes,
            what_happens,
            waits_ms: waits.iter().map(ms).collect(),
            counts,
            billed,
            remedy: class.remedy_for(said),
        }
    }
}

/// The explanation as text, ended by a newline.
#[must_use]
pub fn explained_text(explained: &Explained) -> String {
    let mut text = format!("Read as: {}\n", explained.read_as);
    if let Some(note) = &explained.note {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Note: {note}.");
    }
    match explained.classes.len() {
        0 => text += "\nNothing went wrong: the answer is complete, and its job succeeds.\n",
        1 => {}
        n => {
            let _ = writeln!(
                text,
                "\nIt may be any of {n} classes, the most likely first. Paste the whole error to know which."
            );
        }
    }
    for class in &explained.classes {
        text += &class_text(class);
    }
    text
}

fn class_text(class: &ExplainedClass) -> String {
    let rows = [
        ("meaning", class.meaning.to_owned()),
        ("known by", class.evidence.to_owned()),
        ("usual causes", class.causes.to_owned()),
        (
            "claude-run",
            format!("{} {}", class.what_happens, class.billed.words()),
        ),
        ("you", class.remedy.to_owned()),
    ];
    let rows = rows.map(|(what, words)| format!("  {what:<12}  {words}\n"));
    format!("\n{}\n{}", class.class, rows.concat())
}

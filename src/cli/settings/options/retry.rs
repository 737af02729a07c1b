//! `[retry]`, whose tables are named after error classes.

use std::collections::BTreeMap;

use clap::Args;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::values::{AtLeastOne, Scale, Wait, WaitList, WholeNumber};
use crate::model::{ErrorClass, Treatment};
use crate::policy::RetryBy;

/// `[retry]` and `[retry.<class>]`
#[derive(Args, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("additionalProperties" = false), transform = with_class_tables)]
pub struct Retry {
    /// Failed attempts that end a job, rate limits aside.
    #[arg(
        long,
        value_name = "N",
        help_heading = "Retries",
        hide_short_help = true
    )]
    pub max_attempts: AtLeastOne,
    /// Multiply our own waits before a retry.
    #[arg(
        long = "retry-scale",
        value_name = "X",
        help_heading = "Retries",
        hide_short_help = true
    )]
    pub scale: Scale,
    /// Give up a job that fails so long after its first attempt.
    #[arg(
        long,
        value_name = "DURATION",
        help_heading = "Retries",
        hide_short_help = true
    )]
    pub give_up_after: Option<Wait>,
    /// What sets the waits: how other jobs of the model fare, or the table of the class.
    #[arg(skip)]
    pub by: RetryBy,
    /// What differs for one error class.
    #[arg(skip)]
    #[serde(flatten)]
    pub classes: BTreeMap<ErrorClass, ClassRetry>,
}

/// `[retry.<class>]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassRetry {
    /// Waits before the first, second, ... retry; the last one repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<WaitList>,
    /// Failed attempts that end a job, where the last of them is of this class. For limits, which do not
    /// count otherwise: refusals in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<AtLeastOne>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: WholeNumber(8),
            scale: Scale(1.0),
            give_up_after: None,
            by: RetryBy::default(),
            classes: BTreeMap::new(),
        }
    }
}

/// Whether attempts of this class are repeated after a wait: only those can have other waits.
pub(in crate::cli) fn has_waits(class: ErrorClass) -> bool {
    class.treatment() == Treatment::Retry
}

/// The classes that have waits, each with what it means; no other table. (The schema of a map whose names
/// are an enum has a property for each of its variants.)
fn with_class_tables(schema: &mut Schema) {
    let mut properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for class in ErrorClass::all() {
        let Some(properties) = properties.as_deref_mut() else {
            break;
        };
        if !has_waits(class) {
            properties.remove(class.as_str());
        } else if let Some(Value::Object(table)) = properties.get_mut(class.as_str()) {
            let meaning = class.info().meaning;
            table.insert("description".to_owned(), meaning.into());
        }
    }
}

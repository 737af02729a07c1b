//! Every setting, declared once: a field of the struct of its area.
//!
//! The field is the key of the config file (serde), the flag (clap; without `#[arg(skip)]`), its help
//! and the description in the schema (the first paragraph of its comment is the help; the rest is in the
//! schema alone), and the row of `claude-run config` (`Serialize`, which shows nothing secret). The
//! `Default` of the struct is what holds where no layer says otherwise. Its type is its rule
//! (`cli::values`).
//!
//! `found_file` says what a config file that was merely found may do: without it, set the key;
//! `"refused"`, not set it; `"inside"`, name only a path that stays in its own folder. `tests.rs` beside
//! `keys.rs` has the decision about each.

mod api;
mod batch;
mod dispatch;
mod fallback;
mod limits;
mod places;
mod retry;

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::values::parse;

pub use api::Api;
pub use batch::Batch;
pub use dispatch::Dispatch;
pub use fallback::{Fallback, FallbackEndpoint};
pub use limits::Limits;
pub use places::{Output, Preflight, Prices, Status, Store};
pub(in crate::cli) use retry::has_waits;
pub use retry::{ClassRetry, Retry};

/// What a config file may hold. Every key is optional.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ConfigFile", transform = without_defaults_of_tables)]
pub struct Options {
    /// Config file in use.
    #[arg(skip)]
    #[serde(skip_deserializing, serialize_with = "places::shown_if_set")]
    #[schemars(skip)]
    pub config: Option<PathBuf>,
    /// Where runs are kept.
    #[command(flatten)]
    pub store: Store,
    /// How runs are dispatched.
    #[command(flatten)]
    pub dispatch: Dispatch,
    /// When the answers are wanted: 6h (from now on), or a time.
    #[arg(long, value_name = "WHEN", value_parser = parse::deadline, help_heading = "Batches")]
    #[serde(skip_deserializing)]
    #[schemars(skip)]
    pub deadline: Option<Timestamp>,
    /// How the batch lane is used.
    #[command(flatten)]
    pub batch: Batch,
    /// When and how often failed attempts are repeated.
    #[command(flatten)]
    pub retry: Retry,
    /// Who is asked instead.
    #[command(flatten)]
    pub fallback: Fallback,
    /// How fast requests are sent.
    #[command(flatten)]
    pub limits: Limits,
    /// Where requests go, and with which headers.
    #[command(flatten)]
    pub api: Api,
    /// Which status page is asked.
    #[command(flatten)]
    pub status: Status,
    /// What requests cost.
    #[command(flatten)]
    pub prices: Prices,
    /// What is known to be refused.
    #[command(flatten)]
    pub preflight: Preflight,
    /// What standard error shows.
    #[command(flatten)]
    pub output: Output,
    /// How much is logged to standard error: the number of `-v`.
    #[arg(skip)]
    #[serde(skip_deserializing)]
    #[schemars(skip)]
    pub verbose: u8,
}

/// Adds the flags of one area to a command.
pub(super) type AddFlags = fn(clap::Command) -> clap::Command;

/// The areas that have flags, by the name of their table.
pub(super) const AREAS: [(&str, AddFlags); 6] = [
    ("dispatch", Dispatch::augment_args),
    ("batch", Batch::augment_args),
    ("retry", Retry::augment_args),
    ("fallback", Fallback::augment_args),
    ("limits", Limits::augment_args),
    ("api", Api::augment_args),
];

/// A table has the defaults of its keys; to repeat them all as its own says nothing.
fn without_defaults_of_tables(schema: &mut Schema) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(|all| all.values_mut()) {
        let is_table = property.get("default").is_some_and(Value::is_object);
        if let Some(property) = property.as_object_mut().filter(|_| is_table) {
            property.remove("default");
        }
    }
}

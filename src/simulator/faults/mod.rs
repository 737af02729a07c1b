//! What can go wrong, by name.
//!
//! - [`case`]: the closed table of cases, each with its stable name and what it does;
//! - [`options`]: the `key=value` words that change a case (`retry-after=3`, `details`, ...);
//! - [`script`]: `[[sim: 529*2, ok]]` inside a prompt, `[[batch: lost-answer, ok]]` for the creation
//!   of its batch;
//! - [`draw`]: random faults, which depend on seed and prompt alone.

mod case;
mod draw;
mod options;
mod script;

pub(in crate::simulator) use case::{
    Act, Break, Extra, ItemTwist, Oddity, StreamTwist, Twist, Venue,
};
pub use case::{Case, FaultRate};
pub(in crate::simulator) use draw::draw;
pub(in crate::simulator) use options::{BatchFaultOptions, CaseOptions, RetryAfter};
pub use script::BatchScript;
pub(in crate::simulator) use script::Script;

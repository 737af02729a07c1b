//! The Message Batches API.
//!
//! - [`settings`]: what can be told;
//! - [`endpoints`] and [`create`]: the calls; [`entry`] their door; [`object`] a batch as they show it;
//! - [`envelope`] and [`intake`]: the body of a create call, cut into its entries and checked while it
//!   arrives; [`pack`]: where they are kept; [`item`]: what each is answered with; [`timing`]: when;
//! - [`batch`]: the life of one batch; [`board`]: all of them;
//! - [`results`]: the download; [`records`]: what tests may know.
//!
//! It has no tasks and no timers: whoever looks at a batch first does what was due by then, each
//! request at the moment that it was due. What is kept of a request is its packed parameters and a
//! few numbers; its answer is made once for the ledger and again for each download.

mod batch;
mod board;
mod create;
mod endpoints;
mod entry;
mod envelope;
mod intake;
mod item;
mod object;
mod pack;
mod records;
mod results;
mod settings;
mod timing;

pub(super) use board::Board;
pub(super) use endpoints::{is_at, serve};
pub use records::{BatchItemRecord, BatchRecord, ItemOutcome};
pub use settings::{BatchProgress, BatchSettings, ErrorNesting, ShortAs, ToldCounts};

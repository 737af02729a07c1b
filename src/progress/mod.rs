//! Consumers of events: what people and programs see while a run goes on, and right after it.
//!
//! Owns the bars, the plain lines, the `--events` file, the log's lines and the final summary.
//! Promises: an observer only looks; whatever happens to the terminal or to the events file, the
//! run goes on, and nothing here decides anything. It does not read the store and does not know
//! the engine.
//!
//! One fold, [`Tally`], turns events into numbers; `lines` turns the numbers into words; [`Bars`]
//! and [`Plain`] only choose where and when the words appear.

mod bars;
mod batches;
mod behind;
mod events_file;
mod lines;
mod log;
mod log_writer;
mod message;
mod notes;
mod numbers;
mod plain;
mod rate;
mod screen;
mod silent;
mod summary;
mod tally;
mod wrapped;

pub use crate::model::{plural, thousands};
pub use bars::Bars;
pub use batches::BatchTally;
pub use behind::{Behind, PATIENCE};
pub use events_file::EventsFile;
pub use log::Log;
pub use log_writer::LogWriter;
pub use notes::Notes;
pub use numbers::{allowed_at_once, dollars, short_duration};
pub use plain::Plain;
pub use silent::Silent;
pub use summary::{EndReason, RunSummary};
pub use tally::{NextTry, Phase, Said, Tally};

#[cfg(test)]
mod samples;

//! Text in, checked jobs out: reads JSONL (plain, gzip or zstd; a file or standard input) line by
//! line and says of every bad line where it is wrong, why, and what to do.
//!
//! Promises: memory stays flat whatever the input's size (one line of at most 32 MB is held, once);
//! what stands in `params` goes into the request byte for byte; a damaged or truncated stream is
//! an error, never an early end. It checks only what could never work; everything else is for the
//! API to judge. It does not store anything and does not know whether a run exists.

mod body_builder;
mod error;
mod fields;
mod fingerprint;
mod line_error;
mod line_schema;
mod lines;
mod note;
mod params;
mod parse;
mod place;
mod problems;
mod reader;
mod request;
mod source;
mod strict;
mod suggest;
mod values;

pub use body_builder::{DEFAULT_MAX_TOKENS, MAX_BODY_BYTES};
pub use error::{Compression, OpenError, ReadError};
pub use fingerprint::fingerprint;
pub use line_error::LineError;
pub use line_schema::{InputLine, LineLane, ParamsLine, PromptLine, RequestParams, SystemPrompt};
pub use lines::MAX_LINE_BYTES;
pub use note::{LineNote, NoteKind};
pub use params::MAX_PARAMS_KEYS;
pub use problems::Problems;
pub use reader::{Item, JobReader};
pub use source::{Source, hash_only};

#[cfg(test)]
mod tests;

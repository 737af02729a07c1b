//! The config file: TOML whose keys are the flags' names under a table of their area.
//!
//! Every mistake is an error that names file, line, column and what is allowed instead; a key that
//! nobody reads is one. The file never holds credentials: it would be committed. Its keys and their
//! rules are those of [`Options`](super::settings::Options), from which `schemas/config.schema.json` is
//! generated too.

mod foreign_keys;
mod load;
mod position;
mod standing;
mod walk;

pub use load::{FILE_NAME, LoadedFile, load, parse, parse_as, read_found};
pub use standing::Standing;

#[cfg(test)]
mod tests;

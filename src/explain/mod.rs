//! What an error means: from whatever people paste to the error classes that it may be, and to
//! words about them.
//!
//! `recognise` finds out what a text is (a class, a status, a body, an exception, ...); classes of
//! bodies and messages come from `provider`'s classifier, so that what is explained is what a run
//! would do. `handling` says what a run does about a class, `render` writes all of it down. Pure:
//! no file, no clock, no network. What it does not do: read standard input, or settle settings.

mod exceptions;
mod handling;
mod html;
mod json;
mod prose;
mod reading;
mod recognise;
mod render;
mod status;
mod synonyms;
mod transport;
mod word;

pub use handling::{Billed, Handling, handling};
pub use reading::Recognised;
pub use recognise::{closest_word, recognise};
pub use render::{Explained, explain, explained_text};

#[cfg(test)]
mod tests;

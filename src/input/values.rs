//! Reads single values of a line, with errors that name key, expectation and finding.

use std::borrow::Cow;

use super::line_error::{Fault, LONE_SURROGATE_HINT, shown};
use crate::model::raw_object::{kind, unquote};

/// A value with the name its key has in messages and its place in the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    /// The key as messages name it, such as `params.model`.
    pub(super) name: &'static str,
    /// Where the key stands, in bytes from the start of the line.
    pub(super) key_offset: usize,
    pub(super) raw: &'a str,
    /// Where the value stands, in bytes from the start of the line.
    pub(super) offset: usize,
}

impl<'a> Value<'a> {
    /// The error of a value that is of the wrong kind.
    pub(super) fn wrong(&self, expected: &str) -> Fault {
        let found = match kind(self.raw) {
            Some("a number" | "a boolean") | None => shown(self.raw),
            Some(kind) => kind.to_owned(),
        };
        Fault::at(
            self.offset,
            format!("`{}` must be {expected}, found {found}", self.name),
        )
    }

    /// An error about the value itself.
    pub(super) fn fault(&self, reason: &str) -> Fault {
        Fault::at(self.offset, format!("`{}` {reason}", self.name))
    }

    pub(super) fn is_string(&self) -> bool {
        self.raw.starts_with('"')
    }

    pub(super) fn is_array(&self) -> bool {
        self.raw.starts_with('[')
    }

    /// The text of a string.
    pub(super) fn string(&self) -> Result<Cow<'a, str>, Fault> {
        if !self.is_string() {
            return Err(self.wrong("a string in double quotes"));
        }
        unquote(self.raw)
            .map_err(|_| self.fault(&format!("has a broken escape: {LONE_SURROGATE_HINT}")))
    }

    /// A string that says something.
    pub(super) fn non_empty_string(&self) -> Result<Cow<'a, str>, Fault> {
        let text = self.string()?;
        if text.trim().is_empty() {
            return Err(self.fault("is empty: give it a value or leave it out"));
        }
        Ok(text)
    }

    /// A model's id: one word.
    pub(super) fn model_id(&self) -> Result<Cow<'a, str>, Fault> {
        let id = self.non_empty_string()?;
        if id.contains(|c: char| c.is_whitespace() || c.is_control()) {
            let shown = shown(&id);
            return Err(self.fault(&format!("is `{shown}`: a model's id has no blanks in it")));
        }
        Ok(id)
    }

    /// A whole number from 0.
    pub(super) fn whole_number(&self) -> Result<u64, Fault> {
        self.raw
            .parse()
            .map_err(|_| self.wrong("a whole number such as 1024"))
    }

    /// Checks that it is a number from 0.
    pub(super) fn check_number(&self) -> Result<(), Fault> {
        match kind(self.raw) {
            Some("a number")
                if self
                    .raw
                    .parse()
                    .is_ok_and(|n: f64| n.is_finite() && n >= 0.0) =>
            {
                Ok(())
            }
            _ => Err(self.wrong("a number of at least 0, such as 0.7")),
        }
    }
}

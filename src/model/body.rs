//! Request bodies, carried as the raw JSON that the user wrote.

use std::fmt;
use std::sync::Arc;

/// A complete Messages API request body: one JSON object, kept byte for byte. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestBody(Arc<str>);

impl RequestBody {
    /// Wraps text that is known to be one JSON object.
    #[must_use]
    pub fn from_json(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its length in bytes, as it goes over the wire.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true of a valid body; here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for RequestBody {
    /// Shows the size alone: prompts do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestBody({} bytes)", self.0.len())
    }
}

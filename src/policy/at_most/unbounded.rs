//! Parts of a request whose cost nothing bounds.

use std::fmt;

/// What of a request has no bound, so that a budget cannot hold for it. Shows as what it is and,
/// after a semicolon, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unbounded {
    /// The price table does not know what this model costs.
    NoPrice {
        /// The model as it was asked for.
        model: String,
    },
    /// A search or fetch tool may be used as often as the model likes.
    Uses {
        /// Its type, like `web_search_20250305`.
        tool: String,
    },
    /// A tool at the API whose work has no bound that a request could set.
    Tool {
        /// Its type, like `code_execution_20250825`.
        tool: String,
    },
    /// A document that stands elsewhere: its length is not in the request.
    Document {
        /// How it is referred to, like `file` or `url`.
        source: String,
    },
    /// A member of the body that has the API do work of its own.
    Member {
        /// Its name, like `mcp_servers`.
        key: &'static str,
    },
    /// It cannot be read as a request.
    Unreadable,
}

impl Unbounded {
    /// What it is, as the end of a sentence about the line or the run.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::NoPrice { model } => format!("the model `{model}` has no known price"),
            Self::Uses { tool } => format!("the server tool `{tool}` names no `max_uses`"),
            Self::Tool { tool } => format!("nothing bounds what the server tool `{tool}` uses"),
            Self::Document { source } => {
                format!("a document by `{source}` may be of any length")
            }
            Self::Member { key } => format!("nothing bounds what `{key}` adds"),
            Self::Unreadable => "the request cannot be read".to_owned(),
        }
    }

    /// What to do about it, besides leaving out the budget.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::NoPrice { .. } => {
                "give its price in a price table (`[prices] file`), or name a model that has one"
                    .to_owned()
            }
            Self::Uses { .. } => {
                "give the tool `max_uses`, or say with --budget-assume-searches how many to expect"
                    .to_owned()
            }
            Self::Tool { .. } => "leave the tool out".to_owned(),
            Self::Document { .. } => {
                "put the document itself into the line, as text or base64".to_owned()
            }
            Self::Member { key } => format!("leave `{key}` out"),
            Self::Unreadable => "write it as the Messages API wants it".to_owned(),
        }
    }
}

impl fmt::Display for Unbounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what(), self.remedy())
    }
}

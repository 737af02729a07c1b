//! Puts the mark into a request.

use std::collections::HashSet;
use std::sync::Arc;

use super::places::{Count, Place, places};
use crate::model::raw_object::with_raw_member;
use crate::model::{RequestBody, SharedPrefix};

/// How long an entry of the cache is to be kept after its last use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Five minutes, which is what a mark says that names no time.
    FiveMinutes,
    /// An hour, at a dearer write: for batches, whose requests are minutes apart.
    OneHour,
}

impl Keep {
    fn control(self) -> &'static str {
        match self {
            Self::FiveMinutes => r#"{"type":"ephemeral"}"#,
            Self::OneHour => r#"{"type":"ephemeral","ttl":"1h"}"#,
        }
    }
}

/// Marks requests at the end of the prefixes that it knows. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Marker {
    known: Arc<HashSet<u64>>,
}

impl Marker {
    /// One that knows these.
    #[must_use]
    pub fn new(prefixes: &[SharedPrefix]) -> Self {
        Self::of(prefixes.iter().map(|prefix| prefix.hash))
    }

    /// One that knows those with these hashes.
    #[must_use]
    pub fn of(hashes: impl IntoIterator<Item = u64>) -> Self {
        Self {
            known: Arc::new(hashes.into_iter().collect()),
        }
    }

    /// It knows none, and leaves every request as it is.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.known.is_empty()
    }

    /// The request with one mark, at the end of its longest prefix that is known; the same
    /// request if there is none, or if it has a mark of its own. Everything else stays byte for
    /// byte, but that a string that is marked becomes a block of text.
    #[must_use]
    pub fn marked(&self, body: &RequestBody, keep: Keep) -> RequestBody {
        if self.is_idle() {
            return body.clone();
        }
        let all = places(&body.view(), Count::Nothing);
        let longest = all
            .iter()
            // The longest known prefix saves most.
            .rev()
            .find(|place| self.known.contains(&place.hash));
        longest
            .and_then(|place| with_mark(body.as_str(), place, keep))
            .map_or_else(|| body.clone(), RequestBody::from_json)
    }
}

fn with_mark(body: &str, place: &Place, keep: Keep) -> Option<String> {
    let site = place.site;
    let (before, after) = (body.get(..site.from)?, body.get(site.to..)?);
    let (piece, control) = (body.get(site.from..site.to)?, keep.control());
    // A string has no place for a mark; one block of text says the same.
    let marked = if site.is_string {
        format!(r#"[{{"type":"text","text":{piece},"cache_control":{control}}}]"#)
    } else {
        with_raw_member(piece, "cache_control", control).ok()?
    };
    Some(format!("{before}{marked}{after}"))
}

//! Where in a request a mark can stand: at the end of the tools, and of every block of the system
//! prompt and of the messages that the API lets be marked.

use serde_json::value::RawValue;

use super::own_mark::has_own_mark;
use crate::model::raw_object::{Member, members, offset_in, unquote};
use crate::policy::estimate::{REQUEST, TOOLS, TURN, tokens_of_content, tokens_of_tool};

/// Parts these hashes from all other uses of blake3; the number goes up when the recipe changes.
const CONTEXT: &str = "claude-run 2026-11-22 shared prefix 1";
/// Places of one request that are looked at, from the prefix. What many requests share stands
/// there, and the rest of a long conversation is its own.
const MAX_PLACES: usize = 64;
/// Members of a request that do not change what the cache holds; any other may.
const BESIDE_THE_PROMPT: [&str; 12] = [
    "max_tokens",
    "metadata",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "stream",
    "service_tier",
    "tools",
    "system",
    "messages",
    "model",
];

/// A place for a mark.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    /// Names everything up to here.
    pub(super) hash: u64,
    /// Tokens up to here by the plain tokenizer; zero if they were not to be counted.
    pub(super) tokens: f64,
    pub(super) site: Site,
}

/// What is marked, as a piece of the request's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) from: usize,
    pub(super) to: usize,
    /// A string that stands for one block of text, not a block.
    pub(super) is_string: bool,
}

/// Whether tokens are counted, which takes as long as the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Tokens,
    Nothing,
}

/// The places of a request, in the order of the prompt; none if it marks itself, or is not as the
/// API wants it from the start.
pub(super) fn places(body: &str, count: Count) -> Vec<Place> {
    let Ok(members) = members(body) else {
        return Vec::new();
    };
    if has_own_mark(body) {
        return Vec::new();
    }
    let mut walk = Walk::new(body, count);
    // Where the walk ends early, what comes before still holds.
    let _ = walk.request(&members);
    walk.places
}

struct Walk<'a> {
    body: &'a str,
    count: Count,
    hasher: blake3::Hasher,
    tokens: f64,
    places: Vec<Place>,
}

impl<'a> Walk<'a> {
    fn new(body: &'a str, count: Count) -> Self {
        Self {
            body,
            count,
            hasher: blake3::Hasher::new_derive_key(CONTEXT),
            tokens: REQUEST,
            places: Vec::new(),
        }
    }

    fn request(&mut self, members: &[Member<'a>]) -> Option<()> {
        self.take(value(members, "model")?);
        let mut others: Vec<_> = members
            .iter()
            .filter(|member| !BESIDE_THE_PROMPT.contains(&&*member.key))
            .collect();
        others.sort_by(|a, b| a.key.cmp(&b.key));
        for other in others {
            self.take(&other.key);
            self.take(other.value);
        }
        self.take("tools");
        if let Some(tools) = value(members, "tools") {
            self.tools(tools)?;
        }
        self.take("system");
        if let Some(system) = value(members, "system") {
            self.content(system, true)?;
        }
        self.turns(value(members, "messages")?)
    }

    /// Adds a piece to the hash, so that no two sequences of pieces give the same bytes.
    fn take(&mut self, piece: &str) {
        self.hasher.update(&(piece.len() as u64).to_le_bytes());
        self.hasher.update(piece.as_bytes());
    }

    fn add(&mut self, tokens: impl FnOnce() -> f64) {
        if self.count == Count::Tokens {
            self.tokens += tokens();
        }
    }

    /// The next mark could stand on this piece. None when there are enough places.
    fn place(&mut self, piece: &str, is_string: bool) -> Option<()> {
        let digest = self.hasher.finalize();
        let (first, _) = digest.as_bytes().split_first_chunk()?;
        let from = offset_in(self.body, piece);
        self.places.push(Place {
            hash: u64::from_le_bytes(*first),
            tokens: self.tokens,
            site: Site {
                from,
                to: from + piece.len(),
                is_string,
            },
        });
        (self.places.len() < MAX_PLACES).then_some(())
    }

    fn tools(&mut self, raw: &'a str) -> Option<()> {
        let tools: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
        self.add(|| TOOLS);
        for tool in &tools {
            self.take(tool.get());
            self.add(|| tokens_of_tool(tool.get()));
        }
        let last = tools.last()?.get();
        // A tool whose definition is only looked up when it is needed stands in no prefix.
        let is_deferred = value(&members(last).ok()?, "defer_loading").is_some();
        if is_deferred {
            return Some(());
        }
        self.place(last, false)
    }

    fn turns(&mut self, raw: &'a str) -> Option<()> {
        let turns: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
        let last = turns.len().saturating_sub(1);
        for (index, turn) in turns.into_iter().enumerate() {
            let turn = members(turn.get()).ok()?;
            let role = value(&turn, "role")?;
            for member in turn.iter().filter(|member| member.key != "content") {
                self.take(&member.key);
                self.take(member.value);
            }
            self.add(|| TURN);
            // The prefix of an answer, which the API goes on with, is left as it is.
            let begins_answer = index == last && role == "\"assistant\"";
            let is_known = matches!(role, "\"user\"" | "\"assistant\"");
            self.content(value(&turn, "content")?, is_known && !begins_answer)?;
        }
        Some(())
    }

    /// A string, or an array of blocks.
    fn content(&mut self, raw: &'a str, may_be_marked: bool) -> Option<()> {
        if raw.starts_with('"') {
            self.take(raw);
            self.add(|| tokens_of_content(raw));
            let can_be_marked = may_be_marked && says_something(raw);
            return if can_be_marked {
                self.place(raw, true)
            } else {
                Some(())
            };
        }
        let blocks: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
        self.take("blocks");
        for block in blocks {
            let block = block.get();
            self.take(block);
            self.add(|| tokens_of_content(block));
            if may_be_marked && can_be_marked(block) {
                self.place(block, false)?;
            }
        }
        Some(())
    }
}

/// Whether the API lets this block be marked; of kinds that we do not know, it is not known.
fn can_be_marked(block: &str) -> bool {
    let Ok(block) = members(block) else {
        return false;
    };
    match value(&block, "type") {
        Some("\"text\"") => value(&block, "text").is_some_and(says_something),
        Some("\"image\"" | "\"document\"" | "\"tool_use\"" | "\"tool_result\"") => true,
        _ => false,
    }
}

/// An empty text cannot be marked.
fn says_something(raw: &str) -> bool {
    unquote(raw).is_ok_and(|text| !text.trim().is_empty())
}

/// The value of the one member of that name.
fn value<'a>(members: &[Member<'a>], key: &str) -> Option<&'a str> {
    let mut found = members.iter().filter(|member| member.key == key);
    let only = found.next()?;
    found.next().is_none().then_some(only.value)
}

//! Where in a request a mark can stand: at the end of the tools, and of every block of the system
//! prompt and of the messages that the API lets be marked.

use crate::model::raw_object::offset_in;
use crate::model::{JsonView, ObjectView};
use crate::policy::estimate::{REQUEST, TOOLS, TURN, tokens_of_content, tokens_of_tool};

/// Parts these hashes from all other uses of blake3; the number goes up when the recipe changes.
const CONTEXT: &str = "claude-run 2026-11-22 shared prefix 1";
/// Places of one request that are looked at, from the prefix. What many requests share stands
/// there, and the rest of a long conversation is its own.
const MAX_PLACES: usize = 64;
/// The key by which a request says itself what is to be cached.
const MARK: &str = "cache_control";
/// Levels that are searched for it. Each costs one more scan of what is inside, and requests have
/// ten or twenty; a deeper one is left as it is.
const MAX_DEPTH: u32 = 127;
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
pub(super) fn places(body: &JsonView<'_>, count: Count) -> Vec<Place> {
    let Some(members) = body.members() else {
        return Vec::new();
    };
    if has_own_mark(body) {
        return Vec::new();
    }
    let mut walk = Walk::new(body.raw(), count);
    // Where the walk ends early, what comes before still holds.
    let _ = walk.request(members);
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

    fn request(&mut self, members: &ObjectView<'_>) -> Option<()> {
        self.take(members.only("model")?.raw());
        let mut others: Vec<_> = members
            .iter()
            .filter(|(key, _)| !BESIDE_THE_PROMPT.contains(key))
            .collect();
        // Two clients may write the same members in another order; the cache does not mind.
        others.sort_by_key(|(key, _)| *key);
        for (key, value) in others {
            self.take(key);
            self.take(value.raw());
        }
        // A name before each part keeps a system prompt from hashing like tools of the same text.
        self.take("tools");
        if let Some(tools) = members.only("tools") {
            self.tools(tools)?;
        }
        self.take("system");
        if let Some(system) = members.only("system") {
            self.content(system, true)?;
        }
        self.turns(members.only("messages")?)
    }

    /// Adds a piece to the hash, so that no two sequences of pieces give the same bytes.
    fn take(&mut self, piece: &str) {
        // Without its length `ab` + `c` would hash like `a` + `bc`.
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
        // `finalize` leaves the hasher as it is, so the walk goes on from here.
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

    fn tools(&mut self, tools: &JsonView<'_>) -> Option<()> {
        let tools = tools.items()?;
        // The API adds a system prompt of its own as soon as there is one tool.
        self.add(|| TOOLS);
        for tool in tools {
            self.take(tool.raw());
            self.add(|| tokens_of_tool(tool));
        }
        let last = tools.last()?;
        // A tool whose definition is only looked up when it is needed stands in no prefix.
        let is_deferred = last.members()?.only("defer_loading").is_some();
        if is_deferred {
            return Some(());
        }
        self.place(last.raw(), false)
    }

    fn turns(&mut self, messages: &JsonView<'_>) -> Option<()> {
        let turns = messages.items()?;
        let last = turns.len().saturating_sub(1);
        for (index, turn) in turns.iter().enumerate() {
            let turn = turn.members()?;
            let role = turn.only("role")?.raw();
            for (key, value) in turn.iter().filter(|(key, _)| *key != "content") {
                self.take(key);
                self.take(value.raw());
            }
            self.add(|| TURN);
            // The prefix of an answer, which the API goes on with, is left as it is.
            let begins_answer = index == last && role == "\"assistant\"";
            // A mark in a turn of a role that we do not know might be refused.
            let is_known = matches!(role, "\"user\"" | "\"assistant\"");
            self.content(turn.only("content")?, is_known && !begins_answer)?;
        }
        Some(())
    }

    /// A string, or an array of blocks.
    fn content(&mut self, content: &JsonView<'_>, may_be_marked: bool) -> Option<()> {
        let raw = content.raw();
        if raw.starts_with('"') {
            self.take(raw);
            self.add(|| tokens_of_content(content));
            let can_be_marked = may_be_marked && says_something(content);
            return if can_be_marked {
                self.place(raw, true)
            } else {
                Some(())
            };
        }
        let blocks = content.items()?;
        // A string and a list of one block are the same prompt to the model, but perhaps not to the
        // cache.
        self.take("blocks");
        for block in blocks {
            self.take(block.raw());
            self.add(|| tokens_of_content(block));
            if may_be_marked && can_be_marked(block) {
                self.place(block.raw(), false)?;
            }
        }
        Some(())
    }
}

/// Whether any object of this request has the key `cache_control`, at whatever depth. What cannot be
/// read to its end counts as one that has it: it is not ours to change.
fn has_own_mark(body: &JsonView<'_>) -> bool {
    // Most requests have none, and a search is faster than a walk. A key that is not written out
    // has an escape in it.
    let raw = body.raw();
    (raw.contains(MARK) || raw.contains("\\u")) && marks_itself(body, MAX_DEPTH)
}

fn marks_itself(value: &JsonView<'_>, depth: u32) -> bool {
    let is_inside = |inner: &JsonView<'_>| marks_itself(inner, depth.saturating_sub(1));
    match value.raw().trim_ascii_start().as_bytes().first() {
        Some(b'{' | b'[') if depth == 0 => true,
        Some(b'{') => value.members().is_none_or(|members| {
            let mut members = members.iter();
            members.any(|(key, value)| key == MARK || is_inside(value))
        }),
        Some(b'[') => value
            .items()
            .is_none_or(|items| items.iter().any(is_inside)),
        _ => false,
    }
}

/// Whether the API lets this block be marked; of kinds that we do not know, it is not known.
fn can_be_marked(block: &JsonView<'_>) -> bool {
    let Some(block) = block.members() else {
        return false;
    };
    match block.only("type").map(JsonView::raw) {
        Some("\"text\"") => block.only("text").is_some_and(says_something),
        Some("\"image\"" | "\"document\"" | "\"tool_use\"" | "\"tool_result\"") => true,
        _ => false,
    }
}

/// An empty text cannot be marked.
fn says_something(text: &JsonView<'_>) -> bool {
    text.text().is_some_and(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::has_own_mark;
    use crate::model::JsonView;

    #[test]
    fn the_key_is_found_at_any_depth_and_in_any_spelling_but_not_in_texts() {
        let deep = |levels| format!("{}\"\\u4e2d\"{}", "[".repeat(levels), "]".repeat(levels));
        let (shallow, too_deep) = (deep(100), deep(300));
        for (json, found) in [
            (r#"{"a":1}"#, false),
            (r#"{"cache_control":null}"#, true),
            (r#"{"cache\u005fcontrol":{}}"#, true),
            (r#"{"a":[[{"b":{"cache_control":{"type":"x"}}}]]}"#, true),
            (r#"{"a":"\"cache_control\":1","n":[1,-2,1.5,true]}"#, false),
            (r#"{"a":"\u4e2d","b":null}"#, false),
            // The first of two counts, though a parser would forget it.
            (r#"{"a":{"cache_control":{}},"a":1}"#, true),
            (r#"{"a":"cache_control""#, true),
            (&*shallow, false),
            (&*too_deep, true),
        ] {
            assert_eq!(has_own_mark(&JsonView::of(json)), found, "{json}");
        }
    }
}

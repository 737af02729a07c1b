//! What a request body holds, counted: its texts, its pictures, and the prefixes that it wants cached.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::text;
use crate::model::{JsonView, ObjectView, RequestBody};
use crate::policy::at_most::Bounds;

/// What every request costs beyond its texts.
pub(in crate::policy) const REQUEST: f64 = 8.0;
/// What every message costs beyond its texts.
pub(in crate::policy) const TURN: f64 = 4.0;
/// What the use of tools costs beyond their definitions: a system prompt of its own.
pub(in crate::policy) const TOOLS: f64 = 300.0;
/// A picture: about 1.15 megapixels, which is what larger ones are scaled down to.
const IMAGE: f64 = 1_600.0;
/// A page of a document: its text, and a picture of it.
const PAGE: f64 = 2_500.0;
/// Bytes of base64 that make about a page of a PDF.
const PAGE_BYTES: usize = 100_000;
/// A document that stands elsewhere is taken for this many pages.
const PAGES_UNSEEN: f64 = 5.0;
/// Blocks in blocks are counted so deep, which is deeper than the API allows.
const MAX_DEPTH: u32 = 4;

/// A part of the prompt from its prefix that is to be cached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prefix {
    /// Tells it from others.
    pub hash: u64,
    /// Tokens by the plain tokenizer.
    pub tokens: f64,
    /// It reaches into the last message, which is rarely shared with another request.
    pub in_last_turn: bool,
    /// It is to be kept for an hour, not five minutes.
    pub for_an_hour: bool,
}

/// What matters of a request body for guessing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// Tokens by the plain tokenizer.
    pub tokens: f64,
    /// The most that the answer may have.
    pub max_tokens: Option<u64>,
    /// What is marked with `cache_control`, the shortest first.
    pub prefixes: Vec<Prefix>,
    /// It asks for fast speed, which is dearer.
    pub fast: bool,
    /// It asks to be computed in the USA, which is dearer.
    pub us_geo: bool,
    /// The most that it allows, where a budget wants to know.
    pub bounds: Option<Arc<Bounds>>,
}

impl Prompt {
    /// Counts a body. What is not as the API wants it is counted as text.
    #[must_use]
    pub fn read(body: &RequestBody) -> Self {
        Self::of(&body.view())
    }

    /// The same, with the most that the request allows.
    #[must_use]
    pub fn read_with_bounds(body: &RequestBody) -> Self {
        let view = body.view();
        Self {
            bounds: Some(Arc::new(Bounds::of(&view))),
            ..Self::of(&view)
        }
    }

    /// The same of a body that others look into, too.
    #[must_use]
    pub fn of(body: &JsonView<'_>) -> Self {
        let Some(members) = body.members() else {
            return Self {
                tokens: text::tokens(body.raw()),
                ..Self::default()
            };
        };
        let raw = |key| members.first(key).map(JsonView::raw);
        let mut counter = Counter::new();
        // The order in which the API puts the prompt together, whatever the order of the keys.
        counter.hash(raw("model"));
        if let Some(tools) = members.first("tools") {
            counter.tokens += TOOLS;
            counter.items(tools, Counter::tool);
        }
        if let Some(system) = members.first("system") {
            counter.content(system, 0);
        }
        if let Some(messages) = members.first("messages") {
            counter.turns(messages);
        }
        counter.marked(members);
        Self {
            tokens: counter.tokens,
            max_tokens: raw("max_tokens").and_then(|raw| raw.parse().ok()),
            prefixes: counter.prefixes,
            fast: raw("speed") == Some("\"fast\""),
            us_geo: raw("inference_geo") == Some("\"us\""),
            bounds: None,
        }
    }

    /// The prefix that is worth warming: the longest one that other requests may share.
    #[must_use]
    pub fn shared_prefix(&self) -> Option<&Prefix> {
        let shared = self.prefixes.iter().rev();
        let mut shared = shared.filter(|prefix| !prefix.in_last_turn);
        shared.next().or(self.prefixes.last())
    }
}

/// Tokens of one tool's definition, as [`Prompt::read`] counts them.
pub(in crate::policy) fn tokens_of_tool(tool: &JsonView<'_>) -> f64 {
    text::tokens(tool.raw())
}

/// Tokens of a string or of one block, as [`Prompt::read`] counts them.
pub(in crate::policy) fn tokens_of_content(content: &JsonView<'_>) -> f64 {
    let mut counter = Counter::new();
    if content.raw().starts_with('{') {
        counter.block(content, 0);
    } else {
        counter.content(content, 0);
    }
    counter.tokens - REQUEST
}

struct Counter {
    tokens: f64,
    hasher: DefaultHasher,
    prefixes: Vec<Prefix>,
    in_last_turn: bool,
}

impl Counter {
    fn new() -> Self {
        Self {
            tokens: REQUEST,
            hasher: DefaultHasher::new(),
            prefixes: Vec::new(),
            in_last_turn: false,
        }
    }

    fn hash(&mut self, raw: Option<&str>) {
        raw.hash(&mut self.hasher);
    }

    fn text(&mut self, raw: &str) {
        self.tokens += text::tokens(raw);
    }

    /// Every item of an array; of anything else, its text.
    fn items(&mut self, array: &JsonView<'_>, mut each: impl FnMut(&mut Self, &JsonView<'_>)) {
        match array.items() {
            Some(items) => items.iter().for_each(|item| each(self, item)),
            None => self.text(array.raw()),
        }
    }

    fn tool(&mut self, tool: &JsonView<'_>) {
        self.text(tool.raw());
        self.hash(Some(tool.raw()));
        if let Some(members) = tool.members() {
            self.marked(members);
        }
    }

    fn turns(&mut self, messages: &JsonView<'_>) {
        let Some(turns) = messages.items() else {
            return self.text(messages.raw());
        };
        let last = turns.len().saturating_sub(1);
        for (index, turn) in turns.iter().enumerate() {
            self.in_last_turn = index == last;
            self.turn(turn);
        }
    }

    fn turn(&mut self, turn: &JsonView<'_>) {
        self.tokens += TURN;
        let Some(members) = turn.members() else {
            return self.text(turn.raw());
        };
        self.hash(members.first("role").map(JsonView::raw));
        if let Some(content) = members.first("content") {
            self.content(content, 0);
        }
    }

    /// A string, or an array of blocks.
    fn content(&mut self, content: &JsonView<'_>, depth: u32) {
        if content.raw().starts_with('[') && depth < MAX_DEPTH {
            self.items(content, |counter, block| counter.block(block, depth));
        } else {
            self.text(content.raw());
            self.hash(Some(content.raw()));
        }
    }

    fn block(&mut self, block: &JsonView<'_>, depth: u32) {
        if depth == 0 {
            self.hash(Some(block.raw()));
        }
        let Some(members) = block.members() else {
            return self.text(block.raw());
        };
        let none = JsonView::of("");
        let part = |key| members.first(key).unwrap_or(&none);
        match part("type").text().as_deref() {
            Some("text") => self.text(part("text").raw()),
            Some("image") => self.tokens += IMAGE,
            Some("document") => self.document(members, depth),
            Some("tool_result" | "search_result") => self.content(part("content"), depth + 1),
            _ => self.text(block.raw()),
        }
        // The hash takes outermost blocks as a whole, so no prefix can end inside of one.
        if depth == 0 {
            self.marked(members);
        }
    }

    fn document(&mut self, document: &ObjectView<'_>, depth: u32) {
        let source = document.first("source").and_then(JsonView::members);
        let part = |key| source.and_then(|source| source.first(key));
        let kind = part("type").and_then(JsonView::text);
        match (kind.as_deref(), part("data"), part("content")) {
            (Some("text"), Some(data), _) => self.text(data.raw()),
            (Some("content"), _, Some(content)) => self.content(content, depth + 1),
            (Some("base64"), Some(data), _) => {
                let pages = data.raw().len().div_ceil(PAGE_BYTES);
                self.tokens += PAGE * f64::from(u32::try_from(pages).unwrap_or(u32::MAX));
            }
            _ => self.tokens += PAGE * PAGES_UNSEEN,
        }
    }

    /// What has a mark ends a prefix here.
    fn marked(&mut self, members: &ObjectView<'_>) {
        let Some(mark) = members.first("cache_control") else {
            return;
        };
        // `null` is what clients write that fill in every key.
        if mark.is_null() {
            return;
        }
        let ttl = mark.members().and_then(|mark| mark.first("ttl"));
        self.prefixes.push(Prefix {
            hash: self.hasher.clone().finish(),
            tokens: self.tokens,
            in_last_turn: self.in_last_turn,
            for_an_hour: ttl.is_some_and(|ttl| ttl.raw() == "\"1h\""),
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{IMAGE, PAGE, Prompt};
    use crate::model::RequestBody;

    fn read(body: &serde_json::Value) -> Prompt {
        Prompt::read(&RequestBody::from_json(body.to_string()))
    }

    fn of_content(content: &serde_json::Value) -> f64 {
        read(&json!({"messages": [{"role": "user", "content": content}]})).tokens
    }

    #[test]
    fn each_kind_of_block_is_counted_by_its_rule() {
        let empty = of_content(&json!(""));
        let words = "ten words of plain text make about ten tokens here";
        let text = of_content(&json!(words)) - empty;
        assert!((8.0..14.0).contains(&text), "{text}");
        let page = "A".repeat(150_000);
        for (block, expected) in [
            (json!({"type": "text", "text": words}), text),
            (
                json!({"type": "image", "source": {"type": "base64", "data": page}}),
                IMAGE,
            ),
            (
                json!({"type": "document", "source": {"type": "base64", "data": page}}),
                PAGE * 2.0,
            ),
            (
                json!({"type": "document", "source": {"type": "text", "data": words}}),
                text,
            ),
            (
                json!({"type": "document", "source": {"type": "url", "url": "x"}}),
                PAGE * 5.0,
            ),
            (
                json!({"type": "tool_result", "content": [{"type": "text", "text": words}]}),
                text,
            ),
            (
                json!({"type": "tool_result", "content": [{"type": "image", "source": {"data": page}}]}),
                IMAGE,
            ),
        ] {
            let found = of_content(&json!([block])) - empty;
            assert!(
                (found - expected).abs() < 2.0,
                "{found} for {expected}: {block:.80}"
            );
        }
    }

    #[test]
    fn system_tools_and_limits_are_read_too() {
        let bare = json!({"messages": [{"role": "user", "content": "x"}], "max_tokens": 77});
        let mut full = bare.clone();
        full["system"] = json!("Be brief, be kind, and never say more than you know of it.");
        let bare = read(&bare);
        assert_eq!((bare.max_tokens, bare.prefixes.len()), (Some(77), 0));
        assert!(read(&full).tokens > bare.tokens + 10.0);
        full["tools"] = json!([{"name": "f", "input_schema": {"type": "object"}}]);
        assert!(read(&full).tokens > bare.tokens + 300.0);
    }

    #[test]
    fn requests_that_share_their_marked_prefix_share_a_prefix() {
        let request = |system: &str, question: &str| {
            read(&json!({
                "model": "m",
                "messages": [{"role": "user", "content": [
                    {"type": "text", "text": question, "cache_control": {"type": "ephemeral"}},
                ]}],
                "system": [
                    {"type": "text", "text": system, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                ],
            }))
        };
        let (a, b, c) = (request("s", "a"), request("s", "b"), request("t", "a"));
        let shared = |prompt: &Prompt| *prompt.shared_prefix().unwrap();
        assert_eq!(a.prefixes.len(), 2);
        assert_eq!(shared(&a).hash, shared(&b).hash);
        assert_ne!(shared(&a).hash, shared(&c).hash);
        assert_ne!(a.prefixes[1].hash, b.prefixes[1].hash);
        assert!(shared(&a).for_an_hour && !a.prefixes[1].for_an_hour);
        assert!(shared(&a).tokens < a.prefixes[1].tokens);
    }

    #[test]
    fn one_mark_for_the_whole_request_is_a_prefix_of_all_of_it() {
        let prompt = read(&json!({
            "cache_control": {"type": "ephemeral"},
            "messages": [{"role": "user", "content": "x"}],
        }));
        assert_eq!(prompt.prefixes.len(), 1);
        assert!((prompt.prefixes[0].tokens - prompt.tokens).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn any_text_has_an_estimate(text in ".{0,200}") {
            let tokens = Prompt::read(&RequestBody::from_json(text)).tokens;
            prop_assert!(tokens.is_finite() && tokens >= 0.0);
        }
    }
}

//! What a request body allows, read from its text.

use std::borrow::Cow;

use super::server_tools::{Kind, ServerTools, TOKENS_OF_A_SEARCH};
use super::unbounded::Unbounded;
use crate::model::{JsonView, ObjectView, RequestBody};
use crate::policy::prices::Written;

/// What every request costs beyond its text.
const REQUEST: u64 = 100;
/// What is put before a prompt that is to be answered by a schema.
const SCHEMA: u64 = 1_000;
/// What the use of tools adds: a system prompt of its own, of 530 tokens at most by the docs.
const TOOLS: u64 = 1_000;
/// What a client tool whose definition is Anthropic's adds (`computer_*`, the largest, 735).
const DEFINED_ELSEWHERE: u64 = 1_500;
/// What a server tool adds. It is not published; a few thousand have been seen.
const SERVER_TOOL: u64 = 5_000;
/// A picture in the highest resolution that any model takes (4,784 tokens).
const IMAGE: u64 = 5_000;
/// Blocks stand in blocks less deep than this; deeper ones are refused by the API.
const MAX_DEPTH: u32 = 8;
/// Tools with definitions of Anthropic's that the caller runs.
const CLIENT_TOOLS: [&str; 4] = ["bash_", "text_editor_", "computer_", "memory_"];

/// The most that a request's own text allows of everything that is billed.
///
/// Text is counted by its bytes: no tokenizer makes more tokens of a text than it has bytes, whatever
/// the text is. A picture has its documented maximum, wherever it stands. A PDF file has as many
/// tokens as fit into the model: neither its pages nor their text can be told from its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Tokens of the prompt without what follows.
    tokens: u64,
    /// It may fill the model's window.
    fills_window: bool,
    pub(super) max_tokens: Option<u64>,
    pub(super) written: Written,
    pub(super) server_tools: ServerTools,
    pub(super) fast: bool,
    pub(super) us_geo: bool,
    pub(super) unbounded: Option<Unbounded>,
}

impl Bounds {
    /// Reads a body as it is sent. What is not as the API wants it is counted as text.
    #[must_use]
    pub fn read(body: &RequestBody) -> Self {
        Self::of(&body.view())
    }

    /// The same of a body that others look into, too.
    #[must_use]
    pub fn of(body: &JsonView<'_>) -> Self {
        let mut reader = BoundsReader {
            bounds: Self {
                tokens: REQUEST.saturating_add(body.raw().len() as u64),
                ..Self::default()
            },
        };
        match body.members() {
            Some(members) => reader.body(members),
            None => reader.refuse(Unbounded::Unreadable),
        }
        reader.bounds
    }

    /// Tokens of the prompt at most, for a model with such a window: a longer one is refused unpaid.
    pub(super) fn prompt(&self, window: u64) -> u64 {
        if self.fills_window {
            window
        } else {
            self.tokens.min(window)
        }
    }

    /// Searches that its answer is likely to make.
    #[must_use]
    pub fn likely_searches(&self) -> u64 {
        self.server_tools.likely_searches()
    }

    /// The most that its answer may have, if the request says.
    #[must_use]
    pub fn max_tokens(&self) -> Option<u64> {
        self.max_tokens
    }

    /// The same request with that bound of its answer.
    #[must_use]
    pub fn with_max_tokens(&self, max_tokens: u64) -> Self {
        Self {
            max_tokens: Some(max_tokens),
            ..self.clone()
        }
    }
}

struct BoundsReader {
    bounds: Bounds,
}

impl BoundsReader {
    fn body(&mut self, body: &ObjectView<'_>) {
        let raw = |key| given(body, key).map(JsonView::raw);
        self.bounds.max_tokens = raw("max_tokens").and_then(|raw| raw.parse().ok());
        self.bounds.fast = raw("speed").is_some_and(|raw| raw != "\"standard\"");
        // A workspace may have a region of its own, which holds where the request names none.
        self.bounds.us_geo = raw("inference_geo") != Some("\"global\"");
        self.marked(body);
        self.members_with_work_of_their_own(body);
        if raw("output_config").is_some() {
            self.add(SCHEMA);
        }
        if let Some(tools) = given(body, "tools") {
            self.add(TOOLS);
            self.items(tools, Self::tool);
        }
        if let Some(system) = given(body, "system") {
            self.content(system, 0);
        }
        if let Some(messages) = given(body, "messages") {
            self.items(messages, Self::turn);
        }
    }

    fn members_with_work_of_their_own(&mut self, body: &ObjectView<'_>) {
        let asked = |key| given(body, key).filter(|value| value.raw() != "[]");
        for key in ["mcp_servers", "fallbacks", "previous_thread_event_id"] {
            if asked(key).is_some() {
                self.refuse(Unbounded::Member { key });
            }
        }
        if asked("container").is_some_and(has_skills) {
            self.refuse(Unbounded::Member { key: "container" });
        }
        let key = "context_management";
        if asked(key).is_some_and(compacts) {
            self.refuse(Unbounded::Member { key });
        }
    }

    fn tool(&mut self, tool: &JsonView<'_>) {
        let Some(tool) = tool.members() else { return };
        self.marked(tool);
        let Some(kind) = given(tool, "type") else {
            return;
        };
        let name = kind.text().unwrap_or(kind.raw().into());
        let is = |prefix: &str| name.starts_with(prefix);
        if name == "custom" {
            return;
        }
        if CLIENT_TOOLS.iter().any(|prefix| is(prefix)) {
            return self.add(DEFINED_ELSEWHERE);
        }
        self.add(SERVER_TOOL);
        let max_uses = tool.last("max_uses").and_then(|max| max.raw().parse().ok());
        match Kind::of(&name) {
            Some(kind) => self.bounds.server_tools.add(&name, kind, max_uses),
            None => self.refuse(Unbounded::Tool {
                tool: name.into_owned(),
            }),
        }
    }

    fn turn(&mut self, turn: &JsonView<'_>) {
        if let Some(content) = turn.members().and_then(|turn| turn.last("content")) {
            self.content(content, 0);
        }
    }

    /// A string, a block, or an array of blocks. Its text is in the body's length already.
    fn content(&mut self, content: &JsonView<'_>, depth: u32) {
        if depth >= MAX_DEPTH {
            return;
        }
        if content.raw().starts_with('[') {
            self.items(content, |reader, block| reader.content(block, depth + 1));
        } else if content.raw().starts_with('{') {
            self.block(content, depth);
        }
    }

    fn block(&mut self, view: &JsonView<'_>, depth: u32) {
        let Some(block) = view.members() else { return };
        self.marked(block);
        // With citations a text is cut into numbered pieces, sentence by sentence.
        if given(block, "citations").is_some() {
            self.add(view.raw().len() as u64);
        }
        let kind = text(block.last("type"));
        match kind.as_deref() {
            Some("image") => self.image(block),
            Some("document") => self.document(block, depth),
            // What is sent back is sealed; its length need not tell that of what is in it.
            Some("web_search_tool_result") => self.add(TOKENS_OF_A_SEARCH),
            other => self.elsewhere(block, other.unwrap_or_default()),
        }
        if kind.as_deref() != Some("document")
            && let Some(content) = block.last("content")
        {
            self.content(content, depth + 1);
        }
    }

    /// A block of another kind that refers to a file or an address, whose length is not in the
    /// request. What code has put out is told by its file too, and is not read.
    fn elsewhere(&mut self, block: &ObjectView<'_>, kind: &str) {
        let source = block.last("source").and_then(JsonView::members);
        let held = |raw: &str| matches!(raw, "\"text\"" | "\"base64\"" | "\"content\"");
        let by = source.and_then(|source| source.last("type"));
        let by = text(by.filter(|by| !held(by.raw())));
        let of_source = |key| source.is_some_and(|source| given(source, key).is_some());
        let of_block = given(block, "file_id").is_some() && !kind.ends_with("_output");
        let source = match by {
            Some(by) => by.into_owned(),
            None if of_source("file_id") || of_block => "file".to_owned(),
            None if of_source("url") => "url".to_owned(),
            None => return,
        };
        self.refuse(Unbounded::Document { source });
    }

    fn image(&mut self, image: &ObjectView<'_>) {
        let source = image.last("source").and_then(JsonView::members);
        let data = source.and_then(|source| source.last("data"));
        let data = data.map_or(0, |data| data.raw().len() as u64);
        self.bounds.tokens = self.bounds.tokens.saturating_sub(data);
        self.add(IMAGE);
    }

    fn document(&mut self, document: &ObjectView<'_>, depth: u32) {
        let source = document.last("source").and_then(JsonView::members);
        let part = |key| source.and_then(|source| source.last(key));
        match text(part("type")).as_deref() {
            Some("text") => {}
            Some("content") => {
                if let Some(content) = part("content") {
                    self.content(content, depth + 1);
                }
            }
            Some("base64") => self.bounds.fills_window = true,
            other => self.refuse(Unbounded::Document {
                source: other.unwrap_or("reference").to_owned(),
            }),
        }
    }

    fn marked(&mut self, members: &ObjectView<'_>) {
        let Some(mark) = given(members, "cache_control") else {
            return;
        };
        // Any spelling of an hour counts as one: the dearer write is the safe guess.
        let written = if mark.raw().contains("1h") {
            Written::AnHour
        } else {
            Written::FiveMinutes
        };
        self.bounds.written = self.bounds.written.max(written);
    }

    fn items(&mut self, array: &JsonView<'_>, mut each: impl FnMut(&mut Self, &JsonView<'_>)) {
        for item in array.items().unwrap_or_default() {
            each(self, item);
        }
    }

    fn add(&mut self, tokens: u64) {
        self.bounds.tokens = self.bounds.tokens.saturating_add(tokens);
    }

    /// The first part without a bound is the one that is told.
    fn refuse(&mut self, unbounded: Unbounded) {
        self.bounds.unbounded.get_or_insert(unbounded);
    }
}

/// The id of a container alone costs nothing; skills are work in it.
fn has_skills(container: &JsonView<'_>) -> bool {
    let mut members = container.members().into_iter().flat_map(ObjectView::iter);
    members.any(|(key, _)| key != "id")
}

/// Clearing what is old costs nothing; a compaction is an answer of its own.
fn compacts(management: &JsonView<'_>) -> bool {
    let edits = management
        .members()
        .and_then(|members| members.last("edits"));
    let clears = |edit: &JsonView<'_>| {
        let kind = edit.members().and_then(|edit| text(edit.last("type")));
        kind.is_some_and(|kind| kind.starts_with("clear_"))
    };
    // What cannot be read as a list of edits may be anything, a compaction too.
    edits.is_some_and(|edits| !edits.items().is_some_and(|edits| edits.iter().all(clears)))
}

/// The value that the API takes of a member, unless it is `null`, which is the same as none.
fn given<'v, 'a>(members: &'v ObjectView<'a>, key: &str) -> Option<&'v JsonView<'a>> {
    members.last(key).filter(|value| !value.is_null())
}

fn text<'a>(value: Option<&JsonView<'a>>) -> Option<Cow<'a, str>> {
    value.and_then(JsonView::text)
}

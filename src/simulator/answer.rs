//! Answers that look like answers: text, blocks, stop reasons, usage.
//!
//! Everything in a message follows from the seed, the body, and how often it has been asked.
//! What was drawn has a size in tokens that the usage tells truly.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::cache::CacheUse;
use super::dice::{Dice, Purpose};
use super::faults::Twist;
use super::message::{Block, Message};
use super::models::{Model, Thinking};
use super::receipt::{AnswerUsage, CacheCreation, OutputDetails, ServerToolUse};
use super::request::Ask;
use super::schema;
use super::server_tools;
use super::settings::OutputLength;
use super::tokens;

/// Longest text in bytes: usage may claim more tokens than are worth sending.
const MAX_TEXT: usize = 256 * 1024;
/// How much of a prompt an answer quotes, in words.
const QUOTED_WORDS: usize = 8;
/// And in characters: a prompt may be one long word.
const QUOTED_CHARS: usize = 80;
/// One answer in this many starts with a thinking block when the model may think.
const THINKING_EVERY: usize = 4;

const FILLER: [&str; 12] = [
    "Nothing was computed for it.",
    "The words are drawn from a short list.",
    "A real model would say more here.",
    "Its length is drawn as well.",
    "Tokens are counted, money is not.",
    "Café, naïve, 日本 and 🦀 are in it to test encodings.",
    "The same question gets the same answer.",
    "No network was involved.",
    "Every fault of the API can be asked for by name.",
    "This sentence is padding.",
    "So is this one.",
    "The seed decides which comes next.",
];

/// What an answer is made from.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) ask: &'a Ask<'a>,
    pub(super) prompt_tokens: u32,
    pub(super) cached: &'a CacheUse,
    /// `standard` or `batch`.
    pub(super) service_tier: &'static str,
    pub(super) seed: u64,
    pub(super) body: u64,
    pub(super) nth: u32,
    pub(super) output: OutputLength,
}

/// The answer to a question, with the twist that its case asks for.
pub(super) fn message(question: &Question<'_>, twist: Twist) -> Message {
    let mut draft = Draft::new(question);
    match twist {
        Twist::Plain | Twist::Receipt(_) | Twist::Named(_) => draft.plain(false),
        Twist::Thinking => draft.plain(true),
        Twist::Empty => draft.output_tokens = 2,
        Twist::Refusal => draft.refuse(),
        Twist::RefusalWithOutput => {
            draft.say();
            draft.refuse();
        }
        Twist::MaxTokens => draft.fill_up_to(question.ask.max_tokens, "max_tokens"),
        Twist::ContextWindow => {
            draft.say();
            draft.stop_reason = "model_context_window_exceeded";
        }
        Twist::PauseTurn => draft.pause("web_search"),
        Twist::PauseInContainer => {
            draft.pause("code_execution");
            let id = format!("container_01{}", draft.dice.letters(22));
            draft.container = Some(json!({"id": id, "expires_at": "2030-01-01T00:00:00Z"}));
        }
        Twist::UnknownStop => {
            draft.say();
            draft.stop_reason = "ran_out_of_ink";
        }
    }
    let mut message = draft.finish();
    match twist {
        Twist::Receipt(receipt) => message.usage.receipt = Some(receipt),
        Twist::Named(name) => message.model = name,
        _ => {}
    }
    message
}

/// A message in the making.
struct Draft<'a> {
    question: &'a Question<'a>,
    dice: Dice,
    content: Vec<Block>,
    stop_reason: &'static str,
    stop_sequence: Option<String>,
    stop_details: Option<Value>,
    container: Option<Value>,
    thinking_tokens: u32,
    output_tokens: u32,
    searches: u32,
}

impl<'a> Draft<'a> {
    fn new(question: &'a Question<'a>) -> Self {
        Self {
            question,
            // Not by attempt: the same question gets the same answer. Each part of a turn that
            // pauses is its own.
            dice: Dice::new(
                question.seed,
                question.body,
                question.ask.pauses(),
                Purpose::Text,
            ),
            content: Vec::new(),
            stop_reason: "end_turn",
            stop_sequence: None,
            stop_details: None,
            container: None,
            thinking_tokens: 0,
            output_tokens: 0,
            searches: 0,
        }
    }

    fn ask(&self) -> &'a Ask<'a> {
        self.question.ask
    }

    fn plain(&mut self, thinks: bool) {
        // Such a request only warms the cache.
        if self.ask().max_tokens == 0 {
            self.stop_reason = "max_tokens";
            return;
        }
        self.search();
        let drawn = self.dice.below(THINKING_EVERY) == 0;
        if thinks || (drawn && may_think(self.ask())) {
            self.think();
        }
        // A forced call comes without a word before it.
        if let Some(tool) = forced_tool(self.ask()) {
            return self.call(tool);
        }
        self.say();
        if self.stop_reason == "end_turn" {
            self.call_tool();
        }
    }

    /// Uses the web as often as it may.
    fn search(&mut self) {
        if tools_are_off(self.ask()) {
            return;
        }
        self.searches = server_tools::searches(self.ask());
        for _ in 0..self.searches {
            self.content.extend(server_tools::blocks(&mut self.dice));
        }
    }

    fn think(&mut self) {
        let text = "The question is simulated, so the thinking is too.";
        let spent = tokens::of_bytes(text.len());
        // Thinking counts against `max_tokens`, and an answer needs some of them, too.
        if spent >= self.room().0 {
            return;
        }
        self.thinking_tokens = spent;
        self.output_tokens += spent;
        let shown = !thinking_is_omitted(self.ask());
        self.content.push(Block::Thinking {
            thinking: if shown {
                text.to_owned()
            } else {
                String::new()
            },
            signature: format!("EqSimulated{}==", self.dice.letters(32)),
        });
    }

    /// The room left below `max_tokens` and within the context window, and what its end is called.
    fn room(&self) -> (u32, &'static str) {
        let ask = self.ask();
        let by_request = ask.max_tokens.saturating_sub(self.output_tokens);
        let by_window = ask
            .model
            .context
            .saturating_sub(self.question.prompt_tokens)
            .saturating_sub(self.output_tokens);
        // The tighter of the two bounds names the stop reason.
        if by_window < by_request {
            (by_window, "model_context_window_exceeded")
        } else {
            (by_request, "max_tokens")
        }
    }

    /// Adds the text, cut where a stop sequence, `max_tokens` or the window ends it.
    fn say(&mut self) {
        let mut text = self.text();
        if let Some((at, sequence)) = first_stop(self.ask(), &text) {
            text.truncate(at);
            self.stop_reason = "stop_sequence";
            self.stop_sequence = Some(sequence);
        }
        let (room, end) = self.room();
        // Even an empty text takes a token.
        let mut spent = tokens::of_bytes(text.len()).max(1);
        if spent > room {
            // Never inside of a character.
            text.truncate(text.floor_char_boundary(bytes_of(room)));
            spent = room;
            self.stop_reason = end;
            self.stop_sequence = None;
        }
        self.output_tokens += spent;
        if !text.is_empty() {
            self.content.push(Block::Text { text });
        }
    }

    fn text(&mut self) -> String {
        if let Some(schema) = answer_schema(self.ask()) {
            return schema::example(&schema).to_string();
        }
        let wanted = bytes_of(self.dice.output_tokens(self.question.output)).min(MAX_TEXT);
        let quoted = quote(self.ask().prompt());
        let mut text = format!("This is a simulated answer to \"{quoted}\".");
        self.pad(&mut text, wanted);
        text
    }

    fn pad(&mut self, text: &mut String, wanted: usize) {
        while text.len() < wanted {
            text.push(' ');
            text.push_str(FILLER[self.dice.below(FILLER.len())]);
        }
    }

    /// Calls the first tool, unless none may be called or the last message answers a call.
    fn call_tool(&mut self) {
        let ask = self.ask();
        // A tool was called and has answered: a loop of calls would never end.
        if ask.brings_tool_results() || tools_are_off(ask) {
            return;
        }
        if let Some(tool) = ask.tools.first() {
            self.call(tool);
        }
    }

    /// Calls a tool of the client's. Those of the server have no schema.
    fn call(&mut self, tool: &RawValue) {
        let tool: Value = serde_json::from_str(tool.get()).unwrap_or_default();
        let (Some(name), Some(input)) = (
            tool.get("name").and_then(Value::as_str),
            tool.get("input_schema"),
        ) else {
            return;
        };
        let input = schema::example(input);
        let spent = tokens::of_bytes(input.to_string().len());
        if spent > self.room().0 {
            self.stop_reason = "max_tokens";
            return;
        }
        self.output_tokens += spent;
        self.content.push(Block::ToolUse {
            id: format!("toolu_01{}", self.dice.letters(22)),
            name: name.to_owned(),
            input,
        });
        self.stop_reason = "tool_use";
    }

    fn refuse(&mut self) {
        self.stop_reason = "refusal";
        self.stop_sequence = None;
        self.stop_details = Some(json!({
            "type": "refusal",
            "category": "cyber",
            "explanation": "This request was refused by the simulator, as its script asked.",
        }));
    }

    fn fill_up_to(&mut self, tokens: u32, reason: &'static str) {
        self.search();
        // The receipt says how long it is; the text need not fill the memory.
        let wanted = bytes_of(tokens).min(MAX_TEXT);
        let mut text = String::from("This simulated answer is too long:");
        self.pad(&mut text, wanted);
        text.truncate(text.floor_char_boundary(wanted));
        self.output_tokens = tokens;
        self.stop_reason = reason;
        self.content.push(Block::Text { text });
    }

    fn pause(&mut self, tool: &str) {
        self.search();
        self.say();
        self.stop_reason = "pause_turn";
        self.content.push(Block::ServerToolUse {
            id: format!("srvtoolu_01{}", self.dice.letters(22)),
            name: tool.to_owned(),
            input: json!({"query": "simulation"}),
        });
    }

    fn finish(self) -> Message {
        let question = self.question;
        let mut names = Dice::new(
            question.seed,
            question.body,
            question.nth,
            Purpose::Identifier,
        );
        Message {
            id: format!("msg_01{}", names.letters(22)),
            kind: "message",
            role: "assistant",
            model: question.ask.model.id,
            content: self.content,
            stop_reason: Some(self.stop_reason),
            stop_sequence: self.stop_sequence,
            stop_details: self.stop_details,
            container: self.container,
            usage: usage(
                question,
                (self.output_tokens, self.thinking_tokens),
                self.searches,
            ),
        }
    }
}

fn usage(
    question: &Question<'_>,
    (output_tokens, thinking_tokens): (u32, u32),
    searches: u32,
) -> AnswerUsage {
    let (cached, window) = (question.cached, question.ask.model.context);
    let input = server_tools::input_tokens(question.prompt_tokens, searches, window);
    AnswerUsage {
        // The API counts cached tokens apart.
        input_tokens: input.saturating_sub(cached.read + cached.written()),
        cache_creation_input_tokens: cached.written(),
        cache_read_input_tokens: cached.read,
        cache_creation: CacheCreation {
            ephemeral_5m_input_tokens: cached.write_5m,
            ephemeral_1h_input_tokens: cached.write_1h,
        },
        output_tokens,
        output_tokens_details: OutputDetails { thinking_tokens },
        server_tool_use: ServerToolUse {
            web_search_requests: searches,
            ..ServerToolUse::default()
        },
        service_tier: question.service_tier,
        inference_geo: geography(question.ask),
        receipt: None,
    }
}

fn geography(ask: &Ask<'_>) -> Cow<'static, str> {
    if !ask.model.accepts_geo() {
        return Cow::Borrowed("not_available");
    }
    match ask.fields.read::<String>("inference_geo", "a valid string") {
        Ok(Some(geography)) => Cow::Owned(geography),
        _ => Cow::Borrowed("global"),
    }
}

fn bytes_of(tokens: u32) -> usize {
    usize::try_from(tokens)
        .unwrap_or(usize::MAX)
        .saturating_mul(4)
}

fn quote(prompt: &str) -> String {
    let words: Vec<&str> = prompt.split_whitespace().take(QUOTED_WORDS).collect();
    words.join(" ").chars().take(QUOTED_CHARS).collect()
}

fn nested(ask: &Ask<'_>, field: &str, pointer: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(ask.fields.get(field)?.get()).ok()?;
    value.pointer(pointer).cloned()
}

fn answer_schema(ask: &Ask<'_>) -> Option<Value> {
    nested(ask, "output_config", "/format/schema")
}

fn thinking_is_omitted(ask: &Ask<'_>) -> bool {
    nested(ask, "thinking", "/display").is_some_and(|display| display == "omitted")
}

/// The tool that must be called, whatever else there is to say: the named one, or of any the first.
fn forced_tool<'a>(ask: &Ask<'a>) -> Option<&'a RawValue> {
    let kind = nested(ask, "tool_choice", "/type")?;
    let name = nested(ask, "tool_choice", "/name");
    let is_named = |tool: &&&RawValue| {
        let tool: Value = serde_json::from_str(tool.get()).unwrap_or_default();
        tool.get("name").is_some() && tool.get("name") == name.as_ref()
    };
    match kind.as_str() {
        Some("any") => ask.tools.first().copied(),
        Some("tool") => ask.tools.iter().find(is_named).copied(),
        _ => None,
    }
}

fn tools_are_off(ask: &Ask<'_>) -> bool {
    nested(ask, "tool_choice", "/type").is_some_and(|kind| kind == "none")
}

fn may_think(ask: &Ask<'_>) -> bool {
    let model: &Model = ask.model;
    match nested(ask, "thinking", "/type") {
        Some(kind) => kind != "disabled",
        None => model.thinks_unasked || model.thinking == Thinking::Always,
    }
}

fn first_stop(ask: &Ask<'_>, text: &str) -> Option<(usize, String)> {
    let sequences: Vec<String> = ask
        .fields
        .read("stop_sequences", "a valid list")
        .ok()
        .flatten()?;
    sequences
        .into_iter()
        .filter(|sequence| !sequence.is_empty())
        .filter_map(|sequence| text.find(&sequence).map(|at| (at, sequence)))
        .min()
}

#[cfg(test)]
mod tests;

//! Answers that look like answers: text, blocks, stop reasons, usage.
//!
//! Everything in a message follows from the seed, the body, and how often it has been asked.
//! What was drawn has a size in tokens that the usage tells truly.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use super::cache::CacheUse;
use super::dice::{Dice, Purpose};
use super::faults::Twist;
use super::models::{Model, Thinking};
use super::request::Ask;
use super::schema;
use super::settings::OutputLength;
use super::tokens;

/// Longest text in bytes: usage may claim more tokens than are worth sending.
const MAX_TEXT: usize = 256 * 1024;
/// How much of a prompt an answer quotes, in words.
const QUOTED_WORDS: usize = 8;
/// And in characters: a prompt may be one long word.
const QUOTED_CHARS: usize = 80;
/// One answer in so many starts with a thinking block when the model may think.
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

/// A message as the API answers with.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Message {
    pub(super) id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    pub(super) model: &'static str,
    pub(super) content: Vec<Block>,
    pub(super) stop_reason: Option<&'static str>,
    pub(super) stop_sequence: Option<String>,
    pub(super) stop_details: Option<Value>,
    pub(super) usage: Usage,
}

/// A content block of an answer.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Thinking {
        thinking: String,
        signature: String,
    },
    Text {
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        input: Value,
    },
    ServerToolUse {
        id: String,
        name: String,
        input: Value,
    },
}

/// The usage object.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Usage {
    pub(super) input_tokens: u32,
    pub(super) cache_creation_input_tokens: u32,
    pub(super) cache_read_input_tokens: u32,
    pub(super) cache_creation: CacheCreation,
    pub(super) output_tokens: u32,
    pub(super) output_tokens_details: OutputDetails,
    server_tool_use: ServerToolUse,
    service_tier: &'static str,
    inference_geo: Cow<'static, str>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct CacheCreation {
    pub(super) ephemeral_5m_input_tokens: u32,
    pub(super) ephemeral_1h_input_tokens: u32,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct OutputDetails {
    pub(super) thinking_tokens: u32,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct ServerToolUse {
    web_search_requests: u32,
    web_fetch_requests: u32,
}

/// What an answer is made from.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) ask: &'a Ask<'a>,
    pub(super) prompt_tokens: u32,
    pub(super) cached: &'a CacheUse,
    pub(super) seed: u64,
    pub(super) body: u64,
    pub(super) nth: u32,
    pub(super) output: OutputLength,
}

/// The answer to a question, with the twist that its case asks for.
pub(super) fn message(question: &Question<'_>, twist: Twist) -> Message {
    let mut draft = Draft::new(question);
    match twist {
        Twist::Plain => draft.plain(false),
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
        Twist::PauseTurn => draft.pause(),
        Twist::UnknownStop => {
            draft.say();
            draft.stop_reason = "ran_out_of_ink";
        }
    }
    draft.finish()
}

/// A message in the making.
struct Draft<'a> {
    question: &'a Question<'a>,
    dice: Dice,
    content: Vec<Block>,
    stop_reason: &'static str,
    stop_sequence: Option<String>,
    stop_details: Option<Value>,
    thinking_tokens: u32,
    output_tokens: u32,
}

impl<'a> Draft<'a> {
    fn new(question: &'a Question<'a>) -> Self {
        Self {
            question,
            // Not by attempt: the same question gets the same answer.
            dice: Dice::new(question.seed, question.body, 0, Purpose::Text),
            content: Vec::new(),
            stop_reason: "end_turn",
            stop_sequence: None,
            stop_details: None,
            thinking_tokens: 0,
            output_tokens: 0,
        }
    }

    fn ask(&self) -> &'a Ask<'a> {
        self.question.ask
    }

    fn plain(&mut self, thinks: bool) {
        if self.ask().max_tokens == 0 {
            self.stop_reason = "max_tokens";
            return;
        }
        let drawn = self.dice.below(THINKING_EVERY) == 0;
        if thinks || (drawn && may_think(self.ask())) {
            self.think();
        }
        self.say();
        if self.stop_reason == "end_turn" {
            self.call_tool();
        }
    }

    fn think(&mut self) {
        let text = "The question is simulated, so the thinking is too.";
        self.thinking_tokens = tokens::of_bytes(text.len());
        self.output_tokens += self.thinking_tokens;
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
        let mut spent = tokens::of_bytes(text.len()).max(1);
        if spent > room {
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
        let Some(tool) = ask.tools.first().filter(|_| !ask.brings_tool_results()) else {
            return;
        };
        let tool: Value = serde_json::from_str(tool.get()).unwrap_or_default();
        let (Some(name), Some(input), false) = (
            tool.get("name").and_then(Value::as_str),
            tool.get("input_schema"),
            tools_are_off(ask),
        ) else {
            return;
        };
        let input = schema::example(input);
        self.output_tokens += tokens::of_bytes(input.to_string().len());
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
        let wanted = bytes_of(tokens).min(MAX_TEXT);
        let mut text = String::from("This simulated answer is too long:");
        self.pad(&mut text, wanted);
        text.truncate(text.floor_char_boundary(wanted));
        self.output_tokens = tokens;
        self.stop_reason = reason;
        self.content.push(Block::Text { text });
    }

    fn pause(&mut self) {
        self.say();
        self.stop_reason = "pause_turn";
        self.content.push(Block::ServerToolUse {
            id: format!("srvtoolu_01{}", self.dice.letters(22)),
            name: "web_search".to_owned(),
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
            usage: usage(question, self.output_tokens, self.thinking_tokens),
        }
    }
}

fn usage(question: &Question<'_>, output_tokens: u32, thinking_tokens: u32) -> Usage {
    let cached = question.cached;
    Usage {
        input_tokens: question
            .prompt_tokens
            .saturating_sub(cached.read + cached.written()),
        cache_creation_input_tokens: cached.written(),
        cache_read_input_tokens: cached.read,
        cache_creation: CacheCreation {
            ephemeral_5m_input_tokens: cached.write_5m,
            ephemeral_1h_input_tokens: cached.write_1h,
        },
        output_tokens,
        output_tokens_details: OutputDetails { thinking_tokens },
        server_tool_use: ServerToolUse::default(),
        service_tier: "standard",
        inference_geo: geography(question.ask),
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
mod tests {
    use super::*;
    use crate::simulator::request::{self, Endpoint};

    fn answer(changes: &Value, twist: Twist) -> Value {
        let mut body = json!({"model": "claude-haiku-4-5", "max_tokens": 500,
            "messages": [{"role": "user", "content": "What is the capital of France?"}]});
        for (key, value) in changes.as_object().unwrap() {
            body[key] = value.clone();
        }
        let text = body.to_string();
        let fields = request::fields(text.as_bytes()).unwrap();
        let ask = Ask::read(fields, Endpoint::Messages).unwrap();
        let question = Question {
            ask: &ask,
            prompt_tokens: 20,
            cached: &CacheUse::default(),
            seed: 1,
            body: 2,
            nth: 0,
            output: OutputLength::default(),
        };
        serde_json::to_value(message(&question, twist)).unwrap()
    }

    #[test]
    fn an_answer_quotes_the_prompt_and_resolves_the_alias() {
        let message = answer(&json!({}), Twist::Plain);
        assert_eq!(message["model"], "claude-haiku-4-5-20251001");
        let text = message["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("What is the capital of France?"), "{text}");
        assert_eq!(message["stop_reason"], "end_turn");
        assert_eq!(message["usage"]["input_tokens"], 20);
        let tokens = usize::try_from(message["usage"]["output_tokens"].as_u64().unwrap()).unwrap();
        assert_eq!(tokens, text.len().div_ceil(4));
    }

    #[test]
    fn max_tokens_cuts_and_says_so() {
        let message = answer(&json!({"max_tokens": 5}), Twist::Plain);
        assert_eq!(message["stop_reason"], "max_tokens");
        assert_eq!(message["usage"]["output_tokens"], 5);
        assert_eq!(message["content"][0]["text"].as_str().unwrap().len(), 20);
        let message = answer(&json!({"max_tokens": 0}), Twist::Plain);
        assert_eq!(message["content"], json!([]));
        assert_eq!(message["usage"]["output_tokens"], 0);
    }

    #[test]
    fn a_stop_sequence_ends_the_text() {
        let message = answer(
            &json!({"stop_sequences": ["capital", "simulated"]}),
            Twist::Plain,
        );
        assert_eq!(message["stop_reason"], "stop_sequence");
        assert_eq!(message["stop_sequence"], "simulated");
        assert_eq!(message["content"][0]["text"], "This is a ");
    }

    #[test]
    fn a_tool_is_called_with_fitting_input() {
        let tools = json!([{"name": "look", "input_schema": {"type": "object",
            "properties": {"at": {"type": "string"}}, "required": ["at"]}}]);
        let message = answer(&json!({"tools": tools}), Twist::Plain);
        assert_eq!(message["stop_reason"], "tool_use");
        assert_eq!(message["content"][1]["input"], json!({"at": "simulated"}));
        let off = json!({"tools": tools, "tool_choice": {"type": "none"}});
        assert_eq!(answer(&off, Twist::Plain)["stop_reason"], "end_turn");
    }

    #[test]
    fn a_structured_answer_is_json() {
        let format = json!({"output_config": {"format": {"type": "json_schema", "schema":
            {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}}});
        assert_eq!(
            answer(&format, Twist::Plain)["content"][0]["text"],
            r#"{"n":1}"#
        );
    }

    #[test]
    fn every_twist_has_its_stop_reason() {
        let cases = [
            (Twist::Thinking, "end_turn"),
            (Twist::Empty, "end_turn"),
            (Twist::Refusal, "refusal"),
            (Twist::RefusalWithOutput, "refusal"),
            (Twist::MaxTokens, "max_tokens"),
            (Twist::ContextWindow, "model_context_window_exceeded"),
            (Twist::PauseTurn, "pause_turn"),
            (Twist::UnknownStop, "ran_out_of_ink"),
        ];
        for (twist, reason) in cases {
            assert_eq!(
                answer(&json!({}), twist)["stop_reason"],
                reason,
                "{twist:?}"
            );
        }
        let refusal = answer(&json!({}), Twist::Refusal);
        assert_eq!(refusal["content"], json!([]));
        assert_eq!(refusal["stop_details"]["type"], "refusal");
    }
}

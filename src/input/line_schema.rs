//! The shape of an input line, for its JSON Schema alone: the reader does not use these types. A key
//! that may be left out may be null.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One line of the input: a request in full, or a prompt and what goes with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum InputLine {
    /// A line of the Message Batches API.
    Params(ParamsLine),
    /// The short form.
    Prompt(PromptLine),
}

/// A line that has the request in full, as the Message Batches API takes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParamsLine {
    /// The user's own id, unique in the input, at most 256 bytes. Without it: `line-<N>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), with = "Option<String>")]
    pub custom_id: Option<String>,
    /// The body of a Messages API request, sent as it is.
    pub params: RequestParams,
    /// When the answer is wanted: a duration from the moment of submit (`6h`), or an RFC 3339 time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub deadline: Option<String>,
    /// The lane of this job; without it, the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<LineLane>")]
    pub lane: Option<LineLane>,
    /// Carried untouched to the export.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub metadata: Value,
}

/// A line that has one user message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromptLine {
    /// The user's own id, unique in the input, at most 256 bytes. Without it: `line-<N>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), with = "Option<String>")]
    pub custom_id: Option<String>,
    /// The text of the one user message.
    #[schemars(length(min = 1))]
    pub prompt: String,
    /// The system prompt: text, or an array of text blocks. Without it: `--system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SystemPrompt>")]
    pub system: Option<SystemPrompt>,
    /// The model. Without it: `--model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), with = "Option<String>")]
    pub model: Option<String>,
    /// The most tokens to answer with. Without it: `--max-tokens`, else 4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u64>")]
    pub max_tokens: Option<u64>,
    /// How random the answer is. Without it: `--temperature`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub temperature: Option<f64>,
    /// When the answer is wanted: a duration from the moment of submit (`6h`), or an RFC 3339 time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub deadline: Option<String>,
    /// The lane of this job; without it, the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<LineLane>")]
    pub lane: Option<LineLane>,
    /// Carried untouched to the export.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub metadata: Value,
}

/// The body of a Messages API request. Keys that are not named here are sent as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestParams {
    /// The conversation; at least one message.
    #[schemars(length(min = 1))]
    pub messages: Vec<Value>,
    /// The model. Without it: `--model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), with = "String")]
    pub model: Option<String>,
    /// The most tokens to answer with. Without it: `--max-tokens`, else 4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub max_tokens: Option<u64>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A system prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SystemPrompt {
    /// Plain text.
    Text(String),
    /// Text blocks, which may have `cache_control`.
    Blocks(Vec<Value>),
}

/// What a line may say about its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineLane {
    /// The Messages API.
    Live,
    /// The Message Batches API.
    Batch,
    /// Whatever the run says; the same as leaving it out.
    Auto,
}

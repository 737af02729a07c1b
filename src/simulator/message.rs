//! The shape of a message, as the API sends it.
//!
//! What stands in a message is decided in `answer`.

use serde::Serialize;
use serde_json::Value;

use super::receipt::{self, AnswerUsage};

/// A message as the API answers with.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Message {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) role: &'static str,
    pub(super) model: &'static str,
    pub(super) content: Vec<Block>,
    pub(super) stop_reason: Option<&'static str>,
    pub(super) stop_sequence: Option<String>,
    pub(super) stop_details: Option<Value>,
    /// Where its code ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) container: Option<Value>,
    #[serde(
        serialize_with = "receipt::told",
        skip_serializing_if = "receipt::is_absent"
    )]
    pub(super) usage: AnswerUsage,
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
    WebSearchToolResult {
        tool_use_id: String,
        content: Value,
    },
}

//! The shape of a message and its usage, as the API sends them.
//!
//! What stands in a message is decided in `answer`.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::receipt::{self, Receipt};

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
    WebSearchToolResult {
        tool_use_id: String,
        content: Value,
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
    pub(super) server_tool_use: ServerToolUse,
    pub(super) service_tier: &'static str,
    pub(super) inference_geo: Cow<'static, str>,
    /// It is told otherwise than it is.
    #[serde(skip)]
    pub(super) receipt: Option<Receipt>,
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

/// In the order in which a stream tells it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct ServerToolUse {
    pub(super) web_fetch_requests: u32,
    pub(super) web_search_requests: u32,
}

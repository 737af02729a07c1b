//! The usage of a message, and receipts that are none: what gateways, proxies and broken programs
//! make of it.
//!
//! The answer itself is good and was generated; only what it tells of its cost is wrong, in a way
//! that each case names.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

#[derive(Clone, Debug, Serialize)]
pub(super) struct AnswerUsage {
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

/// How the usage of an answer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receipt {
    /// The key is not there.
    Absent,
    Null,
    Zeros,
    Floats,
    Strings,
    Negative,
    /// The largest count that fits into 64 bits.
    Huge,
    /// A count that fits into no integer.
    Beyond,
    /// 999,999,999 searches.
    Searches,
    /// 3,000 steps of plausible size.
    ManySteps,
    /// 3,000 steps of a billion tokens each.
    HugeSteps,
    /// The output is left out.
    NoOutput,
    /// No output, though there is some.
    ZeroOutput,
    /// A step that tells nothing.
    EmptyStep,
    /// A step that leaves its output out.
    HalfStep,
    /// A step with less output than the whole.
    LesserStep,
    /// Of fast speed, which was not asked for.
    Fast,
    /// Of the tier that costs half.
    BatchTier,
}

impl Receipt {
    /// What stands in place of the true counts.
    pub(super) fn of(self, usage: &AnswerUsage) -> Value {
        let (input, output) = (usage.input_tokens, usage.output_tokens);
        let steps = |input: u64, output: u64| {
            let step = json!({"type": "message", "input_tokens": input, "output_tokens": output});
            json!({"input_tokens": 12, "output_tokens": 6, "iterations": vec![step; 3_000]})
        };
        let with = |other: Value| {
            let mut told = json!({"input_tokens": input, "output_tokens": output});
            if let (Some(told), Value::Object(other)) = (told.as_object_mut(), other) {
                told.extend(other);
            }
            told
        };
        match self {
            Self::Absent | Self::Null => Value::Null,
            Self::Zeros => json!({"input_tokens": 0, "output_tokens": 0}),
            Self::Floats => json!({
                "input_tokens": f64::from(input) + 0.5, "output_tokens": f64::from(output) + 0.5,
            }),
            Self::Strings => json!({
                "input_tokens": input.to_string(), "output_tokens": output.to_string(),
            }),
            Self::Negative => json!({
                "input_tokens": -i64::from(input), "output_tokens": -i64::from(output),
            }),
            Self::Huge => json!({"input_tokens": u64::MAX, "output_tokens": u64::MAX}),
            Self::Beyond => json!({"input_tokens": 1e30, "output_tokens": 1e30}),
            Self::Searches => json!({
                "input_tokens": input, "output_tokens": output,
                "server_tool_use": {"web_search_requests": 999_999_999},
            }),
            Self::ManySteps => steps(10, 5),
            Self::HugeSteps => steps(1_000_000_000, 1_000_000_000),
            Self::NoOutput => json!({"input_tokens": input}),
            Self::ZeroOutput => with(json!({"output_tokens": 0})),
            Self::EmptyStep => with(json!({"iterations": [{}]})),
            Self::HalfStep => with(json!({"iterations": [{"input_tokens": input}]})),
            Self::LesserStep => with(json!({
                "iterations": [{"input_tokens": input, "output_tokens": 1}],
            })),
            Self::Fast => with(json!({"speed": "fast"})),
            Self::BatchTier => with(json!({"service_tier": "batch"})),
        }
    }
}

/// Writes the usage of a message as its receipt tells it.
pub(super) fn told<S: Serializer>(usage: &AnswerUsage, serializer: S) -> Result<S::Ok, S::Error> {
    match usage.receipt {
        None => usage.serialize(serializer),
        Some(receipt) => receipt.of(usage).serialize(serializer),
    }
}

/// Whether the key is left out.
pub(super) fn is_absent(usage: &AnswerUsage) -> bool {
    usage.receipt == Some(Receipt::Absent)
}

//! Receipts that are none: what gateways, proxies and broken programs make of an answer's usage.
//!
//! The answer itself is good and was generated; only what it tells of its cost is wrong, in a way
//! that each case names.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::message::Usage;

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
}

impl Receipt {
    /// What stands in place of the true counts.
    pub(super) fn of(self, usage: &Usage) -> Value {
        let (input, output) = (usage.input_tokens, usage.output_tokens);
        let steps = |input: u64, output: u64| {
            let step = json!({"type": "message", "input_tokens": input, "output_tokens": output});
            json!({"input_tokens": 12, "output_tokens": 6, "iterations": vec![step; 3_000]})
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
        }
    }
}

/// Writes the usage of a message as its receipt tells it.
pub(super) fn told<S: Serializer>(usage: &Usage, serializer: S) -> Result<S::Ok, S::Error> {
    match usage.receipt {
        None => usage.serialize(serializer),
        Some(receipt) => receipt.of(usage).serialize(serializer),
    }
}

/// Whether the key is left out.
pub(super) fn is_absent(usage: &Usage) -> bool {
    usage.receipt == Some(Receipt::Absent)
}

//! The API's `usage` object as [`Usage`].
//!
//! Every field may be null, absent or of an unexpected kind: it then counts as zero, for a paid
//! answer must not be lost over its receipt.

use serde_json::Value;

use crate::model::usage::Iteration;
use crate::model::{Tokens, Usage};

/// No request can use more of anything. Larger counts are garbage, and would overflow sums and the
/// store's integers.
const MAX_COUNT: u64 = 1_000_000_000;

/// Reads the usage object; anything but an object is no usage.
pub(super) fn read_usage(usage: &Value) -> Usage {
    Usage {
        tokens: tokens(usage),
        iterations: iterations(usage),
        web_searches: count(&usage["server_tool_use"], "web_search_requests"),
        batch_tier: usage["service_tier"] == "batch",
        us_geo: usage["inference_geo"] == "us",
        fast: usage["speed"] == "fast",
    }
}

fn tokens(counts: &Value) -> Tokens {
    let split = &counts["cache_creation"];
    let five_minutes = count(split, "ephemeral_5m_input_tokens");
    let one_hour = count(split, "ephemeral_1h_input_tokens");
    // What the split does not tell of (it may be null) was written to the default cache, the
    // five-minute one.
    let unsplit = count(counts, "cache_creation_input_tokens")
        .saturating_sub(five_minutes)
        .saturating_sub(one_hour);
    Tokens {
        input: count(counts, "input_tokens"),
        output: count(counts, "output_tokens"),
        cache_read: count(counts, "cache_read_input_tokens"),
        cache_write_5m: five_minutes + unsplit,
        cache_write_1h: one_hour,
    }
}

fn iterations(usage: &Value) -> Vec<Iteration> {
    let steps = usage["iterations"].as_array();
    steps
        .into_iter()
        .flatten()
        .filter(|step| step.is_object())
        .map(|step| Iteration {
            model: step["model"].as_str().map(str::to_owned),
            tokens: tokens(step),
        })
        .collect()
}

fn count(object: &Value, name: &str) -> u64 {
    object[name].as_u64().unwrap_or(0).min(MAX_COUNT)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{MAX_COUNT, read_usage};
    use crate::model::usage::Iteration;
    use crate::model::{Tokens, Usage};

    fn tokens(input: u64, output: u64, read: u64, five_minutes: u64, one_hour: u64) -> Tokens {
        Tokens {
            input,
            output,
            cache_read: read,
            cache_write_5m: five_minutes,
            cache_write_1h: one_hour,
        }
    }

    #[test]
    fn token_counts_of_every_shape_are_read() {
        let cases = [
            (
                json!({"input_tokens":12,"output_tokens":6}),
                tokens(12, 6, 0, 0, 0),
            ),
            (
                json!({"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":null,
                       "cache_read_input_tokens":null,"cache_creation":null}),
                tokens(1, 2, 0, 0, 0),
            ),
            (
                json!({"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":30,
                       "cache_read_input_tokens":4,"cache_creation":
                       {"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20}}),
                tokens(1, 2, 4, 10, 20),
            ),
            // Without the split, all of it is the five-minute cache's.
            (
                json!({"cache_creation_input_tokens":30,"cache_creation":null}),
                tokens(0, 0, 0, 30, 0),
            ),
            (
                json!({"cache_creation_input_tokens":30,"cache_creation":
                       {"ephemeral_1h_input_tokens":20,"ephemeral_5m_input_tokens":null}}),
                tokens(0, 0, 0, 10, 20),
            ),
            (
                json!({"input_tokens":-1,"output_tokens":"9","cache_read_input_tokens":u64::MAX}),
                tokens(0, 0, MAX_COUNT, 0, 0),
            ),
            (json!({}), tokens(0, 0, 0, 0, 0)),
            (json!("none"), tokens(0, 0, 0, 0, 0)),
            (Value::Null, tokens(0, 0, 0, 0, 0)),
        ];
        for (usage, expected) in cases {
            assert_eq!(read_usage(&usage).tokens, expected, "{usage}");
        }
    }

    #[test]
    fn what_changes_the_price_is_read() {
        let usage = json!({"service_tier":"batch","inference_geo":"us","speed":"fast",
            "server_tool_use":{"web_search_requests":3,"web_fetch_requests":1}});
        let expected = Usage {
            web_searches: 3,
            batch_tier: true,
            us_geo: true,
            fast: true,
            ..Usage::default()
        };
        assert_eq!(read_usage(&usage), expected);
        let plain = json!({"service_tier":"standard","inference_geo":"not_available",
            "speed":"standard","server_tool_use":null});
        assert_eq!(read_usage(&plain), Usage::default());
    }

    #[test]
    fn iterations_keep_their_own_models_and_counts() {
        let usage = json!({"input_tokens":5,"iterations":[
            {"type":"message","model":"claude-opus-5-5","input_tokens":5,"output_tokens":1},
            {"type":"compaction","model":null,"input_tokens":7,"cache_creation_input_tokens":2},
            "garbage"]});
        let expected = vec![
            Iteration {
                model: Some("claude-opus-5-5".to_owned()),
                tokens: tokens(5, 1, 0, 0, 0),
            },
            Iteration {
                model: None,
                tokens: tokens(7, 0, 0, 2, 0),
            },
        ];
        assert_eq!(read_usage(&usage).iterations, expected);
    }
}

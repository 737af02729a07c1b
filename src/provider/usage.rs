//! The API's `usage` object as [`Usage`].
//!
//! A paid answer must not be lost over its receipt, so whatever stands here is read. But a receipt
//! that tells nothing is not one over nothing: every answer has a prompt, and nearly every one an
//! output. Where the two counts that the API always sends are no counts, or tell of no prompt, the
//! usage is [`Usage::missing`], and no sum may take it for free. Every other field may be null,
//! absent or of an unexpected kind, and then counts as zero.

use serde_json::Value;

use crate::model::usage::Iteration;
use crate::model::{Tokens, Usage};

/// No answer has used more tokens of one kind. Larger counts are garbage, and would overflow sums
/// and the store's integers.
const MAX_COUNT: u64 = 1_000_000_000;
/// No answer has had more searches: each is read by the model, and a day has 86,400 seconds.
const MAX_SEARCHES: u64 = 100_000;

/// Reads the usage object; anything but an object is no usage.
pub(super) fn read_usage(usage: &Value) -> Usage {
    let mut reader = Reader::default();
    let tokens = reader.tokens(usage);
    let iterations = reader.iterations(usage);
    let searches = reader.count(
        &usage["server_tool_use"],
        "web_search_requests",
        MAX_SEARCHES,
    );
    let told = usage["input_tokens"].is_u64() && usage["output_tokens"].is_u64();
    let has_prompt = tokens.prompt() > 0 || iterations.iter().any(|step| step.tokens.prompt() > 0);
    Usage {
        tokens,
        iterations,
        web_searches: searches,
        batch_tier: usage["service_tier"] == "batch",
        us_geo: usage["inference_geo"] == "us",
        fast: usage["speed"] == "fast",
        missing: !(told && has_prompt) || reader.unreadable,
        saturated: reader.saturated,
    }
}

/// Whether both counts that the API always sends are there, and are zero: how it tells of an answer
/// that it does not bill.
pub(super) fn is_free(usage: &Value) -> bool {
    usage["input_tokens"] == 0 && usage["output_tokens"] == 0
}

#[derive(Default)]
struct Reader {
    /// A count is there, but is none: a text, a fraction, or less than nothing.
    unreadable: bool,
    saturated: bool,
}

impl Reader {
    fn tokens(&mut self, counts: &Value) -> Tokens {
        let split = &counts["cache_creation"];
        let five_minutes = self.count(split, "ephemeral_5m_input_tokens", MAX_COUNT);
        let one_hour = self.count(split, "ephemeral_1h_input_tokens", MAX_COUNT);
        // What the split does not tell of (it may be null) was written to the default cache, the
        // five-minute one.
        let unsplit = self
            .count(counts, "cache_creation_input_tokens", MAX_COUNT)
            .saturating_sub(five_minutes)
            .saturating_sub(one_hour);
        Tokens {
            input: self.count(counts, "input_tokens", MAX_COUNT),
            output: self.count(counts, "output_tokens", MAX_COUNT),
            cache_read: self.count(counts, "cache_read_input_tokens", MAX_COUNT),
            cache_write_5m: five_minutes + unsplit,
            cache_write_1h: one_hour,
        }
    }

    fn iterations(&mut self, usage: &Value) -> Vec<Iteration> {
        let steps = usage["iterations"].as_array();
        steps
            .into_iter()
            .flatten()
            .filter(|step| step.is_object())
            .map(|step| Iteration {
                model: step["model"].as_str().map(str::to_owned),
                tokens: self.tokens(step),
            })
            .collect()
    }

    fn count(&mut self, object: &Value, name: &str, most: u64) -> u64 {
        let told = &object[name];
        self.unreadable |= !(told.is_null() || told.is_u64());
        let count = told.as_u64().unwrap_or(0);
        self.saturated |= count > most;
        count.min(most)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{MAX_COUNT, MAX_SEARCHES, read_usage};
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
        let usage = json!({"input_tokens":1,"output_tokens":1,"service_tier":"batch",
            "inference_geo":"us","speed":"fast","server_tool_use":{"web_search_requests":3,"web_fetch_requests":1}});
        let expected = Usage {
            tokens: tokens(1, 1, 0, 0, 0),
            web_searches: 3,
            batch_tier: true,
            us_geo: true,
            fast: true,
            ..Usage::default()
        };
        assert_eq!(read_usage(&usage), expected);
        let plain = json!({"input_tokens":1,"output_tokens":1,"service_tier":"standard",
            "inference_geo":"not_available","speed":"standard","server_tool_use":null});
        let expected = Usage {
            tokens: tokens(1, 1, 0, 0, 0),
            ..Usage::default()
        };
        assert_eq!(read_usage(&plain), expected);
    }

    #[test]
    fn a_receipt_that_tells_nothing_is_missing_and_not_one_over_nothing() {
        for (usage, missing) in [
            (Value::Null, true),
            (json!("none"), true),
            (json!([]), true),
            (json!({}), true),
            (json!({"input_tokens":null,"output_tokens":null}), true),
            (json!({"input_tokens":0,"output_tokens":0}), true),
            // A stream's first count that no later one replaced.
            (json!({"input_tokens":0,"output_tokens":5}), true),
            (json!({"input_tokens":12}), true),
            (json!({"output_tokens":12}), true),
            (json!({"input_tokens":12.0,"output_tokens":6.0}), true),
            (json!({"input_tokens":12.5,"output_tokens":6}), true),
            (json!({"input_tokens":"12","output_tokens":"6"}), true),
            (json!({"input_tokens":-12,"output_tokens":6}), true),
            (json!({"input_tokens":12,"output_tokens":-6}), true),
            (
                json!({"input_tokens":12,"output_tokens":6,"cache_read_input_tokens":"9"}),
                true,
            ),
            (
                json!({"input_tokens":12,"output_tokens":6,"cache_creation":{"ephemeral_1h_input_tokens":-1}}),
                true,
            ),
            (
                json!({"input_tokens":12,"output_tokens":6,"server_tool_use":{"web_search_requests":"2"}}),
                true,
            ),
            (json!({"input_tokens":1e30,"output_tokens":6}), true),
            (json!({"input_tokens":12,"output_tokens":6}), false),
            // Of `max_tokens: 0`, which warms the cache.
            (json!({"input_tokens":12,"output_tokens":0}), false),
            (
                json!({"input_tokens":0,"output_tokens":6,"cache_read_input_tokens":9}),
                false,
            ),
            (
                json!({"input_tokens":0,"output_tokens":0,"iterations":[{"input_tokens":9,"output_tokens":1}]}),
                false,
            ),
            (
                json!({"input_tokens":12,"output_tokens":6,"server_tool_use":null,"iterations":null}),
                false,
            ),
        ] {
            assert_eq!(read_usage(&usage).missing, missing, "{usage}");
        }
    }

    #[test]
    fn a_receipt_over_more_than_can_be_is_cut_and_marked() {
        for (usage, saturated) in [
            (json!({"input_tokens":MAX_COUNT,"output_tokens":6}), false),
            (
                json!({"input_tokens":MAX_COUNT + 1,"output_tokens":6}),
                true,
            ),
            (json!({"input_tokens":u64::MAX,"output_tokens":6}), true),
            (
                json!({"input_tokens":1,"output_tokens":6,"iterations":[{"output_tokens":u64::MAX}]}),
                true,
            ),
            (
                json!({"input_tokens":1,"output_tokens":6,"server_tool_use":{"web_search_requests":999_999_999}}),
                true,
            ),
            (
                json!({"input_tokens":1,"output_tokens":6,"server_tool_use":{"web_search_requests":MAX_SEARCHES}}),
                false,
            ),
        ] {
            let read = read_usage(&usage);
            assert_eq!(
                (read.saturated, read.missing),
                (saturated, false),
                "{usage}"
            );
            assert!(read.tokens.prompt() <= MAX_COUNT && read.web_searches <= MAX_SEARCHES);
        }
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

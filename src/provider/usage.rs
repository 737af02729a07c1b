//! The API's `usage` object as [`Usage`].
//!
//! A paid answer must not be lost over its receipt, so whatever stands here is read. But a receipt
//! that tells too little is not one over little: here alone it is decided whether it tells enough.
//! Where a count that is always sent is no count, where no prompt is told of, or no output (or next
//! to none) beside content that the model wrote, the usage is [`Usage::missing`], and no sum may take
//! it for free. Where the steps of an answer and its own counts contradict each other, both are paid
//! for. Every other field may be null, absent or of an unexpected kind, and then counts as zero. Which
//! tier it calls itself is not read: that is known from how it was asked for.

use serde_json::Value;

use super::model_output::ModelOutput;
use crate::model::usage::Iteration;
use crate::model::{Tokens, Usage};

/// No answer has used more tokens of one kind. Larger counts are garbage, and would overflow sums
/// and the store's integers.
const MAX_COUNT: u64 = 1_000_000_000;
/// No answer has had more searches: each is read by the model, and a day has 86,400 seconds.
const MAX_SEARCHES: u64 = 100_000;
/// No text has more bytes for each of its tokens, on average: most have about four, and the longest
/// run of one character that is one token has fewer. More were written by other tokens than are told.
const MOST_BYTES_PER_TOKEN: u64 = 256;

/// Reads the usage object of an answer with that content; anything but an object is no usage.
pub(super) fn read_usage(usage: &Value, written: &ModelOutput) -> Usage {
    let mut reader = UsageReader::default();
    let tokens = reader.tokens(usage);
    let mut iterations = reader.iterations(usage);
    let searches = reader.count(
        &usage["server_tool_use"],
        "web_search_requests",
        MAX_SEARCHES,
    );
    let told = tells_both(usage);
    let has_prompt = tokens.prompt() > 0 || iterations.iter().any(|step| step.tokens.prompt() > 0);
    iterations.extend(left_out(&tokens, &iterations));
    let output = iterations.iter().map(|step| step.tokens.output);
    let output = output.sum::<u64>().max(tokens.output);
    // A gateway may report no tokens for a long answer; such a count is not believed.
    let tells_output = written.bytes <= output.saturating_mul(MOST_BYTES_PER_TOKEN);
    let searches = match &usage["server_tool_use"] {
        // Only what tells of no searches at all is made good by what stands in the answer.
        Value::Object(_) => searches,
        _ => written.searches.min(MAX_SEARCHES),
    };
    Usage {
        tokens,
        iterations,
        web_searches: searches,
        batch_tier: false,
        us_geo: usage["inference_geo"] == "us",
        fast: usage["speed"] == "fast",
        missing: !(told && has_prompt && tells_output) || reader.unreadable,
        saturated: reader.saturated,
    }
}

/// What the answer's own counts tell of and its steps leave out, as one more step: the steps are
/// what is priced, and may never be less than the whole. In what the API sends, nothing is left out.
fn left_out(whole: &Tokens, steps: &[Iteration]) -> Option<Iteration> {
    if steps.is_empty() {
        return None;
    }
    let sum = steps
        .iter()
        .fold(Tokens::default(), |sum, step| sum.plus(&step.tokens));
    let writes = |tokens: &Tokens| tokens.cache_write_5m.saturating_add(tokens.cache_write_1h);
    let written = writes(whole).saturating_sub(writes(&sum));
    let one_hour = whole.cache_write_1h.saturating_sub(sum.cache_write_1h);
    let one_hour = one_hour.min(written);
    let tokens = Tokens {
        input: whole.input.saturating_sub(sum.input),
        output: whole.output.saturating_sub(sum.output),
        cache_read: whole.cache_read.saturating_sub(sum.cache_read),
        cache_write_5m: written - one_hour,
        cache_write_1h: one_hour,
    };
    (tokens != Tokens::default()).then_some(Iteration {
        model: None,
        tokens,
    })
}

/// Whether both counts are there that the API sends with every answer and every step.
fn tells_both(counts: &Value) -> bool {
    counts["input_tokens"].is_u64() && counts["output_tokens"].is_u64()
}

/// Whether both counts that the API always sends are there, and are zero: how it tells of an answer
/// that it does not bill.
pub(super) fn is_free(usage: &Value) -> bool {
    usage["input_tokens"] == 0 && usage["output_tokens"] == 0
}

#[derive(Default)]
struct UsageReader {
    /// A count is there, but is none: a text, a fraction, or less than nothing. Or a step has none.
    unreadable: bool,
    saturated: bool,
}

impl UsageReader {
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
        let steps = usage["iterations"].as_array().into_iter().flatten();
        let steps: Vec<_> = steps.collect();
        self.unreadable |= !steps.iter().all(|step| tells_both(step));
        steps
            .into_iter()
            .filter(|step| step.is_object())
            .map(|step| Iteration {
                model: step["model"].as_str().map(str::to_owned),
                tokens: self.tokens(step),
            })
            .collect()
    }

    fn count(&mut self, object: &Value, name: &str, most: u64) -> u64 {
        let told = &object[name];
        // A count of another kind is no zero: the cost would be too low.
        self.unreadable |= !(told.is_null() || told.is_u64());
        let count = told.as_u64().unwrap_or(0);
        self.saturated |= count > most;
        count.min(most)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{MAX_COUNT, MAX_SEARCHES};
    use crate::model::usage::Iteration;
    use crate::model::{Tokens, Usage};
    use crate::provider::model_output::ModelOutput;

    fn read_usage(usage: &Value) -> Usage {
        super::read_usage(usage, &ModelOutput::default())
    }

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
                json!({"input_tokens":1,"output_tokens":6,"iterations":[{"input_tokens":1,"output_tokens":u64::MAX}]}),
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
            {"type":"compaction","model":null,"input_tokens":7,"output_tokens":0,"cache_creation_input_tokens":2}]});
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

    #[test]
    fn a_step_without_both_counts_is_no_receipt() {
        for (step, missing) in [
            (json!({"input_tokens":9,"output_tokens":1}), false),
            (json!({"input_tokens":0,"output_tokens":0}), false),
            (json!({"type":"message"}), true),
            (json!({}), true),
            (json!("message"), true),
            (Value::Null, true),
            (json!({"input_tokens":9}), true),
            (json!({"output_tokens":9}), true),
            (json!({"input_tokens":null,"output_tokens":null}), true),
            (json!({"input_tokens":9.0,"output_tokens":1.0}), true),
            (json!({"input_tokens":"9","output_tokens":"1"}), true),
        ] {
            let usage = json!({"input_tokens":9,"output_tokens":1,
                "iterations":[{"input_tokens":9,"output_tokens":1}, step]});
            assert_eq!(read_usage(&usage).missing, missing, "{usage}");
        }
    }

    #[test]
    fn what_steps_leave_out_of_the_whole_is_paid_for_too() {
        let whole = json!({"input_tokens":10,"output_tokens":1000,"cache_read_input_tokens":5,
            "cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":4},
            "cache_creation_input_tokens":7});
        let with = |steps: Value| {
            let mut usage = whole.clone();
            usage["iterations"] = steps;
            let read = read_usage(&usage);
            assert!(!read.missing, "{usage}");
            read.iterations
        };
        let less = with(json!([{"model":"m","input_tokens":10,"output_tokens":1}]));
        assert_eq!(less.len(), 2);
        assert_eq!(
            (less[1].model.as_deref(), less[1].tokens),
            (None, tokens(0, 999, 5, 3, 4))
        );
        // A step may not tell for how long it wrote.
        let unsplit = with(json!([{"input_tokens":10,"output_tokens":1000,
            "cache_read_input_tokens":5,"cache_creation_input_tokens":7}]));
        assert_eq!(unsplit.len(), 1);
        // As the docs say: the counts of the whole leave steps out, and never the other way round.
        let more = with(json!([whole, {"model":"m","input_tokens":9,"output_tokens":9}]));
        assert_eq!(more.len(), 2);
        assert_eq!(with(json!([])), []);
    }

    #[test]
    fn output_that_is_told_as_none_beside_content_is_no_receipt() {
        let read = |output: u64, steps: Value, bytes| {
            let usage = json!({"input_tokens":9,"output_tokens":output,"iterations":steps});
            let written = ModelOutput { bytes, searches: 0 };
            super::read_usage(&usage, &written).missing
        };
        for (output, bytes, missing) in [
            (0, 0, false),
            (0, 1, true),
            (1, 4, false),
            (1, 256, false),
            (1, 257, true),
            (1_000, 4_000, false),
            (1_000, 256_001, true),
        ] {
            assert_eq!(
                read(output, Value::Null, bytes),
                missing,
                "{output} {bytes}"
            );
        }
        let steps = json!([{"input_tokens":9,"output_tokens":100}]);
        assert!(!read(1, steps, 400));
    }

    #[test]
    fn searches_that_no_count_tells_of_are_those_that_the_answer_shows() {
        let read = |told: Value, searches| {
            let usage = json!({"input_tokens":9,"output_tokens":9,"server_tool_use":told});
            super::read_usage(&usage, &ModelOutput { bytes: 1, searches }).web_searches
        };
        assert_eq!(read(Value::Null, 3), 3);
        assert_eq!(read(json!({"web_search_requests":2}), 3), 2);
        assert_eq!(read(json!({"web_search_requests":2}), 0), 2);
        assert_eq!(read(Value::Null, 0), 0);
    }
}

//! Whether an attempt is streamed.
//!
//! A plain answer is silent until it is complete, and proxies, load balancers and our own timeout
//! end what is silent for too long; a stream shows at once that somebody is at work.

use crate::model::{ErrorClass, RequestBody, StreamMode};

/// The longest output that is sure to come within ten minutes, in tokens. The official SDKs expect
/// an hour for 128,000 tokens, and refuse to wait without a stream for more than that.
pub const LONGEST_PLAIN_OUTPUT: u64 = 21_333;

/// Whether the next attempt of a job is streamed. `last` is the class of its attempt before.
#[must_use]
pub fn streams(mode: StreamMode, max_tokens: Option<u64>, last: Option<ErrorClass>) -> bool {
    // A request that only warms the cache has no output, and the API refuses to stream it.
    if max_tokens == Some(0) {
        return false;
    }
    match mode {
        StreamMode::Always => true,
        StreamMode::Never => false,
        StreamMode::Auto => {
            took_too_long(last) || max_tokens.is_some_and(|most| most > LONGEST_PLAIN_OUTPUT)
        }
    }
}

/// `max_tokens` of a request body, if it is a whole number.
#[must_use]
pub fn max_tokens_of(body: &RequestBody) -> Option<u64> {
    body.member("max_tokens").ok()??.parse().ok()
}

/// A stream that was cut had a reason to be one, so the job goes on with a stream.
fn took_too_long(last: Option<ErrorClass>) -> bool {
    matches!(
        last,
        Some(ErrorClass::Timeout | ErrorClass::GatewayTimeout | ErrorClass::StreamCut)
    )
}

#[cfg(test)]
mod tests {
    use super::{max_tokens_of, streams};
    use crate::model::ErrorClass as C;
    use crate::model::RequestBody;
    use crate::model::StreamMode::{Always, Auto, Never};

    #[test]
    fn an_attempt_is_streamed_where_a_plain_one_would_take_too_long_or_did() {
        let cases = [
            (Auto, Some(4_096), None, false),
            (Auto, Some(21_333), None, false),
            (Auto, Some(21_334), None, true),
            (Auto, Some(128_000), Some(C::Overloaded), true),
            (Auto, Some(4_096), Some(C::Timeout), true),
            (Auto, Some(4_096), Some(C::GatewayTimeout), true),
            (Auto, Some(4_096), Some(C::StreamCut), true),
            (Auto, Some(4_096), Some(C::RequestTimeout), false),
            (Auto, Some(4_096), Some(C::ConnectionCut), false),
            (Auto, None, None, false),
            (Auto, None, Some(C::Timeout), true),
            (Always, Some(1), None, true),
            (Always, None, None, true),
            (Never, Some(128_000), Some(C::Timeout), false),
            // The API does not stream what has no output.
            (Always, Some(0), None, false),
            (Auto, Some(0), Some(C::Timeout), false),
        ];
        for (mode, max_tokens, last, expected) in cases {
            let decided = streams(mode, max_tokens, last);
            assert_eq!(decided, expected, "{mode} {max_tokens:?} {last:?}");
        }
    }

    #[test]
    fn max_tokens_is_read_from_the_body_itself() {
        let cases = [
            (r#"{"max_tokens":64000,"messages":[]}"#, Some(64_000)),
            (
                r#"{"messages":[{"max_tokens":1}], "max_tokens" : 2 }"#,
                Some(2),
            ),
            (r#"{"max_tokens":1.5}"#, None),
            (r#"{"max_tokens":"9"}"#, None),
            (r#"{"messages":[]}"#, None),
        ];
        for (body, expected) in cases {
            assert_eq!(
                max_tokens_of(&RequestBody::from_json(body)),
                expected,
                "{body}"
            );
        }
    }
}

//! Whatever an endpoint answers, it is classified: no panic, and what is kept is bounded.
//!
//! Input: two bytes of status, one line for the `retry-after` header, and the body.

#![no_main]

use claude_run::provider::{HeaderView, MAX_ERROR_TEXT, MAX_RAW_ERROR, classify_response};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

fuzz_target!(|data: &[u8]| {
    let Some((status, rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let (header, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(header) {
        headers.insert(RETRY_AFTER, value);
    }
    let status = 100 + u16::from_be_bytes(*status) % 500;
    let view = HeaderView::new(&headers);
    match classify_response(status, view, body, Timestamp::UNIX_EPOCH) {
        Ok(message) => assert!(!message.raw.is_empty()),
        Err(failure) => {
            let kept = &failure.evidence;
            assert!(kept.message.as_ref().is_some_and(|text| text.len() <= MAX_ERROR_TEXT));
            // Masking may lengthen what it masks.
            assert!(kept.raw_error.as_ref().is_none_or(|raw| raw.len() <= 2 * MAX_RAW_ERROR));
        }
    }
});

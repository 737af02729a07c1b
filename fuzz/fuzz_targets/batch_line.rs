//! Whatever stands in a line of a batch's results, it is read: no panic, what is kept of an error
//! is bounded, and a message is one that the live lane takes too.
//!
//! Input: the line.

#![no_main]

use claude_run::provider::{
    HeaderView, ItemResult, MAX_ERROR_TEXT, MAX_RAW_ERROR, classify_response, read_result_line,
};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    match read_result_line(line).result {
        ItemResult::Succeeded(message) => {
            let (none, now) = (HeaderView::none(), Timestamp::UNIX_EPOCH);
            let live = classify_response(200, none, message.raw.as_bytes(), now);
            assert_eq!(Ok(*message), live);
        }
        ItemResult::Errored(failure) => {
            let kept = &failure.evidence;
            assert!(kept.http_status.is_none());
            assert!(kept.message.as_ref().is_some_and(|text| text.len() <= MAX_ERROR_TEXT));
            // Masking may lengthen what it masks.
            assert!(kept.raw_error.as_ref().is_none_or(|raw| raw.len() <= 2 * MAX_RAW_ERROR));
        }
        ItemResult::Unreadable(words) => assert!(!words.is_empty() && words.len() < 3_000),
        ItemResult::Canceled | ItemResult::Expired => {}
    }
});

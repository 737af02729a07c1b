//! Whatever a stream says and wherever it is cut: no panic, the same outcome as uncut, and a
//! message that is one.
//!
//! Input: one byte, the size of the pieces, and the stream.

#![no_main]

use claude_run::provider::{HeaderView, classify_response, classify_stream};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((size, text)) = data.split_first() else {
        return;
    };
    let (none, now) = (HeaderView::none(), Timestamp::UNIX_EPOCH);
    let whole = classify_stream(none, [text], now);
    let cut = classify_stream(none, text.chunks(usize::from(*size).max(1)), now);
    assert_eq!(whole, cut);
    if let Ok(message) = whole {
        let plain = classify_response(200, none, message.raw.as_bytes(), now);
        assert_eq!(Ok(message), plain);
    }
});

//! What holds for any input whatever, one function a fuzz target.
//!
//! The fuzzer calls them with what it makes up, and the normal test suite with every file of
//! `fuzz/corpus/`, where the seeds and what was once found lie.

use std::io::Cursor;
use std::path::Path;
use std::sync::LazyLock;

use claude_run::cli::config_file::{self, LoadedFile};
use claude_run::cli::exit::Exit;
use claude_run::cli::settings::Layers;
use claude_run::input::{Item, JobReader, LineError, MAX_BODY_BYTES, Source};
use claude_run::model::{Evidence, NewJob, Shaping, Tokens, Usage};
use claude_run::policy::{Forecast, PriceTable, max_tokens_of};
use claude_run::provider::{
    HeaderView, ItemResult, MAX_ERROR_TEXT, MAX_RAW_ERROR, MAX_UNREADABLE, Message,
    classify_response, classify_stream, read_result_line,
};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::value::RawValue;

/// Read once: that takes longer than most inputs.
static PRICES: LazyLock<PriceTable> = LazyLock::new(PriceTable::embedded);

/// How Anthropic's keys begin. No message repeats one.
const KEY: &str = "sk-ant-";

/// What is kept of an error is bounded, whatever came.
fn assert_bounded(kept: &Evidence) {
    let message = kept.message.as_ref();
    assert!(message.is_some_and(|text| text.len() <= MAX_ERROR_TEXT));
    // Masking may lengthen what it masks.
    let raw = kept.raw_error.as_ref();
    assert!(raw.is_none_or(|raw| raw.len() <= 2 * MAX_RAW_ERROR));
    let unreadable = kept.unreadable.as_ref();
    assert!(unreadable.is_none_or(|answer| answer.len() <= MAX_UNREADABLE));
}

/// Whatever an endpoint answers, it is classified: no panic, and what is kept is bounded.
///
/// Input: two bytes of status, one line for the `retry-after` header, and the body.
pub fn classify(data: &[u8]) {
    let Some((status, rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let (header, body) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(header) {
        headers.insert(RETRY_AFTER, value);
    }
    let status = 100 + u16::from_be_bytes(*status) % 500;
    let view = HeaderView::new(&headers);
    match classify_response(status, view, body, Timestamp::UNIX_EPOCH) {
        Ok(message) => assert_valid(message),
        Err(failure) => {
            let kept = &failure.evidence;
            assert_bounded(kept);
        }
    }
}

/// A message is JSON for every reader, and says the same when it is read again.
fn assert_valid(message: Message) {
    let (none, now) = (HeaderView::none(), Timestamp::UNIX_EPOCH);
    assert!(serde_json::from_str::<&RawValue>(&message.raw).is_ok());
    let again = classify_response(200, none, message.raw.as_bytes(), now);
    let first = Message {
        note: None,
        request_id: None,
        ..message
    };
    assert_eq!(again, Ok(first));
}

/// Whatever a stream says and wherever it is cut: no panic, the same outcome as uncut, and a
/// message that is one.
///
/// Input: one byte, the size of the pieces, and the stream.
pub fn sse(data: &[u8]) {
    let Some((size, text)) = data.split_first() else {
        return;
    };
    let (none, now) = (HeaderView::none(), Timestamp::UNIX_EPOCH);
    let whole = classify_stream(none, [text], now);
    let cut = classify_stream(none, text.chunks(usize::from(*size).max(1)), now);
    assert_eq!(whole, cut);
    if let Ok(message) = whole {
        assert_valid(message);
    }
}

/// Whatever stands in a line of a batch's results, it is read: no panic, what is kept of an error
/// is bounded, and a message is one that the live lane takes too.
///
/// Input: the line.
pub fn batch_line(line: &[u8]) {
    match read_result_line(line).result {
        ItemResult::Succeeded(message) => assert_valid(*message),
        ItemResult::Errored(failure) => {
            let kept = &failure.evidence;
            assert!(kept.http_status.is_none());
            assert_bounded(kept);
        }
        ItemResult::Unreadable(words) => assert!(!words.is_empty() && words.len() < 3_000),
        ItemResult::Canceled | ItemResult::Expired => {}
    }
}

/// Whatever an input file holds: no panic, a place and a reason for each bad line, and for each
/// good one a request that is JSON and whose tokens can be estimated.
///
/// Input: one byte, whether flags fill the gaps, and the file, packed or not.
pub fn input_line(data: &[u8]) {
    let Some((flags, file)) = data.split_first() else {
        return;
    };
    let text = |bit: u8, text: &str| (flags & bit != 0).then(|| text.to_owned());
    let shaping = Shaping {
        model: text(1, "claude-haiku-4-5"),
        max_tokens: (flags & 2 != 0).then_some(16),
        system: text(4, "Be \"brief\".\n"),
        temperature: (flags & 8 != 0).then_some(0.5),
        skip_invalid: false,
    };
    let now = Timestamp::UNIX_EPOCH;
    let stream = Box::new(Cursor::new(file.to_vec()));
    let source = match Source::from_reader("fuzzed", stream) {
        Ok(source) => source,
        Err(error) => return assert!(error.to_string().contains("fuzzed")),
    };
    let mut forecast = Forecast::new(PRICES.clone(), now, None);
    let mut last_line = 0;
    for item in JobReader::new(source, &shaping, now) {
        match item {
            Ok(Item::Job { job, notes: _ }) => {
                assert!(job.line > last_line);
                last_line = job.line;
                forecast.add(&job.model, &job.body.view());
                good_line(&job);
            }
            Ok(Item::Bad(error)) => {
                assert!(error.line > last_line);
                last_line = error.line;
                bad_line(&error);
            }
            Err(error) => assert!(error.line > last_line),
        }
    }
}

fn good_line(job: &NewJob) {
    assert!((1..=256).contains(&job.custom_id.len()));
    assert!(!job.model.is_empty());
    let body = job.body.as_str();
    assert!(body.len() <= MAX_BODY_BYTES);
    let _ = max_tokens_of(&job.body);
    // Deeper values are carried as they are, but `Value` does not take them.
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(body) {
        assert_eq!(value["model"], job.model.as_str());
        assert!(value["messages"].is_array() && value["max_tokens"].is_u64());
        assert!(value.get("stream").is_none());
    }
    if let Some(metadata) = &job.metadata {
        assert!(serde_json::from_str::<&RawValue>(metadata).is_ok());
    }
}

fn bad_line(error: &LineError) {
    let words = error.to_string();
    assert!(error.column >= 1 && !error.reason.is_empty(), "{words}");
    assert!(words.len() < 1_000, "{words}");
    assert!(!words.contains(char::is_control), "{words:?}");
}

/// Whatever a config file holds: no panic, and a mistake is told with its place and a remedy, and
/// without a key that somebody wrote into it.
///
/// Input: the file.
pub fn config_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let failure = match config_file::parse(Path::new("fuzzed.toml"), text) {
        Ok(file) => return settings_of(file),
        Err(failure) => failure,
    };
    assert_eq!(failure.exit, Exit::Usage);
    let place = failure.what.strip_prefix("fuzzed.toml:").unwrap();
    let (line, rest) = place.split_once(':').unwrap();
    let (column, _) = rest.split_once(": ").unwrap();
    let [line, column] = [line, column].map(|number| number.parse::<usize>().unwrap());
    assert!((1..=text.matches('\n').count() + 1).contains(&line) && column >= 1);
    assert!(!failure.next.is_empty());
    let words = failure.to_string();
    assert!(!words.contains(KEY), "{words}");
}

/// What is right by itself may not go together; that is told too.
fn settings_of(file: LoadedFile) {
    let layers = Layers {
        file: Some(file),
        ..Layers::default()
    };
    match layers.settings(None) {
        Ok(settings) => {
            let rows = settings.rows().into_iter();
            assert!(
                rows.map(|row| row.value.to_string())
                    .all(|shown| !shown.contains(KEY))
            );
        }
        Err(failure) => assert_eq!(failure.exit, Exit::Usage),
    }
}

/// Whatever a price table holds: no panic, a mistake has its place, and every sum can be made.
///
/// Input: the table.
pub fn price_table(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let table = match PriceTable::parse(text, "fuzzed.toml") {
        Ok(table) => table,
        Err(error) => {
            let lines = text.matches('\n').count() + 1;
            assert!(
                (1..=lines).contains(&error.line) && error.column >= 1,
                "{error}"
            );
            return assert!(!error.reason.is_empty());
        }
    };
    let usage = Usage {
        tokens: Tokens {
            input: u64::MAX,
            output: u64::MAX,
            cache_read: 1,
            ..Tokens::default()
        },
        us_geo: true,
        batch_tier: true,
        web_searches: u64::MAX,
        ..Usage::default()
    };
    let both = PRICES.clone().overridden_by(table.clone());
    for model in table.models() {
        for at in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            let _ = both.cost(&model.id, &usage, at);
        }
    }
    let _ = both.nearest_model_ids("claude");
}

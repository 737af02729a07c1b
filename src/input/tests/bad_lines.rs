//! Lines that are refused, and exactly how that is said.

use super::{bad, with_model};
use crate::input::{LineError, MAX_PARAMS_KEYS};
use crate::model::Shaping;

/// Line, column, reason; with a model given by flags.
const BAD: [(&str, usize, &str); 74] = [
    // What is no JSON object.
    (
        "[",
        1,
        "expected a JSON object, found an array: JSONL has one object on each line, without `[`, `]` or commas between the lines (`jq -c '.[]' FILE` writes it so)",
    ),
    (
        r#"[{"prompt":"p"}]"#,
        1,
        "expected a JSON object, found an array: JSONL has one object on each line, without `[`, `]` or commas between the lines (`jq -c '.[]' FILE` writes it so)",
    ),
    (
        r#""text""#,
        1,
        r#"expected a JSON object such as {"prompt": "..."}, found a string"#,
    ),
    (
        "17",
        1,
        r#"expected a JSON object such as {"prompt": "..."}, found a number"#,
    ),
    (
        "null",
        1,
        r#"expected a JSON object such as {"prompt": "..."}, found null"#,
    ),
    (
        "custom_id,prompt",
        1,
        r#"expected a JSON object such as {"prompt": "..."}, found what looks like CSV: write each row as one JSON object, with its text as `prompt`"#,
    ),
    (
        "\"id\";\"the text\"",
        1,
        r#"expected a JSON object such as {"prompt": "..."}, found what looks like CSV: write each row as one JSON object, with its text as `prompt`"#,
    ),
    (
        r#"{"requests":[{"custom_id":"a","params":{}}]}"#,
        2,
        "unknown key `requests`: this is the body of one call of the Batches API, write each of its requests on a line of its own (`jq -c '.requests[]' FILE` does that)",
    ),
    (
        r#"{"prompt":null,"prompt":"p"}"#,
        16,
        "`prompt` stands twice on this line: keep one",
    ),
    (
        "plain words",
        1,
        r#"expected a JSON object such as {"prompt": "..."}, found other text"#,
    ),
    (
        "{",
        2,
        "the line ends in the middle of the JSON object: write each object whole, on one line (`jq -c . FILE` does that)",
    ),
    (
        r#"{"prompt":"p""#,
        14,
        "the line ends in the middle of the JSON object: write each object whole, on one line (`jq -c . FILE` does that)",
    ),
    (
        r#"{"prompt":"é"#,
        13,
        "the line ends in the middle of the JSON object: write each object whole, on one line (`jq -c . FILE` does that)",
    ),
    (
        r#"{"prompt":"p"},"#,
        15,
        "a comma after the object: JSONL has none between its lines, remove it",
    ),
    (
        r#"{"prompt":"p"}{"prompt":"q"}"#,
        15,
        "a second object on the same line: put each object on its own line",
    ),
    (
        r#"{"prompt":"p"} # note"#,
        16,
        "text after the object: remove it, a line holds one JSON object and nothing else",
    ),
    (
        r"{'prompt':'p'}",
        2,
        "not valid JSON (key must be a string): JSON wants double quotes",
    ),
    (
        r#"{prompt:"p"}"#,
        2,
        "not valid JSON (key must be a string): put the key in double quotes",
    ),
    (
        r#"{"prompt":"p",}"#,
        15,
        "not valid JSON (trailing comma): remove the comma before the bracket",
    ),
    (
        r#"{"prompt" "p"}"#,
        11,
        "not valid JSON (expected `:`): correct it here, each line must be one JSON object",
    ),
    (
        r#"{"é":"☺" "prompt":"p"}"#,
        10,
        "not valid JSON (expected `,` or `}`): correct it here, each line must be one JSON object",
    ),
    (
        "{\"prompt\":\"é\tb\"}",
        12,
        r"not valid JSON (control character (\u0000-\u001F) found while parsing a string): write it as an escape, such as \n or \t",
    ),
    (
        r#"{"prompt":"\x"}"#,
        13,
        r"not valid JSON (invalid escape): write a backslash as \\",
    ),
    (
        r#"{"prompt":NaN}"#,
        11,
        "not valid JSON (expected value): JSON has no such number, write null",
    ),
    (
        r#"{"prompt":"p","metadata":[1,]}"#,
        29,
        "not valid JSON (expected value): put the missing value here, or remove the comma before the bracket",
    ),
    // Keys.
    (
        "{}",
        1,
        "neither `params` nor `prompt`: a line needs one of them",
    ),
    (
        r#"  {"custom_id":"a"}"#,
        3,
        "neither `params` nor `prompt`: a line needs one of them",
    ),
    (
        r#"{"prompt":"p","params":{"messages":[1]}}"#,
        15,
        "a line has either `params` or `prompt`, not both: remove one",
    ),
    (
        r#"{"custom_id":"a", "params":{"messages":[1]},"model":"m"}"#,
        45,
        "`model` stands beside `params`: put it inside `params`",
    ),
    (
        r#"{"system":"s","params":{"messages":[1]}}"#,
        2,
        "`system` stands beside `params`: put it inside `params`",
    ),
    (
        r#"{"prompt":"é","max_token":1}"#,
        15,
        "unknown key `max_token`: did you mean `max_tokens`?",
    ),
    (
        r#"{"prompt":"p","maxTokens":1}"#,
        15,
        "unknown key `maxTokens`: did you mean `max_tokens`?",
    ),
    (
        r#"{"customId":"a","prompt":"p"}"#,
        2,
        "unknown key `customId`: did you mean `custom_id`?",
    ),
    (
        r#"{"model":"m","messages":[1]}"#,
        14,
        "unknown key `messages`: it belongs to the request, put it inside `params`",
    ),
    (
        r#"{"prompt":"p","row":17}"#,
        15,
        "unknown key `row`: put data of your own into `metadata`",
    ),
    (
        r#"{"prompt":"p","\u001b[31m":17}"#,
        15,
        r"unknown key `\u{1b}[31m`: put data of your own into `metadata`",
    ),
    (
        r#"{"prompt":"p","\ud800":17}"#,
        16,
        r"`\ud800` is half of a surrogate pair and stands for no character, the API reads no such request: write both halves of the surrogate pair, or the character itself",
    ),
    (
        r#"{"prompt":"p","prompt":"q"}"#,
        15,
        "`prompt` stands twice on this line: keep one",
    ),
    (
        r#"{"custom_id":"a","prompt":"p","custom\u005fid":"a"}"#,
        31,
        "`custom_id` stands twice on this line: keep one",
    ),
    // custom_id, deadline, lane.
    (
        r#"{"custom_id":"","prompt":"p"}"#,
        14,
        "`custom_id` is empty: give it a value, or leave the key out",
    ),
    (
        r#"{"custom_id":17,"prompt":"p"}"#,
        14,
        "`custom_id` must be a string in double quotes, found 17",
    ),
    (
        r#"{"custom_id":"\ud800x","prompt":"p"}"#,
        15,
        r"`\ud800` is half of a surrogate pair and stands for no character, the API reads no such request: write both halves of the surrogate pair, or the character itself",
    ),
    (
        r#"{"prompt":"p","lane":"fast"}"#,
        22,
        "`lane` is `fast`: write `live`, `batch` or `auto`",
    ),
    (
        r#"{"prompt":"p","lane":true}"#,
        22,
        "`lane` must be a string in double quotes, found true",
    ),
    (
        r#"{"prompt":"p","deadline":"soon"}"#,
        26,
        "`deadline` is `soon`: write a duration such as 6h or a time such as 2027-01-31T18:00:00Z",
    ),
    (
        r#"{"prompt":"p","deadline":"90"}"#,
        26,
        "`deadline` is `90`: write a duration such as 6h or a time such as 2027-01-31T18:00:00Z",
    ),
    (
        r#"{"prompt":"p","deadline":"2027-01-31T18:00:00"}"#,
        26,
        "`deadline` is `2027-01-31T18:00:00`: write a duration such as 6h or a time such as 2027-01-31T18:00:00Z",
    ),
    (
        r#"{"prompt":"p","deadline":3600}"#,
        26,
        "`deadline` must be a string in double quotes, found 3600",
    ),
    // The short form.
    (
        r#"{"prompt":""}"#,
        11,
        "`prompt` is empty: the API refuses an empty message",
    ),
    (
        r#"{"prompt":["p"]}"#,
        11,
        "`prompt` must be a string in double quotes, found an array",
    ),
    (
        r#"{"prompt":null}"#,
        1,
        "neither `params` nor `prompt`: a line needs one of them",
    ),
    (
        r#"{"prompt":"p","system":7}"#,
        24,
        "`system` must be a string or an array of text blocks, found 7",
    ),
    (
        r#"{"prompt":"p","model":""}"#,
        23,
        "`model` is empty: give it a value or leave it out",
    ),
    (
        r#"{"prompt":"p","model":["m"]}"#,
        23,
        "`model` must be a string in double quotes, found an array",
    ),
    (
        r#"{"prompt":"p","max_tokens":"1"}"#,
        28,
        "`max_tokens` must be a whole number such as 1024, found a string",
    ),
    (
        r#"{"prompt":"p","max_tokens":-1}"#,
        28,
        "`max_tokens` must be a whole number such as 1024, found -1",
    ),
    (
        r#"{"prompt":"p","max_tokens":1.5}"#,
        28,
        "`max_tokens` must be a whole number such as 1024, found 1.5",
    ),
    (
        r#"{"prompt":"p","max_tokens":99999999999999999999}"#,
        28,
        "`max_tokens` must be a whole number such as 1024, found 99999999999999999999",
    ),
    (
        r#"{"prompt":"p","temperature":"hot"}"#,
        29,
        "`temperature` must be a number of at least 0, such as 0.7, found a string",
    ),
    // The form with params.
    (
        r#"{"params":null}"#,
        1,
        "neither `params` nor `prompt`: a line needs one of them",
    ),
    (
        r#"{"params":[{"messages":[1]}]}"#,
        11,
        "`params` must be an object, the body of a Messages API request, found an array",
    ),
    (
        r#"{"params":"{}"}"#,
        11,
        "`params` must be an object, the body of a Messages API request, found a string",
    ),
    (
        r#"{"params": {}}"#,
        12,
        "`params` has no `messages`: give it an array with at least one message",
    ),
    (
        r#"{"custom_id":"ü","params":{"model":"m"}}"#,
        27,
        "`params` has no `messages`: give it an array with at least one message",
    ),
    (
        r#"{"params":{"messages":[ ]}}"#,
        23,
        "`params.messages` is empty: the API wants at least one message",
    ),
    (
        r#"{"params":{"messages":"hi"}}"#,
        23,
        "`params.messages` must be an array of messages, found a string",
    ),
    (
        r#"{"params":{"messages":[1],"model":" "}}"#,
        35,
        "`params.model` is empty: give it a value or leave it out",
    ),
    (
        r#"{"params":{"messages":[1],"model":7}}"#,
        35,
        "`params.model` must be a string in double quotes, found 7",
    ),
    (
        r#"{"params":{"messages":[1],"max_tokens":null}}"#,
        40,
        "`params.max_tokens` must be a whole number such as 1024, found null",
    ),
    (
        r#"{"params":{"messages":[1],"max_tokens":1e3}}"#,
        40,
        "`params.max_tokens` must be a whole number such as 1024, found 1e3",
    ),
    (
        r#"{"params":{"messages":[1],"max_tokens":true}}"#,
        40,
        "`params.max_tokens` must be a whole number such as 1024, found true",
    ),
    (
        r#"{"params":{"messages":[1],"top_p":1,"top_p":1}}"#,
        37,
        "`top_p` stands twice in `params`: keep one",
    ),
    (
        r#"{"params":{"messages":[1],"messages":[2]}}"#,
        27,
        "`messages` stands twice in `params`: keep one",
    ),
    (
        r#"{"params":{"messages":[1],"\udfff":1}}"#,
        28,
        r"`\udfff` is half of a surrogate pair and stands for no character, the API reads no such request: write both halves of the surrogate pair, or the character itself",
    ),
];

#[test]
fn every_bad_line_is_located_and_explained() {
    for (text, column, reason) in BAD {
        let expected = LineError {
            line: 1,
            column,
            reason: reason.to_owned(),
        };
        assert_eq!(bad(text, &with_model()), expected, "{text}");
    }
}

/// In a batch such a line would take all the others with it.
#[test]
fn what_no_strict_parser_takes_is_refused_with_its_place_wherever_it_stands() {
    let deep = format!("{}1{}", "[".repeat(600), "]".repeat(600));
    let values = [
        (r#""a\ud83d""#, "half of a surrogate pair", 2),
        (r#""\udE00a""#, "half of a surrogate pair", 1),
        (r#"{"k\ud800":1}"#, "half of a surrogate pair", 3),
        ("1e400", "larger than any", 0),
        ("[0, -1E999]", "larger than any", 4),
        (&deep, "more than 500 levels", 0),
    ];
    for (value, why, at) in values {
        for (before, after) in [
            (r#"{"prompt":"p","metadata":"#, "}"),
            (r#"{"prompt":"p","metadata":{"a":["#, "]}}"),
            (r#"{"prompt":"p","system":["#, "]}"),
            (r#"{"params":{"messages":["#, "]}}"),
            (
                r#"{"params":{"messages":[1],"tools":[{"input_schema":"#,
                "}]}}",
            ),
            (r#"{"params":{"messages":[1],"temperature":"#, "}}"),
            (r#"{"params":{"messages":[1],"new_key":"#, "}}"),
        ] {
            let error = bad(format!("{before}{value}{after}"), &with_model());
            assert!(error.reason.contains(why), "{before}: {error}");
            let depth = before.matches(['{', '[']).count() - before.matches(['}', ']']).count();
            let at = if at == 0 && why.contains("levels") {
                500 - depth
            } else {
                at
            };
            assert_eq!(
                error.column,
                before.len() + at + 1,
                "{before}{value:.20}: {error}"
            );
        }
    }
}

#[test]
fn a_line_without_a_model_names_the_flag() {
    for (text, message) in [
        (
            r#" {"prompt":"p"}"#,
            "line 1, column 2: no model: put `model` on the line, or give --model",
        ),
        (
            r#"{"params":{"messages":[1]}}"#,
            "line 1, column 11: no model: put `model` inside `params`, or give --model",
        ),
    ] {
        assert_eq!(bad(text, &Shaping::default()).to_string(), message);
    }
}

#[test]
fn bytes_that_are_no_utf8_are_located() {
    for (bytes, column, byte) in [
        (&b"\xE9"[..], 1, "E9"),
        (b"{\"prompt\":\"\xC3\xA9\xE9\"}", 13, "E9"),
        (b"{\"prompt\":\"\xE2\x98\"}", 12, "E2"),
        (b"{\"prompt\":\"p\"}\xFF", 15, "FF"),
    ] {
        let error = bad(bytes, &with_model());
        assert_eq!(error.column, column);
        assert_eq!(
            error.reason,
            format!("not valid UTF-8 (byte 0x{byte}): save the file as UTF-8")
        );
    }
}

#[test]
fn an_id_may_have_256_bytes_and_no_more() {
    let text = format!(r#"{{"custom_id":"{}x","prompt":"p"}}"#, "é".repeat(128));
    assert_eq!(
        bad(text, &with_model()).to_string(),
        "line 1, column 14: `custom_id` has 257 bytes, at most 256 are allowed: shorten it"
    );
}

#[test]
fn the_number_of_keys_is_bounded() {
    let key = |i: usize| format!(",\"k{i}\":0");
    let keys = |n: usize| (0..n).map(key).collect::<Vec<_>>().concat();
    let line = |n: usize| format!("{{\"params\":{{\"messages\":[1]{}}}}}", keys(n));
    super::good(&line(MAX_PARAMS_KEYS - 1), &with_model());
    let says = "line 1, column 11: `params` has more than 256 keys: the API refuses keys that it \
                does not know";
    for n in [MAX_PARAMS_KEYS, 5_000] {
        assert_eq!(bad(line(n), &with_model()).to_string(), says);
    }
    let top = format!("{{\"prompt\":\"p\"{}}}", keys(5_000));
    assert!(
        bad(top, &with_model())
            .reason
            .contains("more than 1024 keys")
    );
}

#[test]
fn what_is_quoted_in_a_message_is_short_and_harmless() {
    let text = format!("{{\"prompt\":\"p\",\"{}\":1}}", "k".repeat(100_000));
    assert!(bad(text, &with_model()).to_string().len() < 200);
    let text = "{\"prompt\":\"p\",\"lane\":\"\\u001b[2J\\n\"}";
    let message = bad(text, &with_model()).to_string();
    assert!(message.contains("\\u{1b}[2J\\n"), "{message}");
}

#[test]
fn an_id_that_comes_twice_names_the_first_line() {
    assert_eq!(
        LineError::duplicate_id(9, "a", 4).to_string(),
        "line 9, column 1: `custom_id` `a` is that of line 4 already: give every line its own"
    );
}

//! The documented shape of a line agrees with what the reader takes.

use serde_json::Value;

use super::{items, source, with_model};
use crate::input::{InputLine, Item};

/// Lines whose shape alone decides whether they are good.
const LINES: [(&str, bool); 26] = [
    (r#"{"prompt":"p"}"#, true),
    (
        r#"{"custom_id":"a","prompt":"p","system":"s","model":"m","max_tokens":1,"temperature":0.5}"#,
        true,
    ),
    (
        r#"{"prompt":"p","system":[{"type":"text","text":"s"}]}"#,
        true,
    ),
    (
        r#"{"prompt":"p","deadline":"6h","lane":"batch","metadata":{"row":17}}"#,
        true,
    ),
    (r#"{"prompt":"p","metadata":null,"lane":"auto"}"#, true),
    (r#"{"custom_id":"a","params":{"messages":[1]}}"#, true),
    (
        r#"{"params":{"messages":[1],"model":"m","max_tokens":0,"tools":[]},"lane":"live"}"#,
        true,
    ),
    (
        r#"{"params":{"messages":[1],"stream":true},"metadata":[]}"#,
        true,
    ),
    ("{}", false),
    (r#"{"custom_id":"","prompt":"p"}"#, false),
    (r#"{"custom_id":7,"prompt":"p"}"#, false),
    (r#"{"custom_id":null,"prompt":"p"}"#, true),
    (r#"{"prompt":""}"#, false),
    (r#"{"prompt":["p"]}"#, false),
    (r#"{"prompt":"p","promt":"p"}"#, false),
    (r#"{"prompt":"p","params":{"messages":[1]}}"#, false),
    (r#"{"model":"m","params":{"messages":[1]}}"#, false),
    (r#"{"prompt":"p","system":7}"#, false),
    (r#"{"prompt":"p","max_tokens":-1}"#, false),
    (r#"{"prompt":"p","max_tokens":"1"}"#, false),
    (r#"{"prompt":"p","lane":"fast"}"#, false),
    (r#"{"prompt":"p","lane":null}"#, true),
    (r#"{"params":[]}"#, false),
    (r#"{"params":{}}"#, false),
    (r#"{"params":{"messages":[]}}"#, false),
    (r#"{"params":{"messages":[1],"model":""}}"#, false),
];

#[test]
fn reader_and_schema_take_the_same_lines() {
    let schema = schemars::schema_for!(InputLine);
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    for (line, good) in LINES {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(validator.is_valid(&value), good, "schema: {line}");
        let read = items(source(line), &with_model());
        assert_eq!(matches!(read[0], Item::Job { .. }), good, "reader: {line}");
    }
}

#[test]
fn good_lines_survive_the_type_unchanged() {
    for (line, _) in LINES.iter().filter(|(_, good)| *good) {
        let value: Value = serde_json::from_str(line).unwrap();
        let typed: InputLine = serde_json::from_str(line).unwrap();
        let mut expected = value.clone();
        expected
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        assert_eq!(serde_json::to_value(&typed).unwrap(), expected, "{line}");
    }
}

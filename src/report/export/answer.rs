//! What the columns of a table show of a stored message or error: whatever can be shown of it.
//!
//! What was stored is what an endpoint sent, and endpoints send odd things: content that is one
//! text, a text that is a number, half a surrogate pair. None of it is a reason to keep the other
//! rows back, so a cell holds what can be read, and says by an [`Odd`] that it is not all.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::model::JobState;
use crate::model::half_pairs::without_half_pairs;
use crate::store::{ResultBody, ResultRow};

/// Why a cell does not hold just what was stored.
pub(super) type Odd = &'static str;

const HALF_A_CHARACTER: Odd = "half a surrogate pair is shown as U+FFFD";
const CONTENT: Odd = "`content` is no list of blocks: what of it is text is in its cell";
const TEXT: Odd = "the text of a block is none: its JSON is in the cell";
const STOP_REASON: Odd = "`stop_reason` is no text: its JSON is in the cell";
const MESSAGE: Odd = "the message is no object: its JSON is in the text's cell";
const ERROR: Odd = "the error has no message that is text: its JSON is in the cell";

/// What the columns show of a result.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) stop_reason: String,
    pub(super) error_message: String,
    /// The first thing that is odd about it.
    pub(super) odd: Option<Odd>,
}

impl Answer {
    /// Reads what there is. The stored texts are JSON: whoever calls this has seen to that.
    pub(super) fn of(row: &ResultRow) -> Self {
        let mut answer = Self::default();
        match &row.result {
            ResultBody::Message(message) => answer.read_message(message, row.state),
            ResultBody::Error(error) => answer.read_error(error),
            ResultBody::Refusal { error, message } => {
                answer.read_message(message, row.state);
                answer.read_error(error);
            }
            ResultBody::Nothing => {}
        }
        answer
    }

    fn read_message(&mut self, json: &str, state: JobState) {
        let json = self.whole_characters(json);
        let Some(message) = object(&json) else {
            self.odd.get_or_insert(MESSAGE);
            // The text of a refusal is no answer, and would look like one in a table.
            if state == JobState::Succeeded {
                self.text = words(json.trim()).0;
            }
            return;
        };
        if state == JobState::Succeeded {
            self.text = self.text_of(message.get("content").copied());
        }
        self.stop_reason = self.cell(message.get("stop_reason").copied(), STOP_REASON);
    }

    /// The texts of all text blocks, one after the other.
    fn text_of(&mut self, content: Option<&RawValue>) -> String {
        // Absent and `null` are an empty cell, not an oddity.
        let Some(content) = content.filter(|raw| raw.get() != "null") else {
            return String::new();
        };
        let Ok(blocks) = serde_json::from_str::<Vec<&RawValue>>(content.get()) else {
            self.odd.get_or_insert(CONTENT);
            return words(content.get()).0;
        };
        let mut text = String::new();
        for raw in blocks {
            let Some(block) = object(raw.get()) else {
                self.odd.get_or_insert(CONTENT);
                text += &words(raw.get()).0;
                continue;
            };
            let kind = block.get("type").map(|raw| words(raw.get()).0);
            if kind.as_deref() == Some("text") {
                text += &self.cell(block.get("text").copied(), TEXT);
            }
        }
        text
    }

    fn read_error(&mut self, json: &str) {
        let json = self.whole_characters(json);
        let error =
            object(&json).and_then(|whole| whole.get("error").and_then(|it| object(it.get())));
        let message = error
            .as_ref()
            .and_then(|error| error.get("message").copied());
        self.error_message = self.cell(message, ERROR);
    }

    /// A text, or the JSON of what stands in its place; empty if there is none.
    fn cell(&mut self, raw: Option<&RawValue>, otherwise: Odd) -> String {
        let Some(raw) = raw.filter(|raw| raw.get() != "null") else {
            return String::new();
        };
        let (text, is_text) = words(raw.get());
        if !is_text {
            self.odd.get_or_insert(otherwise);
        }
        text
    }

    fn whole_characters<'a>(&mut self, json: &'a str) -> Cow<'a, str> {
        let whole = without_half_pairs(json);
        if matches!(whole, Cow::Owned(_)) {
            self.odd.get_or_insert(HALF_A_CHARACTER);
        }
        whole
    }
}

/// The members of an object; of a key that comes twice the last one counts.
fn object(json: &str) -> Option<HashMap<String, &RawValue>> {
    serde_json::from_str(json).ok()
}

/// The text of a JSON string, and that it is one; else the JSON itself.
fn words(json: &str) -> (String, bool) {
    match serde_json::from_str(json) {
        Ok(text) => (text, true),
        Err(_) => (json.to_owned(), false),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Answer;
    use crate::model::ErrorClass;
    use crate::report::testing::{failed, succeeded};

    fn read(message: &str) -> (String, String, bool) {
        let answer = Answer::of(&succeeded(1, message));
        (answer.text, answer.stop_reason, answer.odd.is_some())
    }

    /// A message, its text, its stop reason, and whether something is odd about it.
    #[rustfmt::skip]
    const MESSAGES: &[(&str, &str, &str, bool)] = &[
        (r#"{"content":[{"type":"text","text":"a"}],"stop_reason":"end_turn"}"#, "a", "end_turn", false),
        (r#"{"content":[],"stop_reason":null}"#, "", "", false),
        (r#"{"content":null}"#, "", "", false),
        ("{}", "", "", false),
        (r#"{"content":["hi"]}"#, "hi", "", true),
        (r#"{"content":"hi"}"#, "hi", "", true),
        (r#"{"content":5}"#, "5", "", true),
        (r#"{"content":{"type":"text","text":"a"}}"#, r#"{"type":"text","text":"a"}"#, "", true),
        (r#"{"content":[null,[1],{"type":"text","text":"b"}]}"#, "null[1]b", "", true),
        (r#"{"content":[{"type":"text","text":5}]}"#, "5", "", true),
        (r#"{"content":[{"type":"text","text":null}]}"#, "", "", false),
        (r#"{"content":[{"type":5,"text":"no"}]}"#, "", "", false),
        (r#"{"content":[{"type":"text","text":"a","text":"b"}],"content":[]}"#, "", "", false),
        (r#"{"content":[{"type":"text","text":"a\ud800b"}]}"#, "a\u{fffd}b", "", true),
        (r#"{"content":[{"type":"text","text":"\ude00\ud83d\ude00"}]}"#, "\u{fffd}😀", "", true),
        (r#"{"content":[{"type":"text","text":"\\ud800"}]}"#, r"\ud800", "", false),
        (r#"{"content":[],"stop_reason":5}"#, "", "5", true),
        (r#"{"content":[],"stop_reason":{"a":[1]}}"#, "", r#"{"a":[1]}"#, true),
        (r#"["hi"]"#, r#"["hi"]"#, "", true),
        (r#""hi""#, "hi", "", true),
        ("5", "5", "", true),
        ("null", "null", "", true),
    ];

    #[test]
    fn whatever_an_endpoint_sends_its_text_is_found() {
        for (message, text, stop_reason, odd) in MESSAGES {
            let expected = ((*text).to_owned(), (*stop_reason).to_owned(), *odd);
            assert_eq!(read(message), expected, "{message}");
        }
    }

    #[test]
    fn an_error_s_words_are_shown_as_far_as_there_are_any() {
        for (error, message, odd) in [
            (
                r#"{"type":"error","error":{"type":"x","message":"busy"}}"#,
                "busy",
                false,
            ),
            (r#"{"error":{"message":"a\udc00"}}"#, "a\u{fffd}", true),
            (r#"{"error":{"message":5}}"#, "5", true),
            (r#"{"error":"no"}"#, "", false),
            (r#"{"error":{}}"#, "", false),
            ("[]", "", false),
        ] {
            let answer = Answer::of(&failed(1, ErrorClass::Overloaded, error));
            assert_eq!(
                (answer.error_message.as_str(), answer.odd.is_some()),
                (message, odd),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\\\ud8c0-9ae\"é{}\\[\\],: ]{0,40}") {
            Answer::of(&succeeded(1, &text));
        }
    }
}

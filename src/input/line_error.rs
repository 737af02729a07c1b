//! A bad line: where it is wrong, and why.

use std::fmt;

use crate::model::raw_object::{ObjectError, ObjectFault};
pub(super) use crate::model::shown;

/// What to do about half of a surrogate pair, which stands for no character.
pub(super) const LONE_SURROGATE_HINT: &str =
    "write both halves of the surrogate pair, or the character itself";

/// What to do about the body of a create call.
pub(super) const REQUESTS_HINT: &str = "this is the body of one call of the Batches API, write each of its requests on a line of its own (`jq -c '.requests[]' FILE` does that)";

/// What to do about an array.
pub(super) const ARRAY_HINT: &str = "JSONL has one object on each line, without `[`, `]` or commas between the lines (`jq -c '.[]' FILE` writes it so)";

/// Why one line of the input cannot become a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// The physical line, from 1; blank lines count.
    pub line: u64,
    /// The column, from 1, in characters; a byte order mark does not count.
    pub column: usize,
    /// What is wrong and what to do about it.
    pub reason: String,
}

impl LineError {
    /// The error for a `custom_id` that an earlier line has already.
    #[must_use]
    pub fn duplicate_id(line: u64, custom_id: &str, first_line: u64) -> Self {
        Self {
            line,
            column: 1,
            reason: format!(
                "`custom_id` `{}` is that of line {first_line} already: give every line its own",
                shown(custom_id)
            ),
        }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            reason,
        } = self;
        write!(f, "line {line}, column {column}: {reason}")
    }
}

impl std::error::Error for LineError {}

/// A reason at a byte of a text, before that text's line number is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    offset: usize,
    reason: String,
}

impl Fault {
    pub(super) fn at(offset: usize, reason: impl Into<String>) -> Self {
        Self {
            offset,
            reason: reason.into(),
        }
    }

    #[cfg(test)]
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// The fault of a line that is not one JSON object.
    pub(super) fn not_an_object(error: ObjectError, text: &str) -> Self {
        let offset = error.offset;
        Self::at(offset, reason_of(error.fault, text, offset))
    }

    pub(super) fn locate(self, line: u64, text: &str) -> LineError {
        LineError {
            line,
            column: column_at(text, self.offset),
            reason: self.reason,
        }
    }
}

/// The column, in characters from 1, of the byte at `offset`.
pub(super) fn column_at(text: &str, offset: usize) -> usize {
    // A parser may stop inside of a character.
    let offset = text.floor_char_boundary(offset);
    text[..offset].chars().count() + 1
}

fn reason_of(fault: ObjectFault, text: &str, offset: usize) -> String {
    match fault {
        ObjectFault::OtherKind("an array") => {
            format!("expected a JSON object, found an array: {ARRAY_HINT}")
        }
        // Before the words of the parser, which would speak of a missing brace.
        ObjectFault::OtherKind(_) | ObjectFault::Syntax(_) if looks_like_a_table(text) => {
            "expected a JSON object such as {\"prompt\": \"...\"}, found what looks like CSV: write each row as one JSON object, with its text as `prompt`".to_owned()
        }
        ObjectFault::OtherKind(found) => {
            format!("expected a JSON object such as {{\"prompt\": \"...\"}}, found {found}")
        }
        ObjectFault::EndsEarly => {
            "the line ends in the middle of the JSON object: write each object whole, on one line (`jq -c . FILE` does that)"
                .to_owned()
        }
        ObjectFault::TrailingText => trailing_text(&text[text.floor_char_boundary(offset)..]),
        ObjectFault::TooManyMembers => {
            format!(
                "{fault}: put data of your own into `metadata`",
                fault = ObjectFault::TooManyMembers
            )
        }
        ObjectFault::Syntax(_) if text.trim_ascii_start().starts_with('\0') => {
            "found NUL bytes where text should be: the file is damaged or no text, make or fetch it again".to_owned()
        }
        ObjectFault::Syntax(_) if text.starts_with('\u{FEFF}') => {
            "a byte order mark stands in the middle of the file, where two files were joined: remove it (`sed 's/^\\xEF\\xBB\\xBF//'` does that)".to_owned()
        }
        ObjectFault::Syntax(_) if !text.trim_ascii_start().starts_with('{') => {
            "expected a JSON object such as {\"prompt\": \"...\"}, found other text".to_owned()
        }
        ObjectFault::Syntax(message) => syntax(&message, &text[text.floor_char_boundary(offset)..]),
    }
}

/// The head of a table: some short words with one separator between them.
fn looks_like_a_table(text: &str) -> bool {
    let is_word = |word: &str| {
        let word = word.trim().trim_matches('"');
        let plain = |c: char| c.is_alphanumeric() || " _-.".contains(c);
        !word.is_empty() && word.len() <= 40 && word.chars().all(plain)
    };
    [',', ';', '\t'].into_iter().any(|separator| {
        let mut words = text.split(separator);
        text.contains(separator) && text.len() <= 1_000 && words.all(is_word)
    })
}

fn trailing_text(rest: &str) -> String {
    match rest.trim_ascii() {
        "," => "a comma after the object: JSONL has none between its lines, remove it".to_owned(),
        rest if rest.starts_with('{') => {
            "a second object on the same line: put each object on its own line".to_owned()
        }
        _ => "text after the object: remove it, a line holds one JSON object and nothing else"
            .to_owned(),
    }
}

fn syntax(message: &str, rest: &str) -> String {
    // What serde_json calls `true`, `false` and `null`.
    let message = message.replace("expected ident", "expected `true`, `false` or `null`");
    let message = message.as_str();
    let begins = |words: &[&str]| words.iter().any(|word| rest.starts_with(word));
    let hint = if begins(&["True", "False", "None"]) {
        "JSON writes true, false and null"
    } else if begins(&["NaN", "Infinity", "nan", "inf"]) {
        "JSON has no such number, write null"
    } else if begins(&["}", "]"]) && ["key must be a string", "trailing comma"].contains(&message) {
        "remove the comma before the bracket"
    } else if begins(&["}", "]"]) && message == "expected value" {
        "put the missing value here, or remove the comma before the bracket"
    } else if rest.starts_with('\'') {
        "JSON wants double quotes"
    } else if message == "key must be a string" {
        "put the key in double quotes"
    } else if message.starts_with("control character") {
        "write it as an escape, such as \\n or \\t"
    } else if message == "invalid escape" {
        "write a backslash as \\\\"
    } else if message.contains("hex escape") {
        LONE_SURROGATE_HINT
    } else {
        "correct it here, each line must be one JSON object"
    };
    format!("not valid JSON ({message}): {hint}")
}

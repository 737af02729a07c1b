//! Where a part of a request stands in the line that it was made of.

use super::line_error::column_at;
use crate::model::{JsonStep, JsonView};

/// The column, from 1, in characters, of the part at `path` of the request that `line` makes; of what
/// a default filled in, the column of what it was filled into.
pub(super) fn column_of(line: &str, path: &[JsonStep]) -> usize {
    let view = JsonView::of(line);
    let params = view.members().and_then(|members| members.last("params"));
    let part = match params {
        Some(params) => params.at(path),
        // A prompt becomes the one message; the other keys are called as in the request.
        None => match path {
            [JsonStep::Key("messages"), ..] => view.at(&[JsonStep::Key("prompt")]),
            path => view.at(path),
        },
    };
    let offset = part.raw().as_ptr().addr() - line.as_ptr().addr();
    column_at(line, offset)
}

#[cfg(test)]
mod tests {
    use super::column_of;
    use crate::model::JsonStep::{Index, Key};

    #[test]
    fn a_part_is_found_in_either_form_of_line() {
        let content = [Key("messages"), Index(0), Key("content")];
        let long = r#"{"custom_id":"é","params":{"messages":[{"role":"user","content":" "}]}}"#;
        let at = long.chars().position(|c| c == ' ').unwrap();
        assert_eq!(column_of(long, &content), at);
        // `model` is filled in by a default.
        assert_eq!(column_of(long, &[Key("model")]), 27);
        let short = r#" {"prompt":"x","max_tokens":9}"#;
        assert_eq!(column_of(short, &content), 12);
        assert_eq!(column_of(short, &[Key("max_tokens")]), 29);
        assert_eq!(column_of(short, &[Key("model")]), 1);
    }
}

//! Places in the config file, and mistakes that have one.

use std::path::Path;

use crate::cli::failure::Failure;

/// A mistake in the file. Holds no value of the file, which could be a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Where, as an offset in bytes.
    pub(super) at: usize,
    pub(super) what: String,
    /// Why that is wrong: what is allowed.
    pub(super) why: Option<String>,
    pub(super) next: String,
}

impl Problem {
    /// The failure that tells it, with path, line and column.
    pub(super) fn into_failure(self, path: &Path, text: &str) -> Failure {
        let (line, column) = line_and_column(text, self.at);
        let what = format!("{}:{line}:{column}: {}", path.display(), self.what);
        let failure = Failure::usage(what, self.next);
        match self.why {
            Some(why) => failure.because(why),
            None => failure,
        }
    }
}

/// Line and column of an offset, both from 1; columns count characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::line_and_column;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let text = "ab\r\n\u{e4}\u{e4}c\n";
        for (offset, place) in [
            (0, (1, 1)),
            (1, (1, 2)),
            (4, (2, 1)),
            (8, (2, 3)),
            (10, (3, 1)),
        ] {
            assert_eq!(line_and_column(text, offset), place, "{offset}");
        }
    }

    #[test]
    fn an_offset_that_is_none_is_the_end() {
        assert_eq!(line_and_column("a\n\u{e4}", 99), (2, 2));
        assert_eq!(line_and_column("a\n\u{e4}", 3), (2, 2));
    }
}

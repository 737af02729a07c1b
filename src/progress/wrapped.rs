//! Lines that fit a terminal: one that is too long goes on below, and the terminal breaks none.

use unicode_width::UnicodeWidthStr;

/// Where a line is broken first: between its parts.
const BETWEEN: &str = " · ";
/// What a line that goes on begins with.
const INDENT: &str = "  ";

/// The text with every line broken that is longer than this many columns: between its parts, else
/// between words, else anywhere.
pub(super) fn wrapped(text: &str, columns: usize) -> String {
    // A cursor past the last column is on the next line for some terminals.
    let most = columns.saturating_sub(1).max(20);
    let lines: Vec<_> = text.lines().map(|line| broken(line, most)).collect();
    lines.join("\n")
}

fn broken(line: &str, most: usize) -> String {
    if line.width() <= most {
        return line.to_owned();
    }
    let mut lines = vec![String::new()];
    for (nth, part) in line.split(BETWEEN).enumerate() {
        let before = if nth == 0 { "" } else { BETWEEN };
        add(&mut lines, before, part, most);
    }
    lines.join("\n")
}

fn add(lines: &mut Vec<String>, before: &str, part: &str, most: usize) {
    if put(lines, before, part, most) || put_below(lines, part, most) {
        return;
    }
    for (nth, word) in part.split(' ').enumerate() {
        let before = if nth == 0 { before } else { " " };
        if !put(lines, before, word, most) && !put_below(lines, word, most) {
            put_letters(lines, word, most);
        }
    }
}

/// Goes on in the last line, if there is room.
fn put(lines: &mut [String], before: &str, text: &str, most: usize) -> bool {
    let Some(last) = lines.last_mut() else {
        return false;
    };
    let is_fresh = last.trim().is_empty();
    let before = if is_fresh { "" } else { before };
    if last.width() + before.width() + text.width() > most {
        return false;
    }
    last.push_str(before);
    last.push_str(text);
    true
}

/// Begins a line, if that is long enough.
fn put_below(lines: &mut Vec<String>, text: &str, most: usize) -> bool {
    if INDENT.len() + text.width() > most {
        return false;
    }
    lines.push(format!("{INDENT}{text}"));
    true
}

fn put_letters(lines: &mut Vec<String>, word: &str, most: usize) {
    lines.push(INDENT.to_owned());
    for letter in word.chars() {
        let mut bytes = [0; 4];
        let letter = letter.encode_utf8(&mut bytes);
        if !put(lines, "", letter, most) {
            lines.push(format!("{INDENT}{letter}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::wrapped;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn what_fits_stays_as_it_is() {
        assert_eq!(wrapped("a · b\nc", 80), "a · b\nc");
    }

    #[test]
    fn a_long_line_is_broken_between_its_parts() {
        let line = "at most 64 open · opus-5: 4,000 requests · haiku: 9,000 requests";
        insta::assert_snapshot!(wrapped(line, 50), @r"
        at most 64 open · opus-5: 4,000 requests
          haiku: 9,000 requests
        ");
    }

    #[test]
    fn no_line_is_longer_than_the_terminal_whatever_it_holds() {
        let long_word = "x".repeat(300);
        let texts = [
            "one two three four five six seven eight nine ten eleven twelve",
            &long_word,
            "状态页面 状态页面 状态页面 状态页面 状态页面 状态页面",
            "a · bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb cc · d",
        ];
        for columns in [21, 40, 80] {
            for text in texts {
                let shown = wrapped(text, columns);
                for line in shown.lines() {
                    assert!(line.width() < columns, "{columns}: {line}");
                }
                let letters = |text: &str| text.replace([' ', '·', '\n'], "");
                assert_eq!(letters(&shown), letters(text));
            }
        }
    }
}

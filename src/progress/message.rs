//! Foreign messages on one line.

use crate::model::is_control;

/// More of a foreign message than this would fill the terminal.
const MESSAGE_CHARS: usize = 200;
/// A halt is told once more at the end, where there is room for what to do.
const HALT_CHARS: usize = 1_000;

/// A foreign message on one line, without control characters, and not too long.
pub(super) fn one_line(message: &str) -> String {
    at_most_chars(message, MESSAGE_CHARS)
}

/// What halted a run, on one line: the way out stands at its end.
pub(super) fn halt_line(message: &str) -> String {
    at_most_chars(message, HALT_CHARS)
}

fn at_most_chars(message: &str, most: usize) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = line
        .chars()
        .filter(|c| !is_control(*c))
        .take(most)
        .collect();
    if line.chars().count() > most {
        shown.push('…');
    }
    shown
}

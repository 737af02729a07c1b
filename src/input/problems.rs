//! The bad lines of one input, gathered for one message.

use std::fmt;

use super::line_error::LineError;

/// Most bad lines that are kept; the rest is counted.
const MAX_KEPT: usize = 1_000;
/// Most bad lines that a message shows.
const MAX_SHOWN: usize = 20;

/// Gathers bad lines: keeps the first 1,000 by line number, whatever the order they are found in,
/// and counts the rest. Its `Display` is the message of an input that is refused.
#[derive(Clone, Debug)]
pub struct Problems {
    name: String,
    first: Vec<LineError>,
    count: u64,
}

impl Problems {
    /// No problem yet with the input of that name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            first: Vec::new(),
            count: 0,
        }
    }

    /// Adds a bad line.
    pub fn push(&mut self, error: LineError) {
        self.count += 1;
        let place = self
            .first
            // Kept in the order of lines: the store finds doubled ids later than the reader finds
            // other problems.
            .partition_point(|earlier| earlier.line <= error.line);
        if place < MAX_KEPT {
            self.first.insert(place, error);
            self.first.truncate(MAX_KEPT);
        }
    }

    /// Whether every line was good.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many lines were bad.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first bad lines, at most 1,000, by line number.
    #[must_use]
    pub fn first(&self) -> &[LineError] {
        &self.first
    }

    /// The message for `--skip-invalid`: the same lines, but they were only left out.
    #[must_use]
    pub fn left_out(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| {
            writeln!(f, "{}: left out {}:", self.name, lines(self.count))?;
            self.write_lines(f)
        })
    }

    fn write_lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.first[..self.first.len().min(MAX_SHOWN)];
        for (i, error) in shown.iter().enumerate() {
            let end = if i == 0 { "" } else { "\n" };
            write!(f, "{end}  {error}")?;
        }
        match self.count - shown.len() as u64 {
            0 => Ok(()),
            more => write!(f, "\n  ... and {more} more"),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.count == 1 { "is" } else { "are" };
        writeln!(f, "{}: {} {verb} invalid:", self.name, lines(self.count))?;
        self.write_lines(f)
    }
}

fn lines(count: u64) -> String {
    match count {
        1 => "1 line".to_owned(),
        count => format!("{count} lines"),
    }
}

#[cfg(test)]
mod tests {
    use super::Problems;
    use crate::input::LineError;

    fn bad(line: u64) -> LineError {
        LineError {
            line,
            column: 2,
            reason: "why".to_owned(),
        }
    }

    #[test]
    fn one_problem_is_told_whole() {
        let mut problems = Problems::new("jobs.jsonl");
        assert!(problems.is_empty());
        problems.push(bad(7));
        assert_eq!(
            problems.to_string(),
            "jobs.jsonl: 1 line is invalid:\n  line 7, column 2: why"
        );
        assert_eq!(
            problems.left_out().to_string(),
            "jobs.jsonl: left out 1 line:\n  line 7, column 2: why"
        );
    }

    #[test]
    fn the_first_twenty_by_line_are_shown_and_the_rest_is_counted() {
        let mut problems = Problems::new("jobs.jsonl");
        for line in (1..=25).rev() {
            problems.push(bad(line));
        }
        assert_eq!(problems.count(), 25);
        let lines: Vec<_> = problems.first().iter().map(|error| error.line).collect();
        assert_eq!(lines, (1..=25).collect::<Vec<_>>());
        let text = problems.to_string();
        assert!(text.starts_with("jobs.jsonl: 25 lines are invalid:\n  line 1, column 2: why\n"));
        assert!(text.ends_with("\n  line 20, column 2: why\n  ... and 5 more"));
    }
}

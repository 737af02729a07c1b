//! What an error says to the person who must act on it.

use std::fmt;

/// What happened, why, and what to do next, each on its own: the terminal gives every part its line,
/// and a log has them in one sentence after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What happened, without a full stop.
    pub what: String,
    /// The reason; `None` where `what` says it already.
    pub why: Option<String>,
    /// What to do next, as the end of a sentence: in lower case, without a full stop. `None` where
    /// nothing is known that would help.
    pub next: Option<String>,
}

impl Problem {
    /// A problem and the way out of it.
    #[must_use]
    pub fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            next: Some(next.into()),
            ..Self::without_remedy(what)
        }
    }

    /// A problem that nobody is expected to meet.
    #[must_use]
    pub fn without_remedy(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            why: None,
            next: None,
        }
    }

    /// Adds the reason.
    #[must_use]
    pub fn because(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(why.to_string());
        self
    }
}

/// `WHAT: WHY. NEXT`, the last as a sentence of its own.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(why) = &self.why {
            write!(f, ": {why}")?;
        }
        let Some(next) = &self.next else {
            return Ok(());
        };
        let mut letters = next.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        write!(f, ". {}{}", first.collect::<String>(), letters.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Problem;

    #[test]
    fn a_problem_is_one_sentence_and_its_remedy_another() {
        let bare = Problem::without_remedy("the store failed");
        assert_eq!(bare.to_string(), "the store failed");
        let whole = Problem::new("no. 7 is full", "free some space").because("no room: 0 bytes");
        assert_eq!(
            whole.to_string(),
            "no. 7 is full: no room: 0 bytes. Free some space"
        );
        let command = Problem::new("it stopped", "`claude-run resume` goes on");
        assert_eq!(
            command.to_string(),
            "it stopped. `claude-run resume` goes on"
        );
    }
}

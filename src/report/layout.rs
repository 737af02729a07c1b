//! How a text for people is laid out.

use super::fitted::USUAL_WIDTH;

/// How wide tables may be, and how money is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Columns that a table may take.
    pub width: usize,
    /// All digits of money; else as people read it.
    pub all_digits: bool,
}

impl Default for Layout {
    /// Where there is no terminal to ask.
    fn default() -> Self {
        Self {
            width: USUAL_WIDTH,
            all_digits: false,
        }
    }
}

#[cfg(test)]
impl Layout {
    /// Whatever there is to show.
    #[must_use]
    pub fn wide() -> Self {
        Self {
            width: 160,
            all_digits: true,
        }
    }
}

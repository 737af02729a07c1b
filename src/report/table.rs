//! Tables and text for terminals: columns aligned by what is seen, not by bytes.
//!
//! Text from outside (ids, messages, file names) passes through [`plain`] first, so that nothing
//! stored can move a terminal's cursor or break a row.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr;

use crate::model::is_control;

/// How the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Words.
    Left,
    /// Whole numbers.
    Right,
    /// Decimal numbers: point below point.
    Point,
}

/// Space between two columns.
const GAP: &str = "  ";

/// A table whose columns grow with their widest cell so far. Rows may be drawn in portions: the
/// widths are kept, so that a long table can be shown without being held.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    title: &'static str,
    align: Align,
    width: usize,
    /// Widest part from the point on, of a [`Align::Point`] column.
    decimals: usize,
}

impl Table {
    /// A table of these columns. Without titles (all empty) no heading is drawn.
    pub(super) fn new(columns: &[(&'static str, Align)]) -> Self {
        let columns = columns
            .iter()
            .map(|&(title, align)| Column {
                title,
                align,
                width: title.width(),
                decimals: 0,
            })
            .collect();
        Self { columns }
    }

    /// Takes these rows into account for the widths; rows are drawn later.
    pub(super) fn fit(&mut self, rows: &[Vec<String>]) {
        for (i, column) in self.columns.iter_mut().enumerate() {
            let cells = || rows.iter().filter_map(|row| row.get(i));
            let decimals = cells().map(|cell| from_point(cell).width()).max();
            // Pages of one table share their widths, which only grow.
            column.decimals = column.decimals.max(decimals.unwrap_or(0));
            let widest = cells().map(|cell| column.shape(cell).width()).max();
            column.width = column.width.max(widest.unwrap_or(0));
        }
    }

    /// How wide a row can be of the columns that are shown.
    pub(super) fn width(&self, is_shown: impl Fn(usize) -> bool) -> usize {
        let columns = self.columns.iter().enumerate();
        let widths = columns.filter(|(column, _)| is_shown(*column));
        let widths: Vec<_> = widths.map(|(_, column)| column.width).collect();
        widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
    }

    pub(super) fn head(&self) -> String {
        let titles = self.columns.iter();
        join(titles.map(|column| (column, Cow::Borrowed(column.title))))
    }

    pub(super) fn row(&self, cells: &[String]) -> String {
        let cells = self.columns.iter().zip(cells);
        join(cells.map(|(column, cell)| (column, column.shape(cell))))
    }

    /// Heading and rows, each indented by `indent` and ended by a newline.
    pub(super) fn draw(mut self, indent: &str, rows: &[Vec<String>]) -> String {
        self.fit(rows);
        let titled = self.columns.iter().any(|column| !column.title.is_empty());
        let head = titled.then(|| self.head());
        let mut text = String::new();
        for line in head.into_iter().chain(rows.iter().map(|row| self.row(row))) {
            text.extend([indent, &line, "\n"]);
        }
        text
    }
}

/// Cells side by side, each filled up to the width of its column.
fn join<'a>(cells: impl Iterator<Item = (&'a Column, Cow<'a, str>)>) -> String {
    let mut line = String::new();
    for (column, cell) in cells {
        if !line.is_empty() {
            line.push_str(GAP);
        }
        let space = " ".repeat(column.width.saturating_sub(cell.width()));
        match column.align {
            Align::Left => line.extend([&*cell, &space]),
            Align::Right | Align::Point => line.extend([&*space, &cell]),
        }
    }
    // No blanks at the end of a line: they would wrap on a narrow terminal.
    line.truncate(line.trim_end().len());
    line
}

impl Column {
    /// The cell, filled up to the column's decimals if points are to stand below each other.
    fn shape<'a>(&self, cell: &'a str) -> Cow<'a, str> {
        let missing = self.decimals.saturating_sub(from_point(cell).width());
        // Cells of fewer decimals are filled up, so that the points stand below each other.
        if self.align != Align::Point || missing == 0 {
            return Cow::Borrowed(cell);
        }
        Cow::Owned(format!("{cell}{}", " ".repeat(missing)))
    }
}

fn from_point(cell: &str) -> &str {
    cell.find('.').map_or("", |at| &cell[at..])
}

/// Text from outside, fit for one row of a terminal: controls (newlines, escape sequences and marks
/// of direction among them) become spaces.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if text.contains(is_control) {
        Cow::Owned(text.replace(is_control, " "))
    } else {
        Cow::Borrowed(text)
    }
}

/// At most `width` columns of the text; what is cut off leaves an ellipsis.
pub(super) fn clip(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if kept.width() >= width {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::{Align, Table, clip, plain};

    #[test]
    fn columns_align_by_what_is_seen() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let table = Table::new(&[
            ("JOB", Align::Left),
            ("N", Align::Right),
            ("USD", Align::Point),
        ]);
        let rows = [
            row(["日本", "1", "0.00"]),
            row(["é", "100", "12.0000055"]),
            row(["abcdef", "20", "unknown"]),
        ];
        insta::assert_snapshot!(table.draw("", &rows), @r"
        JOB       N              USD
        日本      1        0.00
        é       100       12.0000055
        abcdef   20  unknown
        ");
    }

    #[test]
    fn what_comes_from_outside_stays_in_its_row() {
        assert_eq!(plain("a\u{1b}[31m\nb\tc"), "a [31m b c");
        assert_eq!(plain("日本"), "日本");
    }

    #[test]
    fn long_text_is_clipped_by_columns() {
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("abcdefg", 6), "abcde…");
        assert_eq!(clip("日本語日本語", 6), "日本…");
    }
}

//! Tables that fit the width of what they are shown on.
//!
//! A table is drawn whole where there is room. Where there is none it makes concessions, one after the
//! other, in the order that whoever draws it chose: a time loses its year, a column moves below its
//! row. What a concession hides is in the `--json` of the same command.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr;

use super::table::{Align, Table, clip};

/// The width of a terminal of which nothing is known, and of what is no terminal.
pub const USUAL_WIDTH: usize = 80;

/// A title, and how the cells below it stand.
pub(super) type Heading = (&'static str, Align);

/// What a table does about a column when it is too wide. Columns are counted from 0.
#[derive(Clone, Copy)]
pub(super) enum Concession {
    /// Each cell of these columns is said in fewer words.
    Shorten(&'static [usize], fn(&str) -> String),
    /// The column goes, if every cell is zero or empty.
    DropIfZero(usize),
    /// The first column goes; its cell stands in the second where that is empty. So the second is
    /// called now.
    Merge(usize, usize, &'static str),
    /// No cell is wider than that.
    Clip(usize, usize),
    /// These columns have shorter titles.
    Retitle(&'static [(usize, &'static str)]),
    /// The column goes; its cells stand below their rows, after these words.
    Below(usize, &'static str),
}

/// Rows of a table, with what is said below each.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) cells: Vec<String>,
    pub(super) below: Vec<String>,
}

/// How notes below a row are set in.
const INDENT: &str = "    ";

/// A table that is drawn in portions: once it has conceded something, it does so to the end.
pub(super) struct Fitted<'a> {
    width: usize,
    headings: &'a [Heading],
    concessions: &'a [Concession],
    made: usize,
    titles: Vec<&'static str>,
    table: Table,
}

impl<'a> Fitted<'a> {
    /// A table of these columns, within this many columns of the terminal if its concessions are enough.
    pub(super) fn new(
        width: usize,
        headings: &'a [Heading],
        concessions: &'a [Concession],
    ) -> Self {
        Self {
            width,
            headings,
            concessions,
            made: 0,
            titles: Vec::new(),
            table: Table::new(&[]),
        }
    }

    /// The next rows; below a heading, if they are the first or have other columns than those before.
    pub(super) fn draw(&mut self, mut rows: Vec<Row>) -> String {
        let mut headings: Vec<_> = self.headings.iter().copied().map(Some).collect();
        for (n, concession) in self.concessions.iter().enumerate() {
            // What was conceded for an earlier page stays, so that the columns of one table agree.
            if n >= self.made && natural_width(&headings, &rows) <= self.width {
                break;
            }
            concede(*concession, &mut headings, &mut rows);
            self.made = self.made.max(n + 1);
        }
        let lines: Vec<_> = rows
            .iter()
            .map(|row| shown(&row.cells, &headings))
            .collect();
        let columns: Vec<_> = headings.iter().flatten().copied().collect();
        let titles: Vec<_> = columns.iter().map(|(title, _)| *title).collect();
        let is_new = titles != self.titles;
        // Another set of columns needs a head of its own.
        if is_new {
            self.table = Table::new(&columns);
            self.titles = titles;
        }
        self.table.fit(&lines);
        let mut text = String::new();
        if is_new {
            text.extend([&*self.table.head(), "\n"]);
        }
        for (line, row) in lines.iter().zip(&rows) {
            text.extend([&*self.table.row(line), "\n"]);
            let below = row.below.join("; ");
            for line in wrapped(&below, self.width.saturating_sub(INDENT.len())) {
                text.extend([INDENT, &line, "\n"]);
            }
        }
        text
    }
}

/// Rows with nothing below them, as one whole table that is set in.
pub(super) fn drawn_whole(
    width: usize,
    headings: &[Heading],
    rows: Vec<Vec<String>>,
    concessions: &[Concession],
) -> String {
    const INDENT: &str = "  ";
    let rows = rows.into_iter().map(|cells| Row {
        cells,
        below: Vec::new(),
    });
    let width = width.saturating_sub(INDENT.len());
    let text = Fitted::new(width, headings, concessions).draw(rows.collect());
    text.lines().fold(String::new(), |mut indented, line| {
        indented.extend([INDENT, line, "\n"]);
        indented
    })
}

/// The cells of the columns that are left.
fn shown(cells: &[String], headings: &[Option<Heading>]) -> Vec<String> {
    let cells = cells.iter().zip(headings);
    let shown = cells.filter(|(_, heading)| heading.is_some());
    shown.map(|(cell, _)| cell.clone()).collect()
}

/// How wide the widest row would be.
fn natural_width(headings: &[Option<Heading>], rows: &[Row]) -> usize {
    let lines: Vec<_> = rows.iter().map(|row| row.cells.clone()).collect();
    let titles: Vec<_> = headings
        .iter()
        .map(|heading| heading.unwrap_or(("", Align::Left)))
        .collect();
    let mut table = Table::new(&titles);
    table.fit(&lines);
    table.width(|column| headings[column].is_some())
}

fn concede(concession: Concession, headings: &mut [Option<Heading>], rows: &mut [Row]) {
    let is_empty = |cell: &str| cell.chars().all(|c| matches!(c, '0' | '.' | '-'));
    match concession {
        Concession::Shorten(columns, shorter) => {
            for row in rows {
                for column in columns {
                    row.cells[*column] = shorter(&row.cells[*column]);
                }
            }
        }
        Concession::DropIfZero(column) => {
            if rows.iter().all(|row| is_empty(&row.cells[column])) {
                headings[column] = None;
            }
        }
        Concession::Merge(column, into, title) => {
            for row in rows {
                // The finer word wins; the coarser one fills the gap.
                if is_empty(&row.cells[into]) {
                    row.cells[into] = row.cells[column].clone();
                }
            }
            headings[column] = None;
            headings[into] = headings[into].map(|(_, align)| (title, align));
        }
        Concession::Clip(column, width) => {
            for row in rows {
                let clipped = clip(&row.cells[column], width).into_owned();
                row.cells[column] = clipped;
            }
        }
        Concession::Retitle(titles) => {
            for (column, title) in titles {
                headings[*column] = headings[*column].map(|(_, align)| (*title, align));
            }
        }
        Concession::Below(column, words) => {
            for row in rows {
                let cell = std::mem::take(&mut row.cells[column]);
                if !is_empty(&cell) {
                    row.below.push(format!("{words}{cell}"));
                }
            }
            headings[column] = None;
        }
    }
}

/// The text in lines of at most that width, broken between words; a longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<Cow<'_, str>> {
    let mut lines: Vec<Cow<'_, str>> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                let line = line.to_mut();
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

/// `2026-11-22T09:58:47Z` as `11-22 09:58`.
pub(super) fn day_and_minute(time: &str) -> String {
    match (time.get(5..10), time.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute}"),
        _ => time.to_owned(),
    }
}

/// `2026-11-22T09:58:47.125Z` as `11-22 09:58:47`.
pub(super) fn day_and_second(time: &str) -> String {
    match (time.get(5..10), time.get(11..19)) {
        (Some(day), Some(second)) => format!("{day} {second}"),
        _ => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Align, Concession, Fitted, Row, day_and_minute, day_and_second};

    fn row(cells: [&str; 4], below: &str) -> Row {
        Row {
            cells: cells.map(str::to_owned).to_vec(),
            below: (!below.is_empty())
                .then(|| below.to_owned())
                .into_iter()
                .collect(),
        }
    }

    fn drawn(width: usize) -> String {
        let rows = vec![
            row(
                ["a-long-name", "2026-11-22T09:58:47Z", "0", "req_1"],
                "it said no, and no again",
            ),
            row(["b", "-", "0", "-"], ""),
        ];
        let headings = [
            ("NAME", Align::Left),
            ("AT", Align::Left),
            ("LOST", Align::Right),
            ("REQUEST", Align::Left),
        ];
        let concessions = [
            Concession::Shorten(&[1], day_and_minute),
            Concession::DropIfZero(2),
            Concession::Below(3, "sent as "),
            Concession::Clip(0, 6),
        ];
        Fitted::new(width, &headings, &concessions).draw(rows)
    }

    #[test]
    fn a_table_concedes_only_what_it_must() {
        insta::assert_snapshot!(drawn(80), @r"
        NAME         AT                    LOST  REQUEST
        a-long-name  2026-11-22T09:58:47Z     0  req_1
            it said no, and no again
        b            -                        0  -
        ");
        insta::assert_snapshot!(drawn(33), @r"
        NAME         AT           REQUEST
        a-long-name  11-22 09:58  req_1
            it said no, and no again
        b            -            -
        ");
        insta::assert_snapshot!(drawn(20), @r"
        NAME    AT
        a-lon…  11-22 09:58
            it said no, and
            no again; sent
            as req_1
        b       -
        ");
    }

    #[test]
    fn a_shortened_time_tells_day_and_minute_or_second() {
        let time = "2026-11-22T09:58:47.125Z";
        assert_eq!(day_and_minute(time), "11-22 09:58");
        assert_eq!(day_and_second(time), "11-22 09:58:47");
        assert_eq!(day_and_minute("-"), "-");
    }
}

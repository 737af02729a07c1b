//! Tests of the whole room: text in, jobs and errors out.

mod bad_lines;
mod good_lines;
mod properties;
mod schema;
mod streams;

use std::io::Cursor;

use jiff::Timestamp;

use super::{Item, JobReader, LineError, LineNote, Source};
use crate::model::{NewJob, Shaping};

const SUBMITTED_AT: &str = "2026-11-22T12:00:00Z";

fn source(bytes: impl Into<Vec<u8>>) -> Source {
    Source::from_reader("jobs.jsonl", Box::new(Cursor::new(bytes.into()))).unwrap()
}

fn reader(source: Source, shaping: &Shaping) -> JobReader {
    let submitted_at: Timestamp = SUBMITTED_AT.parse().unwrap();
    JobReader::new(source, shaping, submitted_at)
}

fn with_model() -> Shaping {
    Shaping {
        model: Some("m".to_owned()),
        ..Shaping::default()
    }
}

/// The items of an input that can be read to its end.
fn items(source: Source, shaping: &Shaping) -> Vec<Item> {
    reader(source, shaping).map(Result::unwrap).collect()
}

fn only_item(line: impl Into<Vec<u8>>, shaping: &Shaping) -> Item {
    let mut items = items(source(line), shaping);
    assert_eq!(items.len(), 1);
    items.pop().unwrap()
}

fn good(line: &str, shaping: &Shaping) -> (NewJob, Vec<LineNote>) {
    match only_item(line, shaping) {
        Item::Job { job, notes } => (job, notes),
        Item::Bad(error) => panic!("{line}: {error}"),
    }
}

fn bad(line: impl Into<Vec<u8>>, shaping: &Shaping) -> LineError {
    match only_item(line, shaping) {
        Item::Bad(error) => error,
        Item::Job { job, .. } => panic!("taken: {}", job.body.as_str()),
    }
}

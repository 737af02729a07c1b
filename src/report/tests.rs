//! What holds for several shapes and writers at once.

use std::io::{self, Write};

use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};

use super::testing::{
    MemoryReader, attempt, canceled, failed, overloaded, refused, run, succeeded,
};
use super::{
    AttemptLine, CsvFit, ExportFormat, Layout, Report, ResultLine, StatusLine, summarise,
    write_attempts_json, write_attempts_text, write_results,
};
use crate::model::{AttemptOutcome, ErrorClass, Halt, Pico, RunState};
use crate::store::{AttemptGroup, AttemptRow, Only};

/// A writer whose reader has gone away after so many bytes.
struct Gone {
    after: usize,
}

impl Write for Gone {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.after = self
            .after
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn reader() -> MemoryReader {
    let error = r#"{"type":"error","error":{"type":"x","message":"y"},"request_id":null}"#;
    let mut marked = succeeded(2, r#"{"content":[]}"#);
    marked.error_class = Some(ErrorClass::Truncated);
    marked.metadata = Some(r#"{"row":1}"#.to_owned());
    marked.cost.unknown_price = true;
    let open = AttemptRow {
        ended_at: None,
        outcome: None,
        ..attempt(2, 1)
    };
    MemoryReader {
        results: vec![
            succeeded(1, r#"{"content":[]}"#),
            marked,
            failed(3, ErrorClass::InvalidRequest, error),
            refused(4),
            canceled(5),
        ],
        attempts: vec![overloaded(1, 1), attempt(1, 2), open],
        ..MemoryReader::default()
    }
}

#[tokio::test]
async fn a_reader_that_went_away_is_recognised_by_every_writer() {
    let id = run().id;
    // Longer than any buffer, so that a write fails and not only the last flush.
    let long = "x".repeat(100_000);
    let long = format!(r#"{{"content":[{{"type":"text","text":"{long}"}}]}}"#);
    let results = || MemoryReader::of_results(vec![succeeded(1, &long), succeeded(2, &long)]);
    for after in [0, 40] {
        for format in [ExportFormat::Jsonl, ExportFormat::Csv(CsvFit::default())] {
            let written =
                write_results(&results(), id, Only::All, format, &mut Gone { after }).await;
            assert!(written.unwrap_err().is_broken_pipe(), "{format:?}");
        }
        let written = write_attempts_json(&reader(), id, None, &mut Gone { after }).await;
        assert!(written.unwrap_err().is_broken_pipe());
        let written =
            write_attempts_text(&reader(), id, None, Layout::default(), &mut Gone { after }).await;
        assert!(written.unwrap_err().is_broken_pipe());
    }
}

/// Every value fits the schema of `T`, and none fits with a key that the schema does not know.
fn assert_fit<T: JsonSchema>(values: &[Value]) {
    let schema = schema_for!(T).to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(!values.is_empty());
    for value in values {
        let errors: Vec<_> = validator
            .iter_errors(value)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?} in {value}");
        let mut strange = value.clone();
        strange["no_such_key"] = json!(1);
        assert!(!validator.is_valid(&strange));
    }
}

fn parsed(lines: &[u8]) -> Vec<Value> {
    let lines = std::str::from_utf8(lines).unwrap().lines();
    lines.map(|line| line.parse().unwrap()).collect()
}

#[tokio::test]
async fn exported_lines_fit_their_schema() {
    let mut out = Vec::new();
    write_results(
        &reader(),
        run().id,
        Only::All,
        ExportFormat::Jsonl,
        &mut out,
    )
    .await
    .unwrap();
    assert_fit::<ResultLine>(&parsed(&out));
}

#[tokio::test]
async fn ledger_lines_fit_their_schema() {
    let mut out = Vec::new();
    write_attempts_json(&reader(), run().id, None, &mut out)
        .await
        .unwrap();
    assert_fit::<AttemptLine>(&parsed(&out));
}

#[test]
fn status_lines_fit_their_schema() {
    let mut halted = run();
    halted.state = RunState::Halted;
    halted.halt = Some(Halt::new(ErrorClass::Billing, "", halted.created_at));
    let lines = [run(), halted].map(|run| StatusLine::new(&run, true));
    assert_fit::<StatusLine>(&lines.map(|line| serde_json::to_value(line).unwrap()));
}

#[test]
fn reports_fit_their_schema() {
    let row = overloaded(1, 1);
    let group = AttemptGroup {
        model: row.model,
        answered_by: None,
        lane: row.lane,
        outcome: Some(AttemptOutcome::Errored),
        error_class: row.error_class,
        maybe_billed: false,
        is_result: false,
        unknown_price: false,
        cost_basis: None,
        price_row: None,
        at_most: Pico::ZERO,
        unbounded: 0,
        attempts: 3,
        tokens: row.tokens,
        cost: row.cost,
    };
    let reports: [Report; 2] = [
        summarise(&run(), &[group], "v"),
        summarise(&run(), &[], "v"),
    ];
    assert_fit::<Report>(&reports.map(|report| serde_json::to_value(report).unwrap()));
}

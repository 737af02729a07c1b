//! Results as CSV: one row per ended job, in input order, below a heading.
//!
//! `text` is the answer: the text blocks of the message, one after the other. Thinking, tool calls
//! and other blocks are not text. It is empty for every job that did not succeed, refused ones
//! included: a program that reads the column must never take an error's message or half an answer
//! for an answer. Why a job failed is in `error_class`, and in the API's words in `error_message`.
//!
//! A table may be fitted to the program that opens it ([`CsvFit`]): spreadsheets take a cell that
//! begins like a formula for one, and a table without a byte order mark for one of another encoding.
//!
//! `cost_usd` is what is known to be charged; where no price is known at all it is empty, because
//! 0.00 would be a lie. Token counts and cost are of all attempts of the job together.

use std::io::{self, Write};

use super::answer::{Answer, Odd};
use super::{ExportCounts, next_page};
use crate::model::{ErrorClass, JobState, RunId};
use crate::report::error::{ReportError, Result};
use crate::report::shape::millis;
use crate::store::{Only, Reader, ResultRow};
use ::csv::Writer;

const HEADING: [&str; COLUMNS] = [
    "custom_id",
    "status",
    "error_class",
    "text",
    "stop_reason",
    "model",
    "lane",
    "attempts",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cost_usd",
    "latency_ms",
    "line",
    "error_message",
    "metadata",
];

/// Those of the first fourteen stand in this order for ever; new ones come behind.
const COLUMNS: usize = 17;

/// How a table is fitted to the program that opens it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CsvFit {
    /// A cell that a spreadsheet would take for a formula begins with an apostrophe.
    pub safe: bool,
    /// The table begins with a byte order mark, by which Excel knows UTF-8.
    pub bom: bool,
}

/// Writes the heading and one row per ended job, in input order, and flushes. Errors of `out` are
/// [`ReportError::Output`].
pub async fn write_csv<R: Reader>(
    reader: &R,
    run: RunId,
    only: Only,
    fit: CsvFit,
    out: &mut impl Write,
) -> Result<ExportCounts> {
    // Excel takes a file without it for the machine's old character set.
    if fit.bom {
        out.write_all(BOM.as_bytes()).map_err(ReportError::Output)?;
    }
    let mut writer = Writer::from_writer(out);
    let mut counts = ExportCounts::default();
    let mut after_line = 0;
    writer.write_record(HEADING).map_err(output_error)?;
    while let Some(page) = next_page(reader, run, only, &mut after_line, &mut counts).await? {
        for row in &page {
            let (cells, odd) = record(row);
            let cells = cells.map(|cell| if fit.safe { safe(cell) } else { cell });
            counts.note_odd(row, odd);
            writer.write_record(cells).map_err(output_error)?;
            counts.count(row.state);
        }
    }
    writer.flush().map_err(ReportError::Output)?;
    Ok(counts)
}

const BOM: &str = "\u{feff}";

/// The cell as text, for a spreadsheet that would take it for a formula. Numbers of ours never begin
/// like one.
fn safe(cell: String) -> String {
    // The wide forms are what some Asian locales take for the same.
    let is_formula =
        cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    // A quote before it makes spreadsheets take it as text.
    if is_formula { format!("'{cell}") } else { cell }
}

/// Keeps the kind of the system's error, which csv's own conversion loses.
fn output_error(error: ::csv::Error) -> ReportError {
    ReportError::Output(match error.into_kind() {
        ::csv::ErrorKind::Io(why) => why,
        other => io::Error::other(format!("{other:?}")),
    })
}

/// The cells of a row, and what is odd about what was stored.
fn record(row: &ResultRow) -> ([String; COLUMNS], Option<Odd>) {
    let answer = Answer::of(row);
    let tokens = &row.tokens;
    let cache_writes = tokens.cache_write_5m.saturating_add(tokens.cache_write_1h);
    let cells = [
        row.custom_id.clone(),
        status(row.state).to_owned(),
        row.error_class.map_or("", ErrorClass::as_str).to_owned(),
        answer.text,
        answer.stop_reason,
        row.model.clone(),
        row.lane.to_string(),
        row.attempts.to_string(),
        tokens.input.to_string(),
        tokens.output.to_string(),
        tokens.cache_read.to_string(),
        cache_writes.to_string(),
        row.cost
            .known()
            .map_or(String::new(), |usd| usd.to_string()),
        row.latency
            .map_or(String::new(), |latency| millis(latency).to_string()),
        row.line.to_string(),
        answer.error_message,
        row.metadata.clone().unwrap_or_default(),
    ];
    (cells, answer.odd)
}

fn status(state: JobState) -> &'static str {
    match state {
        JobState::Succeeded => "succeeded",
        JobState::Canceled => "canceled",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::{CsvFit, HEADING, write_csv};
    use crate::model::ErrorClass;
    use crate::report::testing::{MemoryReader, canceled, failed, refused, run, succeeded};
    use crate::store::{Only, ResultRow};

    async fn csv(rows: Vec<ResultRow>) -> String {
        let reader = MemoryReader::of_results(rows);
        let mut out = Vec::new();
        write_csv(&reader, run().id, Only::All, CsvFit::default(), &mut out)
            .await
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    fn message(blocks: &str) -> String {
        format!(r#"{{"content":[{blocks}],"stop_reason":"end_turn","stop_sequence":null}}"#)
    }

    #[tokio::test]
    async fn each_end_of_a_job_has_its_row() {
        let text = r#"{"type":"text","text":"He said \"hi\",\nthen left; naïve 日本 🦀"}"#;
        let mut truncated = succeeded(2, &message(r#"{"type":"text","text":"plain"}"#));
        truncated.error_class = Some(ErrorClass::Truncated);
        truncated.custom_id = "a,\"2\"".to_owned();
        truncated.tokens.cache_read = 7;
        truncated.tokens.cache_write_5m = 3;
        truncated.tokens.cache_write_1h = 4;
        let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#;
        let rows = vec![
            succeeded(1, &message(text)),
            truncated,
            failed(3, ErrorClass::Overloaded, error),
            refused(4),
            canceled(5),
        ];
        insta::assert_snapshot!(csv(rows).await, @r#"
        custom_id,status,error_class,text,stop_reason,model,lane,attempts,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,cost_usd,latency_ms,line,error_message,metadata
        a-1,succeeded,,"He said ""hi"",
        then left; naïve 日本 🦀",end_turn,claude-haiku-4-5,live,1,10,5,0,0,0.000035,1234,1,,
        "a,""2""",succeeded,truncated,plain,end_turn,claude-haiku-4-5,live,1,10,5,7,7,0.000035,1234,2,,
        a-3,failed,overloaded,,,claude-haiku-4-5,live,1,0,0,0,0,0.00,1234,3,busy,
        a-4,failed,refused,,refusal,claude-haiku-4-5,live,1,0,0,0,0,0.00,1234,4,The model declined,
        a-5,canceled,canceled,,,claude-haiku-4-5,live,0,0,0,0,0,0.00,,5,,
        "#);
    }

    #[tokio::test]
    async fn a_spreadsheet_gets_no_formula_and_its_mark() {
        let text = |text: &str| {
            let block = serde_json::json!({"type": "text", "text": text});
            message(&block.to_string())
        };
        let cells = [
            "=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "＝1", "plain =1", "'=1", "",
        ];
        let rows: Vec<_> = (1..)
            .zip(cells)
            .map(|(n, cell)| {
                let mut row = succeeded(n, &text(cell));
                row.custom_id = format!("={n}");
                row.metadata = Some("-7".to_owned());
                row
            })
            .collect();
        let reader = MemoryReader::of_results(rows);
        let mut out = Vec::new();
        let fit = CsvFit {
            safe: true,
            bom: true,
        };
        write_csv(&reader, run().id, Only::All, fit, &mut out)
            .await
            .unwrap();
        let table = out.strip_prefix(b"\xef\xbb\xbf").unwrap();
        let mut read = ::csv::Reader::from_reader(table);
        for (n, (row, cell)) in read.records().zip(cells).enumerate() {
            let row = row.unwrap();
            assert_eq!(row[0], format!("'={}", n + 1));
            assert_eq!(&row[16], "'-7");
            let kept = n >= 7;
            assert_eq!(
                row[3],
                if kept {
                    cell.to_owned()
                } else {
                    format!("'{cell}")
                }
            );
            assert_eq!(&row[8], "10", "a number stays one");
        }
    }

    #[tokio::test]
    async fn the_heading_stands_even_over_nothing() {
        assert_eq!(csv(Vec::new()).await, format!("{}\n", HEADING.join(",")));
    }

    async fn text_of(blocks: &str) -> String {
        let table = csv(vec![succeeded(1, &message(blocks))]).await;
        let mut reader = ::csv::Reader::from_reader(table.as_bytes());
        let row = reader.records().next().unwrap().unwrap();
        row[3].to_owned()
    }

    #[tokio::test]
    async fn the_text_is_that_of_all_text_blocks_and_of_no_other() {
        for (blocks, text) in [
            ("", ""),
            (
                r#"{"type":"text","text":"a "},{"type":"text","text":"b"}"#,
                "a b",
            ),
            (
                r#"{"type":"thinking","thinking":"hm","text":"no"},{"type":"text","text":"yes"}"#,
                "yes",
            ),
            (r#"{"type":"tool_use","input":{"text":"no"}}"#, ""),
            (
                r#"{"type":"of_2031","text":{"deep":1}},{"type":"text","text":"x"}"#,
                "x",
            ),
            (r#"{"type":"text"}"#, ""),
            (r#"{"type":"text","text":"\u00fc\r\n\ttab"}"#, "ü\r\n\ttab"),
        ] {
            assert_eq!(text_of(blocks).await, text, "{blocks}");
        }
    }

    #[tokio::test]
    async fn a_cost_that_is_not_known_is_not_called_zero() {
        let mut row = succeeded(1, &message(""));
        row.cost.unknown_price = true;
        let known_in_part = csv(vec![row.clone()]).await;
        assert!(
            known_in_part.contains(",0.000035,1234,1,"),
            "{known_in_part}"
        );
        row.cost.total = crate::model::Pico::ZERO;
        let unknown = csv(vec![row]).await;
        assert!(unknown.contains(",,1234,1,"), "{unknown}");
    }

    #[tokio::test]
    async fn an_odd_answer_keeps_no_other_back_and_is_told_by_its_line() {
        let fine = message(r#"{"type":"text","text":"fine"}"#);
        let rows = vec![
            succeeded(7, &fine),
            succeeded(8, r#"{"content":["hi"],"stop_reason":5}"#),
            succeeded(9, "["),
            succeeded(10, &fine),
        ];
        let reader = MemoryReader::of_results(rows);
        let mut out = Vec::new();
        let counts = write_csv(&reader, run().id, Only::All, CsvFit::default(), &mut out)
            .await
            .unwrap();
        let table = String::from_utf8(out).unwrap();
        let mut table = ::csv::Reader::from_reader(table.as_bytes());
        let texts: Vec<_> = table
            .records()
            .map(|row| row.unwrap()[3].to_owned())
            .collect();
        assert_eq!(texts, ["fine", "hi", "fine"]);
        let odd: Vec<_> = counts.odd_jobs.iter().map(|job| job.line).collect();
        let damaged: Vec<_> = counts.damaged_jobs.iter().map(|job| job.line).collect();
        assert_eq!((counts.total, counts.odd, counts.damaged), (3, 1, 1));
        assert_eq!((odd, damaged), (vec![8], vec![9]));
    }
}

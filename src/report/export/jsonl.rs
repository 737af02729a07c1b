//! Results as JSON lines.

use std::io::{self, Write};

use super::line::ResultLine;
use super::{ExportCounts, next_page};
use crate::model::RunId;
use crate::report::error::{ReportError, Result};
use crate::store::{Only, Reader, ResultRow};

/// Writes one line per ended job, in input order, and flushes. Errors of `out` are
/// [`ReportError::Output`].
pub async fn write_jsonl<R: Reader>(
    reader: &R,
    run: RunId,
    only: Only,
    out: &mut impl Write,
) -> Result<ExportCounts> {
    let mut counts = ExportCounts::default();
    let mut after_line = 0;
    while let Some(page) = next_page(reader, run, only, &mut after_line, &mut counts).await? {
        for row in &page {
            write_line(row, out)?;
            counts.count(row.state);
        }
    }
    out.flush().map_err(ReportError::Output)?;
    Ok(counts)
}

fn write_line(row: &ResultRow, out: &mut impl Write) -> Result<()> {
    let line = ResultLine::of(row)?;
    serde_json::to_writer(OneLine(&mut *out), &line)
        .map_err(|why| ReportError::Output(why.into()))?;
    out.write_all(b"\n").map_err(ReportError::Output)
}

/// Leaves out newlines. In valid JSON they stand between tokens only: inside a string they must be
/// escaped (RFC 8259, section 7), and what is written here has been checked to be valid.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // JSON has no line break inside of a string, so what is left out is white space.
        for part in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
            self.0.write_all(part)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::write_jsonl;
    use crate::model::ErrorClass;
    use crate::report::export::{ExportCounts, ExportResult, ResultLine};
    use crate::report::testing::{MemoryReader, canceled, failed, refused, run, succeeded};
    use crate::store::{Only, ResultRow};

    async fn lines(rows: Vec<ResultRow>) -> Vec<String> {
        let reader = MemoryReader::of_results(rows);
        let mut out = Vec::new();
        write_jsonl(&reader, run().id, Only::All, &mut out)
            .await
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.split_terminator('\n').map(str::to_owned).collect()
    }

    async fn line(row: ResultRow) -> String {
        lines(vec![row]).await.remove(0)
    }

    #[tokio::test]
    async fn a_message_is_carried_byte_for_byte() {
        let message =
            r#"{ "b":1.10,"a":"\u00e9\/ é \n", "n":123456789012345678901234567890 ,"content":[]}"#;
        assert_eq!(
            line(succeeded(1, message)).await,
            format!(
                r#"{{"custom_id":"a-1","result":{{"type":"succeeded","message":{message}}},"run":{{"line":1,"attempts":1,"lane":"live","model":"claude-haiku-4-5","error_class":null,"cost_usd":"0.000035","latency_ms":1234,"metadata":null}}}}"#
            )
        );
    }

    #[tokio::test]
    async fn an_error_keeps_its_request_id() {
        let error = r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"},"request_id":"req_1"}"#;
        assert_eq!(
            line(failed(2, ErrorClass::InvalidRequest, error)).await,
            format!(
                r#"{{"custom_id":"a-2","result":{{"type":"errored","error":{error}}},"run":{{"line":2,"attempts":1,"lane":"live","model":"claude-haiku-4-5","error_class":"invalid_request","cost_usd":"0.00","latency_ms":1234,"metadata":null}}}}"#
            )
        );
    }

    #[tokio::test]
    async fn a_refusal_is_an_error_that_keeps_its_message() {
        insta::assert_snapshot!(line(refused(3)).await, @r#"{"custom_id":"a-3","result":{"type":"errored","error":{"error":{"message":"The model declined","original_type":"refused","type":"invalid_request_error"},"request_id":"req_9","type":"error"},"message":{"content":[{"type":"text","text":"I can"}],"stop_reason":"refusal"}},"run":{"line":3,"attempts":1,"lane":"live","model":"claude-haiku-4-5","error_class":"refused","cost_usd":"0.00","latency_ms":1234,"metadata":null}}"#);
    }

    #[tokio::test]
    async fn a_cancelled_job_has_nothing_but_its_end() {
        insta::assert_snapshot!(line(canceled(4)).await, @r#"{"custom_id":"a-4","result":{"type":"canceled"},"run":{"line":4,"attempts":0,"lane":"live","model":"claude-haiku-4-5","error_class":"canceled","cost_usd":"0.00","latency_ms":null,"metadata":null}}"#);
    }

    #[tokio::test]
    async fn metadata_is_untouched() {
        let metadata = r#"{"row": 17, "z":1,"a":[1.0,  "ü"]}"#;
        let mut row = succeeded(1, "{}");
        row.metadata = Some(metadata.to_owned());
        let line = line(row).await;
        assert!(
            line.ends_with(&format!(r#","metadata":{metadata}}}}}"#)),
            "{line}"
        );
    }

    #[tokio::test]
    async fn newlines_between_tokens_go_and_those_inside_strings_stay() {
        let message = "{\r\n  \"text\": \"a\\nb\\\\\",\n  \"quote\": \"\\\"\"\n}\n";
        let lines = lines(vec![succeeded(1, message), succeeded(2, "{}")]).await;
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].contains(r#""message":{  "text": "a\nb\\",  "quote": "\""}"#),
            "{}",
            lines[0]
        );
    }

    #[tokio::test]
    async fn an_unknown_price_is_marked() {
        let mut row = succeeded(1, "{}");
        row.cost.unknown_price = true;
        assert!(line(row).await.contains(r#""unknown_price":true"#));
    }

    #[tokio::test]
    async fn every_line_is_of_the_documented_shape() {
        let rows = vec![
            succeeded(1, r#"{"content":[]}"#),
            failed(2, ErrorClass::Overloaded, r#"{"error":{}}"#),
            refused(3),
            canceled(4),
        ];
        for text in lines(rows).await {
            let parsed: ResultLine = serde_json::from_str(&text).unwrap();
            assert_eq!(
                serde_json::to_value(&parsed).unwrap(),
                text.parse::<serde_json::Value>().unwrap()
            );
            let refused = parsed.run.error_class == Some(ErrorClass::Refused);
            let kept = matches!(
                parsed.result,
                ExportResult::Errored {
                    message: Some(_),
                    ..
                }
            );
            assert_eq!(refused, kept);
        }
    }

    #[tokio::test]
    async fn all_pages_are_written_in_input_order() {
        let rows = (1..=7).map(|line| succeeded(line * 10, "{}")).collect();
        let reader = MemoryReader::of_results(rows);
        let mut out = Vec::new();
        let counts = write_jsonl(&reader, run().id, Only::All, &mut out)
            .await
            .unwrap();
        let order: Vec<_> = String::from_utf8(out)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<ResultLine>(line).unwrap().run.line)
            .collect();
        assert_eq!(order, [10, 20, 30, 40, 50, 60, 70]);
        assert_eq!(counts.total, 7);
        assert_eq!(reader.pages.load(Ordering::Relaxed), 5);
    }

    #[tokio::test]
    async fn the_counts_are_by_state_and_only_what_is_wanted() {
        let rows = || {
            vec![
                succeeded(1, "{}"),
                succeeded(2, "{}"),
                failed(3, ErrorClass::Overloaded, "{}"),
                canceled(4),
            ]
        };
        for (only, succeeded, failed, canceled) in [
            (Only::All, 2, 1, 1),
            (Only::Succeeded, 2, 0, 0),
            (Only::Failed, 0, 1, 1),
        ] {
            let reader = MemoryReader::of_results(rows());
            let counts = write_jsonl(&reader, run().id, only, &mut Vec::new())
                .await
                .unwrap();
            let total = succeeded + failed + canceled;
            assert_eq!(
                counts,
                ExportCounts {
                    total,
                    succeeded,
                    failed,
                    canceled,
                    ..ExportCounts::default()
                }
            );
        }
    }

    #[tokio::test]
    async fn what_is_stored_broken_does_not_reach_the_file_and_keeps_no_other_back() {
        for broken in ["{", "{} {}", "{\"a\":\"\n\"}", ""] {
            let mut metadata = succeeded(18, "{}");
            metadata.metadata = Some(broken.to_owned());
            let error = failed(19, ErrorClass::Overloaded, broken);
            let rows = vec![succeeded(17, broken), metadata, error, succeeded(20, "{}")];
            let reader = MemoryReader::of_results(rows);
            let mut out = Vec::new();
            let counts = write_jsonl(&reader, run().id, Only::All, &mut out)
                .await
                .unwrap();
            let out = String::from_utf8(out).unwrap();
            assert_eq!(out.lines().count(), 1, "{broken}");
            assert!(out.contains("\"a-20\""), "{out}");
            let damaged: Vec<_> = counts.damaged_jobs.iter().map(|job| job.line).collect();
            assert_eq!(damaged, [17, 18, 19], "{broken}");
        }
    }
}

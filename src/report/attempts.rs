//! The attempt ledger: every try of every job, as JSON lines or as a table.

use std::io::Write;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ReportError, Result};
use super::fitted::{Concession, Fitted, Heading, Row, day_and_second};
use super::layout::Layout;
use super::shape::{self, millis};
use super::summary::TokenCounts;
use super::table::{Align, clip, plain};
use crate::model::{AttemptOutcome, CostBasis, ErrorClass, Lane, Pico, RunId};
use crate::store::{AttemptRow, Reader};

/// An attempt as `attempts --json` shows it: one object per line, ordered by input line, then `n`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttemptLine {
    /// The user's id of the job.
    pub custom_id: String,
    /// The job's input line, from 1.
    pub line: u64,
    /// Which try of the job this is, from 1.
    pub n: u32,
    /// The lane that it took.
    pub lane: Lane,
    /// The model asked.
    pub model: String,
    /// The base URL of the second endpoint, if it was sent there; null is the first endpoint.
    pub endpoint: Option<String>,
    /// The model that answered, if one did.
    pub answered_by: Option<String>,
    /// When it was claimed: RFC 3339 in UTC.
    #[serde(with = "shape::time")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: Timestamp,
    /// When it ended: RFC 3339 in UTC; null while it is open.
    #[serde(with = "shape::optional_time")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub ended_at: Option<Timestamp>,
    /// How it ended; null while it is open.
    pub outcome: Option<AttemptOutcome>,
    /// What went wrong, or what marks the success (`truncated`).
    pub error_class: Option<ErrorClass>,
    /// The HTTP status, if an answer began at all.
    pub http_status: Option<u16>,
    /// The API's `error.type`.
    pub error_type: Option<String>,
    /// What the API or the network said; of a success what was altered in it, if anything was.
    pub message: Option<String>,
    /// The API's request id: what its support asks for.
    pub request_id: Option<String>,
    /// The server's hint how long to wait.
    pub retry_after_ms: Option<u64>,
    /// When the job was to be tried again: RFC 3339 in UTC.
    #[serde(with = "shape::optional_time")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub next_try_at: Option<Timestamp>,
    /// What it used.
    pub tokens: TokenCounts,
    /// What it cost; null where no price is known.
    pub cost_usd: Option<Pico>,
    /// Its cost is not known: its model has no known price, or its answer told no usage and nothing
    /// bounds its request.
    pub unknown_price: bool,
    /// What the cost rests on, if not on the answer's usage at the price of its model.
    pub cost_basis: Option<CostBasis>,
    /// The row of the price table that the cost was made with, by its id; of an answer of several
    /// models all of theirs.
    pub price_row: Option<String>,
    /// The most that its request allows, if it may have been billed or told no usage; null if nothing
    /// bounds it, and for any other.
    pub at_most_usd: Option<Pico>,
    /// It may have been billed although no answer says so; `cost_usd` holds what a broken stream
    /// told, and else nothing.
    pub maybe_billed: bool,
    /// Time on the wire.
    pub latency_ms: Option<u64>,
}

impl From<AttemptRow> for AttemptLine {
    fn from(row: AttemptRow) -> Self {
        Self {
            custom_id: row.custom_id,
            line: row.line,
            n: row.attempt.n,
            lane: row.lane,
            model: row.model,
            endpoint: row.endpoint,
            answered_by: row.answered_by,
            started_at: row.started_at,
            ended_at: row.ended_at,
            outcome: row.outcome,
            error_class: row.error_class,
            http_status: row.http_status,
            error_type: row.error_type,
            message: row.message,
            request_id: row.request_id,
            retry_after_ms: row.retry_after.map(millis),
            next_try_at: row.next_try_at,
            tokens: row.tokens.into(),
            cost_usd: row.cost.known(),
            unknown_price: row.cost.unknown_price,
            cost_basis: row.cost_basis,
            price_row: row.price_row,
            at_most_usd: row.at_most,
            maybe_billed: row.maybe_billed,
            latency_ms: row.latency.map(millis),
        }
    }
}

/// Writes the ledger of a run, or of the one job with this `custom_id`, as JSON lines. Returns how
/// many attempts there were.
pub async fn write_attempts_json<R: Reader>(
    reader: &R,
    run: RunId,
    custom_id: Option<&str>,
    out: &mut impl Write,
) -> Result<u64> {
    let mut after_line = 0;
    let mut written = 0;
    while let Some(page) = next_page(reader, run, custom_id, &mut after_line).await? {
        for line in page {
            serde_json::to_writer(&mut *out, &line)
                .map_err(|why| ReportError::Output(why.into()))?;
            out.write_all(b"\n").map_err(ReportError::Output)?;
            written += 1;
        }
    }
    out.flush().map_err(ReportError::Output)?;
    Ok(written)
}

/// Writes the same as a table for people, within this many columns where that can be: what was said
/// stands indented below its attempt. The columns are fitted page by page, so that a long ledger is
/// never held. Returns how many attempts there were; nothing is written for none.
pub async fn write_attempts_text<R: Reader>(
    reader: &R,
    run: RunId,
    custom_id: Option<&str>,
    layout: Layout,
    out: &mut impl Write,
) -> Result<u64> {
    let mut after_line = 0;
    let mut written = 0;
    let mut table = Fitted::new(layout.width, &LEDGER, &LEDGER_CONCESSIONS);
    while let Some(page) = next_page(reader, run, custom_id, &mut after_line).await? {
        let rows = page.iter().map(|line| Row {
            cells: ledger_row(line, layout.all_digits),
            below: said(line, layout.all_digits),
        });
        let text = table.draw(rows.collect());
        out.write_all(text.as_bytes())
            .map_err(ReportError::Output)?;
        written += page.len() as u64;
    }
    out.flush().map_err(ReportError::Output)?;
    Ok(written)
}

/// The page after this line, or none at the end. Moves the line on.
async fn next_page<R: Reader>(
    reader: &R,
    run: RunId,
    custom_id: Option<&str>,
    after_line: &mut u64,
) -> Result<Option<Vec<AttemptLine>>> {
    let rows = reader.attempts(run, custom_id, *after_line).await?;
    let Some(last) = rows.last() else {
        return Ok(None);
    };
    // Paged by line, so that a long ledger takes no memory and no long read of the store.
    *after_line = last.line;
    Ok(Some(rows.into_iter().map(AttemptLine::from).collect()))
}

const LEDGER: [Heading; 11] = [
    ("LINE", Align::Right),
    ("JOB", Align::Left),
    ("N", Align::Right),
    ("LANE", Align::Left),
    ("STARTED", Align::Left),
    ("TOOK", Align::Point),
    ("OUTCOME", Align::Left),
    ("CLASS", Align::Left),
    ("HTTP", Align::Right),
    ("USD", Align::Point),
    ("REQUEST", Align::Left),
];

/// A request's id is for a support ticket, and a class says the outcome too.
const LEDGER_CONCESSIONS: [Concession; 8] = [
    Concession::Below(10, ""),
    Concession::Shorten(&[4], day_and_second),
    Concession::Merge(6, 7, "OUTCOME"),
    Concession::Clip(1, 24),
    Concession::Below(3, "lane "),
    Concession::Clip(1, 12),
    Concession::Below(9, "$"),
    Concession::Clip(7, 20),
];

/// Columns that an id gets in the table; JSON shows all of it.
const ID_WIDTH: usize = 40;
/// Columns that a message gets in the table; JSON shows all of it.
const MESSAGE_WIDTH: usize = 160;

fn ledger_row(line: &AttemptLine, all_digits: bool) -> Vec<String> {
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let outcome = line.outcome.map_or("open", AttemptOutcome::as_str);
    let cost = line
        .cost_usd
        .map_or("unknown".to_owned(), |usd| usd.shown(all_digits));
    vec![
        line.line.to_string(),
        clip(&plain(&line.custom_id), ID_WIDTH).into_owned(),
        line.n.to_string(),
        line.lane.to_string(),
        shape::rfc3339(line.started_at),
        took(line),
        outcome.to_owned(),
        or_dash(line.error_class.map(ErrorClass::as_str)),
        line.http_status
            .map_or("-".to_owned(), |status| status.to_string()),
        cost,
        or_dash(line.request_id.as_deref().map(plain).as_deref()),
    ]
}

/// From claim to end, in seconds.
fn took(line: &AttemptLine) -> String {
    let Some(ended_at) = line.ended_at else {
        return "-".to_owned();
    };
    let ms = ended_at.as_millisecond() - line.started_at.as_millisecond();
    // The clock may have been set back meanwhile.
    let ms = ms.max(0);
    format!("{}.{:03}s", ms / 1_000, ms % 1_000)
}

/// What the API or the network said, when the job was to go again, and whether money may be gone.
fn said(line: &AttemptLine, all_digits: bool) -> Vec<String> {
    let message = line.message.as_deref().map(plain);
    let message = message.map(|text| clip(text.trim(), MESSAGE_WIDTH).into_owned());
    let next = line
        .next_try_at
        .map(|at| format!("next try {}", shape::rfc3339(at)));
    let billed = line.maybe_billed.then(|| match line.at_most_usd {
        Some(most) => {
            let most = most.shown(all_digits);
            format!("may have been billed, at most ${most}")
        }
        None => "may have been billed".to_owned(),
    });
    let basis = line.cost_basis.map(|basis| match basis {
        CostBasis::AtMost => {
            "told no usage that can be priced: counted at the most that it allows".to_owned()
        }
        CostBasis::Saturated => {
            "told a usage that cannot be: counted at the most that it allows".to_owned()
        }
        CostBasis::AskedModel => "counted at the price of the model that was asked".to_owned(),
    });
    let second = line.endpoint.as_deref().map(plain);
    let second = second.map(|endpoint| format!("sent to {endpoint}"));
    let parts = [message, second, next, billed, basis].into_iter();
    parts.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::{AttemptLine, Layout, write_attempts_json, write_attempts_text};
    use crate::model::{AttemptOutcome, ErrorClass, Pico};
    use crate::report::testing::{MemoryReader, attempt, overloaded, run};
    use crate::store::AttemptRow;

    fn wide(width: usize) -> Layout {
        Layout {
            width,
            ..Layout::default()
        }
    }

    fn ledger() -> MemoryReader {
        let interrupted = AttemptRow {
            outcome: Some(AttemptOutcome::Interrupted),
            error_class: Some(ErrorClass::Interrupted),
            http_status: None,
            request_id: None,
            maybe_billed: true,
            latency: None,
            ..overloaded(3, 1)
        };
        let open = AttemptRow {
            ended_at: None,
            outcome: None,
            http_status: None,
            request_id: None,
            custom_id: "an id\nof two lines".to_owned(),
            ..attempt(20, 1)
        };
        MemoryReader {
            attempts: vec![
                overloaded(1, 1),
                overloaded(1, 2),
                attempt(1, 3),
                attempt(2, 1),
                interrupted,
                open,
            ],
            ..MemoryReader::default()
        }
    }

    async fn json(reader: &MemoryReader, custom_id: Option<&str>) -> Vec<String> {
        let mut out = Vec::new();
        let n = write_attempts_json(reader, run().id, custom_id, &mut out)
            .await
            .unwrap();
        let lines: Vec<_> = String::from_utf8(out)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(n, u64::try_from(lines.len()).unwrap());
        lines
    }

    #[tokio::test]
    async fn a_line_has_every_key_of_the_contract() {
        let lines = json(&ledger(), None).await;
        insta::assert_snapshot!(lines[0], @r#"{"custom_id":"a-1","line":1,"n":1,"lane":"live","model":"claude-haiku-4-5","endpoint":null,"answered_by":null,"started_at":"2026-03-01T12:00:00.000Z","ended_at":"2026-03-01T12:00:01.500Z","outcome":"errored","error_class":"overloaded","http_status":529,"error_type":"overloaded_error","message":"Overloaded","request_id":"req_1","retry_after_ms":2000,"next_try_at":"2026-03-01T12:00:03.500Z","tokens":{"input":0,"output":0,"cache_read":0,"cache_write_5m":0,"cache_write_1h":0},"cost_usd":"0.00","unknown_price":false,"cost_basis":null,"price_row":null,"at_most_usd":null,"maybe_billed":false,"latency_ms":1500}"#);
        insta::assert_snapshot!(lines[5], @r#"{"custom_id":"an id\nof two lines","line":20,"n":1,"lane":"live","model":"claude-haiku-4-5","endpoint":null,"answered_by":"claude-haiku-4-5-20251001","started_at":"2026-03-01T12:00:00.000Z","ended_at":null,"outcome":null,"error_class":null,"http_status":null,"error_type":null,"message":null,"request_id":null,"retry_after_ms":null,"next_try_at":null,"tokens":{"input":10,"output":5,"cache_read":0,"cache_write_5m":0,"cache_write_1h":0},"cost_usd":"0.000035","unknown_price":false,"cost_basis":null,"price_row":null,"at_most_usd":null,"maybe_billed":false,"latency_ms":1500}"#);
    }

    #[tokio::test]
    async fn lines_come_in_order_over_several_pages() {
        let order: Vec<_> = json(&ledger(), None)
            .await
            .iter()
            .map(|line| serde_json::from_str::<AttemptLine>(line).unwrap())
            .map(|line| (line.line, line.n))
            .collect();
        assert_eq!(order, [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (20, 1)]);
    }

    #[tokio::test]
    async fn one_job_can_be_asked_for() {
        assert_eq!(json(&ledger(), Some("a-1")).await.len(), 3);
        assert_eq!(json(&ledger(), Some("nobody")).await.len(), 0);
    }

    #[tokio::test]
    async fn the_table_says_below_each_attempt_what_was_said() {
        let mut out = Vec::new();
        write_attempts_text(&ledger(), run().id, None, wide(200), &mut out)
            .await
            .unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        LINE  JOB  N  LANE  STARTED                     TOOK  OUTCOME    CLASS       HTTP       USD  REQUEST
           1  a-1  1  live  2026-03-01T12:00:00.000Z  1.500s  errored    overloaded   529  0.00      req_1
            Overloaded; next try 2026-03-01T12:00:03.500Z
           1  a-1  2  live  2026-03-01T12:00:00.000Z  1.500s  errored    overloaded   529  0.00      req_1
            Overloaded; next try 2026-03-01T12:00:03.500Z
           1  a-1  3  live  2026-03-01T12:00:00.000Z  1.500s  succeeded  -            200  0.000035  req_1
           2  a-2  1  live  2026-03-01T12:00:00.000Z  1.500s  succeeded  -            200  0.000035  req_1
           3  a-3                 1  live  2026-03-01T12:00:00.000Z  1.500s  interrupted  interrupted     -  0.00      -
            Overloaded; next try 2026-03-01T12:00:03.500Z; may have been billed
          20  an id of two lines  1  live  2026-03-01T12:00:00.000Z  -       open         -               -  0.000035  -
        ");
    }

    #[tokio::test]
    async fn in_eighty_columns_nothing_is_lost_but_the_year() {
        let mut out = Vec::new();
        write_attempts_text(&ledger(), run().id, None, wide(80), &mut out)
            .await
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        insta::assert_snapshot!(text, @r"
        LINE  JOB  N  LANE  STARTED           TOOK  OUTCOME     HTTP       USD
           1  a-1  1  live  03-01 12:00:00  1.500s  overloaded   529  0.00
            Overloaded; next try 2026-03-01T12:00:03.500Z; req_1
           1  a-1  2  live  03-01 12:00:00  1.500s  overloaded   529  0.00
            Overloaded; next try 2026-03-01T12:00:03.500Z; req_1
           1  a-1  3  live  03-01 12:00:00  1.500s  succeeded    200  0.000035
            req_1
           2  a-2  1  live  03-01 12:00:00  1.500s  succeeded    200  0.000035
            req_1
        LINE  JOB                 N  STARTED           TOOK  OUTCOME      HTTP       USD
           3  a-3                 1  03-01 12:00:00  1.500s  interrupted     -  0.00
            Overloaded; next try 2026-03-01T12:00:03.500Z; may have been billed; lane
            live
          20  an id of two lines  1  03-01 12:00:00  -       open            -  0.000035
            lane live
        ");
    }

    #[tokio::test]
    async fn money_has_few_digits_unless_all_are_asked_for() {
        let mut dear = attempt(1, 1);
        dear.cost.total = Pico(150_644_745_000);
        dear.maybe_billed = true;
        dear.at_most = Some(Pico(1_234_567_000_000));
        let reader = MemoryReader {
            attempts: vec![dear],
            ..MemoryReader::default()
        };
        for (all_digits, cost, most) in [
            (false, "0.151", "at most $1.23"),
            (true, "0.150644745", "at most $1.234567"),
        ] {
            let layout = Layout {
                all_digits,
                ..wide(200)
            };
            let mut out = Vec::new();
            write_attempts_text(&reader, run().id, None, layout, &mut out)
                .await
                .unwrap();
            let text = String::from_utf8(out).unwrap();
            let mut words = text.split_whitespace();
            assert!(words.any(|word| word == cost), "{text}");
            assert!(
                text.lines().any(|line| line.trim().ends_with(most)),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn no_attempts_write_nothing() {
        let mut out = Vec::new();
        let reader = MemoryReader::default();
        let n = write_attempts_text(&reader, run().id, None, wide(80), &mut out)
            .await
            .unwrap();
        assert_eq!((n, out.len()), (0, 0));
    }
}

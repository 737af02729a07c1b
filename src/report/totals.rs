//! Sums over all runs of a store: by day, model or run, and always by month.
//!
//! Runs against the simulator cost nothing, so they stand in rows of their own and in no total.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cost::{cost_sums, token_sums};
use super::fitted::{Concession, drawn_whole};
use super::layout::Layout;
use super::short_id::short_ids;
use super::summary::{CostSums, EstimateQuality, TokenCounts};
use super::table::{Align, plain};
use super::text::or_unknown;
use crate::model::{Pico, Run, thousands};
use crate::store::{AttemptGroup, EstimateSums, Reader};

/// What the rows stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TotalsBy {
    /// The day (UTC) on which attempts ended.
    #[default]
    Day,
    /// The model that answered, or was asked where none answered.
    Model,
    /// The run.
    Run,
}

/// What all runs of a store used and cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// What `rows` stand for.
    pub by: TotalsBy,
    /// The sums, by key.
    pub rows: Vec<TotalsRow>,
    /// The same by month, such as `2026-11`.
    pub months: Vec<TotalsRow>,
    /// Everything but the simulated runs.
    pub total: TotalsRow,
    /// How far estimates of tokens were off over all runs, by model and kind.
    pub estimates: Vec<EstimateQuality>,
}

/// One row of sums.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TotalsRow {
    /// The day, model, run id or month; `total` in the last row.
    pub key: String,
    /// The name of the run, if it is a run and has one.
    pub name: Option<String>,
    /// It is about runs against the simulator; nothing of it is real.
    pub simulated: bool,
    /// Attempts of every kind.
    pub attempts: u64,
    /// What they used together.
    pub tokens: TokenCounts,
    /// What they cost together.
    pub cost_usd: CostSums,
}

/// The groups of each row: simulated or not, its key, the name of its run.
type Rows = BTreeMap<(bool, String, Option<String>), Vec<AttemptGroup>>;

/// Reads and sums up what these runs did.
pub async fn load_totals<R: Reader>(
    reader: &R,
    runs: &[Run],
    by: TotalsBy,
) -> super::Result<Totals> {
    let (mut rows, mut months) = (Rows::new(), Rows::new());
    let mut estimates: Vec<EstimateSums> = Vec::new();
    for run in runs {
        for day in reader.day_groups(run.id).await? {
            let month = day.day.strftime("%Y-%m").to_string();
            let (key, name) = match by {
                TotalsBy::Day => (day.day.to_string(), None),
                TotalsBy::Model => (model_of(&day.group).to_owned(), None),
                TotalsBy::Run => (run.id.to_string(), run.name.clone()),
            };
            let row = rows.entry((run.simulated, key, name)).or_default();
            row.push(day.group.clone());
            let month = months.entry((run.simulated, month, None)).or_default();
            month.push(day.group);
        }
        for sums in reader.estimates(run.id).await? {
            add_estimates(&mut estimates, sums);
        }
    }
    // Made-up money is no part of a total.
    let real = months.iter().filter(|((simulated, ..), _)| !simulated);
    let real: Vec<_> = real
        .flat_map(|(_, groups)| groups.iter().cloned())
        .collect();
    Ok(Totals {
        by,
        rows: rows.into_iter().map(row).collect(),
        months: months.into_iter().map(row).collect(),
        total: row(((false, "total".to_owned(), None), real)),
        estimates: estimates.into_iter().map(EstimateQuality::from).collect(),
    })
}

fn model_of(group: &AttemptGroup) -> &str {
    group.answered_by.as_ref().unwrap_or(&group.model)
}

fn add_estimates(all: &mut Vec<EstimateSums>, sums: EstimateSums) {
    let same = |known: &&mut EstimateSums| known.model == sums.model && known.kind == sums.kind;
    match all.iter_mut().find(same) {
        Some(known) => known.errors.merge(&sums.errors),
        None => all.push(sums),
    }
}

fn row(
    ((simulated, key, name), groups): ((bool, String, Option<String>), Vec<AttemptGroup>),
) -> TotalsRow {
    TotalsRow {
        key,
        name,
        simulated,
        attempts: groups.iter().map(|group| group.attempts).sum(),
        tokens: token_sums(&groups),
        cost_usd: cost_sums(&groups),
    }
}

/// The sums as tables for people.
#[must_use]
pub fn totals_text(totals: &Totals, layout: Layout) -> String {
    let head = match totals.by {
        TotalsBy::Day => "DAY (UTC)",
        TotalsBy::Model => "MODEL",
        TotalsBy::Run => "RUN",
    };
    let with_total = |rows: &[TotalsRow]| {
        let mut rows = rows.to_vec();
        if totals.by == TotalsBy::Run {
            shorten_ids(&mut rows);
        }
        rows.push(totals.total.clone());
        rows
    };
    let mut text = table(head, &with_total(&totals.rows), layout);
    text += "\nBy month\n";
    text += &table("MONTH", &totals.months, layout);
    if totals
        .rows
        .iter()
        .any(|row| row.cost_usd.unknown_price_attempts > 0)
    {
        text += "\nWhere it says UNKNOWN, attempts have no known price: the real cost is higher.\n";
    }
    text
}

/// Each run by the shortest end of its id that means it alone.
fn shorten_ids(rows: &mut [TotalsRow]) {
    let mut ids: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    let names: Vec<_> = rows.iter().filter_map(|row| row.name.clone()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let short = short_ids(&ids.iter().map(String::as_str).collect::<Vec<_>>(), &names);
    for row in rows {
        if let Ok(at) = ids.binary_search(&row.key) {
            row.key.clone_from(&short[at]);
        }
    }
}

/// What is zero for all says the least.
const CONCESSIONS: [Concession; 7] = [
    Concession::DropIfZero(5),
    Concession::DropIfZero(4),
    Concession::DropIfZero(3),
    Concession::DropIfZero(6),
    Concession::Retitle(&[(4, "BY BATCH"), (5, "BY CACHE")]),
    Concession::Clip(0, 24),
    Concession::Below(6, "wasted "),
];

fn table(head: &'static str, rows: &[TotalsRow], layout: Layout) -> String {
    let columns = [
        (head, Align::Left),
        ("ATTEMPTS", Align::Right),
        ("LIVE USD", Align::Point),
        ("BATCH USD", Align::Point),
        ("SAVED BY BATCH", Align::Point),
        ("SAVED BY CACHE", Align::Point),
        ("WASTED", Align::Point),
        ("TOTAL USD", Align::Left),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|row| cells(row, layout.all_digits))
        .collect();
    drawn_whole(layout.width, &columns, rows, &CONCESSIONS)
}

fn cells(row: &TotalsRow, all_digits: bool) -> Vec<String> {
    let cost = &row.cost_usd;
    let shown = |usd: Pico| usd.shown(all_digits);
    let mut key = plain(&row.key).into_owned();
    if let Some(name) = &row.name {
        key = format!("{key} ({})", plain(name));
    }
    if row.simulated {
        key += " SIMULATED";
    }
    let total = or_unknown(cost.total, cost.unknown_price_attempts, all_digits);
    let wasted = cost.wasted_on_retries + cost.wasted_on_refusals;
    vec![
        key,
        thousands(row.attempts),
        shown(cost.live),
        shown(cost.batch),
        shown(cost.saved_by_batch),
        shown(cost.saved_by_cache),
        shown(wasted),
        total,
    ]
}

#[cfg(test)]
mod tests {
    use super::{TotalsBy, load_totals, totals_text};
    use crate::model::{AttemptOutcome, Cost, ErrorClass, Lane, Pico, Tokens};
    use crate::report::testing::{MemoryReader, run};
    use crate::store::{AttemptGroup, DayGroup};

    fn on(day: &str, lane: Lane, is_result: bool, cents: i128) -> DayGroup {
        DayGroup {
            day: day.parse().unwrap(),
            group: AttemptGroup {
                model: format!("of-{lane}"),
                answered_by: None,
                lane,
                outcome: Some(AttemptOutcome::Succeeded),
                error_class: (!is_result).then_some(ErrorClass::StreamCut),
                maybe_billed: false,
                is_result,
                unknown_price: false,
                cost_basis: None,
                price_row: None,
                at_most: Pico::ZERO,
                unbounded: 0,
                attempts: 2,
                tokens: Tokens::default(),
                cost: Cost {
                    total: Pico(cents * Pico::USD.0 / 100),
                    ..Cost::default()
                },
            },
        }
    }

    fn reader() -> MemoryReader {
        MemoryReader {
            days: vec![
                on("2026-10-31", Lane::Live, true, 10),
                on("2026-11-01", Lane::Live, false, 3),
                on("2026-11-01", Lane::Batch, true, 20),
            ],
            ..MemoryReader::default()
        }
    }

    #[tokio::test]
    async fn the_rows_of_every_kind_add_up_to_the_total() {
        let mut runs = [run(), run()];
        runs[0].simulated = false;
        runs[1].simulated = true;
        for (by, rows) in [(TotalsBy::Day, 2), (TotalsBy::Model, 2), (TotalsBy::Run, 1)] {
            let totals = load_totals(&reader(), &runs, by).await.unwrap();
            assert_eq!(totals.total.cost_usd.total, Pico(33 * Pico::USD.0 / 100));
            for all in [&totals.rows, &totals.months] {
                for simulated in [false, true] {
                    let of = all.iter().filter(|row| row.simulated == simulated);
                    let sum: Pico = of.map(|row| row.cost_usd.total).sum();
                    assert_eq!(sum, totals.total.cost_usd.total, "{by:?}");
                }
            }
            assert_eq!(totals.rows.len(), 2 * rows, "{by:?}");
        }
    }

    #[tokio::test]
    async fn people_see_days_months_and_the_total() {
        let mut run = run();
        run.simulated = false;
        let totals = load_totals(&reader(), &[run], TotalsBy::Day).await.unwrap();
        let text = totals_text(&totals, crate::report::Layout::wide());
        insta::assert_snapshot!(text, @r"
          DAY (UTC)   ATTEMPTS  LIVE USD  BATCH USD  SAVED BY BATCH  SAVED BY CACHE  WASTED  TOTAL USD
          2026-10-31         2      0.10       0.00            0.00            0.00    0.00  0.10
          2026-11-01         4      0.03       0.20            0.00            0.00    0.03  0.23
          total              6      0.13       0.20            0.00            0.00    0.03  0.33

        By month
          MONTH    ATTEMPTS  LIVE USD  BATCH USD  SAVED BY BATCH  SAVED BY CACHE  WASTED  TOTAL USD
          2026-10         2      0.10       0.00            0.00            0.00    0.00  0.10
          2026-11         4      0.03       0.20            0.00            0.00    0.03  0.23
        ");
    }
}

//! What is read from the store and shown: status, attempt ledger, exports, cost and error report.
//!
//! Owns the shapes that scripts rely on ([`StatusLine`], [`AttemptLine`], [`Report`],
//! [`ResultLine`]) and their text for people. Everything is read through [`crate::store::Reader`]
//! in short pages, and at most one page is held at a time, so an export of a million results
//! needs no more memory than one of a hundred and never holds up a run that is at work.
//!
//! Does not choose runs, print, or colour: callers pass a [`crate::model::Run`] and a writer.

mod attempts;
mod batches;
mod cost;
mod error;
pub mod export;
mod fitted;
mod layout;
mod shape;
mod short_id;
mod status;
mod summary;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod totals;

pub use attempts::{AttemptLine, write_attempts_json, write_attempts_text};
pub use batches::{BatchLine, batches_table};
pub use cost::{load_report, summarise};
pub use error::{FileStep, ReportError, Result};
pub use export::{
    CsvFit, ExportCounts, ExportFormat, ExportResult, NamedJob, ResultLine, ResultRun, TargetFile,
    export_to_file, write_csv, write_jsonl, write_results,
};
pub use fitted::USUAL_WIDTH;
pub use layout::Layout;
pub use short_id::{may_mean, short_ids};
pub use status::{ShownState, StatusHalt, StatusLine, status_detail, status_list};
pub use summary::{
    AttemptSums, CostSums, EstimateQuality, HourSums, LaneSums, ModelSums, PriceTableInfo, Report,
    StatusLook, TokenCounts,
};
pub use text::report_text;
pub use totals::{Totals, TotalsBy, TotalsRow, load_totals, totals_text};

//! How far a run's estimates were off, added up.

use rusqlite::{Row, params, types::Type};

use super::tx::Tx;
use crate::model::{ERROR_BINS, EstimateErrors, RunId};
use crate::store::{EstimateKind, EstimateSums, Result};

/// Adds to what is kept of that run.
pub(super) fn note(tx: &mut Tx, run: RunId, sums: &[EstimateSums]) -> Result<()> {
    let row = tx.run_row(run)?;
    for sum in sums {
        let model = tx.model_row(&sum.model)?;
        let key = params![row, model, sum.kind.as_str()];
        let kept = tx.query(
            "SELECT compared, estimated, actual, bins FROM estimates
             WHERE run_id = ?1 AND model_id = ?2 AND kind = ?3",
            key,
            read_errors,
        )?;
        let mut all = kept.unwrap_or_default();
        all.merge(&sum.errors);
        tx.execute(
            "INSERT OR REPLACE INTO estimates
             (run_id, model_id, kind, compared, estimated, actual, bins)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                row,
                model,
                sum.kind.as_str(),
                all.count,
                all.estimated,
                all.actual,
                format!("{:?}", all.bins),
            ],
        )?;
    }
    Ok(())
}

/// What is kept of a run, by model and kind.
pub(super) const OF_RUN: &str =
    "SELECT models.name AS model, kind, compared, estimated, actual, bins
     FROM estimates JOIN models ON models.id = estimates.model_id
     WHERE run_id = ?1 ORDER BY models.name, kind";

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<EstimateSums> {
    let kind: String = row.get("kind")?;
    Ok(EstimateSums {
        model: row.get("model")?,
        kind: if kind == EstimateKind::Input.as_str() {
            EstimateKind::Input
        } else {
            EstimateKind::Output
        },
        errors: read_errors(row)?,
    })
}

fn read_errors(row: &Row<'_>) -> rusqlite::Result<EstimateErrors> {
    let bins: String = row.get("bins")?;
    let bins: Vec<u64> = serde_json::from_str(&bins)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into()))?;
    let mut errors = EstimateErrors {
        count: row.get("compared")?,
        estimated: row.get("estimated")?,
        actual: row.get("actual")?,
        bins: [0; ERROR_BINS],
    };
    for (kept, read) in errors.bins.iter_mut().zip(bins) {
        *kept = read;
    }
    Ok(errors)
}

//! Everything that can be read of a run, to be compared with what another store tells.

use std::fmt::Debug;

use claude_run::model::{AttemptId, BatchId, RunId};
use claude_run::store::{
    AttemptGroup, AttemptRow, BatchEntry, BatchQueue, BatchRow, BatchStore, DayGroup, EstimateSums,
    HourOfDay, Only, OpenItem, Reader, ResultRow, RunSnapshot, StatusChange, Store,
};
use jiff::Timestamp;

/// What readers and dispatchers are told of a run.
#[derive(Debug, PartialEq)]
pub struct View {
    snapshot: RunSnapshot,
    queue: BatchQueue,
    attempts: Vec<AttemptRow>,
    results: [Vec<ResultRow>; 3],
    batches: Vec<BatchRow>,
    in_batches: Vec<(Vec<BatchEntry>, Vec<AttemptId>, Vec<OpenItem>)>,
    hours: Vec<HourOfDay>,
    groups: Vec<AttemptGroup>,
    days: Vec<DayGroup>,
    estimates: Vec<EstimateSums>,
    status_changes: Vec<StatusChange>,
}

impl View {
    pub async fn of<S: Store + BatchStore, R: Reader>(
        store: &S,
        reader: &R,
        run: RunId,
        now: Timestamp,
    ) -> Self {
        let mut snapshot = store.snapshot(run).await.unwrap();
        // Models that nothing is left of may be named or not.
        snapshot
            .queues
            .retain(|lane| lane.queued + lane.in_flight + lane.held > 0);
        let batches = Reader::batches(reader, run).await.unwrap();
        assert_eq!(BatchStore::batches(store, run).await.unwrap(), batches);
        let mut in_batches = Vec::new();
        for batch in &batches {
            in_batches.push(inside(store, batch.id).await);
        }
        Self {
            snapshot: RunSnapshot {
                queues: sorted(snapshot.queues),
                ..snapshot
            },
            queue: store.batch_queue(run, now).await.unwrap(),
            attempts: attempts(reader, run).await,
            results: [
                results(reader, run, Only::All).await,
                results(reader, run, Only::Succeeded).await,
                results(reader, run, Only::Failed).await,
            ],
            batches,
            in_batches,
            hours: reader.hours_of_day(run).await.unwrap(),
            groups: sorted(reader.attempt_groups(run).await.unwrap()),
            days: sorted(reader.day_groups(run).await.unwrap()),
            estimates: sorted(reader.estimates(run).await.unwrap()),
            status_changes: reader.status_changes(run).await.unwrap(),
        }
    }
}

/// Rows whose order is nobody's concern.
fn sorted<T: Debug>(mut rows: Vec<T>) -> Vec<T> {
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    rows
}

async fn inside<S: BatchStore>(
    store: &S,
    batch: BatchId,
) -> (Vec<BatchEntry>, Vec<AttemptId>, Vec<OpenItem>) {
    let mut entries: Vec<BatchEntry> = Vec::new();
    loop {
        let after = entries.last().map(|entry| entry.attempt);
        let page = store.batch_entries(batch, after).await.unwrap();
        if page.is_empty() {
            break;
        }
        entries.extend(page);
    }
    let missing = store.missing_items(batch).await.unwrap();
    let items = store.open_items(batch, missing.clone()).await.unwrap();
    (entries, missing, items)
}

/// The whole ledger of a run.
pub async fn attempts<R: Reader>(reader: &R, run: RunId) -> Vec<AttemptRow> {
    let mut rows: Vec<AttemptRow> = Vec::new();
    loop {
        let after = rows.last().map_or(0, |row| row.line);
        let page = reader.attempts(run, None, after).await.unwrap();
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

/// All ended jobs of a run.
pub async fn results<R: Reader>(reader: &R, run: RunId, only: Only) -> Vec<ResultRow> {
    let mut rows: Vec<ResultRow> = Vec::new();
    loop {
        let after = rows.last().map_or(0, |row| row.line);
        let page = reader.results(run, only, after).await.unwrap();
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

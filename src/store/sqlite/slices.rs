//! Slices: a run's jobs in parts of bounded size.
//!
//! A query over a whole run sorts all of its rows in memory, and while it lasts the write-ahead log
//! cannot be begun anew, and grows. A query over a slice does neither.

use super::errors::explain;
use super::reader::SqliteReader;
use super::tx::ids_of;
use crate::store::Result;

/// Jobs that one query looks at: some tenths of a second, a few megabytes. Small in unit tests, so
/// that their runs have more than one.
const SLICE: usize = if cfg!(test) { 100 } else { 20_000 };

impl SqliteReader {
    /// The job ids of a run in parts, which together leave none out.
    pub(super) fn slices(&self, run_row: i64) -> Result<Vec<(i64, i64)>> {
        let (first, last) = ids_of(run_row);
        let sql = "SELECT coalesce(max(id), ?1) FROM jobs WHERE id BETWEEN ?1 AND ?2";
        let highest = self
            .connection
            .query_row(sql, [first, last], |row| row.get(0))
            .map_err(|error| explain(&self.path, &error))?;
        Ok(cut(first, highest, last))
    }
}

/// Slices that begin at `first`, leave no gap, and end at `last`, which may be far beyond the highest
/// id that is there.
fn cut(first: i64, highest: i64, last: i64) -> Vec<(i64, i64)> {
    let starts: Vec<i64> = (first..=highest).step_by(SLICE).collect();
    let ends = starts.iter().skip(1).map(|start| start - 1).chain([last]);
    starts.iter().copied().zip(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::{SLICE, cut};

    #[test]
    fn slices_leave_nothing_out_and_nothing_twice() {
        let slice = i64::try_from(SLICE).unwrap();
        for (jobs, slices) in [
            (0, 1),
            (1, 1),
            (slice, 1),
            (slice + 1, 2),
            (3 * slice + 5, 4),
        ] {
            let (first, last) = (1 << 40, (2 << 40) - 1);
            let found = cut(first, (first + jobs - 1).max(first), last);
            assert_eq!(found.len(), slices, "{jobs} jobs: {found:?}");
            assert_eq!((found[0].0, found[slices - 1].1), (first, last));
            assert!(found.windows(2).all(|two| two[0].1 + 1 == two[1].0));
            assert!(
                found[..slices - 1]
                    .iter()
                    .all(|(from, to)| to - from < slice)
            );
        }
    }
}

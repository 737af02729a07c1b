//! The counts of a run, held against its jobs.

use std::collections::BTreeMap;

use super::Found;
use crate::store::sqlite::errors::explain;
use crate::store::sqlite::reader::SqliteReader;
use crate::store::{Check, Result};

/// What the run says, by model and state.
const TOLD: &str = "SELECT model_id, state, jobs FROM tallies WHERE run_id = ?1";

/// What is there between two job ids. `+run_id` keeps SQLite from walking the whole run by its index.
const FOUND: &str =
    "SELECT model_id, iif(state = 0 AND route = 1, 7, state) AS key, count(*) FROM jobs
    WHERE id BETWEEN ?1 AND ?2 AND +run_id = ?3 GROUP BY model_id, key";

/// Jobs of one model in one state.
#[derive(Default)]
struct Counts {
    told: i64,
    found: i64,
}

impl SqliteReader {
    /// Counts slice by slice, since one query would sort all rows of the run in memory, and within one
    /// transaction, since jobs move on while they are counted.
    pub(super) fn tallies(&self, run: i64, slices: &[(i64, i64)]) -> Result<Check> {
        let one_state_of_the_file = self.connection.unchecked_transaction();
        let one_state_of_the_file =
            one_state_of_the_file.map_err(|error| explain(&self.path, &error))?;
        let mut counts = BTreeMap::<(i64, i64), Counts>::new();
        self.for_each(TOLD, [run], |row| {
            let of = counts.entry((row.get(0)?, row.get(1)?)).or_default();
            of.told += row.get::<_, i64>(2)?;
            Ok(())
        })?;
        for (first, last) in slices {
            self.for_each(FOUND, (first, last, run), |row| {
                let of = counts.entry((row.get(0)?, row.get(1)?)).or_default();
                of.found += row.get::<_, i64>(2)?;
                Ok(())
            })?;
        }
        drop(one_state_of_the_file);
        let mut broken = Found::default();
        for ((model, state), Counts { told, found }) in counts {
            if told != found {
                broken.add(format!(
                    "model {model}, state {state}: {told} counted, {found} found"
                ));
            }
        }
        Ok(broken.check(
            "tallies",
            "the counts of jobs by model and state are those of the jobs themselves; state 7 is queued for a batch",
        ))
    }
}

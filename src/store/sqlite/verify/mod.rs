//! Verification: the invariants of a store, held against every row of it.
//!
//! A store can be verified while it is at work, and whoever writes is not held up. Every query sees
//! one state of the file, and none takes long: while a reader lasts the write-ahead log cannot be
//! begun anew, and grows. So jobs are looked at in slices, and the file table by table.

mod invariants;
mod tallies;

use rusqlite::Params;

use self::invariants::{INVARIANTS, Invariant, Scope};
use super::blob::unpack;
use super::ended::{EndedAttempt, SUMMED};
use super::errors::explain;
use super::lock::holder;
use super::reader::SqliteReader;
use super::tx::{ids_of, line_of};
use crate::model::RunId;
use crate::store::{Check, Result, Verification};

/// Violations that are told in words: the first ones tell, and one cause may bring thousands.
const MAX_EXAMPLES: usize = 5;

impl SqliteReader {
    /// Checks the file and the invariants of these runs. Reads every page and every row, so a
    /// store of many gigabytes takes its time.
    ///
    /// # Errors
    ///
    /// When the file cannot be read at all; what is wrong in it is part of the answer.
    pub fn verify(&self, runs: &[RunId]) -> Result<Verification> {
        let file = vec![self.integrity()?, self.references()?];
        let runs = runs
            .iter()
            .map(|run| Ok((*run, self.verify_run(*run)?)))
            .collect::<Result<_>>()?;
        Ok(Verification { file, runs })
    }

    fn integrity(&self) -> Result<Check> {
        let mut found = Found::default();
        for check in self.file_checks("integrity_check")? {
            self.for_each(&check, [], |row| {
                let line: String = row.get(0)?;
                if line != "ok" {
                    found.add(line);
                }
                Ok(())
            })?;
        }
        Ok(found.check(
            "integrity",
            "the file is sound, and every index fits its table",
        ))
    }

    /// The check of the whole file; of one table after the other while a dispatcher is at work. (The
    /// second way does not see pages that belong to no table, which are lost room and no lost data.)
    fn file_checks(&self, pragma: &str) -> Result<Vec<String>> {
        if holder(&self.file).is_none() {
            return Ok(vec![format!("PRAGMA {pragma}")]);
        }
        let tables =
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
        let mut checks = Vec::new();
        self.for_each(tables, [], |row| {
            let table: String = row.get(0)?;
            checks.push(format!("PRAGMA {pragma}({table})"));
            Ok(())
        })?;
        Ok(checks)
    }

    fn references(&self) -> Result<Check> {
        let mut found = Found::default();
        for check in self.file_checks("foreign_key_check")? {
            self.for_each(&check, [], |row| {
                let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
                found.add(format!("a row of {table} belongs to no row of {parent}"));
                Ok(())
            })?;
        }
        Ok(found.check("orphans", "every row belongs to another that is there"))
    }

    fn verify_run(&self, run: RunId) -> Result<Vec<Check>> {
        let row = self.run_row(run)?;
        let whole = [ids_of(row)];
        let slices = self.slices(row)?;
        let mut checks = INVARIANTS
            .iter()
            .map(|invariant| match invariant.scope {
                Scope::Job => self.hold(invariant, row, &slices),
                Scope::Run => self.hold(invariant, row, &whole),
            })
            .collect::<Result<Vec<_>>>()?;
        checks.push(self.tallies(row, &slices)?);
        checks.push(self.texts(&slices)?);
        checks.push(self.sums(&slices)?);
        Ok(checks)
    }

    /// Holds one invariant against one run. A query that does not name one of the three parameters
    /// still gets them all.
    fn hold(&self, invariant: &Invariant, run: i64, slices: &[(i64, i64)]) -> Result<Check> {
        let sql = format!(
            "WITH run(first, last, id) AS (VALUES (?1, ?2, ?3))
             SELECT violations.* FROM run, ({}) AS violations",
            invariant.violations
        );
        let mut found = Found::default();
        for (first, last) in slices {
            self.for_each(&sql, (first, last, run), |row| {
                found.add(row.get(0)?);
                Ok(())
            })?;
        }
        Ok(found.check(invariant.name, invariant.promise))
    }

    /// Unpacks every text, one at a time.
    fn texts(&self, slices: &[(i64, i64)]) -> Result<Check> {
        let mut broken = Found::default();
        for (what, table, column) in [
            ("request", "bodies", "body_blob"),
            ("metadata", "bodies", "metadata_blob"),
            ("message", "results", "message_blob"),
            ("error", "results", "error_blob"),
            ("amendment", "amendments", "amendment_blob"),
            ("answer that was put aside", "amendments", "put_aside_blob"),
        ] {
            let sql = format!(
                "SELECT job_id, {column} FROM {table}
                 WHERE job_id BETWEEN ?1 AND ?2 AND {column} IS NOT NULL"
            );
            for (first, last) in slices {
                self.for_each(&sql, (first, last), |row| {
                    let packed = row.get_ref(1)?.as_blob()?;
                    if let Err(why) = unpack(packed) {
                        let line = line_of(row.get(0)?);
                        broken.add(format!("the {what} of line {line}: {why}"));
                    }
                    Ok(())
                })?;
            }
        }
        Ok(broken.check("texts", "every stored text can be read"))
    }

    /// Holds the sum of every ended attempt that has one against what it says.
    fn sums(&self, slices: &[(i64, i64)]) -> Result<Check> {
        let mut broken = Found::default();
        let sql = format!(
            "SELECT job_id, n, sum_blob, {SUMMED} FROM attempts
             WHERE job_id BETWEEN ?1 AND ?2 AND sum_blob IS NOT NULL"
        );
        for (first, last) in slices {
            self.for_each(&sql, (first, last), |row| {
                let expected: Vec<u8> = row.get(2)?;
                let sum = EndedAttempt::read(row, 3)?.sum();
                if sum.is_ok_and(|sum| sum != expected) {
                    let (line, n) = (line_of(row.get(0)?), row.get::<_, u32>(1)?);
                    broken.add(format!(
                        "attempt {n} of line {line} is not what was recorded"
                    ));
                }
                Ok(())
            })?;
        }
        Ok(broken.check("sums", "every ended attempt says what was recorded"))
    }

    fn for_each(
        &self,
        sql: &str,
        params: impl Params,
        mut each: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let walk = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query(params)?;
            while let Some(row) = rows.next()? {
                each(row)?;
            }
            Ok(())
        };
        walk().map_err(|error| explain(&self.path, &error))
    }
}

/// Violations as they are found: all are counted, the first few kept.
#[derive(Default)]
struct Found {
    violations: u64,
    examples: Vec<String>,
}

impl Found {
    fn add(&mut self, violation: String) {
        self.violations += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(violation);
        }
    }

    fn check(self, name: &'static str, promise: &'static str) -> Check {
        Check {
            name,
            promise,
            violations: self.violations,
            examples: self.examples,
        }
    }
}

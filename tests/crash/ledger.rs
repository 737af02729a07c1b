//! What the store holds, read past the product's own code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row};

/// Attempts by the `custom_id` of their job and their number.
pub type AttemptSet = BTreeSet<(String, u32)>;

/// The parts of an attempt that the checks need.
#[derive(Debug)]
pub struct Attempt {
    pub n: u32,
    pub outcome: Option<String>,
    pub error_class: Option<String>,
    pub http_status: Option<u16>,
    pub request_id: Option<String>,
    /// Input and output.
    pub tokens: [u64; 2],
    pub cost_pico: i64,
    pub maybe_billed: bool,
    pub is_result: bool,
}

impl Attempt {
    pub fn ended_as(&self, outcome: &str) -> bool {
        self.outcome.as_deref() == Some(outcome)
    }
}

pub struct Ledger {
    connection: Connection,
}

impl Ledger {
    pub fn open(store: &Path) -> Self {
        let connection =
            Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        Self { connection }
    }

    pub fn number(&self, sql: &str) -> i64 {
        self.connection
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    }

    fn rows<T>(&self, sql: &str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let mut statement = self.connection.prepare(sql).unwrap();
        let rows = statement.query_map([], read).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// The file is whole, every reference leads somewhere, and the tallies are true.
    pub fn must_be_sound(&self) {
        for check in ["integrity_check", "quick_check"] {
            let said = self.rows(&format!("PRAGMA {check}"), |row| row.get::<_, String>(0));
            assert_eq!(said, ["ok"], "{check}");
        }
        let orphans = self.rows("PRAGMA foreign_key_check", |row| row.get::<_, String>(0));
        assert_eq!(orphans, [""; 0], "rows that belong to nothing");
        let four = |row: &Row<'_>| -> rusqlite::Result<[i64; 4]> {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
        };
        let told =
            "SELECT run_id, model_id, state, jobs FROM tallies WHERE jobs > 0 ORDER BY 1, 2, 3";
        let real =
            "SELECT run_id, model_id, state, count(*) FROM jobs GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";
        assert_eq!(self.rows(told, four), self.rows(real, four), "tallies");
        let without_body =
            "SELECT count(*) FROM jobs LEFT JOIN bodies ON job_id = id WHERE job_id IS NULL";
        assert_eq!(self.number(without_body), 0, "jobs without a body");
    }

    /// The live attempts without an end. (One in a batch goes on at the API, whoever is killed here.)
    pub fn open_attempts(&self) -> AttemptSet {
        let sql = "SELECT custom_id, n FROM jobs JOIN attempts ON job_id = id
             WHERE outcome IS NULL AND attempts.lane = 'live'";
        let rows = self.rows(sql, |row| Ok((row.get(0)?, row.get(1)?)));
        rows.into_iter().collect()
    }

    /// Every attempt of every job, by `custom_id`.
    pub fn attempts(&self) -> BTreeMap<String, Vec<Attempt>> {
        let sql = "SELECT custom_id, a.n, outcome, a.error_class, http_status, request_id, cost_pico, maybe_billed,
                     r.job_id IS NOT NULL, input_tokens, output_tokens
                   FROM jobs JOIN attempts a ON a.job_id = id LEFT JOIN results r ON r.job_id = id AND r.n = a.n
                   ORDER BY id, a.n";
        let rows = self.rows(sql, |row| {
            let attempt = Attempt {
                n: row.get(1)?,
                outcome: row.get(2)?,
                error_class: row.get(3)?,
                http_status: row.get(4)?,
                request_id: row.get(5)?,
                cost_pico: row.get(6)?,
                maybe_billed: row.get(7)?,
                is_result: row.get(8)?,
                tokens: [row.get(9)?, row.get(10)?],
            };
            Ok((row.get(0)?, attempt))
        });
        let mut jobs: BTreeMap<String, Vec<Attempt>> = BTreeMap::new();
        for (custom_id, attempt) in rows {
            jobs.entry(custom_id).or_default().push(attempt);
        }
        jobs
    }
}

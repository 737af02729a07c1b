//! The invariants of a run, each with the query that finds what breaks it.
//!
//! A query is given the first (`?1`) and the last (`?2`) job id of the run and its row (`?3`), and
//! yields one text for each violation. `+jobs.run_id` keeps SQLite from walking the whole run by its
//! index where only a part of the jobs is asked for. Nothing of what follows trusts a counter or an index to be
//! right: what is kept in step elsewhere is counted anew here.

/// An invariant and what breaks it.
pub(super) struct Invariant {
    pub(super) name: &'static str,
    pub(super) promise: &'static str,
    pub(super) scope: Scope,
    pub(super) violations: &'static str,
}

/// What one query must see at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Each job by itself: any part of the run will do.
    Job,
    /// The whole run, since something is counted or summed.
    Run,
}

/// Job states by number: 0 queued, 1 in flight, 2 in a batch, 3 held, 4 succeeded, 5 failed,
/// 6 cancelled.
pub(super) const INVARIANTS: &[Invariant] = &[
    Invariant {
        name: "bodies",
        promise: "every job has its request",
        scope: Scope::Job,
        violations: "SELECT 'line ' || (jobs.id & 0xFFFFFFFFFF) || ' has no request body'
            FROM jobs LEFT JOIN bodies ON bodies.job_id = jobs.id
            WHERE jobs.id BETWEEN ?1 AND ?2 AND +jobs.run_id = ?3 AND bodies.job_id IS NULL",
    },
    Invariant {
        name: "results",
        promise: "every job that succeeded or failed has one result, and no other job has any",
        scope: Scope::Job,
        violations: "SELECT 'line ' || (jobs.id & 0xFFFFFFFFFF) || iif(results.job_id IS NULL,
                ' has ended without a result', ' has a result and has not ended')
            FROM jobs LEFT JOIN results ON results.job_id = jobs.id
            WHERE jobs.id BETWEEN ?1 AND ?2 AND +jobs.run_id = ?3
              AND (results.job_id IS NULL) = (jobs.state IN (4, 5))",
    },
    Invariant {
        name: "messages",
        promise: "a job that succeeded has a message, and one that failed an error",
        scope: Scope::Job,
        violations: "SELECT 'line ' || (jobs.id & 0xFFFFFFFFFF) || ' has a result that does not fit how it ended'
            FROM jobs JOIN results ON results.job_id = jobs.id
            WHERE jobs.id BETWEEN ?1 AND ?2 AND +jobs.run_id = ?3
              AND ((jobs.state = 4 AND (message_blob IS NULL OR error_blob IS NOT NULL))
                OR (jobs.state = 5 AND error_blob IS NULL))",
    },
    Invariant {
        name: "result_attempts",
        promise: "every result comes from an attempt that has ended",
        scope: Scope::Job,
        violations: "SELECT 'line ' || (results.job_id & 0xFFFFFFFFFF) || ' has a result of attempt ' || results.n
                || ', which has not ended'
            FROM results LEFT JOIN attempts ON attempts.job_id = results.job_id AND attempts.n = results.n
            WHERE results.job_id BETWEEN ?1 AND ?2 AND attempts.ended_at_ms IS NULL",
    },
    Invariant {
        name: "attempts",
        promise: "the attempts of a job are numbered from 1 without a gap",
        scope: Scope::Job,
        violations: "SELECT 'line ' || (jobs.id & 0xFFFFFFFFFF) || ' counts ' || jobs.attempts || ' attempts, and has '
                || count(attempts.n) || ' up to number ' || coalesce(max(attempts.n), 0)
            FROM jobs LEFT JOIN attempts ON attempts.job_id = jobs.id
            WHERE jobs.id BETWEEN ?1 AND ?2 AND +jobs.run_id = ?3
            GROUP BY jobs.id
            HAVING jobs.attempts <> count(attempts.n) OR jobs.attempts <> coalesce(max(attempts.n), 0)",
    },
    Invariant {
        name: "open_attempts",
        promise: "a job has an open attempt, its last, if and only if it is in flight or in a batch",
        scope: Scope::Job,
        violations: "SELECT 'line ' || (jobs.id & 0xFFFFFFFFFF) || iif(jobs.state IN (1, 2),
                ' is under way without an open attempt', ' has an open attempt and is not under way')
            FROM jobs
            WHERE jobs.id BETWEEN ?1 AND ?2 AND +jobs.run_id = ?3
              AND (jobs.state IN (1, 2)) <> EXISTS (
                SELECT 1 FROM attempts
                WHERE attempts.job_id = jobs.id AND attempts.n = jobs.attempts AND attempts.ended_at_ms IS NULL)
            UNION ALL
            SELECT 'line ' || (job_id & 0xFFFFFFFFFF) || ' has an open attempt ' || n || ' that is not its last'
            FROM attempts JOIN jobs ON jobs.id = job_id
            WHERE job_id BETWEEN ?1 AND ?2 AND attempts.ended_at_ms IS NULL AND n <> jobs.attempts",
    },
    Invariant {
        name: "amendments",
        promise: "a job that is marked as amended has an amendment, until it has ended",
        scope: Scope::Job,
        violations: "SELECT 'line ' || (jobs.id & 0xFFFFFFFFFF) || iif(jobs.amended,
                ' is marked as amended, which does not fit what is kept for it',
                ' has an amendment and is not marked')
            FROM jobs LEFT JOIN amendments ON amendments.job_id = jobs.id
            WHERE jobs.id BETWEEN ?1 AND ?2 AND +jobs.run_id = ?3
              AND (jobs.amended <> (amendments.job_id IS NOT NULL)
                OR (jobs.amended AND jobs.state < 4) <> (amendment_blob IS NOT NULL)
                OR (jobs.state >= 4 AND put_aside_blob IS NOT NULL))",
    },
    Invariant {
        name: "schedule",
        promise: "no attempt began before the time that was set for it",
        scope: Scope::Job,
        violations: "SELECT 'line ' || (later.job_id & 0xFFFFFFFFFF) || ': attempt ' || later.n || ' began '
                || (earlier.next_try_at_ms - later.started_at_ms) || ' ms before its time'
            FROM attempts AS later
            JOIN attempts AS earlier ON earlier.job_id = later.job_id AND earlier.n = later.n - 1
            WHERE later.job_id BETWEEN ?1 AND ?2 AND later.started_at_ms < earlier.next_try_at_ms",
    },
    Invariant {
        name: "durations",
        promise: "no attempt ended before it began",
        scope: Scope::Job,
        violations: "SELECT 'line ' || (job_id & 0xFFFFFFFFFF) || ': attempt ' || n || ' ended before it began'
            FROM attempts WHERE job_id BETWEEN ?1 AND ?2 AND ended_at_ms < started_at_ms",
    },
    Invariant {
        name: "money",
        promise: "what the run has cost is the sum over its attempts",
        scope: Scope::Run,
        // In dollars and what is beside them: more fits in than into one of SQLite's integers.
        violations: "SELECT 'the run says ' || told.usd || ' USD and ' || told.rest || ' pico-USD, its attempts '
                || (found.usd + found.rest / 1000000000000) || ' and ' || (found.rest % 1000000000000)
            FROM (SELECT cost_millions * 1000000 + cost_pico / 1000000000000 AS usd,
                         cost_pico % 1000000000000 AS rest FROM runs WHERE id = ?3) AS told,
                 (SELECT coalesce(sum(cost_pico / 1000000000000), 0) AS usd,
                         coalesce(sum(cost_pico % 1000000000000), 0) AS rest
                  FROM attempts WHERE job_id BETWEEN ?1 AND ?2) AS found
            WHERE told.usd <> found.usd + found.rest / 1000000000000
               OR told.rest <> found.rest % 1000000000000",
    },
    Invariant {
        name: "batches",
        promise: "a batch has as many open requests as it says, each of a job that is in a batch, and none once it is harvested",
        scope: Scope::Run,
        violations: "SELECT 'batch ' || batches.id || ' (' || batches.state || ') says ' || open_requests || ' open requests, and has '
                || count(attempts.n)
            FROM batches LEFT JOIN attempts ON batch_id = batches.id AND attempts.ended_at_ms IS NULL
            WHERE run_id = ?3
            GROUP BY batches.id
            HAVING open_requests <> count(attempts.n) OR (batches.state = 'harvested' AND open_requests > 0)
            UNION ALL
            SELECT 'line ' || (jobs.id & 0xFFFFFFFFFF) || iif(jobs.state = 2,
                ' is in a batch without an attempt in one', ' has an open attempt in a batch and is not in one')
            FROM jobs
            WHERE jobs.id BETWEEN ?1 AND ?2 AND jobs.run_id = ?3
              AND (jobs.state = 2) <> EXISTS (
                SELECT 1 FROM attempts
                WHERE attempts.job_id = jobs.id AND batch_id IS NOT NULL AND attempts.ended_at_ms IS NULL)",
    },
    Invariant {
        name: "lanes",
        promise: "an attempt is of the batch lane if and only if it is part of a batch of its run",
        scope: Scope::Job,
        violations: "SELECT 'line ' || (job_id & 0xFFFFFFFFFF) || ': attempt ' || n || ' is of the lane ' || lane
                || iif(batch_id IS NULL, ' without a batch', ' with batch ' || batch_id)
            FROM attempts LEFT JOIN batches ON batches.id = batch_id
            WHERE job_id BETWEEN ?1 AND ?2 AND (lane = 'batch') <> (batches.run_id IS ?3)",
    },
    Invariant {
        name: "ended_runs",
        promise: "a run that has ended has no job left to do",
        scope: Scope::Job,
        violations: "SELECT 'line ' || (jobs.id & 0xFFFFFFFFFF) || ' has not ended'
            FROM jobs JOIN runs ON runs.id = jobs.run_id
            WHERE jobs.id BETWEEN ?1 AND ?2 AND runs.id = ?3 AND runs.state = 'ended' AND jobs.state < 4",
    },
    Invariant {
        name: "lines",
        promise: "every job belongs to the run that its number names",
        scope: Scope::Run,
        // Two walks, since one that takes either way remembers every row that it has been to.
        violations: "SELECT 'job ' || id || ' belongs to run ' || run_id FROM jobs
            WHERE id BETWEEN ?1 AND ?2 AND +run_id <> ?3
            UNION ALL
            SELECT 'job ' || id || ' belongs to run ' || run_id FROM jobs
            WHERE run_id = ?3 AND +id NOT BETWEEN ?1 AND ?2",
    },
];

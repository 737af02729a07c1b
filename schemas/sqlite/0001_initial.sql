-- The first schema of the store. Migrations are append-only: a released file never changes.
--
-- A job's id is `run * 2^40 + line`: the rows of a run lie together and in input order, so paging
-- by line needs no index of its own. Times are milliseconds since 1970 (UTC), money is 10^-12 USD.
-- Columns named `*_blob` are texts packed by the store (a codec byte, a length, the payload).

CREATE TABLE runs (
    id               INTEGER PRIMARY KEY,
    uuid             BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    name             TEXT,
    file             TEXT    NOT NULL,
    state            TEXT    NOT NULL CHECK (state IN ('loading', 'ready', 'running', 'halted', 'ended')),
    simulated        INTEGER NOT NULL CHECK (simulated IN (0, 1)),
    fingerprint      BLOB    CHECK (fingerprint IS NULL OR length(fingerprint) = 32),
    shaping          TEXT    NOT NULL,
    options          TEXT    NOT NULL,
    created_at_ms    INTEGER NOT NULL,
    started_at_ms    INTEGER,
    ended_at_ms      INTEGER,
    cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
    answered         INTEGER NOT NULL DEFAULT 0 CHECK (answered IN (0, 1)),
    -- The sum over its attempts, kept in step by every transaction that ends one.
    cost_pico        INTEGER NOT NULL DEFAULT 0,
    halt_class       TEXT,
    halt_message     TEXT,
    halt_at_ms       INTEGER
) STRICT;

CREATE TABLE models (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
) STRICT;

-- How many jobs of a run and a model stand where; kept in step by every transaction, so that
-- nobody ever counts a million rows.
CREATE TABLE tallies (
    run_id   INTEGER NOT NULL REFERENCES runs (id),
    model_id INTEGER NOT NULL REFERENCES models (id),
    state    INTEGER NOT NULL,
    jobs     INTEGER NOT NULL CHECK (jobs >= 0),
    PRIMARY KEY (run_id, model_id, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id                   INTEGER PRIMARY KEY,
    run_id               INTEGER NOT NULL REFERENCES runs (id),
    custom_id            TEXT    NOT NULL,
    model_id             INTEGER NOT NULL REFERENCES models (id),
    state                INTEGER NOT NULL CHECK (state BETWEEN 0 AND 6),
    not_before_ms        INTEGER NOT NULL DEFAULT 0,
    body_bytes           INTEGER NOT NULL,
    lane                 TEXT    CHECK (lane IS NULL OR lane IN ('live', 'batch')),
    deadline_ms          INTEGER,
    attempts             INTEGER NOT NULL DEFAULT 0,
    counted              INTEGER NOT NULL DEFAULT 0,
    faults_in_row        INTEGER NOT NULL DEFAULT 0,
    rate_limits_in_row   INTEGER NOT NULL DEFAULT 0,
    interruptions_in_row INTEGER NOT NULL DEFAULT 0,
    -- When its first attempt began, since it was last put back by hand.
    first_started_at_ms  INTEGER,
    error_class          TEXT,
    UNIQUE (run_id, custom_id)
) STRICT;

-- What can be claimed: new jobs have not_before_ms = 0 and follow the input; retries have a time.
CREATE INDEX jobs_due ON jobs (run_id, model_id, not_before_ms, id) WHERE state = 0;
-- What a crash leaves open, and what waits for a repair.
CREATE INDEX jobs_in_flight ON jobs (run_id, id) WHERE state = 1;
CREATE INDEX jobs_held ON jobs (run_id, id) WHERE state = 3;

CREATE TABLE bodies (
    job_id        INTEGER PRIMARY KEY REFERENCES jobs (id),
    body_blob     BLOB    NOT NULL,
    metadata_blob BLOB
) STRICT;

-- The ledger: a row from before its request leaves; its end is written once.
CREATE TABLE attempts (
    job_id                INTEGER NOT NULL REFERENCES jobs (id),
    n                     INTEGER NOT NULL CHECK (n >= 1),
    lane                  TEXT    NOT NULL CHECK (lane IN ('live', 'batch')),
    model_id              INTEGER NOT NULL REFERENCES models (id),
    started_at_ms         INTEGER NOT NULL,
    ended_at_ms           INTEGER,
    outcome               TEXT    CHECK (outcome IN ('succeeded', 'errored', 'interrupted', 'expired', 'canceled')),
    error_class           TEXT,
    http_status           INTEGER,
    error_type            TEXT,
    message               TEXT,
    request_id            TEXT,
    retry_after_ms        INTEGER,
    next_try_at_ms        INTEGER,
    answered_by           TEXT,
    input_tokens          INTEGER NOT NULL DEFAULT 0,
    output_tokens         INTEGER NOT NULL DEFAULT 0,
    cache_read_tokens     INTEGER NOT NULL DEFAULT 0,
    cache_write_5m_tokens INTEGER NOT NULL DEFAULT 0,
    cache_write_1h_tokens INTEGER NOT NULL DEFAULT 0,
    web_searches          INTEGER NOT NULL DEFAULT 0,
    cost_pico             INTEGER NOT NULL DEFAULT 0,
    saved_by_batch_pico   INTEGER NOT NULL DEFAULT 0,
    saved_by_cache_pico   INTEGER NOT NULL DEFAULT 0,
    unknown_price         INTEGER NOT NULL DEFAULT 0 CHECK (unknown_price IN (0, 1)),
    maybe_billed          INTEGER NOT NULL DEFAULT 0 CHECK (maybe_billed IN (0, 1)),
    latency_ms            INTEGER,
    PRIMARY KEY (job_id, n),
    CHECK ((ended_at_ms IS NULL) = (outcome IS NULL))
) STRICT, WITHOUT ROWID;

-- At most one result a job: the primary key is what makes recording exactly-once.
CREATE TABLE results (
    job_id       INTEGER PRIMARY KEY REFERENCES jobs (id),
    n            INTEGER NOT NULL,
    message_blob BLOB,
    error_blob   BLOB
) STRICT;

-- Remote batches: many jobs that are bought with one call, and answered together within a day.

CREATE TABLE batches (
    id                   INTEGER PRIMARY KEY,
    run_id               INTEGER NOT NULL REFERENCES runs (id),
    -- Part of every entry's id on the wire, so that a batch is known again by its results.
    nonce                TEXT    NOT NULL UNIQUE,
    state                TEXT    NOT NULL CHECK (state IN ('filling', 'ready', 'sending', 'uncertain', 'open',
                                                           'canceling', 'ended', 'harvested', 'lost')),
    remote_id            TEXT,
    requests             INTEGER NOT NULL DEFAULT 0,
    bytes                INTEGER NOT NULL DEFAULT 0,
    -- Attempts of it that have no end, kept in step by every transaction that adds or ends one.
    open_requests        INTEGER NOT NULL DEFAULT 0 CHECK (open_requests BETWEEN 0 AND requests),
    created_at_ms        INTEGER NOT NULL,
    sent_at_ms           INTEGER,
    -- What the API said of it last.
    remote_created_at_ms INTEGER,
    expires_at_ms        INTEGER,
    ended_at_ms          INTEGER,
    polled_at_ms         INTEGER,
    processing           INTEGER NOT NULL DEFAULT 0,
    succeeded            INTEGER NOT NULL DEFAULT 0,
    errored              INTEGER NOT NULL DEFAULT 0,
    canceled             INTEGER NOT NULL DEFAULT 0,
    expired              INTEGER NOT NULL DEFAULT 0,
    cancel_reason        TEXT    CHECK (cancel_reason IS NULL OR cancel_reason IN ('user', 'deadline')),
    -- The earliest deadline that a line of its jobs names, and whether some name none.
    deadline_ms          INTEGER,
    undated              INTEGER NOT NULL DEFAULT 0 CHECK (undated IN (0, 1))
) STRICT;

CREATE INDEX batches_of_run ON batches (run_id, id);

-- NULL: a live attempt.
ALTER TABLE attempts ADD COLUMN batch_id INTEGER REFERENCES batches (id);
-- What of a batch has no end yet, in the order of the entries on the wire.
CREATE INDEX attempts_open_in_batch ON attempts (batch_id, job_id, n)
    WHERE batch_id IS NOT NULL AND ended_at_ms IS NULL;

-- The queue that a queued job stands in: 0 live, 1 batches.
ALTER TABLE jobs ADD COLUMN route INTEGER NOT NULL DEFAULT 0 CHECK (route IN (0, 1));
-- The Batches API refuses what its body asks for.
ALTER TABLE jobs ADD COLUMN live_only INTEGER NOT NULL DEFAULT 0 CHECK (live_only IN (0, 1));

-- Lines that have a word to say on their lane. In most runs there is none, and nobody has to look.
CREATE INDEX jobs_choosy ON jobs (run_id) WHERE lane IS NOT NULL OR deadline_ms IS NOT NULL;

-- Tallies know a state of their own, 7, for queued jobs of the second queue: jobs.state stays 0.
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (run_id, model_id, not_before_ms, id) WHERE state = 0 AND route = 0;
-- A batch takes jobs of every model.
CREATE INDEX jobs_for_batch ON jobs (run_id, not_before_ms, id) WHERE state = 0 AND route = 1;
CREATE INDEX jobs_for_batch_by_deadline ON jobs (run_id, deadline_ms, id)
    WHERE state = 0 AND route = 1 AND deadline_ms IS NOT NULL;

-- Outages: what the status page says of them, and the endpoint that helps out.

-- What the API's status page said during a run: one row for each change of its indicator.

CREATE TABLE status_changes (
    run_id    INTEGER NOT NULL REFERENCES runs (id),
    at_ms     INTEGER NOT NULL,
    indicator TEXT    NOT NULL,
    incident  TEXT,
    component TEXT,
    PRIMARY KEY (run_id, at_ms)
) STRICT, WITHOUT ROWID;

-- The base URL of the second endpoint, without secrets, of an attempt that was sent there; NULL is
-- the first. Known when the attempt has ended.
ALTER TABLE attempts ADD COLUMN endpoint TEXT;

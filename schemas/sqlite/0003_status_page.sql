-- What the API's status page said during a run: one row for each change of its indicator.

CREATE TABLE status_changes (
    run_id    INTEGER NOT NULL REFERENCES runs (id),
    at_ms     INTEGER NOT NULL,
    indicator TEXT    NOT NULL,
    incident  TEXT,
    component TEXT,
    PRIMARY KEY (run_id, at_ms)
) STRICT, WITHOUT ROWID;

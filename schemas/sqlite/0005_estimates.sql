-- How far a run's estimates of tokens were off: one row for each model and kind, added up while it is
-- dispatched. `bins` is a JSON array: how many estimates had an error of each size.

CREATE TABLE estimates (
    run_id    INTEGER NOT NULL REFERENCES runs (id),
    model_id  INTEGER NOT NULL REFERENCES models (id),
    kind      TEXT    NOT NULL CHECK (kind IN ('input', 'output')),
    compared  INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    actual    INTEGER NOT NULL,
    bins      TEXT    NOT NULL,
    PRIMARY KEY (run_id, model_id, kind)
) STRICT, WITHOUT ROWID;

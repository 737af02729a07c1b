-- Amendments: how the next attempt of a job asks a little differently than its input line.
--
-- The flag stands with the job, so that whoever claims one that is not amended looks nowhere else.

ALTER TABLE jobs ADD COLUMN amended INTEGER NOT NULL DEFAULT 0 CHECK (amended IN (0, 1));

CREATE TABLE amendments (
    job_id            INTEGER PRIMARY KEY REFERENCES jobs (id),
    -- The model of the input line, which `retry` by hand puts back.
    original_model_id INTEGER NOT NULL REFERENCES models (id),
    -- What is asked differently, as JSON. An ended job keeps none.
    amendment_blob    BLOB,
    -- The truncated answer of an attempt that was followed by one with more room. It becomes the
    -- result if no later attempt brings one. An ended job keeps none.
    put_aside_n       INTEGER,
    put_aside_blob    BLOB,
    CHECK ((put_aside_n IS NULL) = (put_aside_blob IS NULL))
) STRICT;

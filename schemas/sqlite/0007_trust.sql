-- Trust: which store this is, and sums by which damage is noticed.

-- The store's own name, which its spool carries: whatever path leads here, and whatever stands in its
-- place one day, what was put aside for it is recorded in it alone. A copy of the file keeps the name.
CREATE TABLE store (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    uuid BLOB    NOT NULL CHECK (length(uuid) = 16)
) STRICT;
INSERT INTO store (id, uuid) VALUES (1, randomblob(16));

-- A sum over what an ended attempt says, by which `verify` sees that a bit of it was changed. NULL:
-- not summed (by an older claude-run, or it has not ended by an answer).
ALTER TABLE attempts ADD COLUMN sum_blob BLOB;

-- What the money of a run rests on.

-- The most that an attempt may have cost which may have been billed, or whose answer told no usage:
-- the price of all that its request allows. NULL for any other, and where nothing bounds it.
ALTER TABLE attempts ADD COLUMN at_most_pico INTEGER;
-- Why the cost is not the usage of the answer at the price of its model; NULL if it is.
ALTER TABLE attempts ADD COLUMN cost_basis TEXT
    CHECK (cost_basis IS NULL OR cost_basis IN ('at_most', 'saturated', 'asked_model'));
-- The row of the price table that the cost was made with; NULL before this version.
ALTER TABLE attempts ADD COLUMN price_row TEXT;
-- Few attempts, whose bounds are looked for and added up at every start.
CREATE INDEX attempts_maybe_billed ON attempts (job_id, n) WHERE maybe_billed = 1;

-- Whole millions of dollars of the run's sum; `cost_pico` is the rest of it.
ALTER TABLE runs ADD COLUMN cost_millions INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET cost_millions = cost_pico / 1000000000000000000, cost_pico = cost_pico % 1000000000000000000;

-- Results of an ended batch that came short of what its counts say are asked for again for hours: since
-- when they have brought nothing new, and in how many downloads in a row. NULL and 0: they do not.

ALTER TABLE batches ADD COLUMN short_since_ms INTEGER;
ALTER TABLE batches ADD COLUMN short_downloads INTEGER NOT NULL DEFAULT 0;

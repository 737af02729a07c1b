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

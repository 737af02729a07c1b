-- Results of an ended batch that came short of what its counts say are asked for again for hours: since
-- when they have brought nothing new, and in how many downloads in a row. NULL and 0: they do not.

ALTER TABLE batches ADD COLUMN short_since_ms INTEGER;
ALTER TABLE batches ADD COLUMN short_downloads INTEGER NOT NULL DEFAULT 0;

-- The base URL of the second endpoint, without secrets, of an attempt that was sent there; NULL is
-- the first. Known when the attempt has ended.

ALTER TABLE attempts ADD COLUMN endpoint TEXT;

-- What the ledger says of an attempt: whether it was really sent, and which rule set the wait after it.

-- The dispatch whose marks (the file `.sent` beside the store) tell which of the run's open attempts were
-- sent. NULL: no marks are to be believed, and each of them may have been.
ALTER TABLE runs ADD COLUMN marks BLOB CHECK (marks IS NULL OR length(marks) = 16);

-- Which rule set the time of the next try: a name of `model/wait_rule.rs`. NULL: there is no such time, no
-- rule set it, or an older claude-run wrote the row.
ALTER TABLE attempts ADD COLUMN wait_rule TEXT;

-- By how much the time of the next try was moved, since the clock was set back after it was set. NULL: it
-- was not. The planned wait is thus known for good, and a second start does not shorten it again.
ALTER TABLE attempts ADD COLUMN clock_back_ms INTEGER;

-- The same outcomes as before, in other words: for a list of more than two SQLite builds a temporary
-- B-tree each time that it looks, which was 3.7 us of CPU time a job. The rows stay as they are, so the text of
-- the table is changed and nothing is copied (https://sqlite.org/lang_altertable.html, 7: the
-- simpler procedure, for changes of constraints that all rows fulfil).
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql,
        'CHECK (outcome IN (''succeeded'', ''errored'', ''interrupted'', ''expired'', ''canceled''))',
        'CHECK (outcome = ''succeeded'' OR outcome = ''errored'' OR outcome = ''interrupted''
                               OR outcome = ''expired'' OR outcome = ''canceled'')')
    WHERE type = 'table' AND name = 'attempts';
PRAGMA writable_schema = RESET;

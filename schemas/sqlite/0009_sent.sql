-- What was really sent, told apart from what was only claimed.

-- The dispatch whose marks (the file `.sent` beside the store) tell which of the run's open attempts were
-- sent. NULL: no marks are to be believed, and each of them may have been.
ALTER TABLE runs ADD COLUMN marks BLOB CHECK (marks IS NULL OR length(marks) = 16);

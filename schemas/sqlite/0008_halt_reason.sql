-- What stopped a run, beside the class: a name of `model/halt.rs`. NULL: it is not halted.
ALTER TABLE runs ADD COLUMN halt_reason TEXT
    CHECK (halt_reason IS NULL OR halt_reason IN ('failure', 'own_budget', 'no_batches'));
-- Until now the reason was told by how the message began.
UPDATE runs SET halt_reason = CASE
        WHEN halt_class = 'spend_limit' AND halt_message LIKE 'this run''s own budget%' THEN 'own_budget'
        WHEN halt_message LIKE 'no batch can be created at this endpoint%' THEN 'no_batches'
        ELSE 'failure'
    END
    WHERE halt_class IS NOT NULL;

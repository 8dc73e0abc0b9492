-- The words of a long talk are several rows from now on.
ALTER TABLE talk ADD COLUMN stretch integer NOT NULL DEFAULT 0;
ALTER TABLE talk DROP CONSTRAINT talk_pkey;
ALTER TABLE talk ADD PRIMARY KEY (conversation_id, stretch);
UPDATE conversation SET indexed = -1 WHERE indexed > 0 AND (CAST(summary AS json) ->> 'turns')::integer > 8;

-- How a project wishes its data to be treated (project.py), as JSON; null for the defaults. `deletions` counts deleted
-- conversations: keys of chunks may be given again after one, so whoever looks at chunks in two steps compares it.
ALTER TABLE project ADD COLUMN settings TEXT;
ALTER TABLE project ADD COLUMN deletions INTEGER NOT NULL DEFAULT 0;

CREATE INDEX conversation_by_user ON conversation (project_id, json_extract(summary, '$.user_id'))
    WHERE summary IS NOT NULL;

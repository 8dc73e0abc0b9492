-- What charts of scores are drawn of: every score that is a number, or a flag as 0 or 1, at the time of its conversation.
CREATE TABLE grade (
    project_id      INTEGER NOT NULL REFERENCES project,
    first_ns        INTEGER NOT NULL,
    name            TEXT    NOT NULL,
    value           REAL    NOT NULL,
    is_flag         INTEGER NOT NULL,
    conversation_id INTEGER NOT NULL REFERENCES conversation
) STRICT;

CREATE INDEX grade_in_short ON grade (project_id, first_ns, name, value, is_flag, conversation_id);
CREATE INDEX grade_by_conversation ON grade (conversation_id);

-- Only what has scores is indexed again, as in the step before this one.
UPDATE conversation SET indexed = -1
WHERE indexed > 0 AND ifnull(json_extract(summary, '$.scores'), '{}') <> '{}';

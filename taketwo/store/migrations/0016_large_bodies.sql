-- Large bodies of spans lie beside the tables, see large.py: what of them is there, and whose; trace_id is null before the
-- chunk is stored, and from when it is deleted until the object is.
CREATE TABLE large_body (
    name     BLOB    NOT NULL PRIMARY KEY,
    trace_id INTEGER REFERENCES trace,
    bytes    INTEGER NOT NULL,
    at_ns    INTEGER NOT NULL
) STRICT;

CREATE INDEX large_body_by_trace ON large_body (trace_id);
CREATE INDEX large_body_of_nobody ON large_body (at_ns) WHERE trace_id IS NULL;

-- Which recordings a conversation has is a mark from now on, so that a quota can count them.
UPDATE conversation SET indexed = -2
WHERE indexed > 0 AND id IN (SELECT conversation_id FROM facts WHERE channel = 'voice');

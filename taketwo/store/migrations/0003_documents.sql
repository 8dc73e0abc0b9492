-- What a server keeps besides captures and results (documents.py): the columns are what documents are found by, the body
-- is the thing itself as JSON, compressed. Times are nanoseconds since 1970.
CREATE TABLE document (
    seq        INTEGER PRIMARY KEY,
    kind       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    project    TEXT,
    parent     TEXT,
    key        TEXT,
    state      TEXT    NOT NULL,
    outcome    TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    due_ns     INTEGER,
    source     TEXT,
    body       BLOB    NOT NULL,
    UNIQUE (kind, id)
) STRICT;

-- No project is one project here: two documents without one may not share a key either.
CREATE UNIQUE INDEX document_by_key ON document (kind, key, ifnull(project, '')) WHERE key IS NOT NULL;
CREATE INDEX document_in_order ON document (kind, position, seq);
CREATE INDEX document_by_project ON document (kind, project, position, seq);
CREATE INDEX document_by_parent ON document (kind, parent, position, seq) WHERE parent IS NOT NULL;
CREATE INDEX document_by_state ON document (kind, parent, state, outcome) WHERE parent IS NOT NULL;
CREATE INDEX document_due ON document (kind, due_ns) WHERE due_ns IS NOT NULL;
CREATE INDEX document_due_by_parent ON document (kind, parent, position, due_ns) WHERE due_ns IS NOT NULL;
CREATE INDEX document_by_source ON document (source) WHERE source IS NOT NULL;

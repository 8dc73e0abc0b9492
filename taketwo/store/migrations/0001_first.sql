-- Ids of traces and spans are kept as bytes and numbers; texts are only for people. Times are nanoseconds since 1970,
-- 0 where nobody said.

CREATE TABLE project (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Resource and scope of many spans, under the hash of their bytes.
CREATE TABLE envelope (
    hash BLOB PRIMARY KEY,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE trace (
    id         INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES project,
    trace_id   BLOB    NOT NULL,
    first_ns   INTEGER NOT NULL,
    last_ns    INTEGER NOT NULL,
    spans      INTEGER NOT NULL,
    errors     INTEGER NOT NULL,
    UNIQUE (trace_id, project_id)
) STRICT;

CREATE INDEX trace_by_time ON trace (first_ns, id);
CREATE INDEX trace_by_project_and_time ON trace (project_id, first_ns, id);

-- What came of one trace in one request, compressed together. `keys` says which records are inside (see chunks.py), so
-- that a request that is sent again is noticed without unpacking anything.
CREATE TABLE chunk (
    id       INTEGER PRIMARY KEY,
    trace_id INTEGER NOT NULL REFERENCES trace,
    kind     INTEGER NOT NULL CHECK (kind IN (0, 1)),
    keys     BLOB    NOT NULL,
    body     BLOB    NOT NULL
) STRICT;

CREATE INDEX chunk_by_trace ON chunk (trace_id, kind);

-- `changes` grows with whatever arrives; `settled` is its value when the conversation was last read out of its spans.
CREATE TABLE conversation (
    id         INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES project,
    name       TEXT    NOT NULL,
    origin     TEXT    NOT NULL CHECK (origin IN ('session', 'trace', 'import')),
    first_ns   INTEGER NOT NULL,
    last_ns    INTEGER NOT NULL,
    spans      INTEGER NOT NULL,
    errors     INTEGER NOT NULL,
    changes    INTEGER NOT NULL DEFAULT 1,
    settled    INTEGER NOT NULL DEFAULT 0,
    summary    TEXT,
    UNIQUE (name, project_id)
) STRICT;

CREATE INDEX conversation_by_time ON conversation (first_ns, id);
CREATE INDEX conversation_by_project_and_time ON conversation (project_id, first_ns, id);
CREATE INDEX conversation_unsettled ON conversation (id) WHERE changes > settled;
CREATE INDEX conversation_unsettled_trace ON conversation (origin, id) WHERE changes > settled;

-- Which traces a conversation is made of. A trace whose spans name several sessions belongs to several.
CREATE TABLE membership (
    conversation_id INTEGER NOT NULL REFERENCES conversation,
    trace_id        INTEGER NOT NULL REFERENCES trace,
    PRIMARY KEY (conversation_id, trace_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX membership_by_trace ON membership (trace_id);

-- What had been said when a trace without a session ended (role 0) and before it began (role 1), see links.py: where
-- one trace begins as another ends, they may belong together.
CREATE TABLE link (
    project_id INTEGER NOT NULL REFERENCES project,
    hash       INTEGER NOT NULL,
    role       INTEGER NOT NULL CHECK (role IN (0, 1)),
    trace_id   INTEGER NOT NULL REFERENCES trace,
    PRIMARY KEY (project_id, hash, role, trace_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX link_by_trace ON link (trace_id);

-- The conversation itself as JSON, compressed; apart from its row, so that listings do not read it.
CREATE TABLE reading (
    conversation_id INTEGER PRIMARY KEY REFERENCES conversation,
    body            BLOB NOT NULL
) STRICT;

CREATE TABLE suite (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE result (
    id       INTEGER PRIMARY KEY,
    suite_id INTEGER NOT NULL REFERENCES suite,
    at_ns    INTEGER NOT NULL,
    verdict  TEXT    NOT NULL,
    body     BLOB    NOT NULL
) STRICT;

CREATE INDEX result_by_suite ON result (suite_id, verdict, at_ns);

CREATE TABLE run (
    name      TEXT    NOT NULL,
    result_id INTEGER NOT NULL REFERENCES result,
    PRIMARY KEY (name, result_id)
) STRICT, WITHOUT ROWID;

-- What conversations are found by (facts.py), apart from their rows, so that a search reads as little as possible.
-- `indexed` is the value of `changes` of which these facts are; 0 where there are none yet. Columns are named after the
-- fields of the filter language; null is what is not known.
ALTER TABLE conversation ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;

DROP INDEX conversation_unsettled;
CREATE INDEX conversation_unindexed ON conversation (id) WHERE changes > indexed;
CREATE INDEX conversation_unindexed_by_project ON conversation (project_id, id) WHERE changes > indexed;

CREATE TABLE facts (
    conversation_id INTEGER PRIMARY KEY REFERENCES conversation,
    project_id      INTEGER NOT NULL REFERENCES project,
    first_ns        INTEGER NOT NULL,
    started         INTEGER,
    turns           INTEGER NOT NULL,
    calls           INTEGER NOT NULL,
    errors          INTEGER NOT NULL,
    gaps            INTEGER NOT NULL,
    latency         REAL,
    tokens          INTEGER,
    cost            REAL,
    error           INTEGER NOT NULL,
    gap             INTEGER NOT NULL,
    unanswered      INTEGER NOT NULL,
    id              TEXT    NOT NULL,
    session         TEXT,
    user            TEXT,
    agent           TEXT,
    model           TEXT,
    channel         TEXT    NOT NULL,
    ended           TEXT,
    user_id         TEXT
) STRICT;

CREATE INDEX facts_by_time ON facts (first_ns, conversation_id);
CREATE INDEX facts_by_project_and_time ON facts (project_id, first_ns, conversation_id);

-- Names of which a conversation has several: tools, tools that failed, tags, scores.
CREATE TABLE mark (
    kind            TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    conversation_id INTEGER NOT NULL REFERENCES conversation,
    number          REAL
) STRICT;

CREATE INDEX mark_by_name ON mark (kind, name, conversation_id, number);
CREATE INDEX mark_by_conversation ON mark (conversation_id);

-- The words of the texts, spelled by select/words.py with single spaces, and a sign between two texts that is no word.
-- It keeps no text: whoever takes words out must say which they were, which the reading of the conversation tells.
CREATE VIRTUAL TABLE talk USING fts5 (
    said, replied, argument, result, content = '', columnsize = 0, tokenize = 'ascii'
);

-- What people and programs thought of a conversation afterwards. It is kept under the conversation's id and not under
-- its key, so that it outlives every new reading of the spans.
CREATE TABLE feedback (
    id           INTEGER PRIMARY KEY,
    project_id   INTEGER NOT NULL REFERENCES project,
    conversation TEXT    NOT NULL,
    turn         INTEGER,
    name         TEXT    NOT NULL,
    given_by     TEXT    NOT NULL,
    body         TEXT    NOT NULL
) STRICT;

CREATE UNIQUE INDEX feedback_by_name ON feedback (conversation, project_id, ifnull(turn, -1), name, given_by);

-- name: tables
-- Another version has another file: what is in an old one is found out again by replaying.
CREATE TABLE IF NOT EXISTS run (
    id INTEGER PRIMARY KEY,
    session TEXT NOT NULL,
    at REAL NOT NULL,
    is_done INTEGER NOT NULL DEFAULT 0,
    files TEXT NOT NULL DEFAULT '{}',
    functions TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE IF NOT EXISTS result (
    place TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    is_sure INTEGER NOT NULL,
    run INTEGER NOT NULL REFERENCES run,
    told INTEGER NOT NULL REFERENCES run,
    at REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS past (
    place TEXT PRIMARY KEY,
    failed REAL NOT NULL,
    passed REAL NOT NULL,
    seconds REAL NOT NULL,
    content TEXT NOT NULL,
    tools TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES run,
    at REAL NOT NULL,
    seen TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS ran (
    place TEXT PRIMARY KEY,
    functions TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS source (
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    at REAL NOT NULL
);

-- name: begin_run
INSERT INTO run (session, at) VALUES (?, ?);

-- name: last_runs
-- Those of the last session but this one. A process that only looked has no results of its own.
SELECT id, is_done FROM run WHERE session = (
    SELECT session FROM run WHERE session <> ? AND id IN (SELECT run FROM past) ORDER BY id DESC LIMIT 1
);

-- name: end_session
UPDATE run SET is_done = 1 WHERE session = ?;

-- name: put_files
UPDATE run SET files = ? WHERE id = ?;

-- name: put_functions_of_all
UPDATE run SET functions = ? WHERE id = ?;

-- name: functions_of_all
SELECT functions FROM run WHERE id = ?;

-- name: put_functions
INSERT OR REPLACE INTO ran (place, functions) VALUES (?, ?);

-- name: functions
SELECT functions FROM ran WHERE place = ?;

-- name: files
SELECT files FROM run WHERE id = ?;

-- name: result
SELECT key, kind, is_sure, run, at, body FROM result WHERE place = ?;

-- name: last_results
-- Those that the processes of the last run told, also where they come from an earlier one.
SELECT place, run.at, body FROM result JOIN run ON run.id = told WHERE session = (
    SELECT session FROM run WHERE id IN (SELECT told FROM result) ORDER BY id DESC LIMIT 1
) ORDER BY place;

-- name: put_told
UPDATE result SET told = ? WHERE place = ?;

-- name: put_result
INSERT OR REPLACE INTO result (place, key, kind, is_sure, run, told, at, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: distrust
-- Files have changed while it ran, so that nobody knows which of them its results come from.
UPDATE result SET key = '' WHERE run = ?;

-- name: past
SELECT place, failed, passed, seconds, content, tools, run, seen FROM past;

-- name: put_past
INSERT OR REPLACE INTO past (place, failed, passed, seconds, content, tools, run, at, seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: put_seen
UPDATE past SET seen = ? WHERE place = ?;

-- name: forget_results
-- Cases that are gone would stay for ever.
DELETE FROM result WHERE at < ?;

-- name: forget_past
DELETE FROM past WHERE at < ?;

-- name: put_source
INSERT OR REPLACE INTO source (name, text, at) VALUES (?, ?, ?);

-- name: source
SELECT text FROM source WHERE name = ?;

-- name: forget_sources
DELETE FROM source WHERE at < ?;

-- name: forget_functions
DELETE FROM ran WHERE place NOT IN (SELECT place FROM past);

-- name: forget_runs
DELETE FROM run WHERE at < ? AND id NOT IN (SELECT run FROM result UNION SELECT told FROM result) AND id NOT IN (SELECT run FROM past);

-- Every statement of the SQLite store. Each begins with its name and then says why it is the way it is.

-- name: find_project
-- Before every write; the unique index answers.
SELECT id FROM project WHERE name = ?

-- name: add_project
-- Another process may have been faster.
INSERT INTO project (name) VALUES (?) ON CONFLICT DO NOTHING

-- name: projects
-- For people; few rows.
SELECT name FROM project ORDER BY name

-- name: add_envelope
-- Resource and scope come with every request and are stored once.
INSERT INTO envelope (hash, body) VALUES (?, ?) ON CONFLICT DO NOTHING

-- name: envelope
-- The reader keeps the last ones, so this runs seldom.
SELECT body FROM envelope WHERE hash = ?

-- name: find_trace
-- Once for each trace in a request: is anything of it here already?
SELECT id FROM trace WHERE trace_id = :trace_id AND project_id = :project_id

-- name: add_trace
-- A trace that was never seen, with the sums of its first spans.
INSERT INTO trace (project_id, trace_id, first_ns, last_ns, spans, errors)
VALUES (:project_id, :trace_id, :first_ns, :last_ns, :spans, :errors)
RETURNING id

-- name: grow_trace
-- Sums are kept up to date here, so that listings never look at spans.
UPDATE trace
SET spans    = spans + :spans,
    errors   = errors + :errors,
    first_ns = CASE WHEN first_ns = 0 OR :first_ns BETWEEN 1 AND first_ns THEN :first_ns ELSE first_ns END,
    last_ns  = CASE WHEN last_ns < :last_ns THEN :last_ns ELSE last_ns END
WHERE id = :id

-- name: chunk_keys
-- Finds the spans that are sent again; `keys` stands before the body in the row, so bodies are not read.
SELECT keys FROM chunk WHERE trace_id = ? AND kind = ?

-- name: add_chunk
-- Appended at the end of the table; only the index by trace is touched elsewhere.
INSERT INTO chunk (trace_id, kind, keys, body) VALUES (?, ?, ?, ?)

-- name: conversations_of_trace
-- Whom the arrival of further spans concerns.
SELECT conversation.id, conversation.origin
FROM membership JOIN conversation ON conversation.id = membership.conversation_id
WHERE membership.trace_id = ?

-- name: open_conversation
-- A session, or a trace without one, that may be there already. What came from a file gives way to spans.
INSERT INTO conversation (project_id, name, origin, first_ns, last_ns, spans, errors, changes)
VALUES (:project_id, :name, :origin, 0, 0, 0, 0, 0)
ON CONFLICT (name, project_id) DO UPDATE
SET origin = CASE WHEN conversation.origin = 'import' OR excluded.origin = 'session'
                  THEN excluded.origin ELSE conversation.origin END
RETURNING id

-- name: grow_conversation
-- Raises `changes`, which is what makes it unsettled.
UPDATE conversation
SET changes  = changes + 1,
    spans    = spans + :spans,
    errors   = errors + :errors,
    first_ns = CASE WHEN first_ns = 0 OR :first_ns BETWEEN 1 AND first_ns THEN :first_ns ELSE first_ns END,
    last_ns  = CASE WHEN last_ns < :last_ns THEN :last_ns ELSE last_ns END
WHERE id = :id

-- name: join
-- One row if it is new: then the conversation gets all of the trace and not only what just came.
INSERT INTO membership (conversation_id, trace_id) VALUES (?, ?) ON CONFLICT DO NOTHING

-- name: leave
-- A trace that turned out to belong to a session no longer stands alone.
DELETE FROM membership WHERE conversation_id = ? AND trace_id = ?

-- name: is_empty
-- Before a conversation whose last trace went elsewhere is dropped.
SELECT 1 FROM conversation WHERE id = :id
  AND NOT EXISTS (SELECT 1 FROM membership WHERE conversation_id = :id)

-- name: trace_sums
-- For a conversation that gets the whole trace.
SELECT first_ns, last_ns, spans, errors FROM trace WHERE id = ?

-- name: recount_conversation
-- After traces left or joined otherwise than by arriving; conversations without a session are small.
UPDATE conversation
SET (first_ns, last_ns, spans, errors) = (
        SELECT coalesce(min(nullif(trace.first_ns, 0)), 0), coalesce(max(trace.last_ns), 0),
               coalesce(sum(trace.spans), 0), coalesce(sum(trace.errors), 0)
        FROM membership JOIN trace ON trace.id = membership.trace_id
        WHERE membership.conversation_id = conversation.id),
    changes = changes + 1
WHERE id = ?

-- name: drop_reading_of_empty
-- First the reading, because it refers to the conversation.
DELETE FROM reading
WHERE conversation_id = :id
  AND NOT EXISTS (SELECT 1 FROM membership WHERE membership.conversation_id = :id)

-- name: drop_empty_conversation
-- A conversation whose last trace went elsewhere is no conversation.
DELETE FROM conversation
WHERE id = :id AND NOT EXISTS (SELECT 1 FROM membership WHERE membership.conversation_id = :id)

-- name: conversations_named
-- The whole id was given: the usual way in, answered by the unique index.
SELECT conversation.id, project.name AS project, conversation.name, origin, changes, settled
FROM conversation JOIN project ON project.id = conversation.project_id
WHERE conversation.name = :name AND (:project IS NULL OR project.name = :project)

-- name: is_captured
-- By the unique index alone: it is asked for each conversation of which something was kept.
SELECT 1 FROM conversation
WHERE name = :name AND project_id = (SELECT id FROM project WHERE project.name = :project)

-- name: conversations_named_like
-- The beginning of an id was given: a range of the same index, two are enough to know that it is not unique.
SELECT conversation.id, project.name AS project, conversation.name, origin, changes, settled
FROM conversation JOIN project ON project.id = conversation.project_id
WHERE conversation.name >= :low AND conversation.name < :high AND (:project IS NULL OR project.name = :project)
LIMIT 4

-- name: conversations_with_traces
-- A trace id, or the beginning of one, as a range of bytes.
SELECT DISTINCT conversation.id, project.name AS project, conversation.name, origin, changes, settled
FROM trace
JOIN membership ON membership.trace_id = trace.id
JOIN conversation ON conversation.id = membership.conversation_id
JOIN project ON project.id = conversation.project_id
WHERE trace.trace_id BETWEEN :low AND :high AND (:project IS NULL OR project.name = :project)
LIMIT 4

-- name: latest_names
-- Candidates for "did you mean"; a name is looked up among the newest only, so that a typo costs the same in any store.
SELECT conversation.name FROM conversation JOIN project ON project.id = conversation.project_id
WHERE (:project IS NULL OR project.name = :project)
ORDER BY first_ns DESC LIMIT 500

-- name: conversation_row
-- A conversation by its key, when it may have changed since.
SELECT conversation.id, project.name AS project, conversation.name, origin, changes, settled
FROM conversation JOIN project ON project.id = conversation.project_id
WHERE conversation.id = ?

-- name: reading
-- The conversation as it was last read out of its spans, or as it was imported.
SELECT body FROM reading WHERE conversation_id = ?

-- name: traces_of_conversation
-- In the order in which they began, which is the order of the talk.
SELECT trace.id, trace.trace_id FROM membership JOIN trace ON trace.id = membership.trace_id
WHERE membership.conversation_id = ?
ORDER BY trace.first_ns, trace.id

-- name: versions_of_traces
-- The bodies are not looked at, which would be as good as reading them.
SELECT trace.id, trace.trace_id, trace.spans, count(*), max(chunk.id)
FROM membership JOIN trace ON trace.id = membership.trace_id JOIN chunk ON chunk.trace_id = trace.id
WHERE membership.conversation_id = ?
GROUP BY trace.id, trace.trace_id, trace.spans

-- name: chunks_of_trace
-- In the order of arrival: of two equally complete copies the first one stands.
SELECT kind, body FROM chunk WHERE trace_id = ? ORDER BY id

-- name: page_of_conversations
-- Newest first from a place on; the index has this order, so a page costs the same anywhere. What was read and has no
-- turn is no conversation, but a trace of something else.
SELECT conversation.id, project.name AS project, conversation.name, origin, changes, settled, conversation.first_ns, summary
FROM conversation JOIN project ON project.id = conversation.project_id
WHERE (conversation.first_ns, conversation.id) < (:first_ns, :id)
  AND NOT EXISTS (SELECT 1 FROM facts WHERE facts.conversation_id = conversation.id AND facts.turns = 0 AND changes = settled)
ORDER BY conversation.first_ns DESC, conversation.id DESC LIMIT :limit

-- name: page_of_conversations_in_project
-- The same by the index of one project.
SELECT conversation.id, project.name AS project, conversation.name, origin, changes, settled, conversation.first_ns, summary
FROM conversation JOIN project ON project.id = conversation.project_id
WHERE conversation.project_id = (SELECT id FROM project WHERE name = :project)
  AND (conversation.first_ns, conversation.id) < (:first_ns, :id)
  AND NOT EXISTS (SELECT 1 FROM facts WHERE facts.conversation_id = conversation.id AND facts.turns = 0 AND changes = settled)
ORDER BY conversation.first_ns DESC, conversation.id DESC LIMIT :limit

-- name: page_of_traces
-- Newest first from a place on. What belongs to no conversation, such as the spans of an agent in a replay, is no
-- production.
SELECT trace.id, project.name AS project, trace.trace_id, first_ns, last_ns, spans, errors
FROM trace JOIN project ON project.id = trace.project_id
WHERE (first_ns, trace.id) < (:first_ns, :id)
  AND EXISTS (SELECT 1 FROM membership WHERE membership.trace_id = trace.id)
ORDER BY first_ns DESC, trace.id DESC LIMIT :limit

-- name: page_of_traces_in_project
-- The same by the index of one project.
SELECT trace.id, project.name AS project, trace.trace_id, first_ns, last_ns, spans, errors
FROM trace JOIN project ON project.id = trace.project_id
WHERE trace.project_id = (SELECT id FROM project WHERE name = :project)
  AND (first_ns, trace.id) < (:first_ns, :id)
  AND EXISTS (SELECT 1 FROM membership WHERE membership.trace_id = trace.id)
ORDER BY first_ns DESC, trace.id DESC LIMIT :limit

-- name: traces_of_no_conversation
-- By the whole id or its beginning, as a range of bytes: what an agent did in a replay is found by the run.
SELECT trace.id, trace.trace_id FROM trace JOIN project ON project.id = trace.project_id
WHERE trace.trace_id BETWEEN :low AND :high AND (:project IS NULL OR project.name = :project)
  AND NOT EXISTS (SELECT 1 FROM membership WHERE membership.trace_id = trace.id)
LIMIT 2

-- name: names_of_conversations_of_trace
-- For a listing of traces.
SELECT conversation.name FROM membership JOIN conversation ON conversation.id = membership.conversation_id
WHERE membership.trace_id = ? ORDER BY conversation.name

-- name: unsettled
-- Traces without a session, the newest first: until they are looked at, nobody knows whether they stand alone. Sessions,
-- because until they are read nobody knows what they tell better.
SELECT id FROM conversation
WHERE changes > settled AND origin = :origin
  AND (:project IS NULL OR project_id = (SELECT id FROM project WHERE name = :project))
ORDER BY id DESC LIMIT :limit

-- name: linked_conversations
-- Who may belong together with a trace; by each link the newest, if it is shared by more than can be looked at.
SELECT id, project, name, origin, changes, settled, count(*) OVER (PARTITION BY hash) AS sharing FROM (
    SELECT link.hash, conversation.id, project.name AS project, conversation.name, origin, changes, settled,
           row_number() OVER (PARTITION BY link.hash ORDER BY max(link.trace_id) DESC) AS place
    FROM project
    JOIN json_each(:hashes)
    JOIN link ON link.project_id = project.id AND link.hash = value AND link.role = :role
    JOIN membership ON membership.trace_id = link.trace_id
    JOIN conversation ON conversation.id = membership.conversation_id
    WHERE project.name = :project AND origin = 'trace'
    GROUP BY link.hash, conversation.id, project.id) AS linked
WHERE place <= :limit
ORDER BY hash, place

-- name: drop_links
-- They go with their trace.
DELETE FROM link WHERE trace_id = ?

-- name: links_of_trace
-- To write only the difference, and to know whom it concerns.
SELECT role, hash FROM link WHERE trace_id = ?

-- name: drop_link
-- One that is a trace's no more, by the whole key.
DELETE FROM link WHERE project_id = ? AND hash = ? AND role = ? AND trace_id = ?

-- name: add_link
-- Keeps a trace findable by how its talk begins and ends.
INSERT INTO link (project_id, hash, role, trace_id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: is_told
-- Whether another trace tells of a response: of one itself may be kept what it told when it named a session.
SELECT 1 FROM link
WHERE hash = :hash AND role = 0 AND project_id = (SELECT id FROM project WHERE name = :project) AND trace_id <> :trace
LIMIT 1

-- name: echoes_of_conversation
-- Traces that belong nowhere, maybe because those of a conversation tell of their calls: by which number, which may be
-- that of a history instead.
SELECT DISTINCT theirs.trace_id, trace.trace_id, theirs.hash
FROM membership
JOIN link AS mine ON mine.trace_id = membership.trace_id AND mine.role = 0
JOIN link AS theirs ON theirs.project_id = mine.project_id AND theirs.hash = mine.hash AND theirs.role = 1
JOIN trace ON trace.id = theirs.trace_id
WHERE membership.conversation_id = ?
  AND NOT EXISTS (SELECT 1 FROM membership AS another WHERE another.trace_id = theirs.trace_id)

-- name: hidden_by
-- Traces that belong nowhere, maybe because another told of one of their responses.
SELECT trace.id, trace.trace_id FROM link JOIN trace ON trace.id = link.trace_id
WHERE link.project_id = ? AND link.hash = ? AND link.role = 1
  AND NOT EXISTS (SELECT 1 FROM membership WHERE membership.trace_id = link.trace_id)

-- name: look_again_at_untold
-- Conversations with a response that another tells of, maybe better.
UPDATE conversation SET changes = changes + 1
WHERE origin = 'trace' AND id IN (
    SELECT membership.conversation_id FROM link JOIN membership ON membership.trace_id = link.trace_id
    WHERE link.project_id = ? AND link.hash = ? AND link.role = 1
)

-- name: settle
-- In the same transaction in which it was made sure that nothing had come meanwhile.
UPDATE conversation SET settled = changes WHERE id = ?

-- name: look_again
-- At what was settled just now.
UPDATE conversation SET changes = changes + 1 WHERE id = ?

-- name: put_reading
-- Replaces the reading before it.
INSERT INTO reading (conversation_id, body) VALUES (?, ?)
ON CONFLICT (conversation_id) DO UPDATE SET body = excluded.body

-- name: marks
-- In the order of the keys, so that a reader goes on where it ended whatever comes and goes meanwhile.
SELECT conversation.id, project.name AS project, conversation.name, changes, settled, summary
FROM conversation JOIN project ON project.id = conversation.project_id
WHERE conversation.id > :after ORDER BY conversation.id LIMIT :limit

-- name: find_import
-- Is this conversation here, and is it made of spans?
SELECT conversation.id, origin, reading.body
FROM conversation LEFT JOIN reading ON reading.conversation_id = conversation.id
WHERE conversation.name = :name AND conversation.project_id = :project_id

-- name: put_import
-- A conversation without spans is settled from the start.
INSERT INTO conversation (project_id, name, origin, first_ns, last_ns, spans, errors, changes, settled)
VALUES (:project_id, :name, 'import', :first_ns, :last_ns, 0, 0, 1, 1)
ON CONFLICT (name, project_id) DO UPDATE
SET first_ns = excluded.first_ns, last_ns = excluded.last_ns
RETURNING id

-- name: add_suite
-- Made by its first result.
INSERT INTO suite (name) VALUES (?) ON CONFLICT DO NOTHING

-- name: add_result
-- The verdict is a column for the counts of the listing; everything else stays in the body.
INSERT INTO result (suite_id, at_ns, verdict, body) VALUES ((SELECT id FROM suite WHERE name = ?), ?, ?, ?)
RETURNING id

-- name: add_run
-- Makes the result findable by the run's id.
INSERT INTO run (name, result_id) VALUES (?, ?) ON CONFLICT DO NOTHING

-- name: results
-- In the order they were added.
SELECT body FROM result WHERE suite_id = (SELECT id FROM suite WHERE name = ?) ORDER BY id

-- name: results_by_run
-- By the run's id or the beginning of it; two are enough to know that it is not unique.
SELECT name, MAX(result_id) FROM run WHERE name >= :low AND name < :high GROUP BY name LIMIT 4

-- name: result
-- The whole of one result, once it is known which.
SELECT body FROM result WHERE id = ?

-- name: suites
-- Answered by the index on suite, verdict and time alone.
SELECT suite.name, counted.verdict, counted.results, counted.first_ns, counted.last_ns
FROM (
    SELECT suite_id, verdict, count(*) AS results, min(at_ns) AS first_ns, max(at_ns) AS last_ns
    FROM result GROUP BY suite_id, verdict
) AS counted
JOIN suite ON suite.id = counted.suite_id

-- name: project_settings
-- Asked for once a second at most while spans come in.
SELECT settings FROM project WHERE name = ?

-- name: put_project_settings
-- The project is there already.
UPDATE project SET settings = :settings WHERE id = :id

-- name: stored_in_chunks
-- Where a quota asks. The length of a blob stands before it, so that none is read.
SELECT coalesce(sum(length(chunk.body) + length(chunk.keys)), 0)
FROM project JOIN trace ON trace.project_id = project.id JOIN chunk ON chunk.trace_id = trace.id
WHERE project.name = ?

-- name: stored_beside_chunks
-- What their large bodies take, by the index on their traces.
SELECT coalesce(sum(large_body.bytes), 0)
FROM project JOIN trace ON trace.project_id = project.id JOIN large_body ON large_body.trace_id = trace.id
WHERE project.name = ?

-- name: stored_in_recordings
-- Each once: the same sound may belong to several conversations.
SELECT coalesce(sum(counted.number), 0) FROM (
    SELECT DISTINCT mark.name, mark.number
    FROM mark JOIN conversation ON conversation.id = mark.conversation_id
    WHERE mark.kind = 'recording' AND conversation.project_id = (SELECT id FROM project WHERE name = ?)
) AS counted

-- name: unweighed_recordings
-- Those of which it is not known yet how large they are.
SELECT DISTINCT mark.name
FROM mark JOIN conversation ON conversation.id = mark.conversation_id
WHERE mark.kind = 'recording' AND mark.number IS NULL
  AND conversation.project_id = (SELECT id FROM project WHERE name = :project)
LIMIT :limit

-- name: weigh_recording
-- Whoever refers to it.
UPDATE mark SET number = ? WHERE kind = 'recording' AND name = ?

-- name: note_large
-- Before the object is written.
INSERT INTO large_body (name, trace_id, bytes, at_ns) VALUES (?, NULL, ?, ?)

-- name: own_large
-- With the chunk that names it.
UPDATE large_body SET trace_id = ? WHERE name = ? AND trace_id IS NULL

-- name: release_large
-- What was there already when it came.
UPDATE large_body SET at_ns = 0 WHERE name = ? AND trace_id IS NULL

-- name: release_large_of_trace
-- With its chunks; the object goes afterwards.
UPDATE large_body SET trace_id = NULL, at_ns = 0 WHERE trace_id = ?

-- name: large_bodies
-- All that a chunk has, to see that a copy of the store is whole.
SELECT name FROM large_body WHERE trace_id IS NOT NULL

-- name: recordings
-- All that a conversation refers to, likewise.
SELECT DISTINCT name FROM mark WHERE kind = 'recording'

-- name: large_orphans
-- By the index of those that are nobody's.
SELECT name FROM large_body WHERE trace_id IS NULL AND at_ns <= :before LIMIT :limit

-- name: forget_large
-- After the object is gone.
DELETE FROM large_body WHERE name = ? AND trace_id IS NULL

-- name: conversations_of_user
-- By the index on the users of a project.
SELECT conversation.id, conversation.name
FROM facts JOIN conversation ON conversation.id = facts.conversation_id
WHERE facts.user_id = :user_id AND facts.project_id = (SELECT id FROM project WHERE name = :project)

-- name: expired_conversations
-- By the index on time; what has no time at all is not known to be old.
SELECT first_ns, id FROM conversation
WHERE project_id = (SELECT id FROM project WHERE name = :project)
  AND first_ns BETWEEN 1 AND :before AND last_ns <= :before AND (first_ns, id) > (:after_ns, :after_id)
ORDER BY first_ns, id LIMIT :limit

-- name: shares_traces
-- Whether another conversation has a part of one of its traces.
SELECT 1 FROM membership AS mine JOIN membership AS other ON other.trace_id = mine.trace_id
WHERE mine.conversation_id = :id AND other.conversation_id <> :id LIMIT 1

-- name: lone_log_traces
-- Log records whose spans never came: no conversation has them.
SELECT id, trace_id FROM trace
WHERE project_id = (SELECT id FROM project WHERE name = :project) AND first_ns = 0 AND spans = 0
  AND NOT EXISTS (SELECT 1 FROM membership WHERE membership.trace_id = trace.id)
LIMIT :limit

-- name: lone_span_traces
-- Spans that make no conversation and ended before a moment, as those of replays, or that say nothing others do not.
SELECT id FROM trace
WHERE project_id = (SELECT id FROM project WHERE name = :project)
  AND first_ns <= :before AND last_ns <= :before AND spans > 0
  AND NOT EXISTS (SELECT 1 FROM membership WHERE membership.trace_id = trace.id)
LIMIT :limit

-- name: count_deletion
-- In the transaction that deletes.
UPDATE project SET deletions = deletions + 1 WHERE name = ?

-- name: deletions
-- Whether anything was deleted between two looks.
SELECT coalesce(sum(deletions), 0) FROM project

-- name: drop_reading
-- First the reading, because it refers to the conversation.
DELETE FROM reading WHERE conversation_id = ?

-- name: drop_memberships
-- Then which traces it is made of.
DELETE FROM membership WHERE conversation_id = ?

-- name: drop_conversation
-- Then the conversation itself.
DELETE FROM conversation WHERE id = ?

-- name: drop_chunks
-- A trace that is gone, or that is written anew without some of its spans.
DELETE FROM chunk WHERE trace_id = ?

-- name: empty_trace
-- Before what is left of it is filed again, which adds it up.
UPDATE trace SET first_ns = 0, last_ns = 0, spans = 0, errors = 0 WHERE id = ?

-- name: drop_trace
-- After everything that refers to it.
DELETE FROM trace WHERE id = ?

-- name: newest_chunk
-- Where a look at all chunks begins.
SELECT coalesce(max(id), 0) FROM chunk

-- name: chunks_before
-- The newest first: the envelope of a deleted span is mostly found again at once.
SELECT id, kind, body FROM chunk WHERE id <= :newest AND id > :oldest ORDER BY id DESC LIMIT :limit

-- name: drop_envelope
-- When no chunk has it any more.
DELETE FROM envelope WHERE hash = ?

-- name: result_bodies
-- To find those of a deleted conversation; results are few beside spans.
SELECT id, body FROM result

-- name: drop_run
-- First the runs, because they refer to the result.
DELETE FROM run WHERE name = ? AND result_id = ?

-- name: drop_result
-- What a replay of a deleted conversation said repeats the conversation.
DELETE FROM result WHERE id = ?

-- name: drop_empty_suites
-- A suite without results is listed nowhere.
DELETE FROM suite WHERE NOT EXISTS (SELECT 1 FROM result WHERE result.suite_id = suite.id)

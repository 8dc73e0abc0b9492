-- Every statement about facts and words. Each begins with its name and then says why it is the way it is. What stands in
-- braces is filled in by search_tables.py with conditions (conditions.py), never with anything a person typed.

-- name: unread
-- The newest first: a person looks for what has just happened. A partial index holds only these.
SELECT id, changes > settled AS is_unsettled FROM conversation
WHERE changes > indexed AND (:project IS NULL OR project_id = (SELECT id FROM project WHERE name = :project))
ORDER BY id DESC LIMIT :limit

-- name: unread_in_turn
-- From where the last look ended: a talk that goes on and on keeps no other waiting.
SELECT id, changes > settled AS is_unsettled FROM conversation
WHERE changes > indexed AND id > :after ORDER BY id LIMIT :limit

-- name: count_unread
-- The same partial index, which is nearly empty most of the time.
SELECT count(*) FROM conversation
WHERE changes > indexed AND (:project IS NULL OR project_id = (SELECT id FROM project WHERE name = :project))

-- name: held_traces
-- Of a trace of which only conversations were brought in, no span is there.
SELECT count(*), coalesce(sum(spans), 0) FROM trace
WHERE spans > 0 AND (:project IS NULL OR project_id = (SELECT id FROM project WHERE name = :project))

-- name: held_conversations
-- By the index of the facts in short.
SELECT count(*), coalesce(sum(calls), 0) FROM facts
WHERE turns > 0 AND (:project IS NULL OR project_id = (SELECT id FROM project WHERE name = :project))

-- name: indexed
-- Whether there are facts already, of which the words must be taken out, and what the conversation is.
SELECT indexed, project_id, name, first_ns FROM conversation WHERE id = ?

-- name: drop_facts
-- Before new ones, or for good.
DELETE FROM facts WHERE conversation_id = ?

-- name: drop_marks
-- By the index on conversations.
DELETE FROM mark WHERE conversation_id = ?

-- name: drop_grades
-- By the index on conversations.
DELETE FROM grade WHERE conversation_id = ?

-- name: marks_of
-- By the index on conversations.
SELECT kind, name, number FROM mark WHERE conversation_id = ?

-- name: drop_mark
-- The least and the greatest of an argument change.
DELETE FROM mark WHERE kind = ? AND name = ? AND number IS ? AND conversation_id = ?

-- name: grades_of
-- By the index on conversations.
SELECT project_id, first_ns, name, value, is_flag FROM grade WHERE conversation_id = ?

-- name: drop_grade
-- A score that was given anew.
DELETE FROM grade
WHERE project_id = ? AND first_ns = ? AND name = ? AND value = ? AND is_flag = ? AND conversation_id = ?

-- name: drop_words
-- The words must be those that are there. The number of a row is the conversation's, and above 40 bits the stretch's.
INSERT INTO talk (talk, rowid, said, replied, argument, result)
VALUES ('delete', :key + (:stretch << 40), :said, :replied, :argument, :result)

-- name: add_facts
-- Columns are named after the fields of the filter language.
INSERT INTO facts (
    conversation_id, project_id, first_ns, started, turns, calls, errors, gaps, latency, tokens, cost, error, gap, unanswered,
    id, session, "user", agent, model, channel, ended, user_id
) VALUES (
    :conversation_id, :project_id, :first_ns, :started, :turns, :calls, :errors, :gaps, :latency, :tokens, :cost, :error, :gap,
    :unanswered, :id, :session, :user, :agent, :model, :channel, :ended, :user_id
)

-- name: add_mark
-- One row for each name, found from the name.
INSERT INTO mark (kind, name, number, conversation_id) VALUES (?, ?, ?, ?)

-- name: add_grade
-- With the time and the project, so that charts need no other table.
INSERT INTO grade (project_id, first_ns, name, value, is_flag, conversation_id) VALUES (?, ?, ?, ?, ?, ?)

-- name: add_words
-- Words only; the texts themselves stay compressed in the reading.
INSERT INTO talk (rowid, said, replied, argument, result)
VALUES (:key + (:stretch << 40), :said, :replied, :argument, :result)

-- name: set_indexed
-- In the transaction that keeps the facts of what was settled.
UPDATE conversation SET indexed = settled, summary = :summary WHERE id = :id

-- name: rewrite_words
-- Deleted words lie around in older segments until these are merged.
INSERT INTO talk (talk) VALUES ('optimize')

-- name: marks_counted
-- How many have a name, as far as it matters.
SELECT count(*) FROM (SELECT 1 FROM mark WHERE kind = :kind AND name = :name LIMIT :most) AS found

-- name: found
-- A page in any order. In that of time the index has it; in others the facts in short are sorted, and only what is shown
-- is fetched: a sort that carried the summaries along would take ten times as long.
SELECT chosen.key, chosen.value, project.name AS project, conversation.summary
FROM (
    SELECT f.conversation_id AS key, {value} AS value, f.project_id FROM facts AS f
    WHERE {scope} AND f.turns > 0 AND ({condition}) AND ({value}, f.conversation_id) {beyond} (:value, :key)
    ORDER BY {value} {way}, f.conversation_id {way} LIMIT :limit
) AS chosen
JOIN conversation ON conversation.id = chosen.key JOIN project ON project.id = chosen.project_id
ORDER BY chosen.value {way}, chosen.key {way}

-- name: found_traces
-- The newest first, with the conversations that may be the reason.
SELECT * FROM (
    SELECT trace.id, project.name AS project, trace.trace_id, trace.first_ns, trace.last_ns, trace.spans, trace.errors,
           (SELECT {keys} FROM membership JOIN facts AS f USING (conversation_id)
            WHERE membership.trace_id = trace.id AND ({condition})) AS keys
    FROM trace JOIN project ON project.id = trace.project_id
    WHERE {scope} AND (trace.first_ns, trace.id) < (:first_ns, :id)
) AS found
WHERE keys IS NOT NULL
ORDER BY first_ns DESC, id DESC LIMIT :limit

-- name: counted
-- The rows of a timeline, out of the facts in short.
SELECT f.conversation_id AS key, f.first_ns, f.errors, f.turns, f.latency FROM facts AS f
WHERE {scope} AND f.turns > 0 AND f.first_ns >= :since_ns AND f.first_ns < :until_ns AND ({condition})

-- name: summed
-- The same added up by stretches, where facts alone decide; the latencies of a stretch as a JSON list, for their median.
SELECT (f.first_ns - :since_ns) / :step_ns AS number, count(*) AS conversations, count(*) FILTER (WHERE f.errors > 0) AS errors,
       sum(f.turns) AS turns, {latencies} AS latencies
FROM facts AS f
WHERE {scope} AND f.turns > 0 AND f.first_ns >= :since_ns AND f.first_ns < :until_ns AND ({condition})
GROUP BY number

-- name: stretch
-- One stretch of everything: a range of the facts in short is added up without sorting any of it.
SELECT count(*) AS conversations, count(*) FILTER (WHERE f.errors > 0) AS errors, coalesce(sum(f.turns), 0) AS turns,
       count(f.latency) AS known, sum(f.latency) AS latency
FROM facts AS f
WHERE f.project_id IN (SELECT id FROM project WHERE CAST(:project AS TEXT) IS NULL OR name = :project)
  AND f.first_ns >= :since_ns AND f.first_ns < :until_ns AND f.turns > 0

-- name: middle_latencies
-- The one or two in the middle of a stretch.
SELECT f.latency FROM facts AS f
WHERE f.project_id IN (SELECT id FROM project WHERE CAST(:project AS TEXT) IS NULL OR name = :project)
  AND f.first_ns >= :since_ns AND f.first_ns < :until_ns AND f.latency IS NOT NULL
ORDER BY f.latency LIMIT :limit OFFSET :before

-- name: stretch_grades
-- The scores of one stretch of everything, with its number.
SELECT CAST(:number AS INTEGER) AS number, g.name, count(*) AS count, avg(g.value) AS mean, min(g.is_flag) AS is_flag
FROM grade AS g
WHERE g.project_id IN (SELECT id FROM project WHERE CAST(:project AS TEXT) IS NULL OR name = :project)
  AND g.first_ns >= :since_ns AND g.first_ns < :until_ns
GROUP BY g.name

-- name: grades_by_hour
-- The scores of a timeline of everything, stretch by stretch, where stretches begin and end with hours.
SELECT (g.hour - :since_ns / 3600000000000) / (:step_ns / 3600000000000) AS number, g.name, sum(g.count) AS count,
       sum(g.total) / sum(g.count) AS mean, sum(g.flags) = sum(g.count) AS is_flag
FROM grade_hour AS g
WHERE g.project_id IN (SELECT id FROM project WHERE CAST(:project AS TEXT) IS NULL OR name = :project)
  AND g.hour >= :since_ns / 3600000000000 AND g.hour < :until_ns / 3600000000000
GROUP BY number, g.name

-- name: graded
-- The scores of a timeline of conversations that were chosen.
SELECT (g.first_ns - :since_ns) / :step_ns AS number, g.name, count(*) AS count, avg(g.value) AS mean,
       min(g.is_flag) AS is_flag
FROM grade AS g
WHERE {scope} AND g.first_ns >= :since_ns AND g.first_ns < :until_ns AND {chosen}
GROUP BY number, g.name

-- name: users
-- By an index that has the users of a project in order, with all that is told of each.
SELECT user_id, count(*) AS conversations, sum(error) AS errors, sum(turns) AS turns,
       min(nullif(first_ns, 0)) AS first_ns, max(first_ns) AS last_ns
FROM facts WHERE project_id = (SELECT id FROM project WHERE name = :project) AND user_id IS NOT NULL
GROUP BY user_id HAVING max(first_ns) < :last_ns OR (max(first_ns) = :last_ns AND user_id > :id)
ORDER BY max(first_ns) DESC, user_id LIMIT :limit

-- name: put_feedback
-- Whoever judges again has changed their mind.
INSERT INTO feedback (project_id, conversation, turn, name, given_by, body)
VALUES (:project_id, :conversation, :turn, :name, :given_by, :body)
ON CONFLICT (conversation, project_id, ifnull(turn, -1), name, given_by) DO UPDATE SET body = excluded.body

-- name: feedback
-- In the order in which it came; also what was said of traces before they turned out to belong together.
SELECT conversation, body FROM feedback
WHERE conversation IN (SELECT value FROM json_each(:names))
  AND project_id = (SELECT id FROM project WHERE name = :project)
ORDER BY id

-- name: drop_feedback
-- With the conversation.
DELETE FROM feedback WHERE conversation = :conversation AND project_id = :project_id

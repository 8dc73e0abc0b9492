-- The statements that PostgreSQL needs otherwise than they stand in queries.sql, documents.sql and search.sql. Each begins
-- with its name there and then says why.

-- name: conversations_named
-- By the hash of the name.
SELECT conversation.id, project.name AS project, conversation.name, origin, changes, settled
FROM conversation JOIN project ON project.id = conversation.project_id
WHERE md5(conversation.name) = md5(:name) AND conversation.name = :name
  AND (:project IS NULL OR project.name = :project)

-- name: conversations_named_like
-- By an index of the beginnings of names.
SELECT conversation.id, project.name AS project, conversation.name, origin, changes, settled
FROM conversation JOIN project ON project.id = conversation.project_id
WHERE left(conversation.name, 256) >= left(:low, 256) AND left(conversation.name, 256) < :high
  AND conversation.name >= :low AND conversation.name < :high
  AND (:project IS NULL OR project.name = :project)
LIMIT 4

-- name: open_conversation
-- The conflict is one of hashes.
INSERT INTO conversation (project_id, name, origin, first_ns, last_ns, spans, errors, changes)
VALUES (:project_id, :name, :origin, 0, 0, 0, 0, 0)
ON CONFLICT (md5(name), project_id) DO UPDATE
SET origin = CASE WHEN conversation.origin = 'import' OR excluded.origin = 'session'
                  THEN excluded.origin ELSE conversation.origin END
RETURNING id

-- name: find_import
-- By the hash of the name.
SELECT conversation.id, origin, reading.body
FROM conversation LEFT JOIN reading ON reading.conversation_id = conversation.id
WHERE md5(conversation.name) = md5(:name) AND conversation.name = :name AND conversation.project_id = :project_id

-- name: put_import
-- The conflict is one of hashes.
INSERT INTO conversation (project_id, name, origin, first_ns, last_ns, spans, errors, changes, settled)
VALUES (:project_id, :name, 'import', :first_ns, :last_ns, 0, 0, 1, 1)
ON CONFLICT (md5(name), project_id) DO UPDATE
SET first_ns = excluded.first_ns, last_ns = excluded.last_ns
RETURNING id

-- name: conversations_of_user
-- By an index of the beginnings of user ids.
SELECT conversation.id, conversation.name
FROM facts JOIN conversation ON conversation.id = facts.conversation_id
WHERE left(facts.user_id, 256) = left(:user_id, 256) AND facts.user_id = :user_id
  AND facts.project_id = (SELECT id FROM project WHERE name = :project)

-- name: document_with_key
-- By the hash of the key.
SELECT * FROM document
WHERE kind = :kind AND md5(key) = md5(:key) AND key = :key AND coalesce(project, '') = coalesce(:project, '')

-- name: drop_mark
-- A comparison of nulls.
DELETE FROM mark WHERE kind = ? AND name = ? AND number IS NOT DISTINCT FROM CAST(? AS double precision) AND conversation_id = ?

-- name: drop_words
-- They are a row like any other.
DELETE FROM talk WHERE conversation_id = :key AND stretch = :stretch

-- name: add_words
-- The key of a row is what it says.
INSERT INTO talk (conversation_id, stretch, said, replied, argument, result)
VALUES (:key, :stretch, :said, :replied, :argument, :result)

-- name: grades_by_hour
-- Nothing is added up beforehand: rows that count would be waited for by every server that writes in the same hour.
SELECT (g.first_ns - :since_ns) / :step_ns AS number, g.name, count(*) AS count, avg(g.value) AS mean,
       min(g.is_flag) AS is_flag
FROM grade AS g
WHERE g.project_id IN (SELECT id FROM project WHERE CAST(:project AS TEXT) IS NULL OR name = :project)
  AND g.first_ns >= :since_ns AND g.first_ns < :until_ns
GROUP BY number, g.name

-- name: put_feedback
-- The conflict is one of hashes.
INSERT INTO feedback (project_id, conversation, turn, name, given_by, body)
VALUES (:project_id, :conversation, :turn, :name, :given_by, :body)
ON CONFLICT (md5(conversation), project_id, coalesce(turn, -1), md5(name), md5(given_by))
DO UPDATE SET body = excluded.body

-- name: linked_conversations
-- Its JSON is unpacked by another function.
SELECT id, project, name, origin, changes, settled, count(*) OVER (PARTITION BY hash) AS sharing FROM (
    SELECT link.hash, conversation.id, project.name AS project, conversation.name, origin, changes, settled,
           row_number() OVER (PARTITION BY link.hash ORDER BY max(link.trace_id) DESC) AS place
    FROM project
    CROSS JOIN json_array_elements_text(CAST(:hashes AS json)) AS asked (value)
    JOIN link ON link.project_id = project.id AND link.hash = CAST(asked.value AS bigint) AND link.role = :role
    JOIN membership ON membership.trace_id = link.trace_id
    JOIN conversation ON conversation.id = membership.conversation_id
    WHERE project.name = :project AND origin = 'trace'
    GROUP BY link.hash, conversation.id, project.id) AS linked
WHERE place <= :limit
ORDER BY hash, place

-- name: feedback
-- JSON of PostgreSQL knows no sign of number 0 either; chr(1114110) stands for it, see postgresql.py.
WITH given AS (
    SELECT value FROM json_array_elements_text(
        CAST(replace(replace(:names, '\\', '\u005c'), '\u0000', chr(1114110)) AS json)
    ) AS names (value)
)
SELECT conversation, body FROM feedback
WHERE md5(conversation) IN (SELECT md5(value) FROM given) AND conversation IN (SELECT value FROM given)
  AND project_id = (SELECT id FROM project WHERE name = :project)
ORDER BY id

-- name: drop_feedback
-- By the hash of the name.
DELETE FROM feedback WHERE md5(conversation) = md5(:conversation) AND conversation = :conversation AND project_id = :project_id

-- Deleting conversations that share no trace with others, a page of them with each statement; others go one by one, see
-- deleting.py.

-- name: unchanged
-- Of those that were looked at: the ones of which nothing came since, and with which no other has a trace in common.
SELECT conversation.id, conversation.project_id, conversation.name
FROM conversation
JOIN unnest(CAST(:keys AS bigint[]), CAST(:changes AS bigint[])) AS looked (id, changes)
    ON looked.id = conversation.id AND looked.changes = conversation.changes
WHERE NOT EXISTS (
    SELECT 1 FROM membership AS mine JOIN membership AS other USING (trace_id)
    WHERE mine.conversation_id = conversation.id AND other.conversation_id <> conversation.id
)

-- name: there
-- Of the others, those that are not gone yet.
SELECT id FROM conversation WHERE id = ANY(CAST(:keys AS bigint[]))

-- name: their_traces
-- With all that is lost with them.
SELECT trace.id, trace.trace_id, trace.spans, membership.conversation_id
FROM membership JOIN trace ON trace.id = membership.trace_id
WHERE membership.conversation_id = ANY(CAST(:keys AS bigint[]))

-- name: their_chunks
-- For the envelopes that are in them.
SELECT kind, body FROM chunk WHERE trace_id = ANY(CAST(:traces AS bigint[]))

-- name: drop_their_feedback
-- That which was given to one of their traces, too.
DELETE FROM feedback USING unnest(CAST(:names AS text[]), CAST(:projects AS bigint[])) AS given (name, project_id)
WHERE md5(feedback.conversation) = md5(given.name) AND feedback.conversation = given.name
  AND feedback.project_id = given.project_id

-- name: drop_them
-- In one go, with all that is found by their keys.
WITH a AS (DELETE FROM facts WHERE conversation_id = ANY(CAST(:keys AS bigint[]))),
     b AS (DELETE FROM mark WHERE conversation_id = ANY(CAST(:keys AS bigint[]))),
     c AS (DELETE FROM grade WHERE conversation_id = ANY(CAST(:keys AS bigint[]))),
     d AS (DELETE FROM talk WHERE conversation_id = ANY(CAST(:keys AS bigint[]))),
     e AS (DELETE FROM reading WHERE conversation_id = ANY(CAST(:keys AS bigint[]))),
     f AS (DELETE FROM membership WHERE conversation_id = ANY(CAST(:keys AS bigint[]))),
     g AS (DELETE FROM link WHERE trace_id = ANY(CAST(:traces AS bigint[]))),
     h AS (DELETE FROM chunk WHERE trace_id = ANY(CAST(:traces AS bigint[]))),
     i AS (UPDATE large_body SET trace_id = NULL, at_ns = 0 WHERE trace_id = ANY(CAST(:traces AS bigint[]))),
     j AS (DELETE FROM trace WHERE id = ANY(CAST(:traces AS bigint[])))
DELETE FROM conversation WHERE id = ANY(CAST(:keys AS bigint[]))

-- name: count_deletions
-- As count_deletion does it.
UPDATE project SET deletions = deletions + 1 WHERE id = ANY(CAST(:projects AS bigint[]))

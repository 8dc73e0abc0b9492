-- What comes in for the first time, a whole request with each statement; what came in part before is filed by arrivals.py.

-- name: add_traces
-- Those that are there already are only locked: who sends the same again at the same moment waits, and finds it.
INSERT INTO trace (project_id, trace_id, first_ns, last_ns, spans, errors)
SELECT :project_id, came.trace_id, came.first_ns, came.last_ns, came.spans, came.errors
FROM unnest(
    CAST(:trace_ids AS bytea[]), CAST(:first_ns AS bigint[]), CAST(:last_ns AS bigint[]), CAST(:spans AS integer[]),
    CAST(:errors AS integer[])
) AS came (trace_id, first_ns, last_ns, spans, errors)
ON CONFLICT (trace_id, project_id) DO UPDATE SET spans = trace.spans
RETURNING id, trace_id, xmax = 0 AS is_new

-- name: lock_conversations
-- Of traces that are there: a trace may leave a conversation, which is gone with its last one.
SELECT id FROM conversation
WHERE id IN (SELECT conversation_id FROM membership WHERE trace_id = ANY(CAST(:traces AS bigint[])))
ORDER BY id FOR UPDATE

-- name: add_envelopes
-- Mostly they are there.
INSERT INTO envelope (hash, body)
SELECT came.hash, came.body FROM unnest(CAST(:hashes AS bytea[]), CAST(:bodies AS bytea[])) AS came (hash, body)
ON CONFLICT DO NOTHING

-- name: add_chunks
-- No statement takes so many bytes as fast.
COPY chunk (trace_id, kind, keys, body) FROM STDIN (FORMAT BINARY)

-- name: open_conversations
-- As open_conversation and grow_conversation do it one by one.
INSERT INTO conversation (project_id, name, origin, first_ns, last_ns, spans, errors, changes)
SELECT :project_id, came.name, came.origin, came.first_ns, came.last_ns, came.spans, came.errors, came.changes
FROM unnest(
    CAST(:names AS text[]), CAST(:origins AS text[]), CAST(:first_ns AS bigint[]), CAST(:last_ns AS bigint[]),
    CAST(:spans AS integer[]), CAST(:errors AS integer[]), CAST(:changes AS integer[])
) AS came (name, origin, first_ns, last_ns, spans, errors, changes)
ON CONFLICT (md5(name), project_id) DO UPDATE
SET origin   = CASE WHEN conversation.origin = 'import' OR excluded.origin = 'session'
                    THEN excluded.origin ELSE conversation.origin END,
    changes  = conversation.changes + excluded.changes,
    spans    = conversation.spans + excluded.spans,
    errors   = conversation.errors + excluded.errors,
    first_ns = CASE WHEN conversation.first_ns = 0 OR excluded.first_ns BETWEEN 1 AND conversation.first_ns
                    THEN excluded.first_ns ELSE conversation.first_ns END,
    last_ns  = greatest(conversation.last_ns, excluded.last_ns)
RETURNING id, name

-- name: join_all
-- None of these traces was in a conversation before.
INSERT INTO membership (conversation_id, trace_id)
SELECT came.conversation_id, came.trace_id
FROM unnest(CAST(:conversations AS bigint[]), CAST(:traces AS bigint[])) AS came (conversation_id, trace_id)

-- Every statement about documents. Each begins with its name and then says why it is the way it is.

-- name: add_document
-- Ids and keys are guarded by unique indexes, so that two processes cannot both take one.
INSERT INTO document
    (kind, id, project, parent, key, state, outcome, position, due_ns, source, also_of, user_id, body)
VALUES (:kind, :id, :project, :parent, :key, :state, :outcome, :position, :due_ns, :source, :also_of, :user, :body)
ON CONFLICT DO NOTHING

-- name: document
-- By the unique index.
SELECT * FROM document WHERE kind = ? AND id = ?

-- name: document_with_key
-- By the unique index, which takes no project for an empty name.
SELECT * FROM document WHERE kind = :kind AND key = :key AND ifnull(project, '') = ifnull(:project, '')

-- name: documents
-- A page of all of a kind.
SELECT * FROM document
WHERE kind = :kind AND (position, seq) > (:position, :seq)
  AND (:state IS NULL OR state = :state) AND (:outcome IS NULL OR outcome = :outcome)
ORDER BY position, seq LIMIT :limit

-- name: documents_of_project
-- A page of those of a project.
SELECT * FROM document
WHERE kind = :kind AND project = :project AND (position, seq) > (:position, :seq)
  AND (:state IS NULL OR state = :state) AND (:outcome IS NULL OR outcome = :outcome)
ORDER BY position, seq LIMIT :limit

-- name: documents_of_parent
-- A page of the parts of a parent.
SELECT * FROM document
WHERE kind = :kind AND parent = :parent AND (position, seq) > (:position, :seq)
  AND (:state IS NULL OR state = :state) AND (:outcome IS NULL OR outcome = :outcome)
ORDER BY position, seq LIMIT :limit

-- name: newest_documents
-- The same three the other way round, for lists that people look at.
SELECT * FROM document
WHERE kind = :kind AND (position, seq) < (:position, :seq)
  AND (:state IS NULL OR state = :state) AND (:outcome IS NULL OR outcome = :outcome)
ORDER BY position DESC, seq DESC LIMIT :limit

-- name: newest_documents_of_project
-- See newest_documents.
SELECT * FROM document
WHERE kind = :kind AND project = :project AND (position, seq) < (:position, :seq)
  AND (:state IS NULL OR state = :state) AND (:outcome IS NULL OR outcome = :outcome)
ORDER BY position DESC, seq DESC LIMIT :limit

-- name: newest_documents_of_parent
-- See newest_documents.
SELECT * FROM document
WHERE kind = :kind AND parent = :parent AND (position, seq) < (:position, :seq)
  AND (:state IS NULL OR state = :state) AND (:outcome IS NULL OR outcome = :outcome)
ORDER BY position DESC, seq DESC LIMIT :limit

-- name: documents_repeating
-- By the index on sources; a conversation is repeated some dozen times at most.
SELECT * FROM document
WHERE source = :source AND kind = :kind AND (:project IS NULL OR project = :project)
ORDER BY seq DESC LIMIT :limit

-- name: count_documents
-- Answered by the index alone.
SELECT state, outcome, count(*) FROM document WHERE kind = ? AND parent = ? GROUP BY state, outcome

-- name: put_document
-- Everything but what it is.
UPDATE document
SET project = :project, parent = :parent, key = :key, state = :state, outcome = :outcome, position = :position,
    due_ns = :due_ns, source = :source, body = :body
WHERE kind = :kind AND id = :id

-- name: documents_in_state
-- For a change of all of them; by the index on state.
SELECT * FROM document WHERE kind = :kind AND parent = :parent AND state = :state ORDER BY position, seq

-- name: due_documents
-- Read inside the transaction that changes them, so nobody else can take the same ones.
SELECT * FROM document WHERE kind = :kind AND due_ns <= :now_ns ORDER BY due_ns, position, seq LIMIT :limit

-- name: due_documents_of_parent
-- Parts are taken in their order: the index has position before the time.
SELECT * FROM document
WHERE kind = :kind AND parent = :parent AND due_ns <= :now_ns
ORDER BY position, seq LIMIT :limit

-- name: next_due
-- When to look again.
SELECT min(due_ns) FROM document WHERE kind = ? AND due_ns IS NOT NULL

-- name: remove_document
-- One.
DELETE FROM document WHERE kind = :kind AND id = :id

-- name: remove_parts
-- All of a parent.
DELETE FROM document WHERE kind = :kind AND parent = :parent

-- name: remove_copies
-- What repeats a conversation goes with it.
DELETE FROM document WHERE source = :source AND (:project IS NULL OR project = :project)

-- name: remove_what_is_also_of
-- What several conversations went into goes with each of them.
DELETE FROM document
WHERE seq IN (SELECT document FROM document_source WHERE source = :source)
  AND (:project IS NULL OR project = :project)

-- name: remove_what_may_hold_it
-- Kept for a day at most, so that nobody looks into it.
DELETE FROM document
WHERE source = :any AND (:project IS NULL OR project IS NULL OR project = :project)

-- name: sources_of_user
-- By the index on users.
SELECT DISTINCT source FROM document
WHERE user_id = :user AND source IS NOT NULL AND (:project IS NULL OR project = :project)

-- name: add_source
-- Beside the list in the document, so that a source finds it.
INSERT INTO document_source (source, document)
SELECT :source, seq FROM document WHERE kind = :kind AND id = :id

-- name: forget_sources
-- Before they are noted anew.
DELETE FROM document_source WHERE document = (SELECT seq FROM document WHERE kind = ? AND id = ?)

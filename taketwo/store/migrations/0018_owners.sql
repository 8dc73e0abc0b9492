-- Whose a recording is (owners.py) is a document from now on. Those of captured calls are of the projects that have the
-- calls; the body is `{}`, compressed.
INSERT INTO document (kind, id, project, parent, state, outcome, position, body)
SELECT DISTINCT 'recording', mark.name || ' ' || project.name, project.name, mark.name, '', '', 0,
                x'7801abae0500017500f9'
FROM mark
JOIN conversation ON conversation.id = mark.conversation_id
JOIN project ON project.id = conversation.project_id
WHERE mark.kind = 'recording';

-- Some documents are made of several conversations, and go with each of them (documents.py): `also_of` is the list as JSON
-- for those who read the document, document_source the same for those who look for a source.
ALTER TABLE document ADD COLUMN also_of TEXT;
-- Whose conversation it repeats, so that a user is found whose conversations have expired.
ALTER TABLE document ADD COLUMN user_id TEXT;
CREATE INDEX document_by_user ON document (user_id) WHERE user_id IS NOT NULL;

CREATE TABLE document_source (
    source   TEXT    NOT NULL,
    document INTEGER NOT NULL,
    PRIMARY KEY (source, document)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_source_by_document ON document_source (document);

CREATE TRIGGER document_sources_go AFTER DELETE ON document WHEN old.also_of IS NOT NULL
BEGIN
    DELETE FROM document_source WHERE document = old.seq;
END;

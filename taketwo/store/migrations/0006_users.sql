-- The users of a project, each with what is told of them, in the order in which they are grouped.
CREATE INDEX facts_of_users ON facts (project_id, user_id, first_ns, error, turns);

-- The facts in short, in the order of lists to the last: they answer what the index of time alone did, and rows that a list
-- does not show are never fetched.
DROP INDEX facts_by_project_and_time;
DROP INDEX facts_in_short;
CREATE INDEX facts_in_short ON facts (
    project_id, first_ns, conversation_id, errors, error, turns, latency, user_id, calls, gaps, tokens, cost
);

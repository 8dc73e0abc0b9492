-- What lists of people ask of all conversations of a project: sorted by something else than time, over time, by user.
-- The facts in short, so that a hundred thousand of them are read in some milliseconds and none of their texts is.
CREATE INDEX facts_in_short ON facts (
    project_id, first_ns, errors, error, turns, latency, user_id, calls, gaps, tokens, cost
);
CREATE INDEX facts_by_channel ON facts (channel, project_id, first_ns);
CREATE INDEX facts_by_user ON facts (user, project_id, first_ns);

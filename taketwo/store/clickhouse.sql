-- Every statement that the mirror sends to ClickHouse. Conversations and spans are replaced as a whole by a later version of
-- theirs, so that sending them twice is as good as once; questions therefore read with FINAL, or ask the view.

-- name: make_conversations
-- Ordered by the store's own key, by which the mirror compares page by page.
CREATE TABLE IF NOT EXISTS conversations (
    key UInt64,
    project LowCardinality(String),
    id String,
    session_id Nullable(String),
    user_id Nullable(String),
    channel LowCardinality(String),
    started_at Nullable(DateTime64(6, 'UTC')),
    ended_at Nullable(DateTime64(6, 'UTC')),
    agent LowCardinality(Nullable(String)),
    model LowCardinality(Nullable(String)),
    turns UInt32,
    calls UInt32,
    tools Array(LowCardinality(String)),
    errors UInt32,
    gaps UInt32,
    latency_ms Nullable(Float64),
    tokens Nullable(UInt64),
    cost_usd Nullable(Float64),
    unanswered Bool,
    tags Array(String),
    scores Map(LowCardinality(String), Float64),
    labels Map(LowCardinality(String), String),
    spans UInt32,
    fingerprint FixedString(32),
    version UInt64
) ENGINE = ReplacingMergeTree(version) ORDER BY key

-- name: make_spans
-- What is asked of one project or conversation lies together. A later copy of a span replaces a less complete one.
CREATE TABLE IF NOT EXISTS spans (
    project LowCardinality(String),
    conversation String,
    trace_id FixedString(32),
    span_id FixedString(16),
    parent_id Nullable(FixedString(16)),
    name LowCardinality(String),
    started_at Nullable(DateTime64(6, 'UTC')),
    duration_ms Nullable(Float64),
    is_error Bool,
    attributes Map(LowCardinality(String), String),
    resource Map(LowCardinality(String), String),
    version UInt64
) ENGINE = ReplacingMergeTree(version) ORDER BY (project, conversation, trace_id, span_id)

-- name: make_hourly
-- A view and no table of sums: sums could not take back what is replaced or deleted.
CREATE VIEW IF NOT EXISTS hourly AS
SELECT
    project, agent, model, toStartOfHour(started_at) AS hour,
    count() AS conversations, countIf(errors > 0) AS failed, countIf(unanswered) AS unanswered, sum(turns) AS turns,
    sum(calls) AS calls, sum(tokens) AS tokens, sum(cost_usd) AS cost_usd, quantile(0.95)(latency_ms) AS p95_latency_ms
FROM (SELECT * FROM conversations FINAL WHERE turns > 0 AND started_at IS NOT NULL)
GROUP BY project, agent, model, hour

-- name: known
-- What is there of a page, to be compared.
SELECT key, project, id, fingerprint, version, spans FROM conversations FINAL WHERE key > {after:UInt64} AND key <= {last:UInt64}

-- name: drop_conversations
-- Written anew without them before it is acknowledged.
ALTER TABLE conversations DELETE WHERE key IN {keys:Array(UInt64)} SETTINGS mutations_sync = 1

-- name: drop_spans
-- The same for what they were made of, and first: what was interrupted is found again by the conversation.
ALTER TABLE spans DELETE WHERE (project, conversation) IN {names:Array(Tuple(String, String))} SETTINGS mutations_sync = 1

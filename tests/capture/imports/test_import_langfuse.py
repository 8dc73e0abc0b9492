"""Langfuse: observations with or without their traces, out of its pages, its API and its blob storage."""

from __future__ import annotations

import json
from typing import Any

import pytest
from imported_story import SAMPLES, assert_is_the_story, conversations_of, read, sample
from recorded_traces import recorded_trace

from taketwo.capture.imports.imported import Unread
from taketwo.capture.otlp import decode_span
from taketwo.span import Span

OBSERVATION = {
    "id": "o-1",
    "traceId": "t-1",
    "type": "GENERATION",
    "name": "chat",
    "startTime": "2026-03-03T09:00:00.000Z",
    "endTime": "2026-03-03T09:00:01.000Z",
    "parentObservationId": None,
    "level": "DEFAULT",
}
TRACE = {"id": "t-1", "timestamp": "2026-03-03T09:00:00.000Z", "sessionId": "s", "userId": "u", "public": False}


def spans(*rows: Any) -> list[Span]:
    received = read("langfuse", "\n".join(json.dumps(row) for row in rows).encode())
    return [decode_span(raw) for item in received for raw in item.spans]


OBSERVATIONS, TRACES = "langfuse-observations.jsonl", "langfuse-traces.json"


@pytest.mark.parametrize(
    "names",
    [
        [OBSERVATIONS, TRACES],
        [TRACES, OBSERVATIONS],
        [TRACES, "langfuse-observations.csv"],
        ["langfuse-blob-observations-v2.jsonl"],
    ],
)
def test_every_way_out_of_langfuse_tells_the_whole_story(names: list[str]) -> None:
    conversation = sample("langfuse", *names)
    assert_is_the_story(conversation)
    assert (conversation.id, conversation.user_id) == ("sess-acme-0001", "user-42")
    assert conversation.agent.name == "support_agent"
    assert conversation.agent.model == "gpt-4o-mini-2024-07-18"
    assert conversation.agent.settings == {"temperature": 0.2}
    assert len(conversation.agent.tools) == 4
    assert [turn.tokens.input for turn in conversation.turns] == [400, 1260, 1240, 740]
    assert [turn.latency_ms for turn in conversation.turns] == [1294.0, 1899.0, 1252.0, 605.0]
    assert conversation.turns[0].cost_usd == pytest.approx(0.00006)
    assert conversation.outcome.scores == ({"helpful": 1} if TRACES in names else {})
    assert conversation.gaps == ()


def test_a_trace_out_of_the_api_brings_its_observations_and_scores() -> None:
    conversation = sample("langfuse", "langfuse-api-trace.json")
    assert_is_the_story(conversation, turns=1)
    assert conversation.outcome.scores == {"helpful": 1}
    assert conversation.id == "sess-acme-0001"


def test_traces_alone_tell_what_was_said_and_no_more() -> None:
    conversation = sample("langfuse", TRACES)
    assert [turn.user.text if turn.user else None for turn in conversation.turns][
        1
    ] == "One mug arrived broken, please refund it."
    assert conversation.turns[1].reply == "Done: $24.50 was refunded to your card (refund R-9)."
    assert list(conversation.calls()) == []
    assert conversation.gaps != ()


def test_observations_without_a_session_are_still_one_conversation() -> None:
    """Each model call repeats what was said before, and by that the traces find together."""
    assert_is_the_story(sample("langfuse", OBSERVATIONS))


def test_a_session_out_of_the_api_gives_its_traces_the_session() -> None:
    session = {
        "id": "s-9",
        "createdAt": "2026-03-03T09:00:00Z",
        "projectId": "p",
        "environment": "default",
        "traces": [TRACE],
    }
    del session["traces"][0]["sessionId"]  # type: ignore[attr-defined]  # the list is made above
    (span,) = spans(session)
    assert span.attributes["session.id"] == "s-9"


def test_the_spans_are_those_that_the_sdk_sends() -> None:
    sent = {
        key
        for name in ("langfuse-observe", "langfuse-stream")
        for span in recorded_trace(name)[0]
        for key in span.attributes
    }
    found = [decode_span(raw) for item in read("langfuse", (SAMPLES / OBSERVATIONS).read_bytes()) for raw in item.spans]
    ours = {key for span in found for key in span.attributes}
    # The server computes the costs, and a default level is not sent.
    assert ours - sent == {"langfuse.observation.cost_details"}
    assert {span.scope for span in found} == {span.scope for span in recorded_trace("langfuse-observe")[0]}
    generations = [span for span in found if span.attributes["langfuse.observation.type"] == "generation"]
    assert len(generations) == 8
    assert json.loads(generations[0].attributes["langfuse.observation.input"])["messages"][1]["role"] == "user"


@pytest.mark.parametrize("name", [OBSERVATIONS, TRACES, "langfuse-observations.csv", "langfuse-api-trace.json"])
def test_the_same_spans_come_at_every_import(name: str) -> None:
    body = (SAMPLES / name).read_bytes()
    assert read("langfuse", body) == read("langfuse", body)


def test_ids_that_are_no_hex_hold_together() -> None:
    root, child = {**OBSERVATION, "type": "SPAN"}, {**OBSERVATION, "id": "o-2", "parentObservationId": "o-1"}
    trace, above, below = spans(TRACE, root, child)
    assert {trace.trace_id, above.trace_id, below.trace_id} == {trace.trace_id}
    assert (below.parent_id, above.parent_id, trace.parent_id) == (above.span_id, trace.span_id, None)


def test_an_error_and_the_time_of_a_trace_are_kept() -> None:
    (failed,) = spans({**OBSERVATION, "level": "ERROR", "statusMessage": "rate limit"})
    assert (failed.status, failed.status_message) == ("error", "rate limit")
    (trace,) = spans({**TRACE, "latency": 1.5})
    assert trace.end_ns - trace.start_ns == 1_500_000_000


def test_usage_of_older_exports_is_counted() -> None:
    (span,) = spans({**OBSERVATION, "model": "m", "promptTokens": 7, "completionTokens": 3, "totalTokens": 10})
    assert json.loads(span.attributes["langfuse.observation.usage_details"]) == {"input": 7, "output": 3, "total": 10}


def test_one_session_in_two_environments_is_two_conversations() -> None:
    said = {"input": "Hi", "output": "Hello"}
    rows = [
        {**TRACE, **said, "id": "a", "sessionId": "s", "environment": "production"},
        {**TRACE, **said, "id": "b", "sessionId": "s", "environment": "staging"},
    ]
    found = conversations_of(read("langfuse", json.dumps(rows).encode()))
    assert [conversation.session_id for conversation in found] == ["s", "s"]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (7, "this is no row of a table of observations or traces"),
        ({"id": "x"}, "the row is neither an observation with a trace id nor a trace with a timestamp"),
        ({**OBSERVATION, "id": None}, "the row has no id"),
        ({**OBSERVATION, "traceId": 4}, "the row has no trace id"),
        ({**OBSERVATION, "startTime": "soon"}, "the start cannot be 'soon'"),
        ({**TRACE, "timestamp": ["now"]}, "the start cannot be"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_the_others_are_read(row: Any, why: str) -> None:
    *bad, good = read("langfuse", "\n".join(json.dumps(each) for each in (OBSERVATION, row, TRACE)).encode())
    assert [(type(item), item.where) for item in bad] == [(Unread, "line 2")]
    assert why in bad[0].why
    assert len(good.spans) == 2


def test_a_bad_observation_in_a_trace_is_named_with_its_place() -> None:
    observations = [OBSERVATION, {**OBSERVATION, "id": ""}, "o-3"]
    bad, good = read("langfuse", json.dumps([{**TRACE, "observations": observations}]).encode())
    assert bad == Unread(where="item 1, observation 2", why="the row has no id")
    assert len(good.spans) == 2

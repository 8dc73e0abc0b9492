"""LangSmith: runs with their inputs and outputs in whatever shape the application has them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from imported_story import SAMPLES, assert_is_the_story, read, sample
from recorded_traces import recorded_trace

from taketwo.capture.imports.imported import Unread
from taketwo.capture.otlp import decode_span
from taketwo.span import Span

RUNS = "langsmith-runs.jsonl"
RUN = {
    "id": "0af76519-16cd-43dd-8448-eb211c80319c",
    "name": "chat",
    "run_type": "llm",
    "trace_id": "0af76519-16cd-43dd-8448-eb211c80319c",
    "start_time": "2026-03-03T09:00:00.000001",
    "end_time": "2026-03-03T09:00:01",
    "inputs": {"messages": [{"role": "user", "content": "Hi"}]},
    "outputs": None,
}


def spans(*runs: Any) -> list[Span]:
    received = read("langsmith", "\n".join(json.dumps(run) for run in runs).encode())
    return [decode_span(raw) for item in received for raw in item.spans]


@pytest.mark.parametrize(
    ("name", "turns"), [(RUNS, 4), ("langsmith-api-runs.json", 1), ("langsmith-langchain-tree.json", 1)]
)
def test_every_way_out_of_langsmith_tells_the_story(name: str, turns: int) -> None:
    conversation = sample("langsmith", name)
    assert_is_the_story(conversation, turns=turns)
    assert (conversation.id, conversation.user_id) == ("sess-acme-0001", "user-42")
    assert conversation.agent.provider == "openai"
    assert conversation.agent.settings == {"temperature": 0.2}
    assert len(conversation.agent.tools) == 4
    assert [turn.tokens.input for turn in conversation.turns] == [400, 1260, 1240, 740][:turns]
    assert [turn.latency_ms for turn in conversation.turns] == [1294.0, 1899.0, 1252.0, 605.0][:turns]
    assert conversation.gaps == ()


def test_cost_and_feedback_come_along() -> None:
    conversation = sample("langsmith", RUNS)
    assert conversation.turns[0].cost_usd == pytest.approx(0.00006)
    assert conversation.outcome.scores == {"helpful": 1.0}


def test_the_spans_are_those_that_the_sdk_sends() -> None:
    sent = {key for span in recorded_trace("langsmith-langgraph")[0] for key in span.attributes}
    found = [decode_span(raw) for item in read("langsmith", (SAMPLES / RUNS).read_bytes()) for raw in item.spans]
    ours = {key for span in found for key in span.attributes}
    assert ours - sent == {
        "langsmith.trace.session_id",  # the exporter has the project's name, the API its id
        "langsmith.metadata.revision_id",
        "gen_ai.cost.total",  # the server computes it
        "gen_ai.response.time_to_first_chunk",  # so does it the first token's time
        "gen_ai.response.id",  # sent for the OpenAI wrapper, which that capture does not use
        "gen_ai.response.model",
        "gen_ai.request.temperature",
    }
    assert {span.scope for span in found} == {"langsmith"}


@pytest.mark.parametrize("name", [RUNS, "langsmith-langchain-tree.json"])
def test_the_same_spans_come_at_every_import(name: str) -> None:
    body = (SAMPLES / name).read_bytes()
    assert read("langsmith", body) == read("langsmith", body)


def test_the_dotted_order_says_where_a_run_hangs() -> None:
    above_it = "20260303T090000000001Z0af76519-16cd-43dd-8448-eb211c80319c"
    order = f"{above_it}.20260303T090000000002Z11111111-16cd-43dd-8448-eb211c80319c"
    child = {**RUN, "id": "11111111-16cd-43dd-8448-eb211c80319c", "trace_id": None, "dotted_order": order}
    above, below = spans(RUN, child)
    assert below.trace_id == above.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert below.parent_id == above.span_id


def test_the_project_is_no_session() -> None:
    (span,) = spans(
        {**RUN, "session_id": "11111111-16cd-43dd-8448-eb211c80319c", "extra": {"metadata": {"thread_id": "t"}}}
    )
    assert span.attributes["langsmith.metadata.thread_id"] == "t"
    assert "session_id" not in span.attributes


def test_an_error_and_the_first_token_are_kept() -> None:
    (span,) = spans({**RUN, "error": "RateLimitError('slow down')", "first_token_time": "2026-03-03T09:00:00.250001"})
    assert (span.status, span.status_message) == ("error", "RateLimitError('slow down')")
    assert span.events[0].attributes["exception.message"] == "RateLimitError('slow down')"
    assert span.attributes["gen_ai.response.time_to_first_chunk"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (7, "this is no run"),
        ({**RUN, "id": None}, "the run has no id"),
        ({**RUN, "run_type": 3}, "the run has no run_type"),
        ({**RUN, "end_time": "later"}, "the end cannot be 'later'"),
    ],
)
def test_a_run_that_cannot_be_read_is_named_and_the_others_are_read(run: Any, why: str) -> None:
    *bad, good = read("langsmith", "\n".join(json.dumps(each) for each in (RUN, run, RUN)).encode())
    assert [(type(item), item.where) for item in bad] == [(Unread, "line 2")]
    assert why in bad[0].why
    assert len(good.spans) == 2


def test_a_bad_run_inside_another_is_named_with_its_place() -> None:
    bad, good = read("langsmith", json.dumps([{**RUN, "child_runs": [{"name": "lost"}, {**RUN, "id": "2"}]}]).encode())
    assert bad == Unread(where="item 1, child run 1", why="the run has no id")
    assert len(good.spans) == 2


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z"])
def test_a_moment_that_no_trace_can_have_is_named_and_the_rest_is_read(moment: str) -> None:
    other = RUN | {"id": "1af76519-16cd-43dd-8448-eb211c80319c", "start_time": moment}
    received = read("langsmith", "\n".join(json.dumps(run) for run in (RUN, other)).encode())
    (unread,) = (one for one in received if isinstance(one, Unread))
    assert "start" in unread.why and len(received) == 2

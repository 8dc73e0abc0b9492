"""Phoenix: whichever way its spans came out, they say what the instrumentation sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from imported_story import SAMPLES, assert_is_the_story, read, sample

from taketwo.capture.imports.imported import Unread
from taketwo.capture.otlp import ReceivedSpans, decode_span
from taketwo.span import Span

NAMES = ["phoenix-rest.json", "phoenix-otlpv1.json", "phoenix-dataframe.jsonl", "phoenix-dataframe.csv"]
ROW = {
    "name": "chat",
    "context": {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"},
    "span_kind": "LLM",
    "parent_id": None,
    "start_time": "2026-03-03T09:00:00.000001+00:00",
    "end_time": "2026-03-03T09:00:01+00:00",
    "status_code": "UNSET",
    "status_message": "",
    "attributes": {},
    "events": [],
}


def spans(*rows: Any) -> list[Span]:
    (received,) = read("phoenix", "\n".join(json.dumps(row) for row in rows).encode())
    assert isinstance(received, ReceivedSpans)
    return [decode_span(raw) for raw in received.spans]


@pytest.mark.parametrize("name", NAMES)
def test_every_way_out_of_phoenix_tells_the_whole_story(name: str) -> None:
    conversation = sample("phoenix", name)
    assert_is_the_story(conversation)
    assert (conversation.id, conversation.user_id) == ("sess-acme-0001", "user-42")
    assert (
        conversation.agent.system_prompt
        == "You are ACME's support agent. Be brief. Use the tools to look things up; never guess."
    )
    assert [tool.name for tool in conversation.agent.tools] == [
        "get_order",
        "get_shipment",
        "issue_refund",
        "search_policy",
    ]
    assert conversation.agent.settings == {"temperature": 0.2}
    assert [turn.tokens.input for turn in conversation.turns] == [400, 1260, 1240, 740]
    assert [turn.latency_ms for turn in conversation.turns] == [1294.0, 1899.0, 1252.0, 605.0]
    assert conversation.gaps == ()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_spans_come_at_every_import(name: str) -> None:
    body = (SAMPLES / name).read_bytes()
    assert read("phoenix", body) == read("phoenix", body)


def test_all_ways_out_give_the_same_spans() -> None:
    def identities(name: str) -> set[tuple[str, str, str | None, int, int]]:
        found = [span for item in read("phoenix", (SAMPLES / name).read_bytes()) for span in item.spans]
        return {(span.trace_id, span.span_id, span.parent_id, span.start_ns, span.end_ns) for span in found}

    assert len({frozenset(identities(name)) for name in NAMES}) == 1


def test_what_the_api_takes_apart_is_one_attribute_again() -> None:
    (span,) = spans(
        {
            **ROW,
            "attributes": {
                "metadata.thread_id": "t-1",
                "metadata.deep.er": [1, 2],
                "tool.parameters.order_id": "A-1",
                "tag.tags": ["prod", "eu"],
            },
        }
    )
    assert json.loads(span.attributes["metadata"]) == {"thread_id": "t-1", "deep": {"er": [1, 2]}}
    assert json.loads(span.attributes["tool.parameters"]) == {"order_id": "A-1"}
    assert span.attributes["tag.tags"] == ["prod", "eu"]


def test_what_is_missing_in_a_dataframe_is_no_attribute() -> None:
    row = {
        "context.trace_id": ROW["context"]["trace_id"],  # type: ignore[index]  # the row is made above
        "context.span_id": "b7ad6b7169203331",
        "span_kind": "LLM",
        "attributes.llm.model_name": float("nan"),
        "attributes.llm.input_messages": [
            {"message.role": "user", "message.content": "Hi", "message.name": float("nan")}
        ],
        "attributes.llm.output_messages": None,
    }
    (span,) = spans(row)
    assert span.attributes == {
        "openinference.span.kind": "LLM",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "Hi",
    }


def test_status_events_and_moments_are_kept() -> None:
    event = {"name": "exception", "timestamp": "2026-03-03T09:00:00.5Z", "attributes": {"exception.message": "no"}}
    (span,) = spans({**ROW, "status_code": "ERROR", "status_message": "boom", "events": [event]})
    assert (span.status, span.status_message) == ("error", "boom")
    assert span.start_ns == 1_772_528_400_000_001_000
    assert [(found.name, found.at_ns, found.attributes) for found in span.events] == [
        ("exception", 1_772_528_400_500_000_000, {"exception.message": "no"})
    ]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (7, "this is no row of a table of spans"),
        ({"span_kind": "LLM"}, "the row has no context with a trace id and a span id"),
        (
            {**ROW, "context": {"trace_id": "x" * 32, "span_id": 4}},
            "the row has no context with a trace id and a span id",
        ),
        ({**ROW, "start_time": "soon"}, "the start cannot be 'soon'"),
        ({"start_time_unix_nano": 1, "trace_id": "no", "span_id": "b7ad6b7169203331"}, "trace_id cannot be 'no'"),
        ({**ROW, "end_time": 2**70}, "the end cannot be"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_the_others_are_read(row: Any, why: str) -> None:
    *bad, good = read("phoenix", "\n".join(json.dumps(each) for each in (ROW, row, ROW)).encode())
    assert [(type(item), item.where) for item in bad] == [(Unread, "line 2")]
    assert why in bad[0].why
    assert len(good.spans) == 2

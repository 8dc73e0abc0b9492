"""OTLP/JSON: every way in which senders write it, and none that brings the receiver down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taketwo.capture.otlp import ReceivedSpans, decode_log, decode_span, read_logs, read_spans
from taketwo.errors import TakeTwoError, TraceUnreadable
from taketwo.span import Span

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def read(document: Any) -> ReceivedSpans:
    return read_spans(json.dumps(document).encode(), "application/json")


def request(*spans: Any) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


def span(**fields: Any) -> dict[str, Any]:
    return {"traceId": TRACE_ID, "spanId": SPAN_ID, **fields}


def read_one(**fields: Any) -> Span:
    received = read(request(span(**fields)))
    assert not received.rejected
    return decode_span(received.spans[0])


def value_of(value: dict[str, Any]) -> Any:
    return read_one(attributes=[{"key": "key", "value": value}]).attributes["key"]


def test_ids_are_hex_in_any_case() -> None:
    assert read_one(traceId=TRACE_ID.upper(), spanId=SPAN_ID.upper()) == read_one()
    assert read_one().trace_id == TRACE_ID
    assert read_one(parentSpanId="").parent_id is None


@pytest.mark.parametrize("written", ["1544712660000000000", 1544712660000000000, 1544712660000000000.0])
def test_a_64_bit_number_may_be_a_string_or_a_number(written: Any) -> None:
    assert read_one(startTimeUnixNano=written).start_ns == 1544712660000000000
    assert value_of({"intValue": written}) == 1544712660000000000


def test_an_enum_is_a_number_and_its_name_is_understood_too() -> None:
    assert read_one(status={"code": 2}).status == read_one(status={"code": "STATUS_CODE_ERROR"}).status == "error"
    assert read(request(span(kind=3, status={"code": 2}))).spans[0].is_error


def test_unknown_fields_are_left_out() -> None:
    assert read_one(shape="round", status={"code": 1, "mood": {}}, links=[{"tone": 1}]) == read_one(status={"code": 1})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"stringValue": "text"}, "text"),
        ({"boolValue": False}, False),
        ({"intValue": "-5"}, -5),
        ({"doubleValue": 2.5}, 2.5),
        ({"doubleValue": 2}, 2.0),
        ({"doubleValue": "NaN"}, "nan"),
        ({"doubleValue": "-Infinity"}, "-inf"),
        ({"bytesValue": "AP8="}, "AP8="),
        ({"arrayValue": {"values": [{"intValue": 1}, {}]}}, [1, None]),
        ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 0}}, {"key": "b"}]}}, {"a": 0, "b": None}),
        ({"kvlistValue": {}}, {}),
        ({"stringValue": "\ud800 alone"}, "\ufffd alone"),
        ({}, None),
        ({"stringValue": None, "intValue": 3, "arrayValue": None}, 3),
    ],
)  # fmt: skip
def test_a_value_means_what_it_says(written: dict[str, Any], meant: Any) -> None:
    found = value_of(written)
    assert found == meant
    assert type(found) is type(meant)


def test_snake_case_with_every_member_null_is_read_like_camel_case() -> None:
    """So does Phoenix write its own export."""
    nulls = dict.fromkeys(("array_value", "bool_value", "bytes_value", "double_value", "int_value", "kvlist_value"))
    document = {
        "resource_spans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {**nulls, "string_value": "shop"}}]},
                "scope_spans": [
                    {
                        "scope": {"name": "scope", "version": None},
                        "spans": [
                            {
                                "trace_id": TRACE_ID,
                                "span_id": SPAN_ID,
                                "parent_span_id": None,
                                "start_time_unix_nano": 7,
                                "attributes": [{"key": "session.id", "value": {**nulls, "string_value": "s"}}],
                                "events": [{"name": "exception", "time_unix_nano": "8"}],
                                "dropped_attributes_count": 2,
                            }
                        ],
                    }
                ],
            }
        ]
    }
    (raw,) = read(document).spans
    assert raw.session_id == "s"
    found = decode_span(raw)
    assert (found.resource, found.scope, found.start_ns) == ({"service.name": "shop"}, "scope", 7)
    assert (found.events[0].name, found.events[0].at_ns, found.dropped_attributes) == ("exception", 8, 2)


@pytest.mark.parametrize(
    ("malformed", "why"),
    [
        (span(traceId="xyz"), "trace_id cannot be 'xyz'"),
        (span(traceId=TRACE_ID + "ab"), "the trace id has 17 bytes, not 16"),
        (span(traceId="0" * 32), "the trace id is all zero"),
        (span(traceId=7), "trace_id cannot be 7"),
        (span(startTimeUnixNano="soon"), "start_time_unix_nano cannot be 'soon'"),
        (span(startTimeUnixNano=2**64), "start_time_unix_nano cannot be 18446744073709551616"),
        (span(startTimeUnixNano=-1), "start_time_unix_nano cannot be -1"),
        (span(startTimeUnixNano=1.5), "start_time_unix_nano cannot be 1.5"),
        (span(droppedAttributesCount=True), "dropped_attributes_count cannot be True"),
        (span(name={"text": 1}), "name cannot be {'text': 1}"),
        (span(attributes={"a": 1}), "attributes is an object, not a list"),
        (span(attributes=["a"]), "KeyValue is a string, not an object"),
        (span(attributes=[{"key": "a", "value": "b"}]), "AnyValue is a string, not an object"),
        (span(attributes=[{"key": "a", "value": {"boolValue": "no"}}]), "bool_value cannot be 'no'"),
        (span(attributes=[{"key": "a", "value": {"bytesValue": "é"}}]), "bytes_value cannot be 'é'"),
        (span(status={"code": "FINE"}), "code cannot be 'FINE'"),
        ("span", "Span is a string, not an object"),
        (None, "Span is null, not an object"),
    ],
)  # fmt: skip
def test_a_malformed_span_is_refused_by_name_and_the_others_go_through(malformed: Any, why: str) -> None:
    received = read(request(span(), malformed, span()))
    assert len(received.spans) == 2
    (line,) = received.rejected
    assert why in line


def test_a_value_nested_too_deep_is_refused_with_its_span_alone() -> None:
    deepest: dict[str, Any] = {"stringValue": "end"}
    for _ in range(40):
        deepest = {"arrayValue": {"values": [deepest]}}
    assert "end" in json.dumps(value_of(deepest))
    too_deep = deepest
    for _ in range(10):
        too_deep = {"arrayValue": {"values": [too_deep]}}
    received = read(request(span(attributes=[{"key": "a", "value": too_deep}]), span()))
    assert len(received.spans) == 1
    assert "nested" in received.rejected[0]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"resourceSpans":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":'
        + b'{"kvlistValue":{"values":[{"key":"a","value":' * 300
        + b"{}"
        + b"}]}}" * 300
        + b"}]}}]}",
    ],
    ids=["open brackets", "open objects", "closed brackets", "good values"],
)
def test_a_bomb_of_brackets_is_an_error_of_ours(body: bytes) -> None:
    with pytest.raises(TraceUnreadable):
        read_spans(body, "application/json")
    with pytest.raises(TraceUnreadable):
        read_logs(body.replace(b"Spans", b"Logs"), "application/json")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no JSON"),
        (b"no", "no JSON"),
        (b"[]", "a list, not an object"),
        (b"null", "null, not an object"),
        (b"\xff\xff", "no JSON"),
        (b'{"resourceSpans": {}}', "resource_spans is an object, not a list"),
        (b'{"resourceSpans": [1]}', "ResourceSpans is a number, not an object"),
        (b'{"n": ' + b"9" * 5000 + b"}", "no JSON"),
    ],
)
def test_what_is_no_request_is_named(body: bytes, why: str) -> None:
    with pytest.raises(TraceUnreadable, match=why):
        read_spans(body, "application/json")


def test_a_log_record_has_its_event_name_and_a_structured_body() -> None:
    body = {"kvlistValue": {"values": [{"key": "content", "value": {"stringValue": "Hi"}}]}}
    record = {"timeUnixNano": "0", "observedTimeUnixNano": "9", "eventName": "gen_ai.user.message", "body": body}
    document = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record, {"body": 1}]}]}]}
    received = read_logs(json.dumps(document).encode(), "application/json")
    found = decode_log(received.logs[0])
    assert (found.event_name, found.body, found.at_ns) == ("gen_ai.user.message", {"content": "Hi"}, 9)
    assert received.rejected == ["log record without id: AnyValue is a number, not an object"]


keys = st.sampled_from([
    "resourceSpans", "resource_spans", "resourceLogs", "scopeSpans", "scopeLogs", "spans", "logRecords", "traceId",
    "spanId", "attributes", "key", "value", "stringValue", "intValue", "doubleValue", "boolValue", "bytesValue",
    "arrayValue", "kvlistValue", "values", "status", "code", "events", "resource", "scope", "body", "idKeys",
    "entityRefs",
])  # fmt: skip
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.sampled_from([TRACE_ID, SPAN_ID])
)
wild = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5))


def given_as_request(value: Any) -> Any:
    return {
        "resourceSpans": [
            {"resource": {}, "scopeSpans": [{"spans": [span(attributes=value), value, span(events=value)]}]}
        ]
    }


@given(wild | wild.map(given_as_request) | st.dictionaries(keys, wild, max_size=3))
@settings(max_examples=400, deadline=None)
def test_no_json_makes_it_stumble(document: Any) -> None:
    body = json.dumps(document).encode()
    for read_body, decode in ((read_spans, decode_span), (read_logs, decode_log)):
        try:
            received: Any = read_body(body, "application/json")
            for raw in received.spans if isinstance(received, ReceivedSpans) else received.logs:
                decode(raw).to_json()  # type: ignore[arg-type]  # each decoder gets what its reader gave
        except TakeTwoError:
            pass

"""OTLP requests: what is in them comes out, what breaks a rule is named, and only our own errors are raised."""

from __future__ import annotations

import gzip
import itertools
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from made_spans import chat_span, raw_spans, text
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from taketwo.capture.otlp import (
    UnknownContentType,
    decode_log,
    decode_span,
    read_logs,
    read_spans,
)
from taketwo.capture.session_keys import IN_JSON, SESSION_KEYS
from taketwo.errors import TakeTwoError, TraceUnreadable
from taketwo.span import RawSpan

CAPTURES = Path(__file__).parent.parent / "data" / "otlp"
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
TRACE_ID, SPAN_ID = bytes(range(16)), bytes(range(8))


def capture(name: str) -> bytes:
    return gzip.decompress((CAPTURES / f"{name}.gz").read_bytes())


CHAT = capture("openinference-openai-chat-traces.pb")
CHAT_JSON = capture("openinference-openai-chat-traces.json")
LOGS = capture("otel-openai-v2-chat-legacy-logs.pb")
LOGS_JSON = capture("otel-openai-v2-chat-legacy-logs.json")


def request(*spans: SpanMessage) -> bytes:
    message = ExportTraceServiceRequest()
    message.resource_spans.add().scope_spans.add().spans.extend(spans)
    return message.SerializeToString()


def span(**fields: Any) -> SpanMessage:
    return SpanMessage(**{"trace_id": TRACE_ID, "span_id": SPAN_ID, "name": "chat", **fields})


def with_attributes(*pairs: tuple[str, Any]) -> SpanMessage:
    made = span()
    for key, value in pairs:
        fill(made.attributes.add(key=key).value, value)
    return made


def fill(target: AnyValue, value: Any) -> None:
    match value:
        case None:
            pass
        case bool():
            target.bool_value = value
        case int():
            target.int_value = value
        case float():
            target.double_value = value
        case str():
            target.string_value = value
        case list():
            target.array_value.SetInParent()
            for item in value:
                fill(target.array_value.values.add(), item)
        case dict():
            target.kvlist_value.SetInParent()
            for key, item in value.items():
                fill(target.kvlist_value.values.add(key=key).value, item)


def only(body: bytes) -> RawSpan:
    received = read_spans(body, PROTOBUF)
    assert not received.rejected
    (raw,) = received.spans
    return raw


def test_a_real_capture_comes_out_whole() -> None:
    received = read_spans(CHAT, PROTOBUF)
    spans = [decode_span(raw) for raw in received.spans]
    assert len(spans) == 17
    assert not received.rejected
    assert {raw.session_id for raw in received.spans} == {"sess-acme-0001"}
    model_calls = [found for found in spans if found.name == "ChatCompletion"]
    assert len(model_calls) == 8
    first = model_calls[0]
    assert first.scope == "openinference.instrumentation.openai"
    assert first.scope_version
    assert first.resource["service.name"]
    assert first.attributes["llm.input_messages.1.message.content"] == "Hi, where is my order A-1001?"
    assert isinstance(first.attributes["llm.token_count.prompt"], int)
    assert first.parent_id in {found.span_id for found in spans}
    assert first.status == "ok"
    assert 0 < first.start_ns < first.end_ns


def test_the_same_request_in_protobuf_and_in_json_is_one_stored_form() -> None:
    assert read_spans(CHAT, PROTOBUF) == read_spans(CHAT_JSON, "application/json")
    assert read_logs(LOGS, PROTOBUF) == read_logs(LOGS_JSON, "application/json; charset=utf-8")


def test_log_records_come_out_with_their_bodies_and_the_spans_they_belong_to() -> None:
    received = read_logs(LOGS, PROTOBUF)
    records = [decode_log(raw) for raw in received.logs]
    assert len(records) == 87
    choice = next(record for record in records if record.event_name == "gen_ai.choice")
    assert choice.body["message"]["role"] == "assistant"
    assert len(choice.trace_id) == 32
    assert len(choice.span_id) == 16
    assert choice.at_ns > 0


def test_every_capture_reads_alike_in_both_encodings_and_is_recognised_at_the_wrong_address(shared_data: Path) -> None:
    folders = [folder for folder in (shared_data / "traces").iterdir() if folder.is_dir()]
    assert len(folders) > 50
    for folder in folders:
        traces, traces_json = (folder / "traces.pb").read_bytes(), (folder / "traces.json").read_bytes()
        spans = read_spans(traces, PROTOBUF)
        assert spans == read_spans(traces_json, "application/json"), folder.name
        assert spans.spans
        assert not spans.rejected
        for raw in spans.spans:
            decode_span(raw)
        for body, content_type in ((traces, PROTOBUF), (traces_json, "application/json")):
            with pytest.raises(TraceUnreadable, match="look like spans"):
                read_logs(body, content_type)
        if (folder / "logs.pb").exists():
            logs, logs_json = (folder / "logs.pb").read_bytes(), (folder / "logs.json").read_bytes()
            assert read_logs(logs, PROTOBUF) == read_logs(logs_json, "application/json"), folder.name
            for body, content_type in ((logs, PROTOBUF), (logs_json, "application/json")):
                with pytest.raises(TraceUnreadable, match="look like log records") as caught:
                    read_spans(body, content_type)
                assert "/v1/logs" in str(caught.value)


@pytest.mark.parametrize(
    "content_type", ["application/protobuf", "application/x-protobuf; charset=utf-8", " Application/X-Protobuf ;q=1"]
)
def test_a_content_type_may_have_parameters_and_capitals(content_type: str) -> None:
    assert read_spans(CHAT, content_type) == read_spans(CHAT, PROTOBUF)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/grpc", "application/jsonl"])
def test_another_content_type_is_an_error_of_its_own(content_type: str) -> None:
    with pytest.raises(UnknownContentType, match=content_type or "no content type"):
        read_spans(CHAT, content_type)
    with pytest.raises(UnknownContentType):
        read_logs(LOGS, content_type)


@pytest.mark.parametrize(("body", "content_type"), [(b"", PROTOBUF), (b"{}", "application/json")])
def test_an_empty_request_is_no_error(body: bytes, content_type: str) -> None:
    assert read_spans(body, content_type).spans == []
    assert read_logs(body, content_type).logs == []


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ({"trace_id": bytes(16)}, "the trace id is all zero"),
        ({"span_id": bytes(8)}, "the span id is all zero"),
        ({"trace_id": b"short"}, "the trace id has 5 bytes, not 16"),
        ({"trace_id": b""}, "the trace id has 0 bytes, not 16"),
        ({"span_id": bytes(9)}, "the span id has 9 bytes, not 8"),
        ({"parent_span_id": b"abc"}, "the parent span id has 3 bytes, not 8"),
        ({"start_time_unix_nano": 2**63}, "after the year 2262"),
        ({"end_time_unix_nano": 2**64 - 1}, "after the year 2262"),
    ],
)
def test_a_span_that_breaks_a_rule_is_refused_and_the_others_go_through(broken: dict[str, Any], rule: str) -> None:
    received = read_spans(request(span(name="one"), span(**broken), span(name="two")), PROTOBUF)
    assert [decode_span(raw).name for raw in received.spans] == ["one", "two"]
    (line,) = received.rejected
    assert rule in line


def test_spans_that_are_all_refused_are_not_taken_for_log_records() -> None:
    received = read_spans(request(span(trace_id=b""), span(span_id=b"")), PROTOBUF)
    assert received.spans == []
    assert len(received.rejected) == 2


def test_a_parent_of_zeros_is_no_parent() -> None:
    assert only(request(span(parent_span_id=bytes(8)))).parent_id is None


def test_the_most_telling_key_names_the_session_wherever_it_stands() -> None:
    for better, worse in itertools.pairwise(key for key in SESSION_KEYS if key not in IN_JSON):
        assert only(request(with_attributes((worse, "no"), (better, "yes")))).session_id == "yes"
        assert only(request(with_attributes((better, "yes"), (worse, "no")))).session_id == "yes"
    assert only(request(with_attributes(("llm.session", "no")))).session_id is None


@pytest.mark.parametrize("nothing", ["", "[Scrubbed due to 'session']", "__REDACTED__", 7, None])
def test_what_hides_a_session_does_not_name_one(nothing: Any) -> None:
    assert only(request(with_attributes(("session.id", nothing), ("thread_id", "t-1")))).session_id == "t-1"


def test_the_status_is_told() -> None:
    for code, name, is_error in ((0, "unset", False), (1, "ok", False), (2, "error", True), (9, "unset", False)):
        raw = only(request(span(status={"code": code, "message": "why"})))
        assert (decode_span(raw).status, raw.is_error) == (name, is_error)
        assert decode_span(raw).status_message == "why"


def test_a_log_record_without_a_time_has_the_time_of_its_observation_and_an_id_that_is_none_is_absent() -> None:
    message = ExportLogsServiceRequest()
    records = message.resource_logs.add().scope_logs.add().log_records
    records.add(time_unix_nano=5, observed_time_unix_nano=9, trace_id=TRACE_ID, span_id=SPAN_ID)
    records.add(observed_time_unix_nano=9, trace_id=bytes(16), span_id=b"short")
    records.add(observed_time_unix_nano=2**63)
    received = read_logs(message.SerializeToString(), PROTOBUF)
    first, second = (decode_log(raw) for raw in received.logs)
    assert (first.at_ns, first.trace_id, first.span_id) == (5, TRACE_ID.hex(), SPAN_ID.hex())
    assert (second.at_ns, second.trace_id, second.span_id) == (9, "", "")
    assert len(received.rejected) == 1


plain_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
any_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | plain_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain_text, inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(st.dictionaries(plain_text, any_value, max_size=4))
@settings(deadline=None)
def test_attributes_come_out_as_they_went_in(attributes: dict[str, Any]) -> None:
    decoded = decode_span(only(request(with_attributes(*attributes.items())))).attributes
    assert json.dumps(decoded) == json.dumps(attributes)


def test_values_that_json_does_not_have_get_its_nearest() -> None:
    made = with_attributes(("nan", math.nan), ("inf", -math.inf), ("missing", None), ("empty", {}), ("none", []))
    made.attributes.add(key="bytes").value.bytes_value = b"\x00\xff"
    assert decode_span(only(request(made))).attributes == {
        "nan": "nan",
        "inf": "-inf",
        "missing": None,
        "empty": {},
        "none": [],
        "bytes": "AP8=",
    }


def test_text_that_is_no_utf8_is_named() -> None:
    body = request(with_attributes(("key", "XXXX"))).replace(b"XXXX", b"\xff\xfe\xfd\xfc")
    with pytest.raises(TraceUnreadable, match=r"no OTLP trace request: .*pars"):
        read_spans(body, PROTOBUF)


def test_values_nested_without_end_are_an_error_of_ours() -> None:
    body = b"\x0a\x00"
    for _ in range(5000):
        body = b"\x2a" + length_of(body) + body  # AnyValue.array_value …
        body = b"\x0a" + length_of(body) + body  # … ArrayValue.values
    attribute = b"\x12" + length_of(body) + body
    nested = b"\x4a" + length_of(attribute) + attribute  # Span.attributes
    for tag in (b"\x12", b"\x12", b"\x0a"):
        nested = tag + length_of(nested) + nested
    with pytest.raises(TraceUnreadable):
        read_spans(nested, PROTOBUF)


def length_of(body: bytes) -> bytes:
    """The length in protobuf's varint."""
    number, encoded = len(body), b""
    while number > 127:
        encoded, number = encoded + bytes([number & 127 | 128]), number >> 7
    return encoded + bytes([number])


def test_a_damaged_row_of_the_store_is_named() -> None:
    raw = read_spans(CHAT, PROTOBUF).spans[0]
    with pytest.raises(TraceUnreadable, match="cannot be decoded") as caught:
        decode_span(raw.but(body=raw.body[:-3]))
    assert caught.value.where == f"span {raw.span_id}"
    with pytest.raises(TraceUnreadable):
        decode_span(raw.but(envelope=b"\xff"))
    log = read_logs(LOGS, PROTOBUF).logs[0]
    with pytest.raises(TraceUnreadable):
        decode_log(log.but(body=b"\xff"))


# Whatever comes in, only our own errors go out, and whatever was accepted can be decoded and written as JSON.


def reads_or_refuses(body: bytes, content_type: str) -> None:
    try:
        for raw in read_spans(body, content_type).spans:
            decode_span(raw).to_json().decode()
    except TakeTwoError:
        pass
    try:
        for log in read_logs(body, content_type).logs:
            decode_log(log).to_json().decode()
    except TakeTwoError:
        pass


content_types = st.sampled_from([PROTOBUF, "application/json"])


@given(st.binary(max_size=200), content_types)
@example(b"\x0a\x00" * 50, PROTOBUF)
@example(b"\xef\xbb\xbf{}", "application/json")
@example(b"\xff\xfe{\x00}\x00", "application/json")
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_it_stumble(body: bytes, content_type: str) -> None:
    reads_or_refuses(body, content_type)


@given(
    st.sampled_from([(CHAT, PROTOBUF), (LOGS, PROTOBUF), (CHAT_JSON, JSON), (LOGS_JSON, JSON)]),
    st.integers(0, 2**32),
    st.integers(1, 12),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_damage_to_a_real_capture_makes_it_stumble(taken: tuple[bytes, str], seed: int, wounds: int) -> None:
    body, content_type = taken
    reads_or_refuses(damaged(body, random.Random(seed), wounds), content_type)


def damaged(body: bytes, chance: random.Random, wounds: int) -> bytes:
    """The body with some bytes overwritten, cut out, put in or repeated."""
    for _ in range(wounds):
        at = chance.randrange(len(body) + 1)
        until = min(len(body), at + chance.choice([0, 1, 1, 4, 100]))
        patch = chance.choice([b"", chance.randbytes(until - at), b'"', b"{", b"0", b"\xff" * 9, body[at:until] * 2])
        body = body[:at] + patch + body[until:]
    return body


def test_a_session_is_filed_under_whatever_key_names_it_and_quoted_ids_are_read_later() -> None:
    def named(key: str, value: str) -> str | None:
        span = chat_span(1, 1)
        span.attributes.append(text(key, value))
        return raw_spans(span)[0].session_id

    assert {key: named(key, "s-1") for key in SESSION_KEYS if key not in IN_JSON} == {
        key: "s-1" for key in SESSION_KEYS if key not in IN_JSON
    }
    assert named("mlflow.trace.session", '"s-1"') is None

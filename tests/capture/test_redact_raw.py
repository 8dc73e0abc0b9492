"""Redaction at ingest: what is on the wire, before anything of it is on disk."""

from __future__ import annotations

import gzip
import json

import pytest
from made_spans import chat_span, raw_logs, raw_spans, text, trace_request
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from recorded_traces import FOLDER, NAMES, PROTOBUF

from taketwo.capture.otlp import decode_log, decode_span, read_logs, read_spans
from taketwo.capture.reconstruct import reconstruct
from taketwo.capture.redact import Redactor, Report
from taketwo.capture.redact_raw import redact_log_body, redact_span_body
from taketwo.errors import TraceUnreadable
from taketwo.span import RawLog, RawSpan

REDACTOR = Redactor(b"0123456789abcdef0123456789abcdef")


def recorded(name: str) -> tuple[list[RawSpan], list[RawLog]]:
    spans = read_spans(gzip.decompress((FOLDER / f"{name}.traces.pb.gz").read_bytes()), PROTOBUF).spans
    file = FOLDER / f"{name}.logs.pb.gz"
    return spans, read_logs(gzip.decompress(file.read_bytes()), PROTOBUF).logs if file.exists() else []


def test_a_span_without_anything_personal_stays_byte_for_byte() -> None:
    (raw,) = raw_spans(chat_span(1, 1, session="s-1"))
    report = Report()
    assert redact_span_body(raw, REDACTOR, report) is raw
    assert not report


def test_every_place_of_a_span_is_redacted() -> None:
    span = chat_span(1, 1, said=["I am ann@corp.io"], session="ann@corp.io")
    span.name = "GET /users/ann@corp.io"
    span.status.message = "no ann@corp.io"
    span.events.add(name="exception").attributes.append(text("exception.message", "ann@corp.io"))
    span.links.add().attributes.append(text("why", "ann@corp.io"))
    inner = KeyValueList(
        values=[text("email", "ann@corp.io"), KeyValue(key="phone", value=AnyValue(int_value=4155552671))]
    )
    span.attributes.extend(
        [
            KeyValue(key="user", value=AnyValue(kvlist_value=inner)),
            KeyValue(key="list", value=AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="ann@corp.io")]))),
            text("llm.headers.authorization", "Bearer 0a1b2c3d4e5f6a7b"),
            text("twice", "ann@corp.io"),
            text("twice", "ann@corp.io"),
        ]
    )
    (raw,) = read_spans(
        trace_request(span, resource={"host.contact": "ann@corp.io", "service.name": "desk"}), PROTOBUF
    ).spans
    new = redact_span_body(raw, REDACTOR)
    for part in (new.body, new.envelope, (new.session_id or "").encode()):
        assert b"ann@" not in part and b"0a1b2c3d" not in part and b"example.com" in part
    before, after = decode_span(raw), decode_span(new)
    assert after.attributes["gen_ai.conversation.id"] == new.session_id
    assert after.attributes["user"]["phone"] != 4155552671
    assert json.loads(after.attributes["gen_ai.input.messages"])[0]["parts"][0]["content"] == f"I am {new.session_id}"
    assert after.resource["service.name"] == "desk"
    assert list(after.attributes) == list(before.attributes)
    assert redact_span_body(new, REDACTOR) is new


def test_a_log_record_is_redacted_and_one_without_anything_stays() -> None:
    clean, raw = raw_logs((1, 1, "hello"), (1, 1, '{"content": "I am ann@corp.io"}'), session="ann@corp.io")
    new = redact_log_body(raw, REDACTOR)
    assert decode_log(new).body == f'{{"content": "I am {new.session_id}"}}'
    assert redact_log_body(new, REDACTOR) is new
    assert decode_log(redact_log_body(clean, REDACTOR)).body == "hello"


def test_damaged_bytes_are_named() -> None:
    (raw,) = raw_spans(chat_span(1, 1))
    with pytest.raises(TraceUnreadable, match="cannot be decoded"):
        redact_span_body(raw.but(body=b"\xff\xff"), REDACTOR)


@pytest.mark.parametrize("name", NAMES)
def test_redaction_at_ingest_changes_no_conversations_shape(name: str) -> None:
    spans, logs = recorded(name)
    before = reconstruct([decode_span(raw) for raw in spans], [decode_log(raw) for raw in logs])
    after = reconstruct(
        [decode_span(redact_span_body(raw, REDACTOR)) for raw in spans],
        [decode_log(redact_log_body(raw, REDACTOR)) for raw in logs],
    )
    assert [len(turn.steps) for turn in after.turns] == [len(turn.steps) for turn in before.turns]
    assert [gap.where for gap in after.gaps] == [gap.where for gap in before.gaps]
    assert [call.tool for _, _, call in after.calls()] == [call.tool for _, _, call in before.calls()]
    assert [call.arguments.keys() for _, _, call in after.calls()] == [
        call.arguments.keys() for _, _, call in before.calls()
    ]

"""OTLP in files: every build in which exporters and the Collector write it."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from taketwo.capture.imports import otlp_file
from taketwo.capture.imports.imported import Unread
from taketwo.capture.otlp import ReceivedLogs, ReceivedSpans, read_logs, read_spans

CAPTURES = Path(__file__).parent.parent.parent / "data" / "otlp"
PROTOBUF = "application/x-protobuf"


def capture(name: str) -> bytes:
    return gzip.decompress((CAPTURES / f"{name}.gz").read_bytes())


TRACES, TRACES_JSON = capture("openinference-openai-chat-traces.pb"), capture("openinference-openai-chat-traces.json")
LOGS, LOGS_JSON = capture("otel-openai-v2-chat-legacy-logs.pb"), capture("otel-openai-v2-chat-legacy-logs.json")
SPANS = ReceivedSpans(spans=read_spans(TRACES, PROTOBUF).spans)
RECORDS = ReceivedLogs(logs=read_logs(LOGS, PROTOBUF).logs)


def read(body: bytes) -> list[Any]:
    assert otlp_file.reads(body[: 256 * 1024])
    return list(otlp_file.read(io.BufferedReader(io.BytesIO(body))))  # type: ignore[type-var]  # bytes are raw enough


def framed(*bodies: bytes) -> bytes:
    return b"".join(len(body).to_bytes(4) + body for body in bodies)


def line(body: bytes) -> bytes:
    return json.dumps(json.loads(body)).encode()


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (TRACES, [SPANS]),
        (LOGS, [RECORDS]),
        (TRACES_JSON, [SPANS]),
        (LOGS_JSON, [RECORDS]),
        (json.dumps(json.loads(TRACES_JSON), indent=2).encode(), [SPANS]),
        (line(TRACES_JSON) + b"\n" + line(LOGS_JSON) + b"\n" + line(TRACES_JSON) + b"\n", [SPANS, RECORDS, SPANS]),
        (b"[" + TRACES_JSON + b"," + LOGS_JSON + b"]", [SPANS, RECORDS]),
        (json.dumps({**json.loads(TRACES_JSON), **json.loads(LOGS_JSON)}).encode(), [SPANS, RECORDS]),
        (framed(TRACES, LOGS, b"", TRACES), [SPANS, RECORDS, SPANS]),
        (framed(line(TRACES_JSON), line(LOGS_JSON)), [SPANS, RECORDS]),
        (framed(*map(zstandard.compress, (TRACES, line(LOGS_JSON)))), [SPANS, RECORDS]),
    ],
    ids=[
        "protobuf", "protobuf logs", "JSON", "JSON logs", "indented JSON", "lines", "array", "both in one", "framed",
        "framed JSON", "framed and packed one by one",
    ],
)  # fmt: skip
def test_a_build_is_recognised_and_read(body: bytes, found: list[Any]) -> None:
    assert read(body) == found


def test_what_was_refused_is_named_and_the_rest_is_there() -> None:
    document = json.loads(TRACES_JSON)
    spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans[0]["traceId"] = "no"
    bad, good = read(b"{}\n" + json.dumps(document).encode())[1:]
    assert bad == Unread(where="line 2", why=f"span {spans[0]['spanId']}: trace_id cannot be 'no'")
    assert len(good.spans) == len(SPANS.spans) - 1
    assert good.rejected == []


def test_a_line_that_is_no_otlp_is_named_and_the_others_are_read() -> None:
    found = read(b"\n".join([line(TRACES_JSON), b'{"resourceMetrics": []}', b'{"resourceSpans": 1}', b"oops", b"7"]))
    assert found[0] == SPANS
    assert [(item.where, item.why.split(":")[0]) for item in found[1:]] == [
        ("line 2", "this is no OTLP"),
        ("line 3", "resource_spans is a number, not a list"),
        ("line 4", "the line is no JSON"),
        ("line 5", "this is no OTLP"),
    ]


def test_a_damaged_record_is_named_and_the_others_are_read() -> None:
    bad = b"\x0a\x05\x0a\x03abc"
    first, second, third = read(framed(TRACES, bad, LOGS))
    assert (first, third) == (SPANS, RECORDS)
    assert second.where == "record 2"


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        (b"\x00\x00", "the file ends in the middle of it"),
        (b"\x00\x00\x00\x09abc", "the file ends in the middle of it"),
        (b"\xff\xff\xff\xff" + b"x" * 100, "its length is given as 4,294,967,295 bytes; what follows is not read"),
    ],
)
def test_a_file_that_ends_in_a_record_gives_those_before_it(rest: bytes, why: str) -> None:
    assert read(framed(TRACES) + rest) == [SPANS, Unread(where="record 2", why=why)]


@given(st.binary(max_size=60))
def test_few_other_files_are_taken_for_protobuf(body: bytes) -> None:
    """Whatever is taken for it begins with field 1 and a whole field in it, in a frame or not."""
    if otlp_file.reads(body):
        assert b"\x0a" in body[:5] or b"{" in body or body[4:8] == zstandard.FRAME_HEADER


@pytest.mark.parametrize(
    "head",
    [
        b"\n\n\n\n\n\n",
        b"\n{\n  ",
        b"\nabc",
        b"PK\x03\x04",
        b"\x89PNG\r\n\x1a\n",
        b"%PDF-1.7\n",
        b"PAR1",
        b"text\n{",
        b"\x0a",
    ],
)
def test_a_file_of_another_kind_is_not_taken_for_protobuf(head: bytes) -> None:
    assert not otlp_file.reads(head + bytes(50))
    assert not otlp_file.reads(head + b" some text, and more of it")

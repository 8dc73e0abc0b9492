"""What senders read: held against the real classes of the protocol."""

from __future__ import annotations

import json

import pytest
from google.protobuf.json_format import Parse
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from taketwo.server.answers import GRPC_CODES, accepted, refused, status_message

PROTOBUF = "application/x-protobuf"


@given(st.integers(0, 16), st.text(st.characters(exclude_categories=["Cs"])) | st.just("x" * 70_000))
def test_a_status_by_hand_is_what_the_real_class_reads(code: int, message: str) -> None:
    assert Status.FromString(status_message(code, message)) == Status(code=code, message=message)


@pytest.mark.parametrize("status", GRPC_CODES)
def test_a_refusal_answers_in_the_encoding_of_the_request(status: int) -> None:
    binary = refused(status, "why", f"{PROTOBUF}; charset=utf-8", retry_after_s=1)
    assert Status.FromString(binary.body) == Status(code=GRPC_CODES[status], message="why")
    assert (binary.status, binary.content_type, binary.retry_after_s) == (status, PROTOBUF, 1)
    written = refused(status, "why", "application/json")
    assert Parse(written.body, Status()) == Status(code=GRPC_CODES[status], message="why")
    assert written.content_type == "application/json"


def test_an_unknown_request_is_answered_in_json() -> None:
    assert json.loads(refused(415, "why", "text/plain").body)["message"] == "why"


def test_a_full_success_says_nothing() -> None:
    assert accepted("traces", PROTOBUF, []).body == b""
    assert accepted("logs", "application/json; charset=utf-8", []).body == b"{}"


@pytest.mark.parametrize("content_type", [PROTOBUF, "application/json"])
def test_a_partial_success_counts_what_was_refused_and_names_the_rules(content_type: str) -> None:
    rules = ["span 1: the trace id is all zero"] * 1_000 + [f"span {number}: odd" for number in range(105)]
    body = accepted("traces", content_type, rules).body
    read = ExportTraceServiceResponse
    answer = read.FromString(body) if content_type == PROTOBUF else Parse(body, read())
    assert answer.partial_success.rejected_spans == 1_105
    assert "the trace id is all zero; span 0: odd" in answer.partial_success.error_message
    assert answer.partial_success.error_message.endswith("span 98: odd; and 6 more")
    logs = accepted("logs", PROTOBUF, rules).body
    assert ExportLogsServiceResponse.FromString(logs).partial_success.rejected_log_records == 1_105

"""What OTLP/HTTP answers: an Export…ServiceResponse, or a google.rpc.Status, in the encoding of the request."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal, TypeAlias

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from taketwo.errors import StoreBusy, TooFast
from taketwo.server.limits import Limits
from taketwo.value import Value

Signal: TypeAlias = Literal["traces", "logs"]

PROTOBUF = "application/x-protobuf"
JSON_TYPE = "application/json"

RULES_SHOWN = 100
"""How many broken rules a partial success names, each with its span: an answer stays far below OTLP's 4 MiB."""

GRPC_CODES = {400: 3, 401: 16, 403: 7, 404: 12, 405: 12, 408: 4, 413: 8, 415: 3, 429: 8, 503: 14}
"""The gRPC code that says the same as an HTTP status; what is not among them is 2, `UNKNOWN`."""


class Answer(Value):
    """What goes back to the sender."""

    status: int
    """HTTP status."""
    content_type: str
    """Type of the body."""
    body: bytes
    """The body."""
    retry_after_s: int | None = None
    """After how many seconds the sender may come back; None when it need not."""
    reason: str = ""
    """Why the request was refused; empty when it was not. The body says the same."""
    kept: int = 0
    """How many records it acknowledges."""
    rejected: int = 0
    """How many of its records were refused one by one."""


def accepted(signal: Signal, content_type: str, rejected: Sequence[str], kept: int = 0) -> Answer:
    """Everything that could be kept is kept; what could not is counted, with the rules it broke."""
    message = _message(rejected)
    if _is_json(content_type):
        form, body = JSON_TYPE, _accepted_json(signal, len(rejected), message)
    else:
        form, body = PROTOBUF, _accepted_protobuf(signal, len(rejected), message)
    return Answer(status=200, content_type=form, body=body, kept=kept, rejected=len(rejected))


def refused(status: int, message: str, content_type: str, *, retry_after_s: int | None = None) -> Answer:
    """The request as a whole was not taken; senders try again only after 429, 502, 503 and 504."""
    code = grpc_code(status)
    if _is_protobuf(content_type):
        body, content_type = status_message(code, message), PROTOBUF
    else:
        body, content_type = json.dumps({"code": code, "message": message}).encode(), JSON_TYPE
    return Answer(status=status, content_type=content_type, body=body, retry_after_s=retry_after_s, reason=message)


def busy(error: StoreBusy, content_type: str, limits: Limits) -> Answer:
    """Not now: 429 where the sender is the reason, 503 where it is not."""
    if isinstance(error, TooFast):
        return refused(429, str(error), content_type, retry_after_s=error.after_s)
    return refused(503, str(error), content_type, retry_after_s=limits.retry_after_s)


def not_kept(signal: str, content_type: str) -> Answer:
    """Metrics and profiles are refused for good: a sender that is told that all is well would look for them later."""
    advice = " (OTEL_METRICS_EXPORTER=none keeps them from being sent)" if signal == "metrics" else ""
    return refused(404, f"only traces and logs are kept here, no {signal}{advice}", content_type)


def grpc_code(status: int) -> int:
    """The gRPC code that says the same as an HTTP status."""
    return GRPC_CODES.get(status, 2)


def status_message(code: int, message: str, detail: bytes = b"") -> bytes:
    """A google.rpc.Status by hand: `int32 code = 1; string message = 2; repeated Any details = 3;`.

    It is not worth a dependency. Source: github.com/googleapis/googleapis, google/rpc/status.proto. `code` is below
    128, so that it is one byte; `detail` is a google.protobuf.Any.
    """
    text = message.encode("utf-8", "replace")
    details = b"\x1a" + _varint(len(detail)) + detail if detail else b""
    return b"\x08" + bytes([code]) + b"\x12" + _varint(len(text)) + text + details


def _varint(number: int) -> bytes:
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def _message(rejected: Sequence[str]) -> str:
    shown = list(dict.fromkeys(rejected))
    more = [f"and {len(shown) - RULES_SHOWN} more"] if len(shown) > RULES_SHOWN else []
    return "; ".join(shown[:RULES_SHOWN] + more)


def _accepted_json(signal: Signal, rejected: int, message: str) -> bytes:
    count = "rejectedSpans" if signal == "traces" else "rejectedLogRecords"
    # 64-bit integers are decimal strings in protobuf's JSON mapping.
    return json.dumps({"partialSuccess": {count: str(rejected), "errorMessage": message}} if rejected else {}).encode()


def _accepted_protobuf(signal: Signal, rejected: int, message: str) -> bytes:
    if not rejected:
        return b""
    if signal == "traces":
        spans = ExportTraceServiceResponse()
        spans.partial_success.rejected_spans = rejected
        spans.partial_success.error_message = message
        return spans.SerializeToString()
    logs = ExportLogsServiceResponse()
    logs.partial_success.rejected_log_records = rejected
    logs.partial_success.error_message = message
    return logs.SerializeToString()


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == JSON_TYPE


def _is_protobuf(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() in {PROTOBUF, "application/protobuf"}

"""The captures that real instrumentation libraries made of one scripted conversation, as spans and log records."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

from taketwo.capture.otlp import decode_log, decode_span, read_logs, read_spans
from taketwo.span import LogRecord, Span

FOLDER = Path(__file__).resolve().parent / "data" / "traces"
PROTOBUF = "application/x-protobuf"
NAMES = sorted(path.name.removesuffix(".traces.pb.gz") for path in FOLDER.glob("*.traces.pb.gz"))
MORE = FOLDER.with_name("more_traces")
EVERY_NAME = NAMES + sorted(path.name.removesuffix(".traces.pb.gz") for path in MORE.glob("*.traces.pb.gz"))
"""Those of further libraries, too."""
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


@cache
def recorded_trace(name: str) -> tuple[tuple[Span, ...], tuple[LogRecord, ...]]:
    """Spans and log records of one capture."""
    folder = FOLDER if name in NAMES else MORE
    spans = read_spans(gzip.decompress((folder / f"{name}.traces.pb.gz").read_bytes()), PROTOBUF).spans
    file = folder / f"{name}.logs.pb.gz"
    records = read_logs(gzip.decompress(file.read_bytes()), PROTOBUF).logs if file.exists() else []
    return tuple(decode_span(span) for span in spans), tuple(decode_log(record) for record in records)

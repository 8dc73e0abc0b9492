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
MORE, ODD, FURTHER = (FOLDER.with_name(name) for name in ("more_traces", "odd_traces", "further_traces"))
FILES = {
    path.name.removesuffix(".traces.pb.gz"): path
    for folder in (FURTHER, ODD, MORE, FOLDER)
    for path in sorted(folder.glob("*.traces.pb.gz"))
}
EVERY_NAME = sorted(FILES)
"""Those of further libraries, too, and those in which something is amiss."""
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


@cache
def recorded_trace(name: str) -> tuple[tuple[Span, ...], tuple[LogRecord, ...]]:
    """Spans and log records of one capture."""
    spans = read_spans(gzip.decompress(FILES[name].read_bytes()), PROTOBUF).spans
    file = FILES[name].with_name(f"{name}.logs.pb.gz")
    records = read_logs(gzip.decompress(file.read_bytes()), PROTOBUF).logs if file.exists() else []
    return tuple(decode_span(span) for span in spans), tuple(decode_log(record) for record in records)


def names_in(folder: Path) -> list[str]:
    """The captures of one folder."""
    return [name for name in EVERY_NAME if FILES[name].parent == folder]

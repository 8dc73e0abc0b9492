"""Looks for input that breaks what reads foreign bytes: `python benchmarks/fuzz_capture.py TARGET [--seconds N]`.

Guided by coverage (atheris, which is installed for this alone: `pip install atheris`). The recorded captures and files
of the tests are changed in a few places each: values swapped for others, texts cut off, parts left out. Whatever is
raised but TakeTwoError is a find, so is a dialect that cannot read a span, and so is what takes 20 s or 2 GiB. A find
is written to `crash-…` in the working folder, and printed; what was found so far is among the tests.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["taketwo.capture"]):
    from taketwo.capture import dialects
    from taketwo.capture.imports import FORMATS, read_file
    from taketwo.capture.otlp import check_logs, check_spans, decode_span, read_logs, read_spans
    from taketwo.capture.reconstruct import reconstruct
    from taketwo.capture.sessions import sessions

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from taketwo.errors import TakeTwoError

DATA = Path(__file__).parent.parent / "tests" / "data"
PROTOBUF, JSON_TYPE = "application/x-protobuf", "application/json"
MOST_CHANGES = 6
ODD: list[Any] = [
    *(None, True, False, 0, -1, 2**63, 1e308, "", " ", "\ud800", "null", "{", "[]", '{"a":', "2024-01-01T00:00:00Z"),
    *([], {}, [[]], [None], [{}], {"": None}, {"role": None}, {"content": [{}]}, {"type": "text"}, {"id": 1}, [1, "a"]),
]
"""What stands in place of other values."""


def main() -> None:
    """Fuzz one target for so long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    options = [f"-max_total_time={arguments.seconds}", "-timeout=20", "-rss_limit_mb=2048", "-max_len=256"]
    atheris.Setup([sys.argv[0], *options], TARGETS[arguments.target]())
    atheris.Fuzz()


def receiver() -> Callable[[bytes], None]:
    """The bodies of requests, of both signals in both encodings; and that the quick check says what reading says."""
    bodies = [gzip.decompress(path.read_bytes()) for path in sorted(DATA.glob("*/*.pb.gz"))]
    bodies += [gzip.decompress(path.read_bytes()) for path in sorted(DATA.glob("otlp/*.json.gz"))]

    def one(given: bytes) -> None:
        data = atheris.FuzzedDataProvider(given)
        body = _cut_up(bodies[data.ConsumeIntInRange(0, len(bodies) - 1)], data)
        for read in (read_spans, read_logs):
            for content_type in (PROTOBUF, JSON_TYPE):
                _may_refuse(partial(read, body, content_type))
        checked, found = (
            _may_refuse(lambda: check_spans(body, PROTOBUF, "p")),
            _may_refuse(lambda: read_spans(body, PROTOBUF)),
        )
        assert (checked is None) == (found is None)
        if checked is not None and found is not None:
            assert (sum(checked.counts.values()), checked.rejected) == (len(found.spans), found.rejected)
        logs, read_all = (
            _may_refuse(lambda: check_logs(body, PROTOBUF, "p")),
            _may_refuse(lambda: read_logs(body, PROTOBUF)),
        )
        assert (logs is None) == (read_all is None)
        if logs is not None and read_all is not None:
            of_traces = [log for log in read_all.logs if log.trace_id]
            assert (sum(logs.counts.values()), logs.rejected) == (len(of_traces), read_all.rejected)
            assert logs.without_trace == len(read_all.logs) - len(of_traces)

    return one


def traces() -> Callable[[bytes], None]:
    """Spans of every convention, whose attributes say something else than they should."""
    requests = [
        ExportTraceServiceRequest.FromString(gzip.decompress(path.read_bytes()))
        for path in sorted(DATA.glob("traces/*.traces.pb.gz"))
    ]

    def one(given: bytes) -> None:
        data = atheris.FuzzedDataProvider(given)
        request = ExportTraceServiceRequest()
        request.CopyFrom(requests[data.ConsumeIntInRange(0, len(requests) - 1)])
        spans = [span for around in request.resource_spans for scope in around.scope_spans for span in scope.spans]
        for _ in range(data.ConsumeIntInRange(1, MOST_CHANGES)):
            _change_span(spans[data.ConsumeIntInRange(0, len(spans) - 1)], data)
        read = [decode_span(raw) for raw in read_spans(request.SerializeToString(), PROTOBUF).spans]
        unread = [reading.unread for span in read if (reading := dialects.read(span)).unread]
        assert not unread, unread
        for session in sessions(read):
            reconstruct(session.spans, session.logs, session_id=session.id).to_json()

    return one


def imports() -> Callable[[bytes], None]:
    """Files of every format, of which some values are others."""
    files = [path.read_text(encoding="utf-8") for path in sorted(DATA.glob("imports/*"))]
    names = list(FORMATS)
    folder = Path(tempfile.mkdtemp(prefix="taketwo-fuzz-"))

    def one(given: bytes) -> None:
        data = atheris.FuzzedDataProvider(given)
        text = _changed_file(files[data.ConsumeIntInRange(0, len(files) - 1)], data)
        path = folder / "file"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        format = names[data.ConsumeIntInRange(0, len(names) - 1)] if data.ConsumeBool() else None
        _may_refuse(lambda: [None for _ in read_file(path, format)])

    return one


TARGETS = {"receiver": receiver, "traces": traces, "imports": imports}


def _may_refuse(work: Callable[[], Any]) -> Any:
    """What it gives; None where it is refused with a reason."""
    try:
        return work()
    except TakeTwoError:
        return None


def _cut_up(body: bytes, data: atheris.FuzzedDataProvider) -> bytes:
    changed = bytearray(body)
    for _ in range(data.ConsumeIntInRange(0, MOST_CHANGES)):
        place = data.ConsumeIntInRange(0, max(0, len(changed) - 1))
        if data.ConsumeBool():
            changed[place : place + 1] = data.ConsumeBytes(4)
        else:
            del changed[place : place + data.ConsumeIntInRange(1, 64)]
    return bytes(changed)


def _change_span(span: Any, data: atheris.FuzzedDataProvider) -> None:
    """Change one attribute of a span or of one of its events, or when it was."""
    holders = [span, *span.events]
    holder = holders[data.ConsumeIntInRange(0, len(holders) - 1)]
    if not holder.attributes or data.ConsumeProbability() < 0.1:
        span.start_time_unix_nano, span.end_time_unix_nano = data.ConsumeInt(8) % 2**63, data.ConsumeInt(8) % 2**63
        return
    attribute = holder.attributes[data.ConsumeIntInRange(0, len(holder.attributes) - 1)]
    if attribute.value.WhichOneof("value") != "string_value" or data.ConsumeProbability() < 0.1:
        odd = ODD[data.ConsumeIntInRange(0, len(ODD) - 1)]
        attribute.value.Clear()
        if isinstance(odd, str):
            attribute.value.string_value = odd.encode("utf-8", "replace").decode()
        elif isinstance(odd, float):
            attribute.value.double_value = odd
        elif isinstance(odd, int) and -(2**63) <= odd < 2**63:
            attribute.value.int_value = odd
        return
    attribute.value.string_value = _changed(attribute.value.string_value, data).encode("utf-8", "replace").decode()


def _changed_file(text: str, data: atheris.FuzzedDataProvider) -> str:
    """A file of JSON, of a JSON value a line, or of anything else, changed in some places."""
    for _ in range(data.ConsumeIntInRange(1, MOST_CHANGES)):
        lines = text.split("\n")
        try:
            json.loads(lines[0])
        except ValueError:
            text = _changed(text, data)
            continue
        place = data.ConsumeIntInRange(0, len(lines) - 1)
        lines[place] = _changed(lines[place], data)
        text = "\n".join(lines)
    return text


def _changed(text: str, data: atheris.FuzzedDataProvider) -> str:
    """JSON with one value that is another, or that is gone; any other text cut off."""
    try:
        value = json.loads(text)
    except ValueError:
        return text[: data.ConsumeIntInRange(0, len(text))]
    return json.dumps(_swapped(value, data))


def _swapped(value: Any, data: atheris.FuzzedDataProvider) -> Any:
    if isinstance(value, dict | list) and value and data.ConsumeProbability() < 0.85:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = keys[data.ConsumeIntInRange(0, len(keys) - 1)]
        if data.ConsumeProbability() < 0.1:
            del value[key]
        else:
            value[key] = _swapped(value[key], data)
        return value
    if isinstance(value, str) and data.ConsumeBool():
        return _changed(value, data)
    return ODD[data.ConsumeIntInRange(0, len(ODD) - 1)]


if __name__ == "__main__":
    main()

"""How the spans of a recording leave the process: marked, in batches that receivers take, and never in its way."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence

from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from taketwo.replay.current import is_near
from taketwo.sdk.messages import LARGEST_BYTES
from taketwo.sdk.recorder import SESSION

SEND_EVERY_S = 0.25
"""How long a finished span waits for others, in seconds. `OTEL_BSP_SCHEDULE_DELAY` wins."""

EXIT_WITHIN_S = 5.0
"""How long the end of the process waits for a request with the last spans to arrive, in seconds."""

OF_REPLAY = "gen_ai.simulator.is_simulator_trace"
"""Marks spans of a replay, for exporters that are not ours; `capture.identity` knows it."""

log = logging.getLogger("taketwo")


class Sender(SpanProcessor):
    """Marks spans with their session, and sends all but those of replays."""

    def __init__(self, exporter: SpanExporter) -> None:
        """exporter: what sends them."""
        self._exporter = InPieces(exporter)
        delay = None if os.environ.get("OTEL_BSP_SCHEDULE_DELAY") else SEND_EVERY_S * 1000
        self._batches = BatchSpanProcessor(self._exporter, schedule_delay_millis=delay)
        self._latest: ReadableSpan | None = None
        self._process = os.getpid()
        self._is_closed = False

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Mark it, whoever made it: session and user, or that it belongs to a replay."""
        if is_near():
            span.set_attribute(OF_REPLAY, True)
            return
        named = otel.get_value(SESSION, parent_context)
        if isinstance(named, dict) and span.attributes is not None:
            span.set_attributes({key: value for key, value in named.items() if key not in span.attributes})

    def on_end(self, span: ReadableSpan) -> None:
        """Hand it over; never waits."""
        sampled = span.context is not None and span.context.trace_flags.sampled
        if self._is_closed or not sampled or (span.attributes or {}).get(OF_REPLAY):
            return
        self._latest, self._process = span, os.getpid()
        self._batches.on_end(span)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until everything was sent, or could not be; whether that was in time."""
        end = time.monotonic() + timeout_millis / 1000
        while not self._is_drained():
            if time.monotonic() >= end:
                return False
            time.sleep(0.01)
        return True

    def shutdown(self) -> None:
        """Send what is left, as long as requests arrive. Needs no thread: none can be begun at the end of a process."""
        if self._is_closed:
            return
        self._is_closed = True
        arrived = self._exporter.arrived
        while not self.force_flush(int(EXIT_WITHIN_S * 1000)):
            if self._exporter.arrived == arrived:
                log.warning("taketwo: the last spans could not be sent within %g s", EXIT_WITHIN_S)
                self._exporter.shutdown()
                return
            arrived = self._exporter.arrived
        self._batches.shutdown()  # type: ignore[no-untyped-call]  # unannotated in OpenTelemetry

    def _is_drained(self) -> bool:
        """Whether the latest span has left. After a fork what came before it is the parent's to send."""
        return self._latest is self._exporter.latest or self._process != os.getpid()


class InPieces(SpanExporter):
    """Sends batches in requests that receivers take, as spans with whole conversations in them are large."""

    def __init__(self, exporter: SpanExporter) -> None:
        """exporter: what sends a request."""
        self._exporter = exporter
        self.latest: ReadableSpan | None = None
        self.arrived = 0
        self._is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them; whether all of them arrived."""
        results = {self._send(piece) for piece in pieces(spans)}
        self.latest = spans[-1]
        return SpanExportResult.SUCCESS if results == {SpanExportResult.SUCCESS} else SpanExportResult.FAILURE

    def _send(self, piece: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send one request. Older exporters raise what newer ones log; it is said once, until one arrives again."""
        try:
            result = self._exporter.export(piece)
        except Exception as error:  # foreign code, in a thread whose only reader is the log
            if not self._is_failing:
                log.warning("taketwo: spans could not be sent: %s", error)
            self._is_failing = True
            return SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self.arrived += 1
            self._is_failing = False
        return result

    def shutdown(self) -> None:
        """Give up what is under way."""
        self._exporter.shutdown()


def pieces(spans: Sequence[ReadableSpan]) -> Iterator[Sequence[ReadableSpan]]:
    """The spans in order, cut up so that each piece stays below the largest size, unless it is a single span."""
    piece: list[ReadableSpan] = []
    size = 0
    for span in spans:
        more = _size(span)
        if piece and size + more > LARGEST_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(span)
        size += more
    yield piece


def _size(span: ReadableSpan) -> int:
    """About how many bytes its texts are."""
    texts = [value for value in (span.attributes or {}).values() if isinstance(value, str)]
    return sum(len(text) if text.isascii() else len(text.encode(errors="replace")) for text in texts)

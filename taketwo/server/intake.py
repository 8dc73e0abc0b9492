"""One request of a sender, from its bytes to the store: unpack, read, keep, answer. Blocks until all is on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from threading import Semaphore
from typing import TypeVar, assert_never

from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from taketwo.capture.body import decompress
from taketwo.capture.identity import project_named
from taketwo.capture.otlp import UnknownContentType, read_logs, read_spans
from taketwo.errors import MissingExtra, StoreBusy, StoreUnavailable, TooFast, TooLarge, TraceUnreadable
from taketwo.server.answers import Answer, Signal, accepted, busy, refused
from taketwo.server.flow.shelf import Flow
from taketwo.server.flow.spans import keep_spans_of_rows
from taketwo.server.limits import MIB, Limits
from taketwo.server.quotas import Quotas
from taketwo.span import RawLog, RawSpan
from taketwo.store import Store
from taketwo.value import Value

DEFAULT_PROJECT = "default"

WITHOUT_TRACE = "a log record that belongs to no trace belongs to no conversation, and is not kept"

LARGE_BYTES = 4 * MIB
"""Larger bodies are worked on one at a time: read, they take several times their size."""

_one_large = Semaphore(1)

Record = TypeVar("Record", RawSpan, RawLog)


class Delivery(Value):
    """What the head of a request says about its body."""

    signal: Signal
    """Spans or log records."""
    content_type: str
    """As the sender wrote it."""
    encoding: str | None = None
    """The `Content-Encoding`; None when there is none."""
    project: str | None = None
    """The project that a header names; None when none does."""


def take(store: Store, delivery: Delivery, body: bytes, limits: Limits, quotas: Quotas) -> Answer:
    """Keep what the body holds and answer; whatever cannot be done is an answer too."""
    try:
        plain = decompress(body, delivery.encoding, limit=limits.body_bytes)
        if len(plain) <= LARGE_BYTES:
            kept, rejected = _keep(store, delivery, plain, quotas)
        else:
            with _one_large:
                kept, rejected = _keep(store, delivery, plain, quotas)
    except UnknownContentType as error:
        return refused(415, str(error), delivery.content_type)
    except TooLarge as error:
        return refused(413, str(error), delivery.content_type)
    except TraceUnreadable as error:
        return refused(400, str(error), delivery.content_type)
    except MissingExtra as error:
        return refused(415, str(error), delivery.content_type)
    except MemoryError:
        return refused(503, "there is no memory left", delivery.content_type, retry_after_s=limits.retry_after_s)
    except StoreBusy as error:
        return busy(error, delivery.content_type, limits)
    except StoreUnavailable as error:
        # Also where the disk is full: whoever frees it should find that nothing was lost.
        return refused(503, str(error), delivery.content_type, retry_after_s=limits.retry_after_s)
    return accepted(delivery.signal, delivery.content_type, rejected, kept)


def too_late(delivery: Delivery, limits: Limits) -> Answer:
    """What a request is told that has waited so long that its sender may have given up, and sent it again."""
    message = f"nothing could be kept for {limits.waiting_s:g} s"
    return refused(503, message, delivery.content_type, retry_after_s=limits.retry_after_s)


def _keep(store: Store, delivery: Delivery, plain: bytes, quotas: Quotas) -> tuple[int, list[str]]:
    """How many records were kept, and a line for every one that was refused. Raises TooFast where no project may."""
    match delivery.signal:
        case "traces":
            spans = read_spans(plain, delivery.content_type)
            # What an agent did in a replay belongs to the replay.
            by_project = _by_project(keep_spans_of_rows(Flow(store), spans.spans), delivery.project)
            over = _over_quota(by_project, quotas)
            for project, some_spans in by_project.items():
                if project not in over:
                    store.add_spans(project, some_spans)
            rejected = spans.rejected + _lines(over, by_project)
            return len(spans.spans) + len(spans.rejected) - len(rejected), rejected
        case "logs":
            logs = read_logs(plain, delivery.content_type)
            of_traces = [log for log in logs.logs if log.trace_id]
            logs_by_project = _by_project(of_traces, delivery.project)
            over = _over_quota(logs_by_project, quotas)
            for project, some_logs in logs_by_project.items():
                if project not in over:
                    store.add_logs(project, some_logs)
            refused_lines = _lines(over, logs_by_project)
            without_trace = [WITHOUT_TRACE] * (len(logs.logs) - len(of_traces))
            return len(of_traces) - len(refused_lines), logs.rejected + without_trace + refused_lines
        case other:
            assert_never(other)


def _over_quota(by_project: Mapping[str, Sequence[Record]], quotas: Quotas) -> dict[str, TooFast]:
    """The projects that may send nothing now. Raises TooFast where that is all of them: then it is sent again."""
    over = quotas.refusals({project: len(some) for project, some in by_project.items()})
    if over and len(over) == len(by_project):
        raise max(over.values(), key=lambda refusal: refusal.after_s)
    return over


def _lines(over: Mapping[str, TooFast], by_project: Mapping[str, Sequence[Record]]) -> list[str]:
    """A part of a request cannot be asked for again in OTLP, only refused; the rest of it must not wait for that."""
    return [str(why) for project, why in over.items() for _ in by_project[project]]


def _by_project(records: Sequence[Record], project: str | None) -> dict[str, Sequence[Record]]:
    if project:
        return {project: records}
    projects: dict[str, list[Record]] = {}
    for record in records:
        projects.setdefault(_project(record.envelope, isinstance(record, RawSpan)), []).append(record)
    return dict(projects)


@lru_cache(maxsize=256)
def _project(envelope: bytes, of_spans: bool) -> str:
    """The project that the resource names."""
    around = ResourceSpans.FromString(envelope) if of_spans else ResourceLogs.FromString(envelope)
    said = {attribute.key: attribute.value.string_value for attribute in around.resource.attributes}
    return project_named(said) or DEFAULT_PROJECT

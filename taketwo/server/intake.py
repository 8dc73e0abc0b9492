"""One request of a sender, from its bytes to the store: unpack, read, keep, answer. Blocks until all is on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Semaphore
from typing import assert_never

from taketwo.capture.body import decompress
from taketwo.capture.identity import ROW_MARK
from taketwo.capture.otlp import UnknownContentType, check_logs, check_spans, read_logs, read_spans
from taketwo.capture.projects import by_project
from taketwo.errors import MissingExtra, StoreBusy, StoreUnavailable, TooFast, TooLarge, TraceUnreadable
from taketwo.server.answers import Answer, Signal, accepted, busy, refused
from taketwo.server.burst import Burst
from taketwo.server.limits import MIB, Limits
from taketwo.server.quotas import Quotas
from taketwo.span import RawSpan
from taketwo.store import Store
from taketwo.store.journal import Entry
from taketwo.value import Value

WITHOUT_TRACE = "a log record that belongs to no trace belongs to no conversation, and is not kept"

LARGE_BYTES = 4 * MIB
"""Larger bodies are worked on one at a time: read, they take several times their size."""

_one_large = Semaphore(1)


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


def take(
    store: Store, delivery: Delivery, body: bytes, limits: Limits, quotas: Quotas, burst: Burst | None = None
) -> Answer:
    """Keep what the body holds and answer; whatever cannot be done is an answer too.

    burst: takes what comes faster than it can be stored; without one, senders wait.
    """
    try:
        plain = decompress(body, delivery.encoding, limit=limits.body_bytes)
        if len(plain) <= LARGE_BYTES:
            kept, rejected = _keep_or_append(store, delivery, plain, quotas, burst)
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


def _keep_or_append(
    store: Store, delivery: Delivery, plain: bytes, quotas: Quotas, burst: Burst | None
) -> tuple[int, list[str]]:
    """The same as `_keep`; where more comes than can be stored, what is kept is on disk and stored later."""
    if burst is not None and ROW_MARK not in plain:
        with burst.storing() as alone:
            if alone:
                return _keep(store, delivery, plain, quotas)
            body, counts, rejected = _checked(delivery, plain)
            # A replay waits for its spans; in JSON the mark of its rows may be written otherwise.
            if len(counts) == 1 and all(map(burst.may_wait, counts)) and ROW_MARK not in body:
                _over_quota(counts, quotas)
                burst.append(Entry(delivery.project, body, is_logs=delivery.signal == "logs"))
                return sum(counts.values()), rejected
    return _keep(store, delivery, plain, quotas)


def _checked(delivery: Delivery, plain: bytes) -> tuple[bytes, dict[str, int], list[str]]:
    """The request in protobuf, how much of each project can be kept, and a line for every record that is refused."""
    match delivery.signal:
        case "traces":
            spans = check_spans(plain, delivery.content_type, delivery.project)
            return spans.body, spans.counts, spans.rejected
        case "logs":
            logs = check_logs(plain, delivery.content_type, delivery.project)
            return logs.body, logs.counts, logs.rejected + [WITHOUT_TRACE] * logs.without_trace
        case other:
            assert_never(other)


def _keep(store: Store, delivery: Delivery, plain: bytes, quotas: Quotas) -> tuple[int, list[str]]:
    """How many records were kept, and a line for every one that was refused. Raises TooFast where no project may."""
    match delivery.signal:
        case "traces":
            spans = read_spans(plain, delivery.content_type)
            projects = by_project(_without_rows(store, spans.spans), delivery.project)
            over = _over_quota({project: len(some) for project, some in projects.items()}, quotas)
            for project, some_spans in projects.items():
                if project not in over:
                    store.add_spans(project, some_spans)
            rejected = spans.rejected + _lines(over, projects)
            return len(spans.spans) + len(spans.rejected) - len(rejected), rejected
        case "logs":
            logs = read_logs(plain, delivery.content_type)
            of_traces = [log for log in logs.logs if log.trace_id]
            logs_by_project = by_project(of_traces, delivery.project)
            over = _over_quota({project: len(some) for project, some in logs_by_project.items()}, quotas)
            for project, some_logs in logs_by_project.items():
                if project not in over:
                    store.add_logs(project, some_logs)
            refused_lines = _lines(over, logs_by_project)
            without_trace = [WITHOUT_TRACE] * (len(logs.logs) - len(of_traces))
            return len(of_traces) - len(refused_lines), logs.rejected + without_trace + refused_lines
        case other:
            assert_never(other)


def _without_rows(store: Store, spans: list[RawSpan]) -> list[RawSpan]:
    """What an agent did in a replay belongs to the replay."""
    if not any(ROW_MARK in raw.body for raw in spans):
        return spans
    # Takes as long to load as all the rest, and most processes that receive never need it.
    from taketwo.server.flow.shelf import Flow
    from taketwo.server.flow.spans import keep_spans_of_rows

    return keep_spans_of_rows(Flow(store), spans)


def _over_quota(counts: Mapping[str, int], quotas: Quotas) -> dict[str, TooFast]:
    """The projects that may send nothing now. Raises TooFast where that is all of them: then it is sent again."""
    over = quotas.refusals(counts)
    if over and len(over) == len(counts):
        raise max(over.values(), key=lambda refusal: refusal.after_s)
    return over


def _lines(over: Mapping[str, TooFast], projects: Mapping[str, Sequence[object]]) -> list[str]:
    """A part of a request cannot be asked for again in OTLP, only refused; the rest of it must not wait for that."""
    return [str(why) for project, why in over.items() for _ in projects[project]]

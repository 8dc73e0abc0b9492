"""Brings a mirror up to date: compares it with the store page by page, sends what differs, deletes what is gone.

What was interrupted goes on by itself: whatever was not sent still differs. Nothing is kept between two passes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol

from taketwo.capture.otlp import decode_span
from taketwo.conversation import Conversation
from taketwo.errors import NotFound, TraceUnreadable
from taketwo.span import RawSpan
from taketwo.store.chunks import weight
from taketwo.store.clickhouse import Known
from taketwo.store.listing import LATEST_NS
from taketwo.store.summary import summarise
from taketwo.store.tables import Mark, TableStore
from taketwo.value import JSON

CONVERSATIONS_AT_ONCE: Final = 1_000
"""Conversations that are compared together."""
SPANS_AT_ONCE: Final = 5_000
"""About so many spans are sent together,"""
BYTES_AT_ONCE: Final = 16 << 20
"""or so many bytes of them."""
_LAST: Final = 2**63 - 1


class Mirror(Protocol):
    """Where conversations and their spans are sent."""

    def known(self, after: int, last: int) -> dict[int, Known]:
        """The conversations whose keys come after one and not after another."""

    def put(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Write rows, which replace earlier versions of theirs."""

    def forget(self, gone: Sequence[Known]) -> None:
        """Delete conversations with their spans."""

    def forget_spans(self, gone: Sequence[Known]) -> None:
        """Delete the spans of conversations."""


@dataclass(slots=True)
class Mirrored:
    """What one pass has done."""

    conversations: int = 0
    """How many were sent."""
    spans: int = 0
    """How many spans went with them."""
    deleted: int = 0
    """How many conversations were deleted in the mirror."""


class _Changed(NamedTuple):
    """A conversation that the mirror does not have as it is."""

    mark: Mark
    """Where it stands in the store."""
    known: Known | None
    """What the mirror has instead; None where it has nothing."""


def bring_up_to_date(
    store: TableStore, mirror: Mirror, *, tell: Callable[[Mirrored], None] = lambda done: None
) -> Mirrored:
    """One pass over everything. tell: hears how far it is. Raises StoreUnavailable of either side."""
    store.settle()
    done, after = Mirrored(), 0
    while True:
        marks = {mark.key: mark for mark in store.marks(after, CONVERSATIONS_AT_ONCE)}
        is_last = len(marks) < CONVERSATIONS_AT_ONCE
        last = _LAST if is_last else max(marks)
        known = mirror.known(after, last)
        gone = [one for key, one in known.items() if key not in marks or not _is_same(marks[key], one)]
        mirror.forget(gone)
        done.deleted += len(gone)
        for one in gone:
            del known[one.key]
        _send(store, mirror, list(_changed(marks, known)), done)
        tell(done)
        if is_last:
            return done
        after = last


def _is_same(mark: Mark, known: Known) -> bool:
    """A key may be given again after its conversation was deleted."""
    return (mark.project, mark.id) == (known.project, known.id)


def _changed(marks: dict[int, Mark], known: dict[int, Known]) -> Iterator[_Changed]:
    for key, mark in marks.items():
        there = known.get(key)
        # What was not read yet is sent when it is.
        if mark.fingerprint is not None and (there is None or there.fingerprint != mark.fingerprint):
            yield _Changed(mark, there)


@dataclass(slots=True)
class _Load:
    """What is sent together."""

    conversations: list[dict[str, Any]] = field(default_factory=list)
    spans: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.spans) >= SPANS_AT_ONCE or self.size >= BYTES_AT_ONCE


def _send(store: TableStore, mirror: Mirror, changed: Sequence[_Changed], done: Mirrored) -> None:
    load = _Load()
    for one in changed:
        try:
            conversation = store.conversation(one.mark.id, one.mark.project)
            spans = store.raw_spans(one.mark.id, one.mark.project)
        except NotFound:  # it was deleted meanwhile, which the next pass sees
            continue
        if one.known is not None and len(spans) < one.known.spans:
            mirror.forget_spans([one.known])
        load.conversations.append(_conversation_row(one, conversation, len(spans)))
        load.spans += [_span_row(span, conversation) for span in spans]
        load.size += sum(len(span.body) for span in spans)
        if load.is_full:
            _ship(mirror, load, done)
            load = _Load()
    _ship(mirror, load, done)


def _ship(mirror: Mirror, load: _Load, done: Mirrored) -> None:
    """Spans first: only the conversation says that all of it is there."""
    mirror.put("spans", load.spans)
    mirror.put("conversations", load.conversations)
    done.spans += len(load.spans)
    done.conversations += len(load.conversations)


def _conversation_row(one: _Changed, conversation: Conversation, spans: int) -> dict[str, Any]:
    shown = summarise(conversation)
    numbers = {name: float(value) for name, value in shown.scores.items() if isinstance(value, (bool, int, float))}
    return {
        "key": one.mark.key,
        "project": conversation.project,
        "id": conversation.id,
        "session_id": shown.session_id,
        "user_id": shown.user_id,
        "channel": shown.channel,
        "started_at": shown.started_at,
        "ended_at": shown.ended_at,
        "agent": shown.agent,
        "model": shown.model,
        "turns": shown.turns,
        "calls": shown.calls,
        "tools": list(shown.tools),
        "errors": shown.errors,
        "gaps": shown.gaps,
        "latency_ms": shown.latency_ms,
        "tokens": shown.tokens,
        "cost_usd": shown.cost_usd,
        "unanswered": shown.unanswered,
        "tags": list(shown.tags),
        "scores": numbers,
        "labels": {name: _plain(value) for name, value in shown.scores.items() if name not in numbers},
        "spans": spans,
        "fingerprint": one.mark.fingerprint,
        "version": 1 if one.known is None else one.known.version + 1,
    }


def _span_row(raw: RawSpan, conversation: Conversation) -> dict[str, Any]:
    try:
        span = decode_span(raw)
        name, attributes, resource = span.name, span.attributes, span.resource
    except TraceUnreadable:  # its times and place are known all the same
        name, attributes, resource = "", {}, {}
    return {
        "project": conversation.project,
        "conversation": conversation.id,
        "trace_id": raw.trace_id,
        "span_id": raw.span_id,
        "parent_id": raw.parent_id,
        "name": name,
        # What is later than any database can hold is a mistake of the sender and counts as unknown.
        "started_at": datetime.fromtimestamp(raw.start_ns / 1e9, UTC) if 0 < raw.start_ns <= LATEST_NS else None,
        "duration_ms": (raw.end_ns - raw.start_ns) / 1e6 if raw.start_ns and raw.end_ns else None,
        "is_error": raw.is_error,
        "attributes": {key: _plain(value) for key, value in attributes.items()},
        "resource": {key: _plain(value) for key, value in resource.items()},
        "version": weight(raw),
    }


def _plain(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

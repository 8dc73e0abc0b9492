"""Spans and logs brought together: duplicates dropped, every span read, parents found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from taketwo.capture import dialects
from taketwo.capture.cut import Longest, with_cuts_marked
from taketwo.capture.reading import Reading
from taketwo.span import LogRecord, Span, SpanEvent

Read: TypeAlias = Callable[[Span], Reading]
"""What a span says."""
BODY_ID = "request_body_id"
"""What the log records with the raw request and response of one model call have in common."""
ERROR_TYPE = "error.type"
"""Why a span failed, where its status does not say it."""


@dataclass(eq=False, slots=True)
class Seen:
    """A span with what it says and where it hangs."""

    span: Span
    reading: Reading
    parent: Seen | None = None
    children: list[Seen] = field(default_factory=list)
    order: int = 0
    voice: str = ""
    """Of a model call, what tells which agent it is; see `voices`."""
    shows_all: bool = False
    """Of a model call that was placed, whether its request was all there."""

    def ancestors(self) -> Iterator[Seen]:
        """The spans above, nearest first."""
        above, passed = self.parent, {id(self)}
        while above is not None and id(above) not in passed:
            yield above
            passed.add(id(above))
            above = above.parent

    @property
    def run(self) -> Seen:
        """The outermost agent around the span, else the topmost span there is: what answered one line of the user."""
        top = run = self
        for above in self.ancestors():
            top = above
            run = above if above.reading.kind == "agent" else run
        return run if run.reading.kind == "agent" else top

    @property
    def tool_above(self) -> Seen | None:
        """The tool that the span ran inside of, None for none."""
        return next((above for above in self.ancestors() if above.reading.kind == "tool"), None)

    @property
    def is_aside(self) -> bool:
        """Whether the span belongs to a guard or a judge."""
        return self.reading.aside or any(above.reading.aside for above in self.ancestors())

    def forget_request(self) -> None:
        """Keep no more of it than how it begins, once it is placed: what it repeats stands in the tree."""
        request = self.reading.request
        if request is not None:
            is_whole = self.reading.request_lacks == "nothing"
            self.shows_all = is_whole and not any(message.flaw for message in request)
            self.reading = self.reading.but(request=request[:1])

    @property
    def agent(self) -> str | None:
        """The agent at work, by the nearest name there is."""
        if self.reading.agent:
            return self.reading.agent
        return next((above.reading.agent for above in self.ancestors() if above.reading.agent), None)


def gather(
    spans: Iterable[Span],
    logs: Iterable[LogRecord] = (),
    *,
    longest: Longest | None = None,
    before: int = 0,
    read: Read = dialects.read,
) -> list[Seen]:
    """Every span once, read and linked to its parent, in the order of their starts.

    `longest` knows the texts of the spans gathered before these, of which there were `before`; `read` reads one.
    """
    unique = sorted(once(with_logs(spans, logs)), key=lambda span: (span.start_ns, span.end_ns, span.span_id))
    longest = longest or Longest()
    longest.add(unique)
    limit = longest.limit
    found = [Seen(span, _marked(read(span), limit), order=order) for order, span in enumerate(unique, before)]
    by_id = {(seen.span.trace_id, seen.span.span_id): seen for seen in found}
    for seen in found:
        parent = by_id.get((seen.span.trace_id, seen.span.parent_id or ""))
        if parent is not None and parent is not seen:
            seen.parent = parent
            parent.children.append(seen)
    return found


def _marked(reading: Reading, limit: int | None) -> Reading:
    return reading if limit is None else with_cuts_marked(reading, limit)


class ReadOnce:
    """Reads every span once, for whoever gathers the same spans several times."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Span, Reading]] = {}

    def __call__(self, span: Span) -> Reading:
        """What the span says."""
        if id(span) not in self._known:
            self._known[id(span)] = span, dialects.read(span)
        return self._known[id(span)][1]


def once(spans: Iterable[Span]) -> list[Span]:
    """Every span once: senders repeat spans, and of partial copies the fullest counts."""
    found: dict[tuple[str, str], Span] = {}
    for span in spans:
        key = (span.trace_id, span.span_id)
        other = found.get(key)
        if other is None or (other is not span and other != span and _fullness(span) > _fullness(other)):
            found[key] = span
    return list(found.values())


def _fullness(span: Span) -> tuple[int, int, int, str]:
    """How much a copy of a span says; the text decides between copies that say equally much."""
    content = json.dumps(span.to_builtins(), sort_keys=True, default=str)
    return (span.end_ns > span.start_ns, len(span.attributes) + len(span.events), len(content), content)


def with_logs(spans: Iterable[Span], logs: Iterable[LogRecord]) -> list[Span]:
    """The spans with their log records as events; records whose span did not arrive stand for it."""
    by_span: dict[tuple[str, str], list[LogRecord]] = {}
    bodies: dict[tuple[str, str], list[LogRecord]] = {}
    for record in logs:
        if _event_name(record).startswith("gen_ai."):
            by_span.setdefault((record.trace_id, record.span_id), []).append(record)
        elif isinstance(call := record.attributes.get(BODY_ID), str):
            bodies.setdefault((record.trace_id, call), []).append(record)
    spans = [*spans, *(_call_of_bodies(bodies[key]) for key in sorted(bodies))]
    if not by_span:
        return spans
    joined = []
    for span in spans:
        records = by_span.get((span.trace_id, span.span_id))
        joined.append(span.but(events=span.events + _events(records)) if records else span)
    arrived = {(span.trace_id, span.span_id) for span in joined}
    joined += [_stand_in(key, by_span[key]) for key in sorted(by_span) if key not in arrived and all(key)]
    return joined


def _call_of_bodies(records: Sequence[LogRecord]) -> Span:
    """A model call whose raw request and response came as log records of the run around it."""
    records = sorted(records, key=lambda record: record.at_ns)
    first, told = records[0], {"gen_ai.operation.name": "chat"}
    for record in records:
        end = "llm.response" if "response" in _event_name(record) else "llm.request"
        told[end] = str(record.attributes.get("body") or "")
    call = hashlib.sha256(f"{first.trace_id} {first.attributes[BODY_ID]}".encode()).hexdigest()[:16]
    return Span(
        trace_id=first.trace_id,
        span_id=call,
        parent_id=first.span_id or None,
        name=_event_name(first),
        start_ns=first.at_ns,
        end_ns=records[-1].at_ns,
        attributes={**first.attributes, **told},
        scope=first.scope,
        resource=first.resource,
    )


def _events(records: Iterable[LogRecord]) -> tuple[SpanEvent, ...]:
    """Log records as events, each once, in the order of their times."""
    found: dict[bytes, SpanEvent] = {}
    for record in sorted(records, key=lambda record: record.at_ns):
        event = SpanEvent(
            name=_event_name(record), at_ns=record.at_ns, attributes={**record.attributes, "body": record.body}
        )
        found.setdefault(event.to_json(), event)
    return tuple(found.values())


def _event_name(record: LogRecord) -> str:
    """The name of an event, which older SDKs send as an attribute."""
    name = record.event_name or record.attributes.get("event.name") or record.attributes.get("event_name")
    return name if isinstance(name, str) else ""


def _stand_in(key: tuple[str, str], records: Sequence[LogRecord]) -> Span:
    """A span in place of one that was sampled away or is late, made of what its log records say."""
    records = sorted(records, key=lambda record: record.at_ns)
    attributes = {name: value for record in records for name, value in record.attributes.items()}
    return Span(
        trace_id=key[0],
        span_id=key[1],
        name=_event_name(records[0]),
        start_ns=records[0].at_ns,
        end_ns=records[-1].at_ns,
        attributes={"gen_ai.operation.name": "chat", **attributes},
        events=_events(records),
        scope=records[0].scope,
        resource=records[0].resource,
    )

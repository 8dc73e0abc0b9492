"""What a session's spans tell, grown trace by trace: a talk that goes on is not read from its beginning again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from taketwo.capture import wrapper
from taketwo.capture.cut import Longest
from taketwo.capture.identity import USER_KEYS
from taketwo.capture.model_calls import Before, ChangesThePast, model_calls, templates
from taketwo.capture.session_keys import SESSION_KEYS
from taketwo.capture.talk import Known
from taketwo.capture.trace_tree import Seen, gather
from taketwo.capture.transcript import Transcript
from taketwo.conversation import Gap, Turn
from taketwo.span import LogRecord, Span, SpanEvent
from taketwo.value import JSON

LONGEST_KEPT = 1_000
"""Letters of an attribute that is kept after it was read, unless something of the whole is told by it."""

OWN = (
    "metadata",
    "tag.tags",
    "langfuse.tags",
    "langfuse.trace.metadata.",
    "langfuse.trace.name",
    "langfuse.trace.tags",
    "traceloop.association.properties.",
    "ai.telemetry.metadata.",
    "mlflow.traceTag.",
)
"""What applications put on spans themselves."""

_TOLD_BY = frozenset((*SESSION_KEYS, *USER_KEYS))
_OF_A_NODE = 500
"""About the bytes of an utterance in the tree, without its words."""


class Told(NamedTuple):
    """A turn as it was told."""

    by: Sequence[object]
    """What it was told by, see `steps.told_by`."""
    turn: Turn
    """The turn."""
    gaps: Sequence[Gap]
    """Its gaps."""


class Grown:
    """All that was found so far."""

    def __init__(self) -> None:
        self.found: list[Seen] = []
        """Every span, in the order of their starts."""
        self.transcript = Transcript()
        """The model calls, each in its place."""
        self.known = Known(asked=set(), answered=set())
        """What the spans around the runs say."""
        self.told: dict[int, Told] = {}
        """The turns as they were told last, by index."""
        self.size = 0
        """About the bytes that it takes."""
        self._traces: set[str] = set()
        self._longest = Longest()
        self._before = Before()
        self._last: Seen | None = None

    def add(self, spans: Iterable[Span], logs: Iterable[LogRecord] = ()) -> bool:
        """Add whole traces of which every span begins after all others.

        False where what came changes what was made of those before: then all must be read together, and this is of no
        use any more.
        """
        try:
            self._add(spans, logs)
        except ChangesThePast:
            return False
        return True

    def _add(self, spans: Iterable[Span], logs: Iterable[LogRecord]) -> None:
        limit = self._longest.limit
        new = gather(spans, logs, longest=self._longest, before=len(self.found))
        traces = {seen.span.trace_id for seen in new}
        if self.found and new:
            is_later = new[0].span.start_ns > self.found[-1].span.start_ns
            if not is_later or traces & self._traces or self._longest.limit != limit:
                raise ChangesThePast
        calls = model_calls(new, self._before)
        if not self.transcript.expect(templates(calls)):
            raise ChangesThePast
        went_on, self._before.went_on = self._before.went_on, []
        if not all(self.transcript.go_on_from(call) for call in went_on if call.order < len(self.found)):
            raise ChangesThePast
        for call in calls:
            self._place(call)
        self._know(calls)
        self._keep(new, calls)
        self._traces |= traces

    def _place(self, call: Seen) -> None:
        nodes = self.transcript.nodes
        if (last := self._last) is not None and last.reading.tools == call.reading.tools:
            call.reading = call.reading.but(tools=last.reading.tools)
        self.transcript.place(call)
        self._last = call
        self.size += _OF_A_NODE * (self.transcript.nodes - nodes) + 8 * len(call.reading.request or ())

    def _know(self, calls: Iterable[Seen]) -> None:
        runs = {id(run): run for call in calls for run in [call.run] if run is not call}.values()
        asked = (wrapper.asked(run.reading.input) for run in runs)
        answered = (wrapper.answered(run.reading.output) for run in runs)
        self.known.asked.update(text.strip() for text in asked if text)
        self.known.answered.update(text.strip() for text in answered if text)

    def _keep(self, new: Iterable[Seen], calls: Iterable[Seen]) -> None:
        """Keep spans without the long texts that were read out of them."""
        placed = set(map(id, calls))
        for seen in new:
            attributes = seen.span.attributes
            seen.span = _light(seen.span)
            if seen.reading.kind == "model":
                attributes = seen.span.attributes
                if id(seen) not in placed:
                    seen.reading = seen.reading.but(request=None, response=None, alternatives=())
            self.size += _OF_A_NODE + sum(len(text) for text in attributes.values() if isinstance(text, str))
        self.found += new


def _light(span: Span) -> Span:
    if not any(map(_is_long, (span.attributes, *(event.attributes for event in span.events)))):
        return span
    events = tuple(SpanEvent(name=e.name, at_ns=e.at_ns, attributes=_short(e.attributes)) for e in span.events)
    return span.but(attributes=_short(span.attributes), events=events)


def _is_long(attributes: dict[str, JSON]) -> bool:
    return any(isinstance(value, str) and len(value) > LONGEST_KEPT for value in attributes.values())


def _short(attributes: dict[str, JSON]) -> dict[str, JSON]:
    return {
        key: value
        for key, value in attributes.items()
        if not isinstance(value, str) or len(value) <= LONGEST_KEPT or key in _TOLD_BY or key.startswith(OWN)
    }

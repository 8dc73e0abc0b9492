"""What a session's spans tell, grown trace by trace: a talk that goes on is not read from its beginning again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from sys import intern
from typing import NamedTuple

from taketwo.capture import dialects, wrapper
from taketwo.capture.about import About
from taketwo.capture.cut import Longest
from taketwo.capture.echoes import told_by_trace
from taketwo.capture.executions import executions
from taketwo.capture.ledger import Ledger
from taketwo.capture.model_calls import Before, ChangesThePast, model_calls, templates
from taketwo.capture.reading import Execution
from taketwo.capture.story import Story
from taketwo.capture.talk import Known
from taketwo.capture.trace_tree import ERROR_TYPE, Read, Seen, gather
from taketwo.capture.transcript import Transcript
from taketwo.span import LogRecord, Span
from taketwo.value import JSON

MOST_TAKEN_BACK = 8
"""How many of the latest additions can be taken back."""

_NOTHING: dict[str, JSON] = {}

_OF_A_NODE = 800
"""About the bytes of an utterance in the tree, without its words."""
_OF_A_SPAN = 2_400
"""About the bytes of a span that was read."""


class Part(NamedTuple):
    """Traces of which every span begins after those of the parts before."""

    spans: Sequence[Span]
    """Their spans."""
    logs: Sequence[LogRecord]
    """Their log records."""


@dataclass(slots=True)
class _State:
    """All that was found so far, but what stands in the tree."""

    count: int = 0
    """How many spans there were."""
    latest_ns: int = 0
    """When the last of them began."""
    traces: frozenset[str] = frozenset()
    """Of which traces they are."""
    about: About = field(default_factory=About)
    longest: Longest = field(default_factory=Longest)
    before: Before = field(default_factory=Before)
    last: Seen | None = None
    """The model call that was placed last."""
    ran: int = 0
    """How many tools had run."""
    size: int = 0
    """About the bytes that it takes."""


class _Addition(NamedTuple):
    """What was added at once, and what was there before."""

    traces: frozenset[str]
    before: _State
    ledger: Ledger


class Grown:
    """All that was found so far."""

    def __init__(self) -> None:
        self.transcript = Transcript()
        """The model calls, each in its place."""
        self.known = Known(asked=set(), answered=set())
        """What the spans around the runs say."""
        self.ran: list[tuple[Seen, Execution]] = []
        """The tools that ran, see `executions`."""
        self.story = Story()
        """The turns as they were told last."""
        self.told: dict[str, frozenset[str]] = {}
        """The names of the responses that each trace tells of, see `echoes`."""
        self._state = _State()
        self._additions: deque[_Addition] = deque(maxlen=MOST_TAKEN_BACK)

    @property
    def about(self) -> About:
        """What the spans say about the session."""
        return self._state.about

    @property
    def size(self) -> int:
        """About the bytes that it takes."""
        return self._state.size

    def add(self, spans: Iterable[Span], logs: Iterable[LogRecord] = (), read: Read = dialects.read) -> bool:
        """Add whole traces of which every span begins after all others.

        False where what came changes what was made of those before: then all must be read together, and this is of no
        use any more.
        """
        before, ledger = self._state, Ledger(self.transcript.touched)
        self.transcript.ledger = ledger
        self._state = replace(
            before, about=before.about.copy(), longest=before.longest.copy(), before=before.before.copy(ledger)
        )
        try:
            added = self._add(spans, logs, read)
        except ChangesThePast:
            return False
        self._additions.append(_Addition(added, before, ledger))
        return True

    def take_back(self, traces: Iterable[str], since_ns: int) -> frozenset[str] | None:
        """Take back what was added with certain traces or later, and what began at a time or later.

        Gives the traces that are gone with that; None where it was added too long ago.
        """
        gone: frozenset[str] = frozenset()
        while self._state.traces.intersection(traces) or (self._state.traces and self._state.latest_ns >= since_ns):
            if not self._additions:
                return None
            addition = self._additions.pop()
            addition.ledger.take_back()
            self._state = addition.before
            del self.ran[self._state.ran :]
            gone |= addition.traces
        return gone

    def _add(self, spans: Iterable[Span], logs: Iterable[LogRecord], read: Read) -> frozenset[str]:
        state = self._state
        limit = state.longest.limit
        new = gather(spans, logs, longest=state.longest, before=state.count, read=read)
        traces = frozenset(seen.span.trace_id for seen in new)
        if state.traces and new:
            is_later = new[0].span.start_ns > state.latest_ns
            if not is_later or traces & state.traces or state.longest.limit != limit:
                raise ChangesThePast
        told = told_by_trace(new)  # by itself: where calls are told apart, they take over what others said
        calls = model_calls(new, state.before)
        if not self.transcript.expect(templates(calls)):
            raise ChangesThePast
        went_on, state.before.went_on = state.before.went_on, []
        if not all(self.transcript.go_on_from(call) for call in went_on if call.order < state.count):
            raise ChangesThePast
        for call in calls:
            self._place(call)
        self._know(calls)
        self._keep(new, calls)
        self.told |= told
        state.count += len(new)
        state.latest_ns = new[-1].span.start_ns if new else state.latest_ns
        state.traces |= traces
        state.ran = len(self.ran)
        return traces

    def _place(self, call: Seen) -> None:
        state, nodes = self._state, self.transcript.nodes
        if (last := state.last) is not None and last.reading.tools == call.reading.tools:
            call.reading = call.reading.but(tools=last.reading.tools)
        self.transcript.place(call)
        state.last = call
        state.size += _OF_A_NODE * (self.transcript.nodes - nodes)

    def _know(self, calls: Iterable[Seen]) -> None:
        runs = {id(run): run for call in calls for run in [call.run] if run is not call}.values()
        asked = (wrapper.asked(run.reading.input) for run in runs)
        answered = (wrapper.answered(run.reading.output) for run in runs)
        for texts, known in ((asked, self.known.asked), (answered, self.known.answered)):
            for text in filter(None, texts):
                self.transcript.ledger.add(known, text.strip())

    def _keep(self, new: Sequence[Seen], calls: Iterable[Seen]) -> None:
        """Keep what is told by the spans, and the spans without the long texts that were read out of them."""
        self._state.about.add(new)
        self.ran += executions(new)
        placed = set(map(id, calls))
        for seen in new:
            if seen.reading.kind == "model":
                if id(seen) not in placed:
                    seen.reading = seen.reading.but(request=None, response=None, alternatives=())
            else:
                texts = seen.span.attributes.values()
                self._state.size += sum(len(text) for text in texts if isinstance(text, str))
            seen.span = _light(seen.span)
            self._state.size += _OF_A_SPAN


def grown(spans: Sequence[Span], logs: Sequence[LogRecord] = ()) -> Grown:
    """All the traces; the last part of them can be taken back where they allow it, for it may still go on."""
    *before, last = parts(spans, logs) or [Part((), ())]
    found = Grown()
    earlier = Part([span for part in before for span in part.spans], [log for part in before for log in part.logs])
    if before and found.add(*earlier) and found.add(*last):
        return found
    found = Grown()
    found.add(spans, logs)
    return found


def parts(spans: Iterable[Span], logs: Iterable[LogRecord] = ()) -> list[Part]:
    """The traces in the order of their starts; those that overlap are one part."""
    traces: dict[str, tuple[list[Span], list[LogRecord]]] = {}
    times: dict[str, list[int]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, ([], []))[0].append(span)
        times.setdefault(span.trace_id, []).append(span.start_ns)
    for record in logs:
        traces.setdefault(record.trace_id, ([], []))[1].append(record)
        times.setdefault(record.trace_id, []).append(record.at_ns)
    found: list[tuple[list[Span], list[LogRecord]]] = []
    latest = 0
    for trace in sorted(times, key=lambda trace: min(times[trace])):
        if not found or min(times[trace]) <= latest:
            found = found or [([], [])]
        else:
            found.append(([], []))
        found[-1][0].extend(traces[trace][0])
        found[-1][1].extend(traces[trace][1])
        latest = max(latest, *times[trace])
    return [Part(*part) for part in found]


def _light(span: Span) -> Span:
    """The span without what was read out of it."""
    return span.but(
        trace_id=intern(span.trace_id),
        span_id=intern(span.span_id),
        parent_id=span.parent_id and intern(span.parent_id),
        name=intern(span.name),
        attributes={ERROR_TYPE: span.attributes[ERROR_TYPE]} if ERROR_TYPE in span.attributes else _NOTHING,
        events=(),
        resource=_NOTHING,
    )

"""Spans and logs of many conversations, sorted into sessions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field

from taketwo.capture.chaining import Talked, chained, talked
from taketwo.capture.echoes import told_in
from taketwo.capture.identity import is_simulated, project_named, session_named
from taketwo.capture.trace_tree import gather, once
from taketwo.span import LogRecord, Span, SpanEvent
from taketwo.value import JSON, Value

ENVIRONMENT_KEYS = ("deployment.environment.name", "deployment.environment", "langfuse.environment")


class Session(Value):
    """The spans and log records of one conversation."""

    id: str | None
    """The id that the sender named; None when it named none."""
    spans: tuple[Span, ...] = ()
    """The spans, by their starts."""
    logs: tuple[LogRecord, ...] = ()
    """The log records of those spans, by their times."""
    project: str | None = None
    """The project that the resource names; None when it names none."""


@dataclass(slots=True)
class _Trace:
    """The spans of one trace that belong to the same session."""

    id: str | None
    spans: list[Span] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)


def sessions(spans: Iterable[Span], logs: Iterable[LogRecord] = (), *, extra_keys: Sequence[str] = ()) -> list[Session]:
    """Spans and logs by session, the earliest first.

    A span belongs to the session that it names, else to the one of its nearest ancestor, else to the one of its
    trace. Traces that name none are put together where one repeats the history of another; others stand alone. The
    same id in two projects or environments is two sessions. Spans of simulators are left out, and traces of nothing but
    model calls that others tell better. `extra_keys` are attributes that name a session besides the known ones, and
    before them.
    """
    pieces = _pieces([span for span in once(spans) if not is_simulated(span)], list(logs), extra_keys)
    if len(pieces) == 1:
        return [_session(pieces)]
    unnamed = [(piece, talked(piece.spans, piece.logs)) for piece in pieces if piece.id is None]
    echoes = _echoes(unnamed, [piece for piece in pieces if piece.id is not None])
    unnamed = [(piece, talk) for piece, talk in unnamed if id(piece) not in echoes]
    named: dict[str, list[_Trace]] = {}
    for piece in pieces:
        if piece.id is not None:
            named.setdefault(piece.id, []).append(piece)
    chains = chained([talk for _, talk in unnamed])
    found = [_session(group) for same_id in named.values() for group in _scoped(same_id)]
    found += [_session([unnamed[index][0] for index in chain]) for chain in chains]
    return sorted(found, key=lambda session: (_start(session.spans), session.id or "", _first_trace(session)))


def _echoes(unnamed: Sequence[tuple[_Trace, Talked]], named: Sequence[_Trace]) -> set[int]:
    """The identities of those whose model calls others tell better, see `echoes`."""
    weaker = [(piece, talk.responses.untold) for piece, talk in unnamed if talk.responses.untold]
    if not weaker:
        return set()
    known = {(_project(piece.spans), one) for piece, talk in unnamed for one in talk.responses.told}
    for piece in named:
        known |= {(_project(piece.spans), one) for one in told_in(gather(piece.spans, piece.logs))}
    return {id(piece) for piece, untold in weaker if _are_told(untold, _project(piece.spans), known)}


def _are_told(untold: Iterable[Iterable[str]], project: str | None, known: Set[tuple[str | None, str]]) -> bool:
    return all(any((project, name) in known for name in names) for names in untold)


def _pieces(spans: Sequence[Span], logs: Sequence[LogRecord], extra_keys: Sequence[str]) -> list[_Trace]:
    """Every trace, cut up where its spans name different sessions."""
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    by_trace: dict[str, list[LogRecord]] = {}
    for record in logs:
        by_trace.setdefault(record.trace_id, []).append(record)
    pieces: list[_Trace] = []
    for trace_id in {**traces, **by_trace}:
        pieces.extend(_cut(traces.get(trace_id, []), by_trace.get(trace_id, []), extra_keys))
    return pieces


def _cut(spans: list[Span], logs: list[LogRecord], extra_keys: Sequence[str]) -> list[_Trace]:
    """The spans and logs of one trace by the session that each belongs to."""
    named = _named(spans, logs, extra_keys)
    parents = {span.span_id: span.parent_id for span in spans}
    first = next(iter(named.values()), None)
    pieces: dict[str | None, _Trace] = {}
    for span in sorted(spans, key=lambda span: (span.start_ns, span.span_id)):
        identity = _inherited(span.span_id, named, parents) or first
        pieces.setdefault(identity, _Trace(identity)).spans.append(span)
    for record in sorted(logs, key=lambda record: record.at_ns):
        identity = _inherited(record.span_id, named, parents) or first
        pieces.setdefault(identity, _Trace(identity)).logs.append(record)
    return [piece for piece in pieces.values() if piece.spans or any(record.span_id for record in piece.logs)]


def _named(spans: list[Span], logs: list[LogRecord], extra_keys: Sequence[str]) -> dict[str, str]:
    """The sessions that the spans of a trace name, by span, the earliest first; only those under the surest key."""
    found: list[tuple[int, int, str, str]] = []
    sources: list[tuple[int, str, dict[str, JSON]]] = [(span.start_ns, span.span_id, span.attributes) for span in spans]
    sources += [(span.start_ns, span.span_id, event.attributes) for span in spans for event in _details(span)]
    sources += [(record.at_ns, record.span_id, record.attributes) for record in logs]
    sources = (
        sources
        if any(session_named(a, extra_keys) for _, _, a in sources)
        else [(span.start_ns, span.span_id, span.resource) for span in spans]
    )
    for at_ns, span_id, attributes in sources:
        if (ranked := session_named(attributes, extra_keys)) is not None:
            found.append((ranked[0], at_ns, span_id, ranked[1]))
    surest = min((rank for rank, *_ in found), default=0)
    named: dict[str, str] = {}
    for rank, _, span_id, name in sorted(found):
        if rank == surest:
            named.setdefault(span_id, name)
    return named


def _details(span: Span) -> tuple[SpanEvent, ...]:
    return tuple(event for event in span.events if event.name.startswith("gen_ai."))


def _inherited(span_id: str, named: dict[str, str], parents: dict[str, str | None]) -> str | None:
    """The session of the span or of its nearest ancestor that names one."""
    passed: set[str] = set()
    above: str | None = span_id
    while above is not None and above not in passed:
        if above in named:
            return named[above]
        passed.add(above)
        above = parents.get(above)
    return None


def _session(pieces: Sequence[_Trace]) -> Session:
    spans = sorted((span for piece in pieces for span in piece.spans), key=lambda span: (span.start_ns, span.span_id))
    logs = sorted((record for piece in pieces for record in piece.logs), key=lambda record: record.at_ns)
    return Session(id=pieces[0].id, spans=tuple(spans), logs=tuple(logs), project=_project(spans))


def _project(spans: Iterable[Span]) -> str | None:
    return next((name for span in spans if (name := project_named(span.resource))), None)


def _scoped(pieces: Sequence[_Trace]) -> list[list[_Trace]]:
    """Traces with the same id, apart where they name different projects or environments; not all name one."""
    places = [(_project(piece.spans) or "", _environment(piece.spans)) for piece in pieces]
    only = tuple(named.pop() if len(named := {place[n] for place in places} - {""}) == 1 else "" for n in (0, 1))
    groups: dict[tuple[str, str], list[_Trace]] = {}
    for piece, (project, environment) in zip(pieces, places, strict=True):
        groups.setdefault((project or only[0], environment or only[1]), []).append(piece)
    return list(groups.values())


def _environment(spans: Iterable[Span]) -> str:
    return next((str(s.resource[key]) for s in spans for key in ENVIRONMENT_KEYS if key in s.resource), "")


def _start(spans: Sequence[Span]) -> int:
    return min((span.start_ns for span in spans), default=0)


def _first_trace(session: Session) -> str:
    return session.spans[0].trace_id if session.spans else session.logs[0].trace_id

"""Traces without any session id, put together where one repeats the history of another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from taketwo.capture.executions import tell_apart
from taketwo.capture.identity import user_named
from taketwo.capture.model_calls import model_calls
from taketwo.capture.trace_tree import Seen, gather
from taketwo.capture.utterances import Utterance, alike, utterances
from taketwo.span import LogRecord, Span
from taketwo.value import canonical_json

WINDOW_NS = 24 * 3600 * 10**9
"""How much later a conversation may go on."""

LEAST_SPOKEN = 2
"""How many lines must agree where tool calls were left out of the history."""


@dataclass(slots=True)
class _Talked:
    """What one trace tells of: how it begins, and what had been said when it ended."""

    index: int
    start_ns: int
    end_ns: int
    service: object
    user: str | None
    opening: list[Utterance]
    """What its first model call was told."""
    closing: list[Utterance]
    """What its last model call was told and said."""
    response_id: str | None
    previous_id: str | None
    next: int | None = None


def chained(traces: Sequence[tuple[Iterable[Span], Iterable[LogRecord]]]) -> list[list[int]]:
    """Chains of traces by their positions, each trace in exactly one.

    A trace follows another if its first request begins with all that had been said when the other one ended, or names
    its response. Users with equal openings are kept apart: a trace has one successor, and the agent's texts and the
    ids of calls must agree, too.
    """
    talked = [_talked(index, spans, logs) for index, (spans, logs) in enumerate(traces)]
    ends: dict[int, list[_Talked]] = {}
    by_response: dict[str, _Talked] = {}
    follows: set[int] = set()
    for trace in sorted(talked, key=lambda trace: (trace.start_ns, trace.end_ns, trace.index)):
        before = by_response.get(trace.previous_id or "") or _predecessor(trace, ends)
        if before is not None and before.next is None:
            before.next = trace.index
            follows.add(trace.index)
        for state in {_states(trace.closing)[-1], _states(_spoken(trace.closing))[-1]}:
            ends.setdefault(state, []).append(trace)
        if trace.response_id:
            by_response[trace.response_id] = trace
    return [_chain(trace, talked) for trace in talked if trace.index not in follows]


def _chain(trace: _Talked, talked: Sequence[_Talked]) -> list[int]:
    chain = [trace.index]
    while trace.next is not None:
        chain.append(trace.next)
        trace = talked[trace.next]
    return chain


def _talked(index: int, spans: Iterable[Span], logs: Iterable[LogRecord]) -> _Talked:
    found = gather(spans, logs)
    calls = [call for call in model_calls(found) if call.tool_above is None and not call.is_aside]
    first, last = (calls[0], max(calls, key=_told)) if calls else (None, None)
    resource = found[0].span.resource if found else {}
    return _Talked(
        index=index,
        start_ns=min((seen.span.start_ns for seen in found), default=0),
        end_ns=max((seen.span.end_ns for seen in found), default=0),
        service=(resource.get("service.name"), resource.get("deployment.environment.name")),
        user=next((name for seen in found if (name := user_named(seen.span.attributes))), None),
        opening=_said(first, response=False) if first is not None else [],
        closing=_said(last, response=True) if last is not None else [],
        response_id=last.reading.response_id if last is not None else None,
        previous_id=first.reading.previous_response_id if first is not None else None,
    )


def _told(call: Seen) -> tuple[int, int]:
    return len(call.reading.request or ()), call.order


def _said(call: Seen, *, response: bool) -> list[Utterance]:
    messages = (call.reading.request or ()) + ((call.reading.response or ()) if response else ())
    return [item for item in utterances(messages) if isinstance(item, Utterance)]


def _spoken(said: Sequence[Utterance]) -> list[Utterance]:
    """The lines of the user and the last text after each: what applications keep that leave tool steps out."""
    spoken: list[Utterance] = []
    for utterance in said:
        if utterance.kind == "say" and spoken and spoken[-1].kind == "say":
            spoken[-1] = utterance
        elif utterance.kind != "call":
            spoken.append(utterance)
    return spoken


def _states(said: Sequence[Utterance]) -> list[int]:
    """A number for every beginning of what was said, the empty one first: equal beginnings have equal numbers."""
    states = [0]
    for utterance in said:
        states.append(hash((states[-1], utterance.kind, _content(utterance))))
    return states


def _content(utterance: Utterance) -> str:
    if utterance.call is None:
        return utterance.text.strip()
    return f"{utterance.call.name} {canonical_json(utterance.call.arguments)}"


def _predecessor(trace: _Talked, ends: dict[int, list[_Talked]]) -> _Talked | None:
    """The trace that this one continues: the longest history counts, then the latest."""
    for opening in (trace.opening, _spoken(trace.opening)):
        states = _states(opening)
        for length in range(len(opening), 0, -1):
            fitting = [other for other in ends.get(states[length], []) if _goes_on(other, trace, opening[:length])]
            if fitting:
                return max(fitting, key=lambda other: (_shared_ids(other, trace), other.end_ns))
    return None


def _goes_on(before: _Talked, after: _Talked, shared: Sequence[Utterance]) -> bool:
    if before.next is not None or before.index == after.index or before.service != after.service:
        return False
    if before.user and after.user and before.user != after.user:
        return False
    if not 0 <= after.start_ns - before.start_ns <= WINDOW_NS:
        return False
    trimmed = len(shared) < len(before.closing)
    if not _is_evidence(shared, at_least=LEAST_SPOKEN if trimmed else 1):
        return False
    waits = not trimmed and before.closing[-1].kind == "call"
    opening = _spoken(after.opening) if trimmed else after.opening
    return (len(opening) > len(shared) or waits) and not _contradict(before.closing, after.opening)


def _is_evidence(shared: Sequence[Utterance], *, at_least: int) -> bool:
    """Whether what two traces share is the agent's doing, too, and is not hidden."""
    if len(shared) < at_least or all(utterance.kind == "user" for utterance in shared):
        return False
    has_ids = any(utterance.call is not None and utterance.call.id for utterance in shared)
    return has_ids or not any(utterance.flaw for utterance in shared)


def _contradict(closing: Sequence[Utterance], opening: Sequence[Utterance]) -> bool:
    """Whether the same calls have different ids: they are two users', whose talks began alike."""
    mine = [utterance.call for utterance in closing if utterance.call is not None]
    theirs = [utterance.call for utterance in opening if utterance.call is not None]
    return any(
        alike(Utterance("call", call=one), Utterance("call", call=other)) and tell_apart(one.id, other.id)
        for one, other in zip(mine, theirs, strict=False)
    )


def _shared_ids(before: _Talked, after: _Talked) -> int:
    mine = {utterance.call.id for utterance in before.closing if utterance.call is not None and utterance.call.id}
    return sum(utterance.call is not None and utterance.call.id in mine for utterance in after.opening)

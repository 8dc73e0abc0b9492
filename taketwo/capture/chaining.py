"""Traces without any session id, put together where one repeats the history of another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from taketwo.capture import dialects
from taketwo.capture.echoes import Responses, responses
from taketwo.capture.identity import user_named
from taketwo.capture.model_calls import model_calls
from taketwo.capture.reading import Message
from taketwo.capture.trace_tree import Read, Seen, gather
from taketwo.capture.utterances import Utterance, same_call, tell_apart, utterances
from taketwo.span import LogRecord, Span

WINDOW_NS = 24 * 3600 * 10**9
"""How much later a conversation may go on."""

MOST_MESSAGES = 4096
"""How many messages are remembered with their utterances."""
LONGEST_REMEMBERED = 4096
"""Letters of a message that is remembered: longer ones would fill the memory of whoever reads many talks."""
LEAST_SPOKEN = 2
"""How many lines must agree where tool calls were left out of the history."""


@dataclass(slots=True, eq=False)
class Talked:
    """What one trace tells of: how it begins, and what had been said when it ended."""

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
    responses: Responses
    """Those of all its model calls."""
    _ended_as: frozenset[int] | None = None

    @property
    def ended_as(self) -> frozenset[int]:
        """The numbers of all that had been said when it ended, with and without calls."""
        if self._ended_as is None:
            self._ended_as = frozenset((_states(self.closing)[-1], _states(_spoken(self.closing))[-1]))
        return self._ended_as


def chained(all_talked: Sequence[Talked]) -> list[list[int]]:
    """Chains of traces by their positions, each trace in exactly one.

    A trace follows another if its first request begins with all that had been said when the other one ended, or names
    its response. Users with equal openings are kept apart: a trace has one successor, and the agent's texts and the
    ids of calls must agree, too.
    """
    in_order = sorted(enumerate(all_talked), key=lambda one: (one[1].start_ns, one[1].end_ns, one[0]))
    position = {id(trace): index for index, trace in enumerate(all_talked)}
    ends = Ends()
    following: dict[int, int] = {}
    for index, trace in in_order:
        if (before := ends.take(trace)) is not None:
            following[position[id(before)]] = index
        ends.add(trace)
    followers = set(following.values())
    return [_chain(index, following) for index in range(len(all_talked)) if index not in followers]


def _chain(index: int, following: Mapping[int, int]) -> list[int]:
    chain = [index]
    while (after := following.get(chain[-1])) is not None:
        chain.append(after)
    return chain


class Ends:
    """Where traces ended, which later ones may go on from."""

    def __init__(self) -> None:
        self._by_state: dict[int, list[Talked]] = {}
        self._by_response: dict[str, Talked] = {}
        self._followed: set[int] = set()

    def add(self, trace: Talked) -> None:
        """Add one that began later than the others."""
        for state in trace.ended_as:
            self._by_state.setdefault(state, []).append(trace)
        if trace.response_id:
            self._by_response[trace.response_id] = trace

    def take(self, trace: Talked) -> Talked | None:
        """The one that a trace continues, which no other can continue after that; None where it begins a talk."""
        before = self._by_response.get(trace.previous_id or "") or self._predecessor(trace)
        if before is None or id(before) in self._followed:
            return None
        self._followed.add(id(before))
        return before

    def _predecessor(self, trace: Talked) -> Talked | None:
        """The trace that this one continues: the longest history counts, then the latest."""
        for opening in (trace.opening, _spoken(trace.opening)):
            states = _states(opening)
            for length in range(len(opening), 0, -1):
                waiting = [one for one in self._by_state.get(states[length], []) if id(one) not in self._followed]
                fitting = [other for other in waiting if _goes_on(other, trace, opening[:length])]
                if len(fitting) == 1:
                    return fitting[0]
                if fitting:
                    return max(fitting, key=lambda other: (_shared_ids(other, trace), other.end_ns))
        return None


def talked(spans: Iterable[Span], logs: Iterable[LogRecord] = (), read: Read = dialects.read) -> Talked:
    """What one trace tells of."""
    found = gather(spans, logs, read=read)
    every = model_calls(found)
    calls = [call for call in every if call.tool_above is None and not call.is_aside]
    calls = [call for call in calls if call.reading.evidence != "nothing"] or calls  # LlamaIndex prepares them in some
    first, last = (calls[0], max(calls, key=_told)) if calls else (None, None)
    resource = found[0].span.resource if found else {}
    asked, asked_last = (call.reading.request or () if call is not None else () for call in (first, last))
    opening, closing = _said(asked), list[Utterance]()
    if last is not None:
        goes_on = asked_last[: len(asked)] == asked  # as most do: what is repeated is not gone through again
        closing = opening + _said(asked_last[len(asked) :]) if goes_on else _said(asked_last)
        closing += _said(last.reading.response or ())
    return Talked(
        start_ns=min((seen.span.start_ns for seen in found), default=0),
        end_ns=max((seen.span.end_ns for seen in found), default=0),
        service=(resource.get("service.name"), resource.get("deployment.environment.name")),
        user=next((name for seen in found if (name := user_named(seen.span.attributes))), None),
        opening=opening,
        closing=closing,
        response_id=last.reading.response_id if last is not None else None,
        previous_id=first.reading.previous_response_id if first is not None else None,
        responses=responses(found, every),
    )


def _told(call: Seen) -> tuple[int, int]:
    return len(call.reading.request or ()), call.order


_messages: dict[int, tuple[Message, list[Utterance]]] = {}
"""The messages read last, by identity, with their utterances: what is repeated is the very same message, see
`dialects.messages`."""


def _said(messages: Iterable[Message]) -> list[Utterance]:
    said: list[Utterance] = []
    for message in messages:
        known = _messages.get(id(message))
        if known is None:
            known = message, [item for item in utterances((message,)) if isinstance(item, Utterance)]
            if _is_short(*known):
                if len(_messages) >= MOST_MESSAGES:
                    _messages.clear()
                _messages[id(message)] = known
        said += known[1]
    return said


def _is_short(message: Message, said: Iterable[Utterance]) -> bool:
    if message.results or message.attachments:
        return False
    letters = len(message.text) + len(message.reasoning) + sum(len(one.content) for one in said)
    return letters <= LONGEST_REMEMBERED


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
        states.append(hash((states[-1], utterance.kind, utterance.content)))
    return states


def _goes_on(before: Talked, after: Talked, shared: Sequence[Utterance]) -> bool:
    if before.service != after.service:
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
    return any(tell_apart(a.id, b.id) and same_call(a, b) for a, b in zip(mine, theirs, strict=False))


def _shared_ids(before: Talked, after: Talked) -> int:
    mine = {utterance.call.id for utterance in before.closing if utterance.call is not None and utterance.call.id}
    return sum(utterance.call is not None and utterance.call.id in mine for utterance in after.opening)

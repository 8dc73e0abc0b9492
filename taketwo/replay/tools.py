"""The tool world: what a tool call gets, looked up in the recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from taketwo.conversation import Call, Conversation
from taketwo.replay.matching import Arguments, canonical_key, differences, exact_key, nearest, read_arguments, shown
from taketwo.run import Miss, StepPlace, Tier
from taketwo.value import Value


class ToolPolicy(Value):
    """What a tool call gets that the recording cannot answer."""

    on_miss: Literal["stop", "error"] = "stop"
    """`stop`: the replay ends there; `error`: the agent reads an error and goes on."""
    live: tuple[str, ...] = ()
    """Tools that really run when the recording has no answer. Nothing else ever does."""


DEFAULT_POLICY = ToolPolicy()


class Recorded(Value):
    """A recorded call that may answer."""

    other_conversation: str | None
    """Id of the conversation it stands in; None for the case's own."""
    place: StepPlace
    """Where in it."""
    call: Call
    """The call with its result."""
    unknown: str | None
    """Why it cannot answer: its arguments or its result were not recorded; None when it can."""


class Found(Value):
    """What answers a call, or why nothing does."""

    tier: Tier
    """Which tier answers; `miss` when none does."""
    recorded: Recorded | None = None
    """The recorded call that answers; None for a miss."""
    reused: bool = False
    """Whether it has answered before."""
    miss: Miss | None = None
    """Why nothing answers; None when something does."""


class RecordedCalls:
    """An index of recorded calls by tool and arguments; never changes, so many replays may share one."""

    def __init__(self, conversations: Iterable[Conversation], *, are_others: bool = False) -> None:
        """Index the calls of these conversations, in this order. `are_others`: none is the case's own."""
        self.all: list[Recorded] = []
        # Nearly every call is the only one with its arguments; a list for each would be most of what a replay holds.
        self._first: dict[tuple[str, bytes], Recorded] = {}
        self._further: dict[tuple[str, bytes], list[Recorded]] = {}
        self._canonical: dict[str, dict[bytes, list[Recorded]]] = {}
        for conversation in conversations:
            self._add(conversation, conversation.id if are_others else None)

    @property
    def tools(self) -> frozenset[str]:
        """The tools that were called."""
        return frozenset(recorded.call.tool for recorded in self.all)

    def of_tool(self, tool: str) -> list[Recorded]:
        """All calls of a tool, also those that cannot answer."""
        return [recorded for recorded in self.all if recorded.call.tool == tool]

    def exact(self, tool: str, arguments: Arguments, text: str | None) -> Sequence[Recorded]:
        """Calls with equal arguments; with `text`, calls whose arguments were the same text that is no JSON object."""
        key = (tool, _key(arguments, text))
        first = self._first.get(key)
        return () if first is None else (first, *self._further.get(key, ()))

    def canonical(self, tool: str, arguments: Arguments) -> Sequence[Recorded]:
        """Calls whose arguments mean the same, the exactly equal ones among them."""
        # Made only now and only for this tool: most calls are found by the exact index.
        if tool not in self._canonical:
            made: dict[bytes, list[Recorded]] = {}
            for recorded in self.of_tool(tool):
                if recorded.unknown is None and _unreadable(recorded.call) is None:
                    made.setdefault(canonical_key(recorded.call.arguments), []).append(recorded)
            self._canonical[tool] = made
        return self._canonical[tool].get(canonical_key(arguments), ())

    def _add(self, conversation: Conversation, other: str | None) -> None:
        gaps = {gap.where: gap.why for gap in conversation.gaps}
        for turn_index, step_index, call in conversation.calls():
            unknown = _unknown(f"turns[{turn_index}].steps[{step_index}]", call, gaps) if gaps else None
            place = StepPlace(turn_index=turn_index, step_index=step_index)
            recorded = Recorded(other_conversation=other, place=place, call=call, unknown=unknown)
            self.all.append(recorded)
            if unknown is None:
                key = (call.tool, _key(call.arguments, _unreadable(call)))
                if self._first.setdefault(key, recorded) is not recorded:
                    self._further.setdefault(key, []).append(recorded)


class ToolWorld:
    """What the tools of one replay answer. It keeps count, so that repeated calls get the recorded results in order."""

    def __init__(
        self,
        own: RecordedCalls,
        scope: RecordedCalls | None = None,
        *,
        writes: Callable[[str], bool] = lambda tool: False,
    ) -> None:
        """own: the case's calls. scope: further recorded calls, asked after those. writes: is this tool a write?"""
        self._indexes = [own] if scope is None else [own, scope]
        self._own = own
        self._writes = writes
        # By identity: calls that are equal in every field still answer one after the other.
        self._used: set[int] = set()

    def answer(self, tool: str, arguments: Arguments, turn_index: int | None, text: str | None = None) -> Found:
        """What this call gets in the turn at this recorded position.

        Equal arguments win over equal meaning; among equal calls the one recorded in this turn wins, then the first
        that has not answered yet. When all have, a read is answered by the last one again, and a write is a miss.
        """
        for index in self._indexes:
            exact = index.exact(tool, arguments, text)
            if recorded := self._unused(exact, turn_index):
                return self._use("exact", recorded)
            alike = index.canonical(tool, arguments) if text is None else ()
            if recorded := self._unused(alike, turn_index):
                return self._use("canonical", recorded)
            if exact or alike:
                return self._again(exact, alike, arguments)
        return Found(tier="miss", miss=self._missed(tool, arguments, text))

    def left_out(self, turn_index: int | None) -> list[Call]:
        """The calls recorded in a turn that have answered nothing so far."""
        of_turn = (recorded for recorded in self._own.all if recorded.place.turn_index == turn_index)
        return [recorded.call for recorded in of_turn if id(recorded) not in self._used]

    @property
    def tools(self) -> frozenset[str]:
        """The tools of the case's own calls."""
        return self._own.tools

    def _unused(self, group: Sequence[Recorded], turn_index: int | None) -> Recorded | None:
        unused = [recorded for recorded in group if id(recorded) not in self._used]
        if len(unused) < 2:
            return unused[0] if unused else None
        of_this_turn = (
            recorded
            for recorded in unused
            if recorded.place.turn_index == turn_index and recorded.other_conversation is None
        )
        return next(of_this_turn, unused[0])

    def _use(self, tier: Tier, recorded: Recorded) -> Found:
        self._used.add(id(recorded))
        return Found(tier=tier, recorded=recorded)

    def _again(self, exact: Sequence[Recorded], alike: Sequence[Recorded], arguments: Arguments) -> Found:
        """All equal calls have answered."""
        last = (exact or alike)[-1]
        if self._writes(last.call.tool):
            times = max(len(exact), len(alike))
            said = (
                f"recorded {'once' if times == 1 else f'{times} times'}, asked once more, and `{last.call.tool}` writes"
            )
            return Found(tier="miss", miss=_miss("used_up", last, (said,)))
        return Found(tier="exact" if exact else "canonical", recorded=last, reused=True)

    def _missed(self, tool: str, arguments: Arguments, text: str | None) -> Miss:
        """The nearest recorded call and what differs."""
        for index in self._indexes:
            if of_tool := index.of_tool(tool):
                return _other_arguments(of_tool, arguments, text)
        return Miss(kind="never_recorded")


def _other_arguments(of_tool: list[Recorded], arguments: Arguments, text: str | None) -> Miss:
    known = [recorded for recorded in of_tool if recorded.unknown is None]
    if not known:
        return _miss("other_arguments", of_tool[0], (of_tool[0].unknown or "",))
    if text is not None:
        said = f"the arguments asked are no JSON object: {shown(text)}"
        return _miss("other_arguments", known[0], (said,))
    chosen = known[nearest(arguments, [recorded.call.arguments for recorded in known]) or 0]
    return _miss("other_arguments", chosen, differences(arguments, chosen.call.arguments))


def _miss(kind: Literal["other_arguments", "used_up"], recorded: Recorded, lines: tuple[str, ...]) -> Miss:
    # A place in another conversation would be read as one in the case's own.
    place = recorded.place if recorded.other_conversation is None else None
    return Miss(kind=kind, nearest=place, nearest_arguments=recorded.call.arguments, differences=lines)


def _key(arguments: Arguments, text: str | None) -> bytes:
    return exact_key(arguments) if text is None else text.encode()


def _unreadable(call: Call) -> str | None:
    """The recorded arguments as text where they are no JSON object."""
    return None if call.arguments or call.arguments_text is None else read_arguments(call.arguments_text)[1]


def _unknown(place: str, call: Call, gaps: dict[str, str]) -> str | None:
    """Why this call cannot answer, in words; None when it can."""
    if (why := gaps.get(f"{place}.arguments")) and call.arguments_text is None and not call.arguments:
        return f"its arguments were not recorded: {why}"
    if (why := gaps.get(f"{place}.result")) and call.result is None and call.error is None:
        return f"its result was not recorded: {why}"
    return None

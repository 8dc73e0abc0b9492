"""Recorded calls, found by tool and arguments, and the order in which they were made."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from taketwo.conversation import Call, Conversation
from taketwo.replay.matching import Arguments, canonical_key, exact_key, read_arguments
from taketwo.run import StepPlace
from taketwo.value import Value

Learned = TypeVar("Learned")


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


class RecordedCalls:
    """An index of recorded calls by tool and arguments; never changes, so many replays may share one."""

    def __init__(self, conversations: Iterable[Conversation], *, are_others: bool = False) -> None:
        """Index the calls of these conversations, in this order. `are_others`: none is the case's own."""
        self.all: list[Recorded] = []
        # Nearly every call is the only one with its arguments; a list for each would be most of what a replay holds.
        self._first: dict[tuple[str, bytes], Recorded] = {}
        self._further: dict[tuple[str, bytes], list[Recorded]] = {}
        self._by_meaning: dict[tuple[str, bool], dict[bytes, list[Recorded]]] = {}
        self._by_tool: dict[str, list[Recorded]] | None = None
        self._by_conversation: dict[str | None, list[Recorded]] | None = None
        self._worked_out: dict[Hashable, Any] = {}
        for conversation in conversations:
            self._add(conversation, conversation.id if are_others else None)

    @property
    def tools(self) -> frozenset[str]:
        """The tools that were called."""
        return frozenset(recorded.call.tool for recorded in self.all)

    def of_tool(self, tool: str) -> Sequence[Recorded]:
        """All calls of a tool, also those that cannot answer."""
        if self._by_tool is None:
            self._by_tool = {}
            for recorded in self.all:
                self._by_tool.setdefault(recorded.call.tool, []).append(recorded)
        return self._by_tool.get(tool, ())

    def answering(self, tool: str) -> Iterator[Recorded]:
        """The calls of a tool whose arguments and results are known."""
        for recorded in self.of_tool(tool):
            if recorded.unknown is None and unreadable(recorded.call) is None:
                yield recorded

    def of_conversation(self, other: str | None) -> Sequence[Recorded]:
        """The calls of one conversation, in order; None for the case's own."""
        return self.by_conversation.get(other, ())

    @property
    def by_conversation(self) -> dict[str | None, list[Recorded]]:
        """The calls of each conversation, in order."""
        if self._by_conversation is None:
            self._by_conversation = {}
            for recorded in self.all:
                self._by_conversation.setdefault(recorded.other_conversation, []).append(recorded)
        return self._by_conversation

    def once(self, what: Hashable, work_out: Callable[[], Learned]) -> Learned:
        """What is worked out from these calls only once, however many replays share them."""
        if what not in self._worked_out:
            self._worked_out[what] = work_out()
        known: Learned = self._worked_out[what]
        return known

    def exact(self, tool: str, arguments: Arguments, text: str | None) -> Sequence[Recorded]:
        """Calls with equal arguments; with `text`, calls whose arguments were the same text that is no JSON object."""
        key = (tool, _key(arguments, text))
        first = self._first.get(key)
        if first is None:
            return ()
        further = self._further.get(key)
        return (first,) if further is None else (first, *further)

    def canonical(self, tool: str, arguments: Arguments, *, keep_ids: bool) -> Sequence[Recorded]:
        """Calls whose arguments mean the same, the exactly equal ones among them; keep_ids: see `canonical`."""
        # Made only now and only for this tool: most calls are found by the exact index.
        made = self._by_meaning.get((tool, keep_ids))
        if made is None:
            made = self._by_meaning[tool, keep_ids] = {}
            for recorded in self.answering(tool):
                made.setdefault(canonical_key(recorded.call.arguments, keep_ids=keep_ids), []).append(recorded)
        return made.get(canonical_key(arguments, keep_ids=keep_ids), ()) if made else ()

    def _add(self, conversation: Conversation, other: str | None) -> None:
        gaps = {gap.where: gap.why for gap in conversation.gaps}
        for turn_index, step_index, call in conversation.calls():
            unknown = _unknown(f"turns[{turn_index}].steps[{step_index}]", call, gaps) if gaps else None
            place = StepPlace(turn_index=turn_index, step_index=step_index)
            recorded = Recorded(other_conversation=other, place=place, call=call, unknown=unknown)
            self.all.append(recorded)
            if unknown is None:
                key = (call.tool, _key(call.arguments, unreadable(call)))
                if self._first.setdefault(key, recorded) is not recorded:
                    self._further.setdefault(key, []).append(recorded)


def unreadable(call: Call) -> str | None:
    """The recorded arguments as text where they are no JSON object."""
    return None if call.arguments or call.arguments_text is None else read_arguments(call.arguments_text)[1]


def _key(arguments: Arguments, text: str | None) -> bytes:
    return exact_key(arguments) if text is None else text.encode()


def _unknown(place: str, call: Call, gaps: dict[str, str]) -> str | None:
    """Why this call cannot answer, in words; None when it can."""
    if (why := gaps.get(f"{place}.arguments")) and call.arguments_text is None and not call.arguments:
        return f"its arguments were not recorded: {why}"
    if (why := gaps.get(f"{place}.result")) and call.result is None and call.error is None:
        return f"its result was not recorded: {why}"
    return None

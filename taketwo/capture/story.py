"""The talk in turns, told again when it goes on: turns that nothing came to stay as they were told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from itertools import takewhile
from operator import is_
from typing import NamedTuple, TypeVar

from taketwo.capture.executions import matched
from taketwo.capture.reading import Execution
from taketwo.capture.speakers import speakers
from taketwo.capture.steps import Notes, told_by, turn_of
from taketwo.capture.talk import Known, choose, is_one_thread
from taketwo.capture.trace_tree import Seen
from taketwo.capture.transcript import Node, Transcript
from taketwo.capture.turns import Draft, drafts, insert_unasked, number_messages
from taketwo.conversation import Gap, Turn

Key = TypeVar("Key")


class _Told(NamedTuple):
    """A turn as it was told."""

    by: list[object]
    """What it was told by, see `steps.told_by`."""
    turn: Turn
    """The turn."""
    gaps: list[Gap]
    """Its gaps."""


class _ByTurn(dict[Key, int]):
    """The turn in which each thing was met first, those of earlier turns before those of later ones."""

    def meet(self, things: Iterable[Key], turn: int) -> None:
        """Note what is met in the next turn."""
        for thing in things:
            self.setdefault(thing, turn)

    def forget_from(self, turn: int) -> None:
        """Forget what was met first in that turn or later."""
        while self and next(reversed(self.values())) >= turn:
            self.popitem()


class Story:
    """The turns of a talk as they were told last."""

    def __init__(self) -> None:
        self.turns: list[Draft] = []
        """The turns before they were told."""
        self.by_code: list[Seen] = []
        """The tools that no model asked for."""
        self._told: list[_Told] = []
        self._is_plain = False
        self._turn_of = _ByTurn[int]()
        self._marks = _ByTurn[tuple[str, str]]()
        self._taken = _ByTurn[int]()

    @property
    def told(self) -> tuple[Turn, ...]:
        """The turns."""
        return tuple(one.turn for one in self._told)

    @property
    def gaps(self) -> list[Gap]:
        """What is not known about the turns."""
        return [gap for one in self._told for gap in one.gaps]

    def tell(self, transcript: Transcript, known: Known, ran: list[tuple[Seen, Execution]]) -> None:
        """Tell the talk in all model calls; what happened in the transcript since the last time is forgotten there."""
        is_plain = is_one_thread(transcript)
        same = self._untouched(transcript.touched) if is_plain and self._is_plain else 0
        transcript.touched.clear()
        self._forget_from(same)
        came, unasked = self._since(transcript) if same else choose(transcript, known), list[Seen]()
        if (spans := self._matched_apart(came, ran)) is None:
            same, came = 0, choose(transcript, known)
            self._forget_from(0)
            spans, unasked = matched([node for node in came if node.utterance.kind == "call"], ran)
        runs = [turn.run for turn in self.turns[:same]]
        self._draft(came, transcript, self.turns[:same], spans, unasked)
        self._is_plain = is_plain and not unasked
        stays = [turn.run is run for turn, run in zip(self.turns, runs, strict=False)]
        stays += [False] * (len(self.turns) - len(stays))
        self._told = [self._turn(index, stays[index]) for index in range(len(self.turns))]

    def _untouched(self, touched: Set[int]) -> int:
        """How many turns stay what they are: those before the first to which something came; the last may go on."""
        first = min((self._turn_of[node] for node in touched if node in self._turn_of), default=len(self.turns))
        return max(min(first, len(self.turns) - 1), 0)

    def _since(self, transcript: Transcript) -> list[Node]:
        """What follows the turns that stay, where there is one thread."""
        above = transcript.placed[-1].end.above()
        return list(takewhile(lambda node: id(node) not in self._turn_of, above))[::-1]

    def _forget_from(self, turn: int) -> None:
        for met in (self._turn_of, self._marks, self._taken):
            met.forget_from(turn)

    def _matched_apart(self, came: list[Node], ran: list[tuple[Seen, Execution]]) -> dict[int, Seen] | None:
        """The spans of the calls that came after the turns that stay; None where all must be matched together.

        Calls that were made apart, in other traces and with other ids, have nothing to do with each other.
        """
        calls = [node for node in came if node.utterance.kind == "call"]
        new = [one for one in ran if id(one[0]) not in self._taken]
        marks = {mark for node in calls for mark in _marks_of_call(node)}
        marks |= {mark for one in new for mark in _marks_of_span(*one)}
        if not self._marks.keys().isdisjoint(marks):
            return None
        found, unasked = matched(calls, new)
        return None if unasked else found

    def _draft(
        self, came: list[Node], transcript: Transcript, kept: list[Draft], spans: dict[int, Seen], unasked: list[Seen]
    ) -> None:
        self.turns = drafts(came, transcript.root, kept)
        new = self.turns[len(kept) :]
        for turn in new:
            turn.speakers = speakers(turn.calls)
            for item in turn.items:
                item.ran = spans.get(id(item.node))
            turn.items = [item for item in turn.items if item.ran is not None or not item.is_nameless]
        self.by_code = insert_unasked(self.turns, unasked)
        self._turn_of.setdefault(id(transcript.root), 0)
        for index, turn in enumerate(new, len(kept)):
            number_messages(turn)
            self._turn_of.meet(map(id, turn.nodes), index)
            self._taken.meet((id(item.ran) for item in turn.items if item.ran is not None), index)
            self._marks.meet(_marks_of_turn(turn), index)

    def _turn(self, index: int, stays: bool) -> _Told:
        """The turn at that index, as it was told last where it would be told out of the very same things."""
        there = self._told[index] if index < len(self._told) else None
        if there is not None and stays:
            return there
        things = told_by(self.turns[index])
        if there is not None and len(there.by) == len(things) and all(map(is_, there.by, things)):
            return there
        notes = Notes()
        return _Told(things, turn_of(self.turns[index], index, notes), notes.gaps)


def _marks_of_turn(turn: Draft) -> Iterator[tuple[str, str]]:
    for item in turn.items:
        if item.node is not None and item.node.utterance.kind == "call":
            yield from _marks_of_call(item.node)
        if item.ran is not None and (ran := item.ran.reading.execution) is not None:
            yield from _marks_of_span(item.ran, ran)


def _marks_of_call(node: Node) -> Iterator[tuple[str, str]]:
    """What its span must have one of, see `executions.matched`."""
    if node.utterance.call is not None and node.utterance.call.id is not None:
        yield "id", node.utterance.call.id
    if (asked_by := node.said_by or node.first) is not None:
        yield "trace", asked_by.span.trace_id


def _marks_of_span(seen: Seen, ran: Execution) -> Iterator[tuple[str, str]]:
    if ran.call_id is not None:
        yield "id", ran.call_id
    yield "trace", seen.span.trace_id

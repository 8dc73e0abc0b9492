"""The talk in turns, told again when it goes on: turns that nothing came to stay as they were told."""

from __future__ import annotations

from collections.abc import Iterator, Set
from operator import is_
from typing import NamedTuple

from taketwo.capture.executions import matched
from taketwo.capture.reading import Execution
from taketwo.capture.steps import Notes, told_by, turn_of
from taketwo.capture.talk import Known, choose, is_one_thread
from taketwo.capture.trace_tree import Seen
from taketwo.capture.transcript import Node, Transcript
from taketwo.capture.turns import Draft, drafts, insert_unasked, number_messages
from taketwo.conversation import Gap, Turn


class _Told(NamedTuple):
    """A turn as it was told."""

    by: list[object]
    """What it was told by, see `steps.told_by`."""
    turn: Turn
    """The turn."""
    gaps: list[Gap]
    """Its gaps."""


class Story:
    """The turns of a talk as they were told last."""

    def __init__(self) -> None:
        self.turns: list[Draft] = []
        """The turns before they were told."""
        self.by_code: list[Seen] = []
        """The tools that no model asked for."""
        self._told: list[_Told] = []
        self._is_plain = False
        self._turn_of: dict[int, int] = {}
        self._marks: dict[tuple[str, str], int] = {}

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
        path = choose(transcript, known)
        is_plain = is_one_thread(transcript)
        same = self._untouched(transcript.touched) if is_plain and self._is_plain else 0
        transcript.touched.clear()
        kept = self.turns[:same]
        unasked: list[Seen] = []
        if (spans := self._matched_apart(path, ran, kept)) is None:
            kept = []
            spans, unasked = matched([node for node in path if node.utterance.kind == "call"], ran)
        runs = [turn.run for turn in kept]
        self._draft(path, transcript, kept, spans, unasked)
        self._is_plain = is_plain and not unasked
        stays = [turn.run is run for turn, run in zip(kept, runs, strict=False)]
        stays += [False] * (len(self.turns) - len(stays))
        self._told = [self._turn(index, stays[index]) for index in range(len(self.turns))]

    def _untouched(self, touched: Set[int]) -> int:
        """How many turns stay what they are: those before the first to which something came; the last may go on."""
        first = min((self._turn_of[node] for node in touched if node in self._turn_of), default=len(self.turns))
        return max(min(first, len(self.turns) - 1), 0)

    def _matched_apart(
        self, path: list[Node], ran: list[tuple[Seen, Execution]], kept: list[Draft]
    ) -> dict[int, Seen] | None:
        """The spans of the calls, of which those of the kept turns are known; None where all must be matched together.

        Calls that were made apart, in other traces and with other ids, have nothing to do with each other.
        """
        spans = {id(item.node): item.ran for turn in kept for item in turn.items if item.ran is not None}
        taken = {id(seen) for seen in spans.values()}
        calls = [node for node in path[sum(len(turn.nodes) for turn in kept) :] if node.utterance.kind == "call"]
        new = [one for one in ran if id(one[0]) not in taken]
        marks = {mark for node in calls for mark in _marks_of_call(node)}
        marks |= {mark for one in new for mark in _marks_of_span(*one)}
        if any(self._marks.get(mark, len(kept)) < len(kept) for mark in marks):
            return None
        found, unasked = matched(calls, new)
        return None if unasked else spans | found

    def _draft(
        self, path: list[Node], transcript: Transcript, kept: list[Draft], spans: dict[int, Seen], unasked: list[Seen]
    ) -> None:
        turns = drafts(path, transcript.placed, kept)
        for turn in turns[len(kept) :]:
            for item in turn.items:
                item.ran = spans.get(id(item.node))
            turn.items = [item for item in turn.items if item.ran is not None or not item.is_nameless]
        self.by_code = insert_unasked(turns, unasked)
        for turn in turns[len(kept) :]:
            number_messages(turn)
        self.turns = turns
        first = len(kept)
        self._turn_of = {node: turn for node, turn in self._turn_of.items() if turn < first}
        self._turn_of |= {id(node): index for index in range(first, len(turns)) for node in turns[index].nodes}
        self._turn_of[id(transcript.root)] = 0
        self._marks = {mark: turn for mark, turn in self._marks.items() if turn < first}
        for index in range(first, len(turns)):
            for mark in _marks_of_turn(turns[index]):
                self._marks.setdefault(mark, index)

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

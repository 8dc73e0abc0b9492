"""The shortest conversation that still fails: delta debugging over turns, paragraphs of the prompt and tool results.

Source: A. Zeller and R. Hildebrandt, Simplifying and isolating failure-inducing input, 2002 (ddmin).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from taketwo.conversation import Call, Conversation, Gap, Turn
from taketwo.scenario import Case, Expectation
from taketwo.value import JSON, Value, cut_to, one_line

StillFails = Callable[[Case], Awaitable[bool]]
"""Whether a smaller case shows the failure, for sure; one that cannot be replayed to its end does not."""


class Shrunk(Value):
    """What is left of a case."""

    case: Case
    """The smallest case that was found to fail."""
    tests: int
    """How many smaller cases were tried."""
    is_minimal: bool
    """Whether no single part can be left out any more; False when the budget ended before that was known."""
    removed: tuple[str, ...] = ()
    """What was left out, in words."""


class BudgetSpent(Exception):
    """Raised by `still_fails` when nothing more may be tried; the smallest so far is kept."""


async def shrink(case: Case, still_fails: StillFails, dimensions: Sequence[Dimension] | None = None) -> Shrunk:
    """Leave out whatever the failure does not need, until every part that is left is needed.

    A part that others depend on stays by itself: without it the replay does not get as far as the failure. The turns
    that expectations name keep their numbers in the smaller case. `still_fails` may raise BudgetSpent.
    dimensions: what may be left out, in this order; None for all.
    """
    search = _Search(still_fails)
    removed: list[str] = []
    is_minimal = True
    try:
        again = True
        while again:
            again = False
            for dimension in DIMENSIONS if dimensions is None else dimensions:
                parts = dimension.parts(case)
                kept = await search.least(parts, partial(dimension.keeping, case))
                if len(kept) < len(parts):
                    removed += [part.in_words for part in parts if part not in kept]
                    case, again = dimension.keeping(case, kept), True
    except BudgetSpent:
        is_minimal = False
        if search.best is not None:
            removed += [part.in_words for part in search.left_out]
            case = search.best
    return Shrunk(case=case, tests=search.tests, is_minimal=is_minimal, removed=tuple(removed))


class Part(NamedTuple):
    """Something that may be left out."""

    place: tuple[int | str, ...]
    """Where it is."""
    in_words: str
    """What it is."""


class Dimension(Protocol):
    """A kind of part."""

    def parts(self, case: Case) -> list[Part]:
        """All of the case, in order."""

    def keeping(self, case: Case, some: Sequence[Part]) -> Case:
        """The case with only these of them."""


class _Search:
    """ddmin over the parts of one dimension after the other; remembers the smallest case that failed."""

    def __init__(self, still_fails: StillFails) -> None:
        self.tests = 0
        self.best: Case | None = None
        self.left_out: list[Part] = []
        self._still_fails = still_fails

    async def least(self, parts: Sequence[Part], keeping: Callable[[Sequence[Part]], Case]) -> list[Part]:
        """A 1-minimal choice of parts that still fails; all of them where nothing can go."""
        self.best = None
        left, pieces = list(parts), 1
        while left:
            alone, without = _pieces(left, pieces)
            if (piece := await self._first_failing(alone, parts, keeping)) is not None:
                left, pieces = piece, min(2, len(piece))
            elif (rest := await self._first_failing(without, parts, keeping)) is not None:
                left, pieces = rest, min(max(pieces - 1, 2), len(rest))
            elif pieces < len(left):
                pieces = min(2 * pieces, len(left))
            else:
                break
        return left

    async def _first_failing(
        self, choices: Sequence[list[Part]], parts: Sequence[Part], keeping: Callable[[Sequence[Part]], Case]
    ) -> list[Part] | None:
        for some in choices:
            if await self._fails(some, parts, keeping):
                return some
        return None

    async def _fails(
        self, some: Sequence[Part], parts: Sequence[Part], keeping: Callable[[Sequence[Part]], Case]
    ) -> bool:
        candidate = keeping(some)
        self.tests += 1
        if not await self._still_fails(candidate):
            return False
        self.best, self.left_out = candidate, [part for part in parts if part not in some]
        return True


def _pieces(left: list[Part], pieces: int) -> tuple[list[list[Part]], list[list[Part]]]:
    """Each piece alone, and all without each piece; with two pieces these are the same."""
    cut = [left[len(left) * n // pieces : len(left) * (n + 1) // pieces] for n in range(pieces)]
    return cut if pieces > 2 else [], [[part for part in left if part not in piece] for piece in cut]


class _Turns:
    """Whole turns; those that an expectation names stay."""

    def parts(self, case: Case) -> list[Part]:
        named = {number for expected in case.expected if (number := _turn_of(expected)) is not None}
        return [
            Part(("turn", turn.index), f"turn {turn.index + 1}: {_short(turn.user.text if turn.user else turn.reply)}")
            for turn in case.recorded.turns
            if turn.index + 1 not in named
        ]

    def keeping(self, case: Case, some: Sequence[Part]) -> Case:
        kept = {part.place[1] for part in some}
        droppable = {part.place[1] for part in self.parts(case)}
        left = [turn.index for turn in case.recorded.turns if turn.index in kept or turn.index not in droppable]
        numbers = {old: new for new, old in enumerate(left)}
        turns = tuple(case.recorded.turns[old].but(index=new) for old, new in numbers.items())
        expected = tuple(_renumbered(one, numbers) for one in case.expected)
        gaps = tuple(_moved_gaps(case.recorded, numbers))
        return case.but(recorded=case.recorded.but(turns=turns, gaps=gaps), expected=expected, floor=None)


class _Paragraphs:
    """Paragraphs of the system prompt, which an agent that is rebuilt from the recording reads."""

    def parts(self, case: Case) -> list[Part]:
        prompt = case.recorded.agent.system_prompt or ""
        found = [text for text in re.split(r"\n\s*\n", prompt) if text.strip()]
        return [Part(("paragraph", number, text), f"prompt: {_short(text)}") for number, text in enumerate(found)]

    def keeping(self, case: Case, some: Sequence[Part]) -> Case:
        prompt = "\n\n".join(str(part.place[2]) for part in some) or None
        return case.but(recorded=case.recorded.but(agent=case.recorded.agent.but(system_prompt=prompt)))


class _Results:
    """Fields and items of what tools gave back."""

    def parts(self, case: Case) -> list[Part]:
        return [
            Part((turn, step, key), f"result of {call.tool} in turn {turn + 1}: {key}")
            for turn, step, call in case.recorded.calls()
            for key in _keys(call.result)
        ]

    def keeping(self, case: Case, some: Sequence[Part]) -> Case:
        kept = {part.place for part in some}
        turns = tuple(_with_results(turn, kept) for turn in case.recorded.turns)
        return case.but(recorded=case.recorded.but(turns=turns))


WHOLE_TURNS: tuple[Dimension, ...] = (_Turns(), _Paragraphs())
"""What may be left out so that each call that is left is answered as it was."""
RESULTS: tuple[Dimension, ...] = (_Results(),)
"""What a mended agent may read although the failing one did not."""
DIMENSIONS = WHOLE_TURNS + RESULTS
"""What may be left out, the largest parts first."""


def _with_results(turn: Turn, kept: set[tuple[int | str, ...]]) -> Turn:
    steps = []
    for position, step in enumerate(turn.steps):
        if isinstance(step, Call) and (keys := _keys(step.result)):
            wanted = [key for key in keys if (turn.index, position, key) in kept]
            step = step.but(result=_only(step.result, wanted))
        steps.append(step)
    return turn.but(steps=tuple(steps))


def _keys(result: JSON) -> list[int | str]:
    """What could be left out of a result; a text that holds JSON stays as the agent read it."""
    match result:
        case dict():
            return list(result)
        case list():
            return list(range(len(result)))
        case _:
            return []


def _only(result: JSON, wanted: Sequence[int | str]) -> JSON:
    match result:
        case dict():
            return {key: value for key, value in result.items() if key in wanted}
        case list():
            return [value for position, value in enumerate(result) if position in wanted]
        case _:
            return result


def _turn_of(expected: Expectation) -> int | None:
    return getattr(expected, "turn", None)


def _renumbered(expected: Expectation, numbers: dict[int, int]) -> Expectation:
    number = _turn_of(expected)
    return expected if number is None else expected.but(turn=numbers[number - 1] + 1)


def _moved_gaps(recorded: Conversation, numbers: dict[int, int]) -> Iterator[Gap]:
    for gap in recorded.gaps:
        found = re.match(r"turns\[(\d+)\](.*)", gap.where, re.DOTALL)
        if found is None:
            yield gap
        elif (number := numbers.get(int(found.group(1)))) is not None:
            yield gap.but(where=f"turns[{number}]{found.group(2)}")


def _short(text: str | None) -> str:
    return cut_to(one_line(text or ""), 60)

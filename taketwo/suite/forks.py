"""One live turn after each recorded prefix: every turn of a case as a case of its own."""

from __future__ import annotations

from collections.abc import Iterator

from taketwo.scenario import Case, Expectation, MaxTokens, MustCall, MustSay
from taketwo.suite.suite_case import SuiteCase


def each_turn(one: SuiteCase) -> Iterator[SuiteCase]:
    """The case once for each of its turns, named `CASE@4`: what came before is held, what comes after is left out."""
    for number in range(1, len(one.case.recorded.turns) + 1):
        yield one._replace(case=_until(one.case, number), from_turn=number)


def _until(case: Case, number: int) -> Case:
    recorded = case.recorded
    is_last = number == len(recorded.turns)
    after = tuple(f"turns[{index}]" for index in range(number, len(recorded.turns)))
    return case.but(
        id=f"{case.id}@{number}",
        recorded=recorded.but(
            turns=recorded.turns[:number],
            gaps=tuple(gap for gap in recorded.gaps if not gap.where.startswith(after)) if after else recorded.gaps,
        ),
        expected=tuple(expected for expected in case.expected if _is_about(expected, number, is_last)),
        floor=None,
    )


def _is_about(expected: Expectation, number: int, is_last: bool) -> bool:
    """Whether it can be judged in this turn; what must happen anywhere is judged when all turns are there."""
    turn = getattr(expected, "turn", None)
    if turn is not None:
        return bool(turn == number)
    return is_last or not isinstance(expected, MustCall | MustSay | MaxTokens)

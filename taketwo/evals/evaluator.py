"""The seam for judgements of one's own: an object with a name and `evaluate(context)`."""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from taketwo.comparison import Comparison
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.verdict import Score, Unscored

Judgement: TypeAlias = bool | float | str | Score | Unscored
"""A bool is a check, a number a score, a text a label; a Score or Unscored says more about itself."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What an evaluator may look at."""

    case: Case
    """The case, with the recorded conversation."""
    run: Run
    """The replay, with the new conversation."""
    comparison: Comparison
    """What is different between the two."""


class Evaluator(Protocol):
    """Judges one aspect of a run; a frozen dataclass with the settings as fields does."""

    @property
    def name(self) -> str:
        """What is judged, in words; it names the score."""
        ...

    def evaluate(self, context: Context) -> Judgement | Awaitable[Judgement]:
        """The judgement; `Unscored` where there is nothing to judge by. May be `async def`."""
        ...


async def evaluate(context: Context, evaluators: Iterable[Evaluator]) -> tuple[Score | Unscored, ...]:
    """What every evaluator says of the run; Unscored, with the reason, for one that crashes or gives no judgement."""
    return tuple([await _judged(evaluator, context) for evaluator in evaluators])


async def _judged(evaluator: Evaluator, context: Context) -> Score | Unscored:
    try:
        given: object = evaluator.evaluate(context)
        if inspect.isawaitable(given):
            given = await given
    except Exception as error:  # foreign code may raise anything
        return _unscored(evaluator, f"the evaluator failed: {type(error).__name__}: {error}")
    match given:
        case Score() | Unscored():
            return given
        case float() if not math.isfinite(given):
            return _unscored(evaluator, f"the evaluator gave {given}, which is no score")
        case bool() | int() | float() | str():
            return Score(name=evaluator.name, value=given, evaluator=type(evaluator).__name__)
        case _:
            return _unscored(evaluator, f"the evaluator gave a {type(given).__name__}, which is no judgement")


def _unscored(evaluator: Evaluator, why: str) -> Unscored:
    return Unscored(name=evaluator.name, why=why, evaluator=type(evaluator).__name__)

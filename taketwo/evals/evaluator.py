"""The seam for judgements of one's own: an object with a name and `evaluate(context)`."""

from __future__ import annotations

import inspect
import math
import traceback
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from taketwo.comparison import Comparison
from taketwo.conversation import Conversation
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.verdict import Score, Unscored

MOST_FRAMES = 4
"""So many places of a traceback are told, the innermost ones."""

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
    is_captured: bool = False
    """Whether it is a conversation of production, judged by itself; case, run and comparison are then its own."""

    @property
    def conversation(self) -> Conversation:
        """What is judged: the replayed conversation, or the captured one."""
        return self.run.conversation


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
        return _unscored(evaluator, f"the evaluator failed: {type(error).__name__}: {error}{_place(error)}")
    match given:
        case Score() | Unscored():
            return given
        case float() if not math.isfinite(given):
            return _unscored(evaluator, f"the evaluator gave {given}, which is no score")
        case bool() | int() | float() | str():
            return Score(name=evaluator.name, value=given, evaluator=version_of(evaluator))
        case _:
            return _unscored(evaluator, f"the evaluator gave a {type(given).__name__}, which is no judgement")


def _is_ours(file: str) -> bool:
    return Path(file).parent == Path(__file__).parent


def _unscored(evaluator: Evaluator, why: str) -> Unscored:
    return Unscored(name=evaluator.name, why=why, evaluator=version_of(evaluator))


def version_of(evaluator: Evaluator) -> str:
    """Name and version as its scores say them: its `version` where it has one, else the name of its class."""
    return str(getattr(evaluator, "version", None) or type(evaluator).__name__)


def _place(error: Exception) -> str:
    """Where foreign code failed, from where we called it: ` (my_evals.py:12 in evaluate, my_evals.py:7 in mean)`."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(frame.filename)]
    told = ", ".join(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames[-MOST_FRAMES:])
    return f" ({told})" if told else ""

"""What a case expects, checked against a run. Every judgement says what it rests on: turn, call, words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from taketwo.comparison import Comparison
from taketwo.conversation import Conversation
from taketwo.evals.calls import judge_calls
from taketwo.evals.evaluator import Context
from taketwo.evals.limits import judge_limit
from taketwo.evals.patterns import CannotJudge
from taketwo.evals.phrases import expectation_in_words
from taketwo.evals.reach import Found, Part, part
from taketwo.evals.talk import judge_words
from taketwo.run import Run
from taketwo.scenario import (
    CallOrder,
    Case,
    EndState,
    Expectation,
    MustCall,
    MustSay,
    MustSayFact,
    OfCalls,
    OfWords,
    turn_of,
)
from taketwo.verdict import Score, Unscored
from taketwo.writes import Writes

EVALUATOR = "checks/1"
"""Name and version, as every score says it."""


def check(case: Case, run: Run, comparison: Comparison) -> tuple[Score | Unscored, ...]:
    """Every expectation of the case, judged in order.

    Turns in expectations are the recorded ones; the comparison says which replayed turn belongs to which. Where the
    replay ended early, what has happened already is judged and what could still have happened is Unscored.
    """
    around = _Around(run.conversation, Writes((case.recorded, run.conversation)))
    return tuple(_check(expected, _part(case, run, comparison, expected), around) for expected in case.expected)


@dataclass(frozen=True)
class NamedCheck:
    """An expectation that is asked of every conversation, under a name."""

    name: str
    """The evaluator's name."""
    expected: Expectation
    """What must or must not happen."""
    version: ClassVar[str] = EVALUATOR
    """That of the checks."""

    def evaluate(self, context: Context) -> Score | Unscored:
        """As a case's own expectation is judged."""
        (judged,) = check(context.case.but(expected=(self.expected,)), context.run, context.comparison)
        if isinstance(judged, Score) and judged.reason is None:
            return judged.but(name=self.name, reason=judged.name)
        return judged.but(name=self.name)


class _Around(NamedTuple):
    """What a check may have to know besides the turns that it is about."""

    conversation: Conversation
    """The conversation as a whole."""
    writes: Writes
    """Which tools change the world."""


def _part(case: Case, run: Run, comparison: Comparison, expected: Expectation) -> Part:
    """What must happen somewhere, or be there at the end, may have happened before the agent under test took over."""
    may_be_held = isinstance(expected, MustCall | MustSay | MustSayFact | CallOrder | EndState)
    return part(case, run, comparison, turn_of(expected), with_held=may_be_held)


def _check(expected: Expectation, where: Part, around: _Around) -> Score | Unscored:
    name = expectation_in_words(expected, where.in_words)
    try:
        found = _judge(expected, where, around)
    except CannotJudge as error:
        found = str(error)
    if isinstance(found, str):
        return Unscored(name=name, why=found, evaluator=EVALUATOR)
    holds, reason, turn_index = found
    return Score(name=name, value=holds, reason=reason, turn_index=turn_index, evaluator=EVALUATOR)


def _judge(expected: Expectation, where: Part, around: _Around) -> Found:
    if where.why_incomplete is not None and not where.turns:
        return where.why_incomplete
    if isinstance(expected, OfCalls):
        return judge_calls(expected, where, around.writes)
    if isinstance(expected, OfWords):
        return judge_words(expected, where, around.conversation)
    return judge_limit(expected, where)

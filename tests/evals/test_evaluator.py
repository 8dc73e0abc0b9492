from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from taketwo.compare.compare import compare
from taketwo.evals.evaluator import Context, Judgement, evaluate
from taketwo.run import Ending, Run
from taketwo.scenario import Case
from taketwo.testing import conversation, turn
from taketwo.verdict import Score, Unscored

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TALK = conversation(turn("Hi", reply="Hello!"))
CONTEXT = Context(
    case=Case(id="hi", recorded=TALK),
    run=Run(
        id="r",
        case_id="hi",
        agent="a:b",
        started_at=NOW,
        ended_at=NOW,
        conversation=TALK,
        ending=Ending(reason="completed"),
    ),
    comparison=compare(TALK, TALK),
)


@dataclass(frozen=True)
class Gives:
    value: object
    name: str = "politeness"

    def evaluate(self, context: Context) -> Judgement:
        return self.value  # type: ignore[return-value]  # what foreign code may do


@dataclass(frozen=True)
class CountsTurns:
    name: str = "turns"

    async def evaluate(self, context: Context) -> Judgement:
        return float(len(context.run.conversation.turns))


@dataclass(frozen=True)
class Crashes:
    name: str = "politeness"

    def evaluate(self, context: Context) -> Judgement:
        raise KeyError("tone")


async def test_a_bool_a_number_and_a_text_become_scores_with_the_evaluators_name() -> None:
    assert await evaluate(CONTEXT, [Gives(True), Gives(0.5), Gives("warm")]) == (
        Score(name="politeness", value=True, evaluator="Gives"),
        Score(name="politeness", value=0.5, evaluator="Gives"),
        Score(name="politeness", value="warm", evaluator="Gives"),
    )


async def test_an_evaluator_may_be_async() -> None:
    assert await evaluate(CONTEXT, [CountsTurns()]) == (Score(name="turns", value=1.0, evaluator="CountsTurns"),)


async def test_a_score_and_an_unscored_are_taken_as_they_are() -> None:
    score, unscored = Score(name="tone", value="warm"), Unscored(name="tone", why="no reply")
    assert await evaluate(CONTEXT, [Gives(score), Gives(unscored)]) == (score, unscored)


async def test_a_crash_is_unscored_with_the_exception_and_the_others_still_judge() -> None:
    crashed, judged = await evaluate(CONTEXT, [Crashes(), Gives(True)])
    assert isinstance(crashed, Unscored)
    assert (crashed.name, crashed.evaluator) == ("politeness", "Crashes")
    assert crashed.why.startswith("the evaluator failed: KeyError: 'tone' (test_evaluator.py:")
    assert judged == Score(name="politeness", value=True, evaluator="Gives")


async def test_what_is_no_judgement_is_unscored() -> None:
    for value in (None, [], float("nan"), float("inf")):
        (found,) = await evaluate(CONTEXT, [Gives(value)])
        assert isinstance(found, Unscored)

"""Judging what is there already: captured conversations, and runs that were kept, without running anything again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from taketwo.compare.compare import compare
from taketwo.compare.severity import TABLE, Weight
from taketwo.conversation import Conversation
from taketwo.evals.checks import check
from taketwo.evals.evaluator import Context, Evaluator, evaluate
from taketwo.run import Ending, Run
from taketwo.scenario import Case
from taketwo.store.feedback import Feedback
from taketwo.suite.contrast import contrast_of, floor_of, with_contrast
from taketwo.suite.decide import decide
from taketwo.suite.repeats import Repeats
from taketwo.value import prepared
from taketwo.verdict import Attempt, CaseResult, Score, Unscored

PRODUCTION = "production"
"""Stands for the agent of a captured conversation."""


def captured_context(conversation: Conversation) -> Context:
    """A captured conversation as evaluators see it: what happened, and nothing beside it."""
    at = conversation.started_at or datetime.now(UTC)
    run = Run(
        id=conversation.id,
        case_id=conversation.id,
        agent=PRODUCTION,
        started_at=at,
        ended_at=conversation.ended_at or at,
        conversation=conversation,
        ending=Ending(reason="completed"),
    )
    case = Case(id=conversation.id, recorded=conversation)
    return Context(case=case, run=run, comparison=compare(conversation, conversation), is_captured=True)


async def score(conversation: Conversation, evaluators: Sequence[Evaluator]) -> tuple[Score | Unscored, ...]:
    """What every evaluator says of a captured conversation."""
    return await evaluate(captured_context(conversation), evaluators)


def as_feedback(score: Score, at: datetime) -> Feedback:
    """The score as it is kept beside what users and reviewers said; the same evaluator's next one takes its place."""
    # Of the conversation as a whole, whatever turn decided it: a filter asks for conversations.
    place = "" if score.turn_index is None else f"turn {score.turn_index + 1}: "
    comment = None if score.reason is None else f"{place}{score.reason}"
    return Feedback(name=score.name, value=score.value, comment=comment, given_by=score.evaluator, at=at)


async def rescore(
    result: CaseResult, case: Case, evaluators: Sequence[Evaluator], severities: Mapping[str, Weight] = TABLE
) -> CaseResult:
    """The result as it is with today's expectations, evaluators and rules, from the runs as they were kept.

    Repeats count as when it was run, and what the old agent did is held against the new one anew.
    """
    new = [await _rescored(attempt.run, case, evaluators, severities) for attempt in result.attempts]
    old = [await _rescored(attempt.run, case, evaluators, severities) for attempt in result.against]
    repeats = Repeats(most=max(1, len(new)))
    if result.repeats is not None:
        repeats = msgspec.convert(result.repeats, prepared(Repeats))
    is_against = result.contrast is not None
    floor = floor_of(case, result.against[0].run.agent, old) if result.against else None
    verdict = decide(case, new, repeats=repeats, floor=floor)
    contrast = contrast_of(case, old, new) if is_against else None
    return result.but(
        kept=case.kept,
        attempts=tuple(new),
        against=tuple(old),
        verdict=verdict if contrast is None else with_contrast(verdict, contrast),
        contrast=contrast,
    )


async def _rescored(run: Run, case: Case, evaluators: Sequence[Evaluator], severities: Mapping[str, Weight]) -> Attempt:
    comparison = compare(case.recorded, run.conversation, severities=severities, cut_short_in=run.cut_short_in)
    scores = check(case, run, comparison)
    scores += await evaluate(Context(case=case, run=run, comparison=comparison), evaluators)
    return Attempt(run=run, comparison=comparison, scores=scores)

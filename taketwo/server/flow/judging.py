"""Replays of a row ─► its result: compared, checked and decided by the same code as everywhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from taketwo.compare.compare import compare
from taketwo.compare.metrics import marks
from taketwo.comparison import Metrics
from taketwo.conversation import Conversation
from taketwo.errors import NotFound, NotUnique, TooFast
from taketwo.evals.checks import check
from taketwo.evals.evaluator import Context, Evaluator
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.sdk.api.executions import CallExecution, CallFigures
from taketwo.server.flow.allowances import book, insist_on_money
from taketwo.server.flow.asking import Named, Purse
from taketwo.server.flow.selection import single_turn
from taketwo.server.flow.shelf import Flow, Place, Shelf
from taketwo.store.feedback import names_of
from taketwo.suite.decide import decide
from taketwo.suite.next_steps import OF_A_SERVER, Ways
from taketwo.suite.repeats import Repeats
from taketwo.value import Value
from taketwo.verdict import Attempt, CaseResult, Score, Unscored

CSAT: Final = "csat"
PEOPLE: Final = ("user", "human", "reviewer")
"""Who a score of a replay is signed by where a person gave it, and no judge."""


class CallResult(Value):
    """What came of a row with the case as it was then."""

    call_execution_id: str
    """The call execution."""
    project: str
    """Its project."""
    source: str | None
    """Id of the conversation that the row came from; None when it was written by hand."""
    case: Case
    """The case that was replayed."""
    result: CaseResult
    """What came of it."""
    writing_tools: tuple[str, ...] = ()
    """Tools that the worker knows to change the world."""
    given: tuple[tuple[Score | Unscored, ...], ...] = ()
    """What the worker's own evaluators said, for each replay: nobody else can ask them again."""


RESULTS = Shelf(
    "call_result",
    CallResult,
    lambda one: one.call_execution_id,
    lambda one: Place(
        project=one.project,
        source=one.source,
        also_of=one.case.origin.also_of,
        user=None if one.case.origin.also_of else one.case.recorded.user_id,
    ),
)


def judge(
    flow: Flow,
    call: CallExecution,
    case: Case,
    runs: Sequence[Run],
    evaluators: Sequence[Evaluator | Named],
    *,
    writing_tools: tuple[str, ...] = (),
    given: tuple[tuple[Score | Unscored, ...], ...] = (),
) -> CallResult:
    """The result of a row's replays. Blocks while evaluators work; what models cost is booked on its project.

    given: what the worker's own evaluators said of each run.
    """
    case = _with_marks_of_today(flow, call.project, case)
    purse, (asked, refused) = Purse(), _affordable(flow, call.project, evaluators)
    attempts = tuple(
        _attempt(flow, case, run, asked, purse, writing_tools, (*refused, *own))
        for run, own in zip(runs, given or [()] * len(runs), strict=True)
    )
    book(flow, call.project, purse.usd)
    result = CaseResult(
        scenario=call.scenario,
        case_id=case.id,
        recorded_id=case.recorded.id,
        also_of=case.also_of(),
        verdict=decide(case, attempts, repeats=Repeats(most=max(1, len(attempts))), ways=_ways(call, given)),
        why=case.why,
        kept=case.kept,
        attempts=attempts,
    )
    return CallResult(
        call_execution_id=call.id,
        project=call.project,
        source=case.origin.conversation,
        case=case,
        result=result,
        writing_tools=writing_tools,
        given=given,
    )


def _ways(call: CallExecution, given: tuple[tuple[Score | Unscored, ...], ...]) -> Ways:
    """What the worker's own evaluators said is judged again only where they are."""
    if any(given):
        return OF_A_SERVER._replace(judge_again=f"taketwo replay --rerun {call.id}, with the same --evaluator")
    address = f"/api/test-executions/{call.test_execution_id}/rerun"
    return OF_A_SERVER._replace(judge_again=f'POST {address} with {{"what": "evaluators"}}')


def _with_marks_of_today(flow: Flow, project: str, case: Case) -> Case:
    """The case with the CSAT that its conversation has by now: users are asked when they are gone."""
    if (id := case.origin.conversation) is None:
        return case
    try:
        found = flow.store.conversation(id, project)
    except (NotFound, NotUnique):  # the copy outlives it
        return case
    if id not in names_of(found):  # the beginning of another one's id
        return case
    now = found if found.id == id else single_turn(found, id)
    return case.but(recorded=_marked(case.recorded, marks(now.outcome.scores)))


def _marked(conversation: Conversation, given: Mapping[str, float]) -> Conversation:
    if not given:
        return conversation
    outcome = conversation.outcome
    return conversation.but(outcome=outcome.but(scores={**outcome.scores, **given}))


def _affordable(
    flow: Flow, project: str, evaluators: Sequence[Evaluator | Named]
) -> tuple[list[Evaluator | Named], list[Unscored]]:
    """Those that may judge today, and why the others may not."""
    costly = [one for one in evaluators if isinstance(one, Named) and one.needs_model]
    try:
        if costly:
            insist_on_money(flow, project)
    except TooFast as error:
        left = [one for one in evaluators if one not in costly]
        return left, [Unscored(name=one.name, why=error.what) for one in costly]
    return list(evaluators), []


def told(call: CallExecution, result: CaseResult, case: Case) -> CallExecution:
    """The call execution with what its listing shows of the result."""
    last = result.attempts[-1]
    # What a judge thinks the user would say; few ask the user of a replay.
    judged = (mark for one in last.scores if (mark := _mark(one)) is not None)
    mark = next(judged, None) if last.comparison.replayed.csat is None else None
    reasons = result.verdict.reasons
    return call.but(
        run_id=last.run.id,
        verdict=result.verdict.kind,
        quarantine=result.kept.quarantine,
        headline=reasons[0].text if reasons else None,
        next_step=result.verdict.next_step,
        replayed=_figures(last.comparison.replayed, mark),
        recorded=_figures(last.comparison.recorded),
        not_comparable=_apart(last.comparison.not_comparable, is_judged=mark is not None),
        scores=last.scores,
        started_at=min(one.run.started_at for one in result.attempts),
        ended_reason=last.run.ending.reason,
    )


def keep_result(flow: Flow, result: CallResult) -> None:
    """Keep the newest result of a call execution in place of the one before."""
    flow.documents.put(RESULTS.document(result))


def _attempt(
    flow: Flow,
    case: Case,
    run: Run,
    evaluators: Sequence[Evaluator | Named],
    purse: Purse,
    writing_tools: Collection[str],
    given: tuple[Score | Unscored, ...],
) -> Attempt:
    by_people = (one for one in given if one.evaluator.casefold() in PEOPLE)
    said = {one.name: mark for one in by_people if (mark := _mark(one)) is not None}
    run = run.but(conversation=_marked(run.conversation, said))
    comparison = compare(
        case.recorded,
        run.conversation,
        writes=lambda tool: True if tool in writing_tools else None,
        severities=flow.severities,
        cut_short_in=run.cut_short_in,
    )
    context = Context(case=case, run=run, comparison=comparison)
    scores = (*check(case, run, comparison), *flow.asking.scores(context, evaluators, purse), *given)
    return Attempt(run=run, comparison=comparison, scores=scores)


def _figures(metrics: Metrics, mark: float | None = None) -> CallFigures:
    return CallFigures(
        turns=metrics.turns,
        tool_calls=metrics.tool_calls,
        agent_words=metrics.agent_words,
        output_tokens=metrics.output_tokens,
        mean_latency_ms=metrics.mean_latency_ms,
        csat=metrics.csat if mark is None else mark,
    )


def _mark(one: Score | Unscored) -> float | None:
    """The CSAT that it is; None where it is something else."""
    return marks({CSAT: one.value}).get(CSAT) if isinstance(one, Score) and one.name.casefold() == CSAT else None


def _apart(reasons: tuple[str, ...], *, is_judged: bool) -> tuple[str, ...]:
    if not is_judged:
        return reasons
    others = (one for one in reasons if not one.startswith("csat:"))
    return (*others, "csat: a judge gave that of the replayed conversation, not its user")

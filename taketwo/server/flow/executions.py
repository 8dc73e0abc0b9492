"""Test executions: rows are handed out under leases, replayed by whoever took them, and judged when they come back.

A worker that is not heard of gives its rows back: `handed_out` says so, and a row that was handed out too often without
anybody bringing it back is failed. Two workers never have the same row at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock

from taketwo.errors import BadSetting, NotFound, TooFast, WrongState
from taketwo.replay.agents import CHAT_COMPLETIONS
from taketwo.scenario import Case
from taketwo.sdk.api.agents import AgentVersion
from taketwo.sdk.api.executions import (
    CallExecution,
    ClaimedRow,
    ClaimedRows,
    ClaimRows,
    ExecuteRunTest,
    HandOut,
    HandOutEnd,
    RenewedLeases,
    RenewLeases,
    ReportRow,
    Rerun,
    Runner,
    TestExecution,
)
from taketwo.sdk.api.replay_sessions import Failure
from taketwo.sdk.api.run_tests import RunTest
from taketwo.sdk.api.scenarios import GraphScenario, ScenarioRow
from taketwo.server.flow.agents import AGENTS, insist_on_reach, overrides_of, version
from taketwo.server.flow.alerts import keep_news
from taketwo.server.flow.allowances import book, insist_on_money, insist_on_replays
from taketwo.server.flow.executor import Work
from taketwo.server.flow.judging import RESULTS, judge, keep_result, told
from taketwo.server.flow.mean_scores import mean_scores
from taketwo.server.flow.replay_sessions import complete
from taketwo.server.flow.run_tests import RUN_TESTS, case_of, chosen_evaluators, chosen_rows
from taketwo.server.flow.shelf import Flow, Place, Shelf
from taketwo.value import JSON
from taketwo.verdict import CaseResult, VerdictKind

LEASE_S = 30.0
"""Within so many seconds a worker must be heard of again."""
MOST_HAND_OUTS = 5
"""A row that was lost so often is failed: it may be what kills its workers."""
PATIENCE_WITH: dict[Runner, timedelta | None] = {
    "server": None,
    "sdk": timedelta(days=1),
    "chat": timedelta(hours=1),
}
"""After so long without a sign of anybody the rest of an execution is failed; None where the server itself works on."""
GRAVEST: tuple[VerdictKind, ...] = ("fail", "flaky", "changed", "inconclusive", "pass")
"""Verdicts, the gravest first."""
LAST_OF_POSITION = 2**62
"""Stands in a cursor behind everything at a position."""
OPEN = ("pending", "running")
"""States of what has not ended."""

AT_ONCE = datetime(2000, 1, 1, tzinfo=UTC)
"""What waits is due whatever the clock says: set back by an hour, it must not wait for that hour again."""

_counting = Lock()  # two that count at the same time would both take the last place

EXECUTIONS = Shelf(
    "test_execution",
    TestExecution,
    lambda one: one.id,
    lambda one: Place(project=one.project, parent=one.run_test_id, state=one.status, position=one.number),
)
CALLS = Shelf(
    "call_execution",
    CallExecution,
    lambda one: one.id,
    lambda one: Place(
        project=one.project,
        parent=one.test_execution_id,
        state=one.status,
        outcome="quarantined" if one.verdict and one.quarantine is not None else one.verdict or "",
        position=one.position,
        due_at=_due_at(one),
        source=one.source,
        also_of=one.also_of,
    ),
)


def execute(flow: Flow, run_test_id: str, asked: ExecuteRunTest) -> TestExecution:
    """Begin an execution of a run test.

    Raises NotFound, BadSetting where the server cannot reach the agent, TooFast where its project has spent enough.
    """
    test = RUN_TESTS.get(flow, run_test_id)
    agent = AGENTS.get(flow, test.agent_definition_id)
    under_test = version(flow, agent.id, test.agent_version or agent.active_version)
    spec = asked.spec or under_test.spec
    runner: Runner = asked.runner or ("server" if spec is not None else "sdk")
    if runner == "server":
        insist_on_reach(spec)
        if spec is None:
            raise BadSetting(
                f"the server does not know how to reach agent {agent.name!r}",
                where="spec",
                todo="give a SPEC, or run the test from your own process with taketwo.simulate",
            )
        insist_on_money(flow, test.project)
    number = RUN_TESTS.change(flow, test.id, lambda one: one.but(executions=one.executions + 1)).executions
    execution = TestExecution(
        id=flow.new_id(),
        run_test_id=test.id,
        project=test.project,
        number=number,
        status="pending",
        runner=runner,
        created_at=flow.now(),
        agent_definition_id=agent.id,
        agent_version=under_test.number,
        agent=spec or "the user's own process",
        overrides={**_sent_instead(spec, under_test), **asked.overrides},
        repeat=test.repeat,
        users=test.users,
        on_miss=test.on_miss,
        evaluator_ids=test.evaluator_ids,
        evaluators=test.evaluators,
        revision=asked.revision,
        trigger=asked.trigger,
    )
    calls = [
        _call(flow, execution, test, scenario, row, position)
        for position, (scenario, row) in enumerate(chosen_rows(flow, test))
    ]
    if not calls:
        raise WrongState("its scenarios have no rows any more", where=f"run test {test.name}", todo="add rows")
    flow.documents.add([EXECUTIONS.document(execution), *map(CALLS.document, calls)])
    if runner == "server":
        flow.executor.begin(Work("run_execution", execution.id))
    return execution_now(flow, execution.id)


def execution_now(flow: Flow, id: str) -> TestExecution:
    """An execution with its counts as they are now. Raises NotFound."""
    return with_counts(flow, EXECUTIONS.get(flow, id))


def with_counts(flow: Flow, execution: TestExecution) -> TestExecution:
    """The execution with its counts as they are now."""
    counts: dict[str, int] = {}
    verdicts: dict[str, int] = {}
    for (state, verdict), number in CALLS.counts(flow, execution.id).items():
        counts[state] = counts.get(state, 0) + number
        if verdict:
            verdicts[verdict] = verdicts.get(verdict, 0) + number
    total = sum(counts.values())
    return execution.but(
        total=total,
        done=total - sum(counts.get(state, 0) for state in OPEN),
        counts=counts,
        verdicts=verdicts,
        verdict=next((kind for kind in GRAVEST if verdicts.get(kind)), None),
    )


def last_executions(flow: Flow, run_test_id: str, limit: int) -> list[TestExecution]:
    """The newest executions of a run test, each with its verdict; what has ended was counted when it ended."""
    found = EXECUTIONS.page(flow, parent=run_test_id, limit=limit).things
    return [one if one.status not in OPEN and one.verdict is not None else with_counts(flow, one) for one in found]


def claim_rows(flow: Flow, id: str, asked: ClaimRows) -> ClaimedRows:
    """Hand rows to a worker, each to one only; what was lost before comes again. Raises NotFound."""
    execution = EXECUTIONS.get(flow, id)
    if execution.runner == "chat":
        raise WrongState("its rows are chatted, not claimed", where="runner", todo="execute it for `sdk`")
    rows: list[ClaimedRow] = []
    held_back: str | None = None
    if execution.status in OPEN:
        try:
            calls = _claim(flow, execution, asked)
        except TooFast as error:
            calls, held_back = [], str(error)
        for call in calls:
            if call.status == "running" and (row := _with_case(flow, call, asked.worker)) is not None:
                rows.append(row)
        if rows and execution.status == "pending":
            EXECUTIONS.change(flow, id, lambda one: one.but(status="running") if one.status == "pending" else one)
    is_over = not rows and finish_if_done(flow, id).status not in OPEN
    return ClaimedRows(
        rows=tuple(rows),
        is_over=is_over,
        lease_s=LEASE_S,
        repeat=execution.repeat,
        users=execution.users,
        on_miss=execution.on_miss,
        held_back=held_back,
    )


def _claim(flow: Flow, execution: TestExecution, asked: ClaimRows) -> list[CallExecution]:
    """As many rows as the project may have. Raises TooFast where that is none."""
    if execution.runner == "server":
        insist_on_money(flow, execution.project)
    with _counting:
        free = insist_on_replays(flow, execution.project, going_on(flow, execution.project))
        limit = asked.limit if free is None else min(asked.limit, free)
        return CALLS.claim(flow, _hand_out(flow, asked.worker), parent=execution.id, limit=limit)


def going_on(flow: Flow, project: str) -> int:
    """How many rows of a project are in somebody's hands; nobody counts them where nothing limits them."""
    if flow.store.project(project).replays is None:
        return 0
    now = flow.now()
    return sum(
        call.lease_until is not None and call.lease_until > now  # what was lost is in nobody's hands any more
        for state in OPEN
        for execution in EXECUTIONS.every(flow, state=state)
        if execution.project == project
        for call in CALLS.parts(flow, execution.id, state="running")
    )


def take_call(flow: Flow, call_id: str, worker: str, lease_s: float) -> CallExecution:
    """Hand one row to a worker, or renew the lease that it has.

    Raises NotFound, WrongState where the row has ended or somebody else has it, TooFast where the project has enough.
    """
    now = flow.now()
    before = CALLS.get(flow, call_id)
    if before.status in OPEN and _worker(before) != worker:
        insist_on_replays(flow, before.project, going_on(flow, before.project))

    def taken(call: CallExecution) -> CallExecution:
        if call.status == "running" and _worker(call) == worker:
            return call.but(lease_until=now + timedelta(seconds=lease_s))
        is_free = call.status == "pending" or (
            call.status == "running" and call.lease_until is not None and call.lease_until <= now
        )
        if not is_free:
            _insist_on_lease(call, worker)
        handed = _hand_out(flow, worker)(call)
        return handed.but(lease_until=now + timedelta(seconds=lease_s)) if handed.status == "running" else handed

    call = CALLS.change(flow, call_id, taken)
    EXECUTIONS.change(
        flow, call.test_execution_id, lambda one: one.but(status="running") if one.status == "pending" else one
    )
    return call


def list_rows(flow: Flow, id: str, limit: int) -> tuple[list[str], bool]:
    """Name the next rows of an execution to a client that takes them one by one, each to one client only.

    Gives their ids, and whether there are more. Raises NotFound.
    """
    before = EXECUTIONS.change(flow, id, lambda one: one.but(named=one.named + limit)).named - limit
    calls = CALLS.page(
        flow, parent=id, limit=limit, after=f"{before - 1}-{LAST_OF_POSITION}" if before else None, newest_first=False
    )
    execution = execution_now(flow, id)
    has_more = execution.status in OPEN and before + limit < execution.total
    return [call.id for call in calls.things if call.status in OPEN], has_more


def renew_leases(flow: Flow, id: str, asked: RenewLeases) -> RenewedLeases:
    """Note that a worker is alive; says which rows it may stop working on. Raises NotFound."""
    EXECUTIONS.get(flow, id)
    until = flow.now() + timedelta(seconds=LEASE_S)
    kept, lost = [], []

    def renewed(call: CallExecution) -> CallExecution:
        _insist_on_lease(call, asked.worker)
        return call.but(lease_until=until)

    for call_id in asked.call_execution_ids:
        try:
            CALLS.change(flow, call_id, renewed)
            kept.append(call_id)
        except (NotFound, WrongState):
            lost.append(call_id)
    return RenewedLeases(kept=tuple(kept), lost=tuple(lost))


def report_row(flow: Flow, call_id: str, asked: ReportRow) -> CallExecution:
    """Take a worker's replays of a row and judge them; said twice it counts once.

    Raises NotFound, WrongState where the row is somebody else's by now, BadSetting.
    """
    call = CALLS.get(flow, call_id)
    if call.status == "completed" and _worker(call) == asked.worker and asked.runs and call.run_id == asked.runs[-1].id:
        return call
    _insist_on_lease(call, asked.worker)
    if asked.error is not None or not asked.runs:
        error = asked.error or "nothing was replayed"
        done = _end(flow, call, asked.worker, lambda one: one.but(status="failed", ended_reason=error), "failed")
    else:
        done = _judged(flow, call, asked)
        book(flow, call.project, sum(turn.cost_usd or 0.0 for run in asked.runs for turn in run.conversation.turns))
    finish_if_done(flow, done.test_execution_id)
    return done


def cancel_execution(flow: Flow, id: str) -> TestExecution:
    """Stop an execution; what was replayed stays. Raises NotFound, WrongState where it has ended."""

    def cancelled(one: TestExecution) -> TestExecution:
        if one.status not in OPEN:
            raise WrongState(f"the execution is {one.status} already", where="status")
        return one.but(status="cancelled", ended_at=flow.now())

    EXECUTIONS.change(flow, id, cancelled)
    CALLS.change_parts(flow, id, lambda call: _cancelled(flow, call), states=OPEN)
    return execution_now(flow, id)


def rerun(flow: Flow, id: str, asked: Rerun) -> TestExecution:
    """Do all rows again, or those that failed, or some, or only the judgements.

    Raises NotFound, WrongState while it runs, BadSetting for judgements of some rows.
    """
    execution = execution_now(flow, id)
    if execution.status in OPEN:
        raise WrongState("the execution is still going on", where="status", todo="wait for its end, or cancel it")
    wanted = _insist_on_rows_of(flow, id, asked)
    if asked.what == "evaluators":
        flow.executor.begin(Work("judge_again", id))
        return execution

    def again(call: CallExecution) -> CallExecution:
        is_fine = call.status == "completed" and call.verdict in ("pass", "changed")
        if (asked.what == "failed" and is_fine) if wanted is None else call.id not in wanted:
            return call
        return call.but(status="pending", verdict=None, ended_at=None, ended_reason=None)

    # The execution is opened first: a server that dies in between finds an open one and closes it again.
    EXECUTIONS.change(flow, id, lambda one: one.but(status="pending", named=0, ended_at=None, failure=None))
    CALLS.change_parts(flow, id, again, states=("completed", "failed", "cancelled"))
    if execution.runner == "server":
        flow.executor.begin(Work("run_execution", id))
    return finish_if_done(flow, id)


def _insist_on_rows_of(flow: Flow, id: str, asked: Rerun) -> frozenset[str] | None:
    """The rows that are to be done again; None for all that `what` names."""
    if asked.call_execution_ids is None:
        return None
    if asked.what == "evaluators":
        raise BadSetting("judgements are made anew for all rows", where="call_execution_ids", todo="leave it out")
    for call_id in asked.call_execution_ids:
        if CALLS.get(flow, call_id).test_execution_id != id:
            raise NotFound(f"there is no row {call_id!r} in this execution", where="call_execution_ids")
    return frozenset(asked.call_execution_ids)


def judge_again(flow: Flow, id: str) -> None:
    """Judge every replay of an execution anew, by the evaluators that its run test has now."""
    execution = EXECUTIONS.get(flow, id)
    try:
        asked: RunTest | TestExecution = RUN_TESTS.get(flow, execution.run_test_id)
    except NotFound:
        asked = execution
    ids, names = asked.evaluator_ids, asked.evaluators
    EXECUTIONS.change(flow, id, lambda one: one.but(evaluator_ids=ids, evaluators=names))
    evaluators = chosen_evaluators(flow, ids, names)
    for call in CALLS.parts(flow, id, state="completed"):
        before = RESULTS.get(flow, call.id)
        runs = [attempt.run for attempt in before.result.attempts]
        kept = judge(flow, call, before.case, runs, evaluators, writing_tools=before.writing_tools, given=before.given)
        keep_result(flow, kept)
        try:
            CALLS.change(flow, call.id, partial(_told_again, result=kept.result, case=before.case))
        except NotFound:  # its conversation was deleted while it was judged
            RESULTS.remove(flow, call.id)
    now = execution_now(flow, id)
    told = {"verdicts": now.verdicts, "verdict": now.verdict}
    scores = mean_scores(CALLS.parts(flow, id, state="completed"))
    EXECUTIONS.change(flow, id, lambda one: one.but(scores=scores, **told))


def fail_execution(flow: Flow, id: str, why: str, todo: str | None) -> TestExecution:
    """The execution as a whole cannot be done: its agent cannot be opened."""

    def failed(one: TestExecution) -> TestExecution:
        if one.status not in OPEN:
            return one
        return one.but(status="failed", failure=Failure(why=why, todo=todo), ended_at=flow.now())

    EXECUTIONS.change(flow, id, failed)
    CALLS.change_parts(flow, id, lambda call: _failed(flow, call, why), states=OPEN)
    return execution_now(flow, id)


def fail_abandoned(flow: Flow, id: str) -> TestExecution:
    """Fail the rows that nobody took for so long that nobody will: clients that chat or work may have died."""
    execution = finish_if_done(flow, id)
    patience = PATIENCE_WITH[execution.runner]
    if execution.status not in OPEN or patience is None or execution.created_at > flow.now() - patience:
        return execution
    calls = list(CALLS.parts(flow, id))
    newest = max((moment for call in calls for moment in (call.ended_at, call.lease_until) if moment), default=None)
    if newest is not None and newest > flow.now() - patience:
        return execution
    why = f"nobody took it within {patience.total_seconds() / 3600:g} h"
    CALLS.change_parts(flow, id, lambda call: _failed(flow, call, why), states=OPEN)
    return finish_if_done(flow, id)


def finish_if_done(flow: Flow, id: str) -> TestExecution:
    """End the execution when its last row has ended; gives it as it is then."""
    execution = execution_now(flow, id)
    if execution.status not in OPEN or execution.done < execution.total:
        return execution

    scores = mean_scores(CALLS.parts(flow, id, state="completed"))

    def finished(one: TestExecution) -> TestExecution:
        if one.status not in OPEN:
            return one
        told = {"verdicts": execution.verdicts, "verdict": execution.verdict, "scores": scores}
        return one.but(status="completed", ended_at=flow.now(), **told)

    # Alerts are kept before the end is noted: whoever notes it again after a crash keeps the same ones.
    with suppress(NotFound):  # the run test or its session was deleted meanwhile
        test = RUN_TESTS.get(flow, execution.run_test_id)
        keep_news(flow, test, _before(flow, execution), execution)
        if test.replay_session_id is not None:
            complete(flow, test.replay_session_id)
    EXECUTIONS.change(flow, id, finished)
    return execution_now(flow, id)


def _before(flow: Flow, execution: TestExecution) -> TestExecution | None:
    """The last execution of the same run test that came to its end before."""
    earlier = EXECUTIONS.page(flow, parent=execution.run_test_id, state="completed", limit=20).things
    found = next((one for one in earlier if one.number < execution.number), None)
    return None if found is None else with_counts(flow, found)


def _sent_instead(spec: str | None, version: AgentVersion) -> dict[str, JSON]:
    """What the agent is sent instead of what was recorded, where it is reached through its model."""
    is_model = spec is not None and (spec == "prompt:" or spec.partition("?")[0].rstrip("/").endswith(CHAT_COMPLETIONS))
    return overrides_of(version) if is_model else {}


def _call(
    flow: Flow, execution: TestExecution, test: RunTest, scenario: GraphScenario, row: ScenarioRow, position: int
) -> CallExecution:
    return CallExecution(
        id=flow.new_id(),
        test_execution_id=execution.id,
        run_test_id=test.id,
        project=test.project,
        scenario_id=scenario.id,
        scenario=scenario.name,
        row_id=row.id,
        case_id=row.case_id,
        position=position,
        origin=row.origin,
        source=row.source,
        also_of=row.also_of,
        status="pending",
        created_at=execution.created_at,
    )


def _due_at(call: CallExecution) -> datetime | None:
    return {"pending": AT_ONCE, "running": call.lease_until}.get(call.status)


def _hand_out(flow: Flow, worker: str) -> Callable[[CallExecution], CallExecution]:
    now = flow.now()

    def handed_out(call: CallExecution) -> CallExecution:
        before = _closed(call, "lost") if call.status == "running" else call.handed_out
        lost = sum(one.ended == "lost" for one in before)
        if lost >= MOST_HAND_OUTS:
            why = f"it was handed out {lost} times, and no worker brought it back"
            return call.but(status="failed", handed_out=before, lease_until=None, ended_at=now, ended_reason=why)
        return call.but(
            status="running",
            handed_out=(*before, HandOut(worker=worker, at=now)),
            lease_until=now + timedelta(seconds=LEASE_S),
        )

    return handed_out


def _with_case(flow: Flow, call: CallExecution, worker: str) -> ClaimedRow | None:
    """The row with its case; None, and the row failed, where it was deleted meanwhile."""
    try:
        return ClaimedRow(call=call, case=case_of(flow, call.row_id))
    except NotFound:
        why = "its row was deleted before it was replayed"
        _end(flow, call, worker, lambda one: one.but(status="failed", ended_reason=why), "failed")
        return None


def _judged(flow: Flow, call: CallExecution, asked: ReportRow) -> CallExecution:
    try:
        case = case_of(flow, call.row_id)
    except NotFound:
        why = "its row was deleted while it was replayed"
        return _end(flow, call, asked.worker, lambda one: one.but(status="failed", ended_reason=why), "failed")
    if wrong := next((run for run in asked.runs if run.case_id != case.id), None):
        raise BadSetting(f"the run is of case {wrong.case_id!r}, the row is {case.id!r}", where="runs")
    if asked.scores and len(asked.scores) != len(asked.runs):
        raise BadSetting(f"{len(asked.scores)} lists of scores for {len(asked.runs)} runs", where="scores")
    execution = EXECUTIONS.get(flow, call.test_execution_id)
    evaluators = chosen_evaluators(flow, execution.evaluator_ids, execution.evaluators)
    kept = judge(flow, call, case, asked.runs, evaluators, writing_tools=asked.writing_tools, given=asked.scores)
    keep_result(flow, kept)

    def completed(one: CallExecution) -> CallExecution:
        return told(one.but(status="completed"), kept.result, case)

    try:
        return _end(flow, call, asked.worker, completed, "completed")
    except NotFound:  # its conversation was deleted while it was judged
        RESULTS.remove(flow, call.id)
        raise


def _end(
    flow: Flow,
    call: CallExecution,
    worker: str,
    how: Callable[[CallExecution], CallExecution],
    ended: HandOutEnd,
) -> CallExecution:
    """The row has ended in the hands of this worker, if it still had it."""

    def ending(one: CallExecution) -> CallExecution:
        _insist_on_lease(one, worker)
        return how(one).but(handed_out=_closed(one, ended), lease_until=None, ended_at=flow.now())

    return CALLS.change(flow, call.id, ending)


def _closed(call: CallExecution, ended: HandOutEnd) -> tuple[HandOut, ...]:
    """The hand-outs, the last of which has ended so."""
    if not call.handed_out:
        return ()
    *before, last = call.handed_out
    return (*before, last.but(ended=ended))


def _told_again(call: CallExecution, *, result: CaseResult, case: Case) -> CallExecution:
    return told(call, result, case) if call.status == "completed" else call


def _cancelled(flow: Flow, call: CallExecution) -> CallExecution:
    return call.but(
        status="cancelled",
        handed_out=_closed(call, "cancelled") if call.status == "running" else call.handed_out,
        lease_until=None,
        ended_at=flow.now(),
        ended_reason="cancelled",
    )


def _failed(flow: Flow, call: CallExecution, why: str) -> CallExecution:
    return _cancelled(flow, call).but(status="failed", ended_reason=why)


def _worker(call: CallExecution) -> str | None:
    return call.handed_out[-1].worker if call.handed_out else None


def _insist_on_lease(call: CallExecution, worker: str) -> None:
    if call.status != "running" or _worker(call) != worker:
        holder = f" and in the hands of {_worker(call)}" if call.status == "running" else ""
        raise WrongState(f"the call execution is {call.status}{holder}", where="worker", todo="claim another row")

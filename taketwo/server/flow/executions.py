"""Test executions: begun, counted, cancelled, judged and done again; ended when their last row has ended."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event, Thread

from taketwo.errors import BadSetting, NotFound, TakeTwoError, WrongState
from taketwo.replay.agents import CHAT_COMPLETIONS
from taketwo.scenario import Case
from taketwo.sdk.api.agents import AgentVersion
from taketwo.sdk.api.executions import (
    CallExecution,
    ExecuteRunTest,
    HandOut,
    HandOutEnd,
    Rerun,
    Runner,
    TestExecution,
)
from taketwo.sdk.api.replay_sessions import Failure
from taketwo.sdk.api.run_tests import RunTest
from taketwo.sdk.api.scenarios import GraphScenario, ScenarioRow
from taketwo.server.flow.agents import AGENTS, insist_on_reach, overrides_of, version
from taketwo.server.flow.alerts import keep_news
from taketwo.server.flow.allowances import insist_on_money
from taketwo.server.flow.executor import Work
from taketwo.server.flow.judging import RESULTS, judge, keep_result, told
from taketwo.server.flow.mean_scores import mean_scores
from taketwo.server.flow.replay_sessions import complete
from taketwo.server.flow.run_tests import RUN_TESTS, chosen_evaluators, chosen_rows
from taketwo.server.flow.shelf import Flow, Place, Shelf
from taketwo.value import JSON
from taketwo.verdict import CaseResult, VerdictKind

PATIENCE_WITH: dict[Runner, timedelta | None] = {
    "server": None,
    "sdk": timedelta(days=1),
    "chat": timedelta(hours=1),
}
"""After so long without a sign of anybody the rest of an execution is failed; None where the server itself works on."""
GRAVEST: tuple[VerdictKind, ...] = ("fail", "flaky", "changed", "inconclusive", "pass")
"""Verdicts, the gravest first."""
OPEN = ("pending", "running")
"""States of what has not ended."""

JUDGING_LEASE = timedelta(seconds=60)
"""Within so long whoever judges anew must be heard of again; otherwise it has died."""
RENEW_S = 20.0
"""So often it is heard of, however long a judge takes over one row."""
AT_ONCE = datetime(2000, 1, 1, tzinfo=UTC)
"""What waits is due whatever the clock says: set back by an hour, it must not wait for that hour again."""


EXECUTIONS = Shelf(
    "test_execution",
    TestExecution,
    lambda one: one.id,
    lambda one: Place(
        project=one.project,
        parent=one.run_test_id,
        state=one.status,
        position=one.number,
        due_at=one.judging_until,
    ),
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


def cancel_execution(flow: Flow, id: str) -> TestExecution:
    """Stop an execution; what was replayed stays. Raises NotFound, WrongState where it has ended."""

    def cancelled(one: TestExecution) -> TestExecution:
        if one.status not in OPEN:
            raise WrongState(f"the execution is {one.status} already", where="status")
        return one.but(status="cancelled", ended_at=flow.now())

    EXECUTIONS.change(flow, id, cancelled)
    CALLS.change_parts(flow, id, lambda call: _cancelled(flow, call), states=OPEN)
    scores = mean_scores(CALLS.parts(flow, id, state="completed"))
    return with_counts(flow, EXECUTIONS.change(flow, id, lambda one: one.but(scores=scores)))


def rerun(flow: Flow, id: str, asked: Rerun) -> TestExecution:
    """Do all rows again, or those that failed, or some, or only the judgements.

    Raises NotFound, WrongState while it runs, BadSetting for judgements of some rows.
    """
    execution = execution_now(flow, id)
    if execution.status in OPEN:
        raise WrongState("the execution is still going on", where="status", todo="wait for its end, or cancel it")
    if execution.judging_until is not None and asked.what != "evaluators":
        raise WrongState("its replays are being judged anew", where="judging_until", todo="wait until they are")
    wanted = _insist_on_rows_of(flow, id, asked)
    if asked.what == "evaluators":
        _hold_for_judging(flow, id)
        flow.executor.begin(Work("judge_again", id))
        return execution_now(flow, id)

    def again(call: CallExecution) -> CallExecution:
        is_fine = call.status == "completed" and call.verdict in ("pass", "changed")
        if (asked.what == "failed" and is_fine) if wanted is None else call.id not in wanted:
            return call
        return call.but(status="pending", verdict=None, ended_at=None, ended_reason=None)

    # The execution is opened first: a server that dies in between finds an open one and closes it again.
    EXECUTIONS.change(flow, id, lambda one: one.but(status="pending", named=0, ended_at=None, failure=None, scores={}))
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


def left_unjudged(flow: Flow) -> list[TestExecution]:
    """Executions that were being judged anew by somebody who is not heard of any more; each is given to one only."""
    until = flow.now() + JUDGING_LEASE
    return EXECUTIONS.claim(flow, lambda one: one.but(judging_until=until), limit=10)


def judge_again(flow: Flow, id: str, *, renew_s: float = RENEW_S) -> None:
    """Judge every replay of an execution anew, by the evaluators that its run test has now; again after a crash."""
    _hold_for_judging(flow, id)
    is_over = Event()

    def stay_alive() -> None:
        while not is_over.wait(renew_s):
            with suppress(TakeTwoError):  # the store is busy, or it was deleted meanwhile
                _hold_for_judging(flow, id)

    alive = Thread(target=stay_alive, name="taketwo-judging", daemon=True)
    alive.start()
    try:
        _judge_again(flow, id)
    finally:
        is_over.set()
        alive.join()
        with suppress(NotFound):  # it was deleted meanwhile
            EXECUTIONS.change(flow, id, lambda one: one.but(judging_until=None))


def _hold_for_judging(flow: Flow, id: str) -> None:
    until = flow.now() + JUDGING_LEASE
    EXECUTIONS.change(flow, id, lambda one: one.but(judging_until=until))


def _judge_again(flow: Flow, id: str) -> None:
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


def with_hand_out_ended(call: CallExecution, ended: HandOutEnd) -> tuple[HandOut, ...]:
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
        handed_out=with_hand_out_ended(call, "cancelled") if call.status == "running" else call.handed_out,
        lease_until=None,
        ended_at=flow.now(),
        ended_reason="cancelled",
    )


def _failed(flow: Flow, call: CallExecution, why: str) -> CallExecution:
    return _cancelled(flow, call).but(status="failed", ended_reason=why)

"""Rows are handed out under leases, and taken back with what came of them.

A worker that is not heard of gives its rows back: `handed_out` says so, and a row that was handed out too often without
anybody bringing it back is failed. Two workers never have the same row at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Lock

from taketwo.errors import BadSetting, NotFound, TooFast, WrongState
from taketwo.sdk.api.executions import (
    CallExecution,
    ClaimedRow,
    ClaimedRows,
    ClaimRows,
    HandOut,
    HandOutEnd,
    RenewedLeases,
    RenewLeases,
    ReportRow,
    TestExecution,
)
from taketwo.server.flow.allowances import book, insist_on_money, insist_on_replays
from taketwo.server.flow.executions import CALLS, EXECUTIONS, OPEN, execution_now, finish_if_done, with_hand_out_ended
from taketwo.server.flow.judging import RESULTS, judge, keep_result, told
from taketwo.server.flow.run_tests import case_of, chosen_evaluators
from taketwo.server.flow.shelf import Flow
from taketwo.store.recordings import recordings_of

LEASE_S = 30.0
"""Within so many seconds a worker must be heard of again."""
MOST_HAND_OUTS = 5
"""A row that was lost so often is failed: it may be what kills its workers."""
LAST_OF_POSITION = 2**62
"""Stands in a cursor behind everything at a position."""

_counting = Lock()  # two that count at the same time would both take the last place


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
            if call.status == "running" and (row := with_case(flow, call, asked.worker)) is not None:
                rows.append(row)
        if rows and execution.status == "pending":
            _note_begin(flow, id)
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
    if EXECUTIONS.get(flow, call.test_execution_id).status == "pending":
        _note_begin(flow, call.test_execution_id)
    return call


def with_case(flow: Flow, call: CallExecution, worker: str) -> ClaimedRow | None:
    """The row with its case; None, and the row failed, where it was deleted meanwhile."""
    try:
        return ClaimedRow(call=call, case=case_of(flow, call.row_id))
    except NotFound:
        why = "its row was deleted before it was replayed"
        _end(flow, call, worker, lambda one: one.but(status="failed", ended_reason=why), "failed")
        return None


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


def _note_begin(flow: Flow, execution_id: str) -> None:
    EXECUTIONS.change(flow, execution_id, lambda one: one.but(status="running") if one.status == "pending" else one)


def _hand_out(flow: Flow, worker: str) -> Callable[[CallExecution], CallExecution]:
    now = flow.now()

    def handed_out(call: CallExecution) -> CallExecution:
        before = with_hand_out_ended(call, "lost") if call.status == "running" else call.handed_out
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
    heard = frozenset(name for run in asked.runs for name in recordings_of(run.conversation))
    flow.store.recordings(call.project).adopt(heard, kept.source, case.origin.also_of)

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
        return how(one).but(handed_out=with_hand_out_ended(one, ended), lease_until=None, ended_at=flow.now())

    return CALLS.change(flow, call.id, ending)


def _worker(call: CallExecution) -> str | None:
    return call.handed_out[-1].worker if call.handed_out else None


def _insist_on_lease(call: CallExecution, worker: str) -> None:
    if call.status != "running" or _worker(call) != worker:
        holder = f" and in the hands of {_worker(call)}" if call.status == "running" else ""
        raise WrongState(f"the call execution is {call.status}{holder}", where="worker", todo="claim another row")

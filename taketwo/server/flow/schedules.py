"""Run tests that run by themselves: begins those that are due."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial

from taketwo.errors import BadSetting, NotFound, TakeTwoError
from taketwo.sdk.api.executions import ExecuteRunTest
from taketwo.sdk.api.run_tests import RunTest
from taketwo.server.flow.clockwork import next_run
from taketwo.server.flow.executions import EXECUTIONS, OPEN, execute
from taketwo.server.flow.run_tests import RUN_TESTS
from taketwo.server.flow.shelf import Flow

_log = logging.getLogger("taketwo.server")


def run_what_is_due(flow: Flow) -> list[str]:
    """Begin an execution of every run test that is due; gives the ids of the executions.

    One whose last execution still goes on is left out this time.
    """
    begun: list[str] = []
    now = flow.now()
    due = RUN_TESTS.claim(flow, lambda one: one.but(next_run_at=next_run(one.schedule, now)), limit=100)
    for test in due:
        problem = None
        try:
            if not _is_going_on(flow, test):
                begun.append(execute(flow, test.id, ExecuteRunTest(trigger="schedule")).id)
        except TakeTwoError as error:
            problem = str(error)
            _log.warning("run test %s could not be run by its schedule: %s", test.name, error)
        if problem != test.schedule_problem:
            with suppress(NotFound):  # the run test was deleted meanwhile
                RUN_TESTS.change(flow, test.id, partial(_told, problem=problem))
    return begun


def pause(flow: Flow, id: str, *, paused: bool) -> RunTest:
    """Keep a schedule without following it, or let it go on from now. Raises NotFound, BadSetting without one."""

    def paused_or_not(test: RunTest) -> RunTest:
        if test.schedule is None:
            raise BadSetting(f"{test.name!r} has no schedule", where="schedule", todo="give it one first")
        schedule = test.schedule.but(paused=paused)
        return test.but(schedule=schedule, next_run_at=next_run(schedule, flow.now()), updated_at=flow.now())

    # Not by an update, which insists that it can run: what cannot must be paused all the more.
    return RUN_TESTS.change(flow, id, paused_or_not)


def _told(test: RunTest, *, problem: str | None) -> RunTest:
    return test.but(schedule_problem=problem)


def _is_going_on(flow: Flow, test: RunTest) -> bool:
    newest = EXECUTIONS.page(flow, parent=test.id, limit=1).things
    return bool(newest) and newest[0].status in OPEN

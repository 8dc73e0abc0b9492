"""Run tests that run by themselves: begins those that are due."""

from __future__ import annotations

import logging

from taketwo.errors import TakeTwoError
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
        try:
            if not _is_going_on(flow, test):
                begun.append(execute(flow, test.id, ExecuteRunTest(trigger="schedule")).id)
        except TakeTwoError as error:
            _log.warning("run test %s could not be run by its schedule: %s", test.name, error)
    return begun


def _is_going_on(flow: Flow, test: RunTest) -> bool:
    newest = EXECUTIONS.page(flow, parent=test.id, limit=1).things
    return bool(newest) and newest[0].status in OPEN

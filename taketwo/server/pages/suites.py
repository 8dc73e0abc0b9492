"""What runs again: tests with their last verdicts, what is flaky, stale or not covered, and the schedules."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import islice

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.errors import BadSetting, NotFound
from taketwo.sdk.api.executions import CallExecution, TestExecution
from taketwo.sdk.api.run_tests import Alert, RunTest, Schedule, UpdateRunTest
from taketwo.server.flow.agents import AGENTS
from taketwo.server.flow.alerts import NEWS
from taketwo.server.flow.executions import CALLS, last_executions
from taketwo.server.flow.run_tests import RUN_TESTS, chosen_rows, update_run_test
from taketwo.server.flow.schedules import pause
from taketwo.server.flow.shelf import Flow
from taketwo.server.pages.drawing import twin
from taketwo.server.pages.forms import filled_in, see_other, text_of
from taketwo.server.pages.shell import Shell
from taketwo.value import Value

LISTED = 50
"""Run tests of a page."""
SHOWN = 8
"""Executions whose verdicts stand beside a test."""
FLAKY_NAMED = 3
"""Flaky rows that are named beside a test."""
ALERTS_SHOWN = 20
"""Alerts that the page of schedules shows."""
STALE_AFTER = timedelta(days=7)
"""A test that has not run for so long says nothing about the agent of today."""
LOOKED_AT = 500
"""So many of the newest conversations, and of the rows of tests, are looked at for what no test covers."""
UNITS = {"minutes": 1, "hours": 60, "days": 1440}
"""What an interval is given in, in minutes."""


class Standing(Value):
    """How a test stands."""

    run_test_id: str
    """The test."""
    executions: tuple[TestExecution, ...]
    """Its last executions, the newest first."""
    flaky: tuple[CallExecution, ...] = ()
    """Rows of the newest one that are flaky, the first of them."""
    stale: str | None = None
    """Why its verdict says little about the agent of today; None where it does."""


class UncoveredTool(Value):
    """A tool that production calls, and no row of a test."""

    tool: str
    """Its name."""
    conversations: int
    """In how many of the newest conversations."""


class Suites:
    """Draws tests and schedules, and changes these. The methods block; the application runs them in threads."""

    def __init__(self, flow: Flow) -> None:
        """Work with that flow."""
        self._flow = flow

    def routes(self) -> list[Route]:
        """The addresses; those of one test come after these."""
        return [
            Route("/tests", self.tests),
            Route("/tests.json", self.tests),
            Route("/tests/uncovered", self.uncovered),
            Route("/tests/uncovered.json", self.uncovered),
            Route("/schedules", self.schedules),
            Route("/schedules.json", self.schedules),
            Route("/tests/{id}/schedule", filled_in(self.set_schedule), methods=["POST"]),
            Route("/tests/{id}/pause", filled_in(self.pause), methods=["POST"]),
            Route("/tests/{id}/resume", filled_in(self.resume), methods=["POST"]),
        ]

    def tests(self, request: Request) -> Response:
        """All run tests with what came of their last executions."""
        asked = request.query_params
        project = asked.get("project") or None
        found = RUN_TESTS.page(self._flow, project=project, limit=LISTED, after=asked.get("after"))
        standings = [self._standing(test) for test in found.things]
        body = {"run_tests": found.things, "standings": standings, "next": found.next}
        by_test = {one.run_test_id: one for one in standings}
        return twin(request, "tests.html", self._shell(project, "tests"), body, project=project, by_test=by_test)

    def uncovered(self, request: Request) -> Response:
        """A part of that page: which tools production calls lately that no row of any test does."""
        project = request.query_params.get("project") or None
        covered = self._covered(project)
        calls: Counter[str] = Counter()
        for row in self._flow.store.summaries(project, limit=LOOKED_AT):
            calls.update(row.tools)
        missing = [
            UncoveredTool(tool=tool, conversations=count) for tool, count in calls.most_common() if tool not in covered
        ]
        body = {"uncovered": missing, "looked_at": LOOKED_AT}
        return twin(request, "uncovered.html", self._shell(project, "tests"), body, project=project)

    def schedules(self, request: Request) -> Response:
        """What runs by itself: when, what came of it, and who heard of it."""
        project = request.query_params.get("project") or None
        every = [one for one in RUN_TESTS.every(self._flow) if project in (None, one.project)]
        scheduled = sorted((one for one in every if one.schedule is not None), key=_when_due)
        alerts = NEWS.page(self._flow, project=project, limit=ALERTS_SHOWN).things
        standings = {one.id: self._standing(one) for one in scheduled}
        return twin(
            request,
            "schedules.html",
            self._shell(project, "schedules"),
            {"run_tests": scheduled, "standings": list(standings.values()), "alerts": alerts},
            by_test=standings,
            others=[one for one in every if one.schedule is None],
            now=self._flow.now(),
        )

    def set_schedule(self, request: Request, form: FormData) -> Response:
        """Say when a test runs by itself, and who hears of it."""
        id = request.path_params["id"]
        asked = UpdateRunTest(schedule=_schedule(form), alerts=_alerts(text_of(form, "alerts")))
        update_run_test(self._flow, id, asked)
        return see_other("/schedules" if asked.schedule else f"/tests/{id}")

    def pause(self, request: Request, form: FormData) -> Response:
        """Keep a schedule without following it."""
        pause(self._flow, request.path_params["id"], paused=True)
        return see_other("/schedules")

    def resume(self, request: Request, form: FormData) -> Response:
        """Let it go on."""
        pause(self._flow, request.path_params["id"], paused=False)
        return see_other("/schedules")

    def _standing(self, test: RunTest) -> Standing:
        executions = tuple(last_executions(self._flow, test.id, SHOWN))
        flaky: tuple[CallExecution, ...] = ()
        if executions and executions[0].verdicts.get("flaky"):
            flaky = tuple(
                CALLS.page(
                    self._flow,
                    parent=executions[0].id,
                    outcome="flaky",
                    limit=FLAKY_NAMED,
                    newest_first=False,
                ).things
            )
        stale = self._stale(test, executions[0]) if executions else None
        return Standing(run_test_id=test.id, executions=executions, flaky=flaky, stale=stale)

    def _stale(self, test: RunTest, last: TestExecution) -> str | None:
        age = self._flow.now() - last.created_at
        if age > STALE_AFTER:
            return f"not run for {age.days} days"
        try:
            active = AGENTS.get(self._flow, test.agent_definition_id).active_version
        except NotFound:
            return "its agent was deleted"
        wanted = test.agent_version or active
        return f"the agent is at version {wanted} by now" if wanted != last.agent_version else None

    def _covered(self, project: str | None) -> set[str]:
        """The tools that are called in rows of tests."""
        found: set[str] = set()
        left = LOOKED_AT
        for test in RUN_TESTS.every(self._flow):
            if project in (None, test.project):
                for _, row in islice(chosen_rows(self._flow, test), max(left, 0)):
                    found.update(row.tools)
                    left -= 1
        return found

    def _shell(self, project: str | None, section: str) -> Shell:
        return Shell(section=section, project=project, projects=tuple(self._flow.store.projects()))


def _when_due(test: RunTest) -> tuple[bool, float]:
    return test.next_run_at is None, test.next_run_at.timestamp() if test.next_run_at else 0.0


def _schedule(form: FormData) -> Schedule | None:
    match text_of(form, "by", "never"):
        case "never":
            return None
        case "cron":
            return Schedule(cron=text_of(form, "cron"))
        case "interval":
            number, unit = text_of(form, "every"), text_of(form, "unit", "hours")
            if not (number.isascii() and number.isdigit() and int(number[:6]) > 0 and unit in UNITS):
                raise BadSetting(f"{number!r} is no number of {unit}", where="every")
            minutes = int(number[:6]) * UNITS[unit]
            if minutes > 525_600:
                raise BadSetting("that is more than a year", where="every")
            return Schedule(every_minutes=minutes)
        case other:
            raise BadSetting(f"{other!r} is no schedule", where="by", todo="never, interval or cron")


def _alerts(text: str) -> tuple[Alert, ...]:
    """One receiver a line: an address of mail, or a URL."""
    found = []
    for line in dict.fromkeys(filter(None, map(str.strip, text.splitlines()))):
        found.append(Alert(email=line) if "@" in line and "://" not in line else Alert(webhook=line))
    if len(found) > 20:
        raise BadSetting(f"these are {len(found)} receivers", where="alerts", todo="name 20 at most")
    return tuple(found)

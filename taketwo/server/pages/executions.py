"""Runs of a test and their results."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import NamedTuple

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.errors import BadSetting, NotFound
from taketwo.report.words import GRAVEST_FIRST
from taketwo.sdk.api.agents import AgentVersion
from taketwo.sdk.api.executions import CallExecution, ExecuteRunTest, Rerun, TestExecution
from taketwo.sdk.api.replay_sessions import ReplaySession
from taketwo.sdk.api.results import Results
from taketwo.sdk.api.run_tests import RunTest
from taketwo.server.flow.agents import AGENTS, version
from taketwo.server.flow.executions import CALLS, EXECUTIONS, OPEN, cancel_execution, execute, execution_now, rerun
from taketwo.server.flow.replay_sessions import SESSIONS
from taketwo.server.flow.results import compare_executions, results, trend
from taketwo.server.flow.run_tests import RUN_TESTS
from taketwo.server.flow.shelf import Flow
from taketwo.server.pages.charts import trend_charts
from taketwo.server.pages.drawing import twin
from taketwo.server.pages.forms import filled_in, see_other, text_of
from taketwo.server.pages.shell import Shell
from taketwo.value import content_hash

MOST_KNOWN = 100
"""Executions whose figures are kept."""
MOST_SCORES = 7
"""Scores of which the trend is drawn, those that most rows have."""
POINTS = 30
"""Executions that a trend shows."""


OWN_AGENT = "my_package:my_agent"
"""Stands in a command for what only the user knows."""
PASSABLE = ("pass", "changed")
"""Verdicts of rows that are not run again with what failed."""


class Cluster(NamedTuple):
    """Rows with the same change."""

    text: str
    """What it is."""
    calls: tuple[CallExecution, ...]
    """The rows."""


class Executions:
    """Draws run tests and executions. The methods block; the application runs them in threads."""

    def __init__(self, flow: Flow) -> None:
        """Work with that flow."""
        self._flow = flow
        self._known: dict[str, tuple[str, Results]] = {}

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/tests/{id}.json", self.test),
            Route("/tests/{id}", self.test),
            Route("/tests/{id}/run", filled_in(self.run), methods=["POST"]),
            Route("/executions/{id}.json", self.execution),
            Route("/executions/{id}/compare", self.compare),
            Route("/executions/{id}/compare.json", self.compare),
            Route("/executions/{id}/cancel", filled_in(self.cancel), methods=["POST"]),
            Route("/executions/{id}/rerun", filled_in(self.rerun), methods=["POST"]),
            Route("/executions/{id}", self.execution),
            Route("/test-executions/{id}", self.elsewhere),
        ]

    def test(self, request: Request) -> Response:
        """One run test: what it runs, and how that went each time."""
        test = RUN_TESTS.get(self._flow, request.path_params["id"])
        points = trend(self._flow, test.id, limit=POINTS).things
        agent = AGENTS.get(self._flow, test.agent_definition_id)
        under_test = version(self._flow, agent.id, test.agent_version or agent.active_version)
        own_process = under_test.spec is None
        return twin(
            request,
            "test.html",
            self._shell(test.project, "tests", live=own_process),
            {"run_test": test, "trend": points},
            charts=trend_charts(points, MOST_SCORES),
            agent=agent,
            own_process=own_process,
            tools=[tool.name for tool in under_test.tools],
            origin=str(request.base_url).rstrip("/"),
            session=self._session(test),
        )

    def run(self, request: Request, form: FormData) -> Response:
        """Run a test once more."""
        return see_other(f"/executions/{execute(self._flow, request.path_params['id'], ExecuteRunTest()).id}")

    def execution(self, request: Request) -> Response:
        """One execution: how far it is, and what came of it."""
        execution = execution_now(self._flow, request.path_params["id"])
        calls = sorted(CALLS.parts(self._flow, execution.id), key=by_gravity)
        test = self._test(execution)
        is_open = execution.status in OPEN
        return twin(
            request,
            "execution.html",
            self._shell(execution.project, "tests", live=is_open),
            {"execution": execution, "results": self._results(execution, calls), "calls": calls},
            test=test,
            session=self._session(test) if test else None,
            is_open=is_open,
            bar=_bar(execution),
            clusters=_clusters(calls),
            others=[one for one in self._others(execution) if one.id != execution.id],
            under_test=version_of(self._flow, execution),
            undone=sum(call.status != "completed" or call.verdict not in PASSABLE for call in calls),
            again=rerun_command(execution.id, execution, str(request.base_url)),
            origin=str(request.base_url).rstrip("/"),
        )

    def elsewhere(self, request: Request) -> Response:
        """The same under the name that the API has for it, which the client prints."""
        return see_other(f"/executions/{request.path_params['id']}")

    def compare(self, request: Request) -> Response:
        """Two executions side by side: `with` is the earlier one."""
        execution = execution_now(self._flow, request.path_params["id"])
        before = request.query_params.get("with", "")
        compared = compare_executions(self._flow, before, execution.id)
        other = execution_now(self._flow, before)
        shell = self._shell(execution.project, "tests")
        return twin(request, "compare.html", shell, {"compared": compared}, execution=execution, other=other)

    def cancel(self, request: Request, form: FormData) -> Response:
        """Stop an execution."""
        return see_other(f"/executions/{cancel_execution(self._flow, request.path_params['id']).id}")

    def rerun(self, request: Request, form: FormData) -> Response:
        """Do some of it again."""
        what = text_of(form, "what", "failed")
        if what not in ("all", "failed", "evaluators"):
            raise BadSetting(f"{what!r} is nothing that can be done again", where="what")
        asked = Rerun(what=what)  # type: ignore[arg-type]  # looked at above
        return see_other(f"/executions/{rerun(self._flow, request.path_params['id'], asked).id}")

    def _results(self, execution: TestExecution, calls: list[CallExecution]) -> Results:
        """The figures; their intervals take a while, so they are kept as long as no row has changed."""
        seen = content_hash(msgspec.json.encode(calls))
        if (known := self._known.get(execution.id)) is None or known[0] != seen:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[execution.id] = known = seen, results(self._flow, execution.id)
        return known[1]

    def _others(self, execution: TestExecution) -> list[TestExecution]:
        return EXECUTIONS.page(self._flow, parent=execution.run_test_id, limit=POINTS).things

    def _test(self, execution: TestExecution) -> RunTest | None:
        try:
            return RUN_TESTS.get(self._flow, execution.run_test_id)
        except NotFound:
            return None

    def _session(self, test: RunTest) -> ReplaySession | None:
        try:
            return SESSIONS.get(self._flow, test.replay_session_id or "")
        except NotFound:
            return None

    def _shell(self, project: str | None, section: str, *, live: bool = False) -> Shell:
        return Shell(section=section, project=project, projects=tuple(self._flow.store.projects()), live=live)


def version_of(flow: Flow, execution: TestExecution) -> AgentVersion | None:
    """The version that was under test; None where its agent was deleted since."""
    try:
        return version(flow, execution.agent_definition_id, execution.agent_version)
    except NotFound:
        return None


def rerun_command(id: str, execution: TestExecution, origin: str) -> str | None:
    """The command that runs it again in the user's own process; None where somebody else replays."""
    if execution.runner != "sdk":
        return None
    return shlex.join(["taketwo", "replay", "--rerun", id, "--agent", OWN_AGENT, "--server", origin.rstrip("/")])


def by_gravity(call: CallExecution) -> tuple[int, int]:
    """Those first that a person must see."""
    kind = "error" if call.status == "failed" else call.verdict
    return GRAVEST_FIRST.index(kind) if kind in GRAVEST_FIRST else len(GRAVEST_FIRST), call.position


def _clusters(calls: list[CallExecution]) -> list[Cluster]:
    """Rows with the same headline, the most common first; one alone is no cluster."""
    headlines = Counter(call.headline for call in calls if call.headline and call.verdict not in ("pass", None))
    return [
        Cluster(text, tuple(call for call in calls if call.headline == text))
        for text, count in headlines.most_common()
        if count > 1
    ]


def _bar(execution: TestExecution) -> list[tuple[str, int, float, float]]:
    """Kind, count, start and width in percent of each part of the bar, the gravest first."""
    counts = dict(execution.verdicts)
    if failed := execution.counts.get("failed"):
        counts["error"] = failed
    drawn, start = [], 0.0
    for kind in GRAVEST_FIRST:
        if count := counts.get(kind, 0):
            width = 100 * count / max(execution.total, 1)
            drawn.append((kind, count, round(start, 3), round(width, 3)))
            start += width
    return drawn

"""One row of an execution, side by side with what was recorded, and what can be done about it."""

from __future__ import annotations

import shlex

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.comparison import SEVERITIES
from taketwo.errors import BadSetting, NotFound
from taketwo.events import CaseFinished
from taketwo.report.aligned import telling_attempt
from taketwo.report.html import CaseView, calls_of, view_of
from taketwo.scenario import Case, Scenario
from taketwo.sdk.api.agents import AgentVersion
from taketwo.sdk.api.executions import CallExecution, Rerun, TestExecution
from taketwo.sdk.api.scenarios import UpdateRow
from taketwo.server.flow.executions import CALLS, OPEN, execution_now, rerun
from taketwo.server.flow.judging import RESULTS, CallResult
from taketwo.server.flow.keeping import kept_files
from taketwo.server.flow.scenarios import ROWS, update_row
from taketwo.server.flow.shelf import Flow
from taketwo.server.pages.drawing import twin
from taketwo.server.pages.executions import OWN_AGENT, by_gravity, rerun_command, version_of
from taketwo.server.pages.forms import filled_in, see_other, text_of
from taketwo.server.pages.keeping import download_files
from taketwo.server.pages.shell import Shell
from taketwo.server.pages.sound import SoundOfCalls, served
from taketwo.verdict import Attempt, Score


class Rows:
    """Draws rows of executions. The methods block; the application runs them in threads."""

    def __init__(self, flow: Flow) -> None:
        """Work with that flow."""
        self._flow = flow

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/rows/{id}.json", self.row),
            Route("/rows/{id}/file", self.file),
            Route("/rows/{id}/accept", filled_in(self.accept), methods=["POST"]),
            Route("/rows/{id}/rerun", filled_in(self.rerun), methods=["POST"]),
            Route("/rows/{id}", self.row),
        ]

    def row(self, request: Request) -> Response:
        """One row: recorded and replayed side by side."""
        call = CALLS.get(self._flow, request.path_params["id"])
        execution = execution_now(self._flow, call.test_execution_id)
        calls = sorted(CALLS.parts(self._flow, execution.id), key=by_gravity)
        place = next(place for place, one in enumerate(calls) if one.id == call.id)
        kept, is_open = self._result(call), execution.status in OPEN and call.status in OPEN
        attempt = _attempt(kept, request.query_params.get("attempt"))
        under_test = version_of(self._flow, execution)
        return twin(
            request,
            "row.html",
            Shell(section="tests", project=call.project, projects=tuple(self._flow.store.projects()), live=is_open),
            {"call": call, "result": kept.result if kept else None},
            execution=execution,
            view=self._view(kept, attempt) if kept else None,
            attempts=[(one, _kind_of(one)) for one in kept.result.attempts] if kept else [],
            before=calls[place - 1] if place else None,
            after=calls[place + 1] if place + 1 < len(calls) else None,
            place=place,
            count=len(calls),
            is_open=is_open,
            execution_is_open=execution.status in OPEN,
            command=_command(call, execution, under_test),
            again=rerun_command(call.id, execution, str(request.base_url)),
            accepted="accepted" in request.query_params,
        )

    def _view(self, kept: CallResult, attempt: Attempt | None) -> CaseView:
        """The row as it is drawn, with both calls to be heard where it is one of calls."""
        view = view_of(CaseFinished(case=kept.case, result=kept.result), attempt)
        recordings = SoundOfCalls(self._flow.store).recordings
        return view._replace(call=calls_of(view, recordings.of, served))

    def file(self, request: Request) -> Response:
        """The row as a scenario file, as it will be replayed next."""
        call = CALLS.get(self._flow, request.path_params["id"])
        kept = self._result(call)
        if kept is None:
            raise NotFound("nothing has been replayed yet", where=f"row {call.case_id}")
        case = self._case(call, kept)
        return download_files(*kept_files(Scenario(name=case.id, cases=(case,)), self._flow.store))

    def accept(self, request: Request, form: FormData) -> Response:
        """Take what was replayed as what should be: from now on the row is compared with that."""
        call = CALLS.get(self._flow, request.path_params["id"])
        kept = self._result(call)
        attempt = _attempt(kept, text_of(form, "attempt") or None)
        if kept is None or attempt is None:
            raise NotFound("nothing has been replayed yet", where=f"row {call.case_id}")
        if attempt.run.ending.reason != "completed":
            raise BadSetting(
                "the replay did not reach its end, so it cannot be taken as right", where="attempt", todo="run it again"
            )
        was, now = kept.case.recorded, attempt.run.conversation
        accepted = now.but(id=was.id, project=was.project, session_id=was.session_id, user_id=was.user_id)
        update_row(self._flow, call.row_id, UpdateRow(case=kept.case.but(recorded=accepted)))
        return see_other(f"/rows/{call.id}?accepted=1")

    def rerun(self, request: Request, form: FormData) -> Response:
        """Have the server replay this row again."""
        call = CALLS.get(self._flow, request.path_params["id"])
        rerun(self._flow, call.test_execution_id, Rerun(what="all", call_execution_ids=(call.id,)))
        return see_other(f"/rows/{call.id}")

    def _case(self, call: CallExecution, kept: CallResult) -> Case:
        """The case as its row says it by now: a replay may have been taken as right. Without its row, as it was run."""
        try:
            return ROWS.get(self._flow, call.row_id).case or kept.case
        except NotFound:
            return kept.case

    def _result(self, call: CallExecution) -> CallResult | None:
        try:
            return RESULTS.get(self._flow, call.id)
        except NotFound:
            return None


def _kind_of(attempt: Attempt) -> str:
    """How one attempt looks by itself: the verdict is made of all of them."""
    judged = [score.value for score in attempt.scores if isinstance(score, Score) and isinstance(score.value, bool)]
    if not all(judged):
        return "fail"
    if attempt.run.ending.reason != "completed":
        return "inconclusive"
    if judged:
        return "pass"
    gravest = min((SEVERITIES.index(change.severity) for change in attempt.comparison.changes), default=9)
    return "changed" if gravest < SEVERITIES.index("wording") else "pass"


def _attempt(kept: CallResult | None, asked: str | None) -> Attempt | None:
    """The attempt that is asked for, else the most telling one; None where there is none."""
    if kept is None:
        return None
    if asked is None:
        return telling_attempt(kept.result)
    found = next((one for one in kept.result.attempts if str(one.run.attempt) == asked), None)
    if found is None:
        raise NotFound(f"there is no attempt {asked!r}", where="attempt", todo=f"1 to {len(kept.result.attempts)}")
    return found


def _command(call: CallExecution, execution: TestExecution, under_test: AgentVersion | None) -> str:
    """The command that replays the kept file of the row against the same agent."""
    agent = execution.agent if execution.runner == "server" else OWN_AGENT
    words = ["taketwo", "replay", f"{call.case_id}.scenario.yaml", "--agent", agent]
    for name, value in (under_test.overrides if under_test else {}).items():
        words += ["--set", "system_prompt=@prompt.txt" if name == "system_prompt" else f"{name}={value}"]
    if execution.repeat > 1:
        words += ["--repeat", str(execution.repeat)]
    return shlex.join(words)

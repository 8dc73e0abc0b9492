"""Replay in five steps: select, look at the selection, make a scenario, choose the agent, run it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.errors import AlreadyThere, BadSetting
from taketwo.scenario import Case
from taketwo.sdk.api.agents import AgentContent, AgentVersion, CreateAgentVersion
from taketwo.sdk.api.executions import ExecuteRunTest
from taketwo.sdk.api.replay_sessions import CreateReplaySession, GenerateScenario, ReplaySession
from taketwo.sdk.api.run_tests import CreateRunTest, RunTest, UpdateRunTest
from taketwo.sdk.api.scenarios import UpdateRow
from taketwo.server.flow.agents import AGENTS, create_version, version
from taketwo.server.flow.executions import execute
from taketwo.server.flow.replay_sessions import (
    SESSIONS,
    account,
    cancel_replay_session,
    create_replay_session,
    generate_scenario,
    retry_replay_session,
)
from taketwo.server.flow.run_tests import EVALUATORS, RUN_TESTS, create_run_test, update_run_test
from taketwo.server.flow.scenarios import ROWS, SCENARIOS, update_row
from taketwo.server.flow.shelf import Flow
from taketwo.server.marks import as_marked, marks_of
from taketwo.server.pages.drawing import page, twin
from taketwo.server.pages.forms import filled_in, see_other, text_of, texts_of
from taketwo.server.pages.shell import Shell
from taketwo.value import JSON

ROWS_SHOWN = 100
"""Rows of a part of a page."""
LISTED = 50
"""Replay sessions of a page."""
LONGEST_PROMPT = 100_000
"""Characters of a prompt that is compared word by word."""
ADDRESSES = ("http://", "https://", "ws://", "wss://", "vapi:", "retell:")
"""How addresses of agents begin that the server itself reaches."""


class Replays:
    """Draws replay sessions and takes them on. The methods block; the application runs them in threads."""

    def __init__(self, flow: Flow) -> None:
        """Work with that flow."""
        self._flow = flow

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/replays", self.every),
            Route("/replays.json", self.every),
            Route("/replays", filled_in(self.create), methods=["POST"]),
            Route("/replays/prompt-diff", filled_in(self.prompt_diff), methods=["POST"]),
            Route("/replays/{id}.json", self.one),
            Route("/replays/{id}", self.one),
            Route("/replays/{id}/scenario", filled_in(self.generate), methods=["POST"]),
            Route("/replays/{id}/run", filled_in(self.run), methods=["POST"]),
            Route("/replays/{id}/cancel", filled_in(self._changed(cancel_replay_session)), methods=["POST"]),
            Route("/replays/{id}/retry", filled_in(self._changed(retry_replay_session)), methods=["POST"]),
        ]

    def every(self, request: Request) -> Response:
        """All replay sessions, the newest first."""
        asked = request.query_params
        project = asked.get("project") or None
        found = SESSIONS.page(self._flow, project=project, limit=LISTED, after=asked.get("after"))
        body = {"replay_sessions": found.things, "next": found.next}
        return twin(request, "replays.html", self._shell(project), body, project=project, after=asked.get("after"))

    def create(self, request: Request, form: FormData) -> Response:
        """Select conversations: those that are marked in the list, or all that its filter chooses."""
        ids = texts_of(form, "id")
        everything = bool(text_of(form, "everything"))
        project = text_of(form, "project") or self._only_project(ids)
        asked = CreateReplaySession(
            project_id=project,
            ids=() if everything else tuple(ids),
            select_all=everything,
            filter=(text_of(form, "filter") or None) if everything else None,
        )
        made = create_replay_session(self._flow, asked)
        return see_other(f"/replays/{made.id}")

    def one(self, request: Request) -> Response:
        """One replay session, at the step where it is, or at the one that is asked for."""
        session = SESSIONS.get(self._flow, request.path_params["id"])
        asked = request.query_params
        step = asked.get("step") or _step_of(session)
        template = {"scenario": "replay_scenario.html", "agent": "replay_agent.html"}.get(step, "replay_selection.html")
        told = account(self._flow, session.id, limit=ROWS_SHOWN, after=asked.get("after"))
        body = {"replay_session": session, "account": told.things, "next": told.next}
        return twin(
            request,
            template,
            self._shell(session.project, live=session.current_step == "generating"),
            body,
            step=step,
            left_out=session.left_out,
            **(self._of_scenario(session) if step in ("scenario", "agent") else {}),
        )

    def generate(self, request: Request, form: FormData) -> Response:
        """Have the scenario made."""
        rows = text_of(form, "no_of_rows", "20")
        if not (rows.isascii() and rows.isdigit() and 0 < int(rows[:6]) <= 1_000):
            raise BadSetting(f"{rows!r} is no number of rows", where="no_of_rows", todo="name one from 1 to 1000")
        asked = GenerateScenario(
            agent_name=text_of(form, "agent_name") or None,
            scenario_name=text_of(form, "scenario_name") or None,
            agent_description=text_of(form, "agent_description") or None,
            no_of_rows=int(rows),
        )
        session = generate_scenario(self._flow, request.path_params["id"], asked)
        return see_other(f"/replays/{session.id}?step=scenario")

    def run(self, request: Request, form: FormData) -> Response:
        """Say how the agent is reached and what is changed, and run the test."""
        session = SESSIONS.get(self._flow, request.path_params["id"])
        if session.agent_definition_id is None or session.agent_version is None or session.scenario_id is None:
            raise BadSetting("no scenario has been made yet", where="step", todo="make one first")
        recorded = version(self._flow, session.agent_definition_id, session.agent_version)
        number = self._version(session.agent_definition_id, recorded, form)
        self._take_marks(session.scenario_id)
        test = self._run_test(session, number, form)
        if text_of(form, "reach") == "own":
            # The execution is begun by the user's own process.
            return see_other(f"/tests/{test.id}")
        execution = execute(self._flow, test.id, ExecuteRunTest(runner="server"))
        return see_other(f"/executions/{execution.id}")

    def prompt_diff(self, request: Request, form: FormData) -> Response:
        """A part of the page: what is different between the recorded prompt and the one that is being written."""
        before, after = (text_of(form, name)[:LONGEST_PROMPT] for name in ("recorded_prompt", "system_prompt"))
        return page("prompt_diff.html", before=before, after=after)

    def _version(self, agent_id: str, recorded: AgentVersion, form: FormData) -> int:
        """The version of the agent that is under test, made where no version says it already."""
        spec, overrides = _under_test(form, recorded)
        content = {name: getattr(recorded, name) for name in AgentContent.__struct_fields__}
        asked = CreateAgentVersion(**{**content, "spec": spec, "overrides": overrides})
        newest = version(self._flow, agent_id, _latest(self._flow, agent_id))
        if (newest.spec, newest.overrides) == (spec, overrides):
            return newest.number
        return create_version(self._flow, agent_id, asked).number

    def _run_test(self, session: ReplaySession, number: int, form: FormData) -> RunTest:
        """The run test of the session, made at the first run; it tests what was chosen last."""
        repeat = text_of(form, "repeat", "1")
        if not (repeat.isascii() and repeat.isdigit() and 0 < int(repeat[:4]) <= 100):
            raise BadSetting(f"{repeat!r} is no number of repeats", where="repeat", todo="name one from 1 to 100")
        evaluators = tuple(texts_of(form, "evaluator"))
        named = tuple(line.strip() for line in text_of(form, "named").splitlines() if line.strip())
        if session.run_test_id is not None:
            asked = UpdateRunTest(agent_version=number, repeat=int(repeat), evaluator_ids=evaluators, evaluators=named)
            return update_run_test(self._flow, session.run_test_id, asked)
        assert session.agent_definition_id is not None and session.scenario_id is not None, "looked at before"
        name = SCENARIOS.get(self._flow, session.scenario_id).name
        for place in range(1, 100):
            try:
                return create_run_test(
                    self._flow,
                    CreateRunTest(
                        name=name if place == 1 else f"{name} ({place})",
                        agent_definition_id=session.agent_definition_id,
                        agent_version=number,
                        scenario_ids=(session.scenario_id,),
                        repeat=int(repeat),
                        evaluator_ids=evaluators,
                        evaluators=named,
                        replay_session_id=session.id,
                    ),
                )
            except AlreadyThere:
                continue
        raise AlreadyThere(f"there are 100 run tests of the name {name!r}", where="name")

    def _take_marks(self, scenario_id: str) -> None:
        """What was marked in the conversations is expected of their rows."""
        for row in ROWS.parts(self._flow, scenario_id):
            case = row.case
            if case is None or case.origin.conversation is None:
                continue
            marked = self._as_marked(case)
            if marked != case:
                update_row(self._flow, row.id, UpdateRow(case=marked))

    def _as_marked(self, case: Case) -> Case:
        project, id = case.origin.project or case.recorded.project, case.origin.conversation or case.recorded.id
        origin = case.recorded.but(id=id, project=project)
        return as_marked(case, marks_of(self._flow.documents, origin))

    def _of_scenario(self, session: ReplaySession) -> dict[str, Any]:
        """What the later steps show."""
        made = session.agent_definition_id is not None and session.current_step in ("ready", "completed")
        if not made or session.agent_definition_id is None or session.scenario_id is None:
            return {
                "scenario": None,
                "rows": [],
                "recorded": None,
                "under_test": None,
                "run_test": None,
                "evaluators": [],
            }
        rows = ROWS.page(self._flow, parent=session.scenario_id, limit=ROWS_SHOWN, newest_first=False).things
        latest = _latest(self._flow, session.agent_definition_id)
        return {
            "scenario": SCENARIOS.get(self._flow, session.scenario_id),
            "rows": [row.but(case=self._as_marked(row.case)) if row.case else row for row in rows],
            "recorded": version(self._flow, session.agent_definition_id, session.agent_version or 1),
            "under_test": version(self._flow, session.agent_definition_id, latest),
            "evaluators": EVALUATORS.page(self._flow, project=session.project, limit=ROWS_SHOWN).things,
            "run_test": RUN_TESTS.get(self._flow, session.run_test_id) if session.run_test_id else None,
            "is_called": AGENTS.get(self._flow, session.agent_definition_id).agent_type == "voice",
        }

    def _changed(self, how: Callable[[Flow, str], ReplaySession]) -> Callable[[Request, FormData], Response]:
        def handler(request: Request, form: FormData) -> Response:
            return see_other(f"/replays/{how(self._flow, request.path_params['id']).id}")

        return handler

    def _only_project(self, ids: list[str]) -> str:
        """The project that all selected conversations are in. Raises BadSetting where there are several."""
        projects = {self._flow.store.conversation(id).project for id in ids[:200]}
        if len(projects) != 1:
            what = "these conversations belong to several projects" if projects else "nothing is selected"
            raise BadSetting(what, where="id", todo="choose a project above the list, and select in it")
        return projects.pop()

    def _shell(self, project: str | None, *, live: bool = False) -> Shell:
        return Shell(section="replays", project=project, projects=tuple(self._flow.store.projects()), live=live)


def _step_of(session: ReplaySession) -> str:
    at = session.failed_step if session.current_step in ("failed", "cancelled") else session.current_step
    return {"generating": "scenario", "ready": "agent", "completed": "agent"}.get(at or "init", "selection")


def _latest(flow: Flow, agent_id: str) -> int:
    return AGENTS.get(flow, agent_id).latest_version


def _under_test(form: FormData, recorded: AgentVersion) -> tuple[str | None, dict[str, JSON]]:
    """How the agent is reached, and what it is sent instead of what was recorded."""
    match text_of(form, "reach"):
        case "own":
            return None, {}
        case "url":
            url = text_of(form, "url")
            if not url.startswith(ADDRESSES):
                todo = "as in http://localhost:8000, or ws://localhost:8765 for calls"
                raise BadSetting(f"{url!r} is no address of an agent", where="url", todo=todo)
            return url, _overrides(form, recorded) if url.rstrip("/").endswith("/chat/completions") else {}
        case "prompt":
            return "prompt:", _overrides(form, recorded)
        case other:
            raise BadSetting(f"{other!r} is no way to reach an agent", where="reach", todo="choose one")


def _overrides(form: FormData, recorded: AgentVersion) -> dict[str, JSON]:
    """What is written in the form and is not what was recorded."""
    found: dict[str, JSON] = {}
    for name in ("system_prompt", "model"):
        written = text_of(form, name)
        if written and written != (getattr(recorded, name) or "").replace("\r\n", "\n").strip():
            found[name] = written
    if tools := text_of(form, "tools"):
        try:
            found["tools"] = msgspec.json.decode(tools, type=list[dict[str, JSON]])
        except msgspec.DecodeError as error:
            todo = "write a list of definitions in OpenAI's form"
            raise BadSetting(f"is no JSON list: {error}", where="tools", todo=todo) from error
    return found

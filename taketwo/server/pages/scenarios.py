"""Scenarios: the graph as a picture with a run laid over it, the rows with where they came from, and their files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.errors import BadSetting, NotFound, ScenarioUnreadable, TooLarge
from taketwo.freeze.files import load
from taketwo.freeze.graph import draw, walk
from taketwo.graph import Graph, paths_taken
from taketwo.report.worddiff import word_diff
from taketwo.scenario import Case, Scenario
from taketwo.sdk.api.executions import TestExecution
from taketwo.sdk.api.scenarios import DuplicateScenario, GraphScenario, ScenarioRow, UpdateRow
from taketwo.server.flow.executions import CALLS, EXECUTIONS
from taketwo.server.flow.gathered import delete_scenario, duplicate_scenario, scenario_now
from taketwo.server.flow.judging import RESULTS
from taketwo.server.flow.keeping import kept_files
from taketwo.server.flow.projects import project_name
from taketwo.server.flow.run_tests import RUN_TESTS
from taketwo.server.flow.scenarios import (
    ROWS,
    SCENARIOS,
    as_file,
    delete_row,
    keep_file,
    update_row,
)
from taketwo.server.flow.shelf import Flow
from taketwo.server.pages.drawing import page, twin
from taketwo.server.pages.forms import filled_in, see_other, text_of
from taketwo.server.pages.keeping import download_files, written
from taketwo.server.pages.picture import picture
from taketwo.server.pages.shell import Shell
from taketwo.value import prepared

MOST_FILE_BYTES = 64 * 1024 * 1024
"""Bytes of a scenario file that is dropped."""
LISTED = 50
"""Scenarios of a page."""
ROWS_SHOWN = 200
"""Rows of a page."""
MOST_DRAWN = 200
"""Rows of which a graph is drawn where the scenario has none."""
MOST_RUNS = 20
"""Executions that can be laid over the graph."""


class Scenarios:
    """Draws scenarios and changes them. The methods block; the application runs them in threads."""

    def __init__(self, flow: Flow) -> None:
        """Work with that flow."""
        self._flow = flow

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/scenarios", self.every),
            Route("/scenarios.json", self.every),
            Route("/scenarios", filled_in(self.upload), methods=["POST"]),
            Route("/scenarios/{id}.json", self.one),
            Route("/scenarios/{id}/file", self.file),
            Route("/scenarios/{id}/duplicate", filled_in(self.duplicate), methods=["POST"]),
            Route("/scenarios/{id}/delete", filled_in(self.delete), methods=["POST"]),
            Route("/scenarios/{id}", self.one),
            Route("/scenario-rows/{id}.json", self.row),
            Route("/scenario-rows/{id}/preview", filled_in(self.preview), methods=["POST"]),
            Route("/scenario-rows/{id}/delete", filled_in(self.delete_row), methods=["POST"]),
            Route("/scenario-rows/{id}", self.row),
            Route("/scenario-rows/{id}", filled_in(self.save), methods=["POST"]),
        ]

    def every(self, request: Request) -> Response:
        """All scenarios, the newest first."""
        asked = request.query_params
        project = asked.get("project") or None
        found = SCENARIOS.page(self._flow, project=project, limit=LISTED, after=asked.get("after"))
        shell = self._shell(project)
        return twin(request, "scenarios.html", shell, {"scenarios": found.things, "next": found.next}, project=project)

    def one(self, request: Request) -> Response:
        """One scenario: its graph, with the run that is asked for laid over it, and its rows."""
        asked = request.query_params
        scenario = scenario_now(self._flow, request.path_params["id"])
        rows = ROWS.page(self._flow, parent=scenario.id, limit=ROWS_SHOWN, after=asked.get("after"), newest_first=False)
        graph = self._graph(scenario)
        run = asked.get("run")
        taken = paths_taken(graph, self._walks(graph, scenario.id, run)) if graph is not None and run else None
        node = next((node for node in graph.nodes if node.id == asked.get("node")), None) if graph else None
        return twin(
            request,
            "scenario.html",
            self._shell(scenario.project),
            {"scenario": scenario, "rows": [row.but(case=None) for row in rows.things], "next": rows.next},
            cases={row.id: row.case for row in rows.things if row.case is not None},
            picture=picture(graph, taken) if graph is not None else None,
            missed=sum(count == 0 for count in taken.values()) if taken is not None else 0,
            edges=len(graph.edges) if graph is not None else 0,
            node=node,
            run=run,
            runs=self._runs(scenario.id),
        )

    def file(self, request: Request) -> Response:
        """The scenario as files for a repository."""
        scenario = as_file(self._flow, request.path_params["id"])
        return download_files(*kept_files(scenario, self._flow.store))

    def upload(self, request: Request, form: FormData) -> Response:
        """Keep a scenario file as a scenario of the server."""
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise BadSetting("there is no file in the form", where="file")
        project = project_name(self._flow, text_of(form, "project") or self._flow.store.projects()[0])
        content = file.file.read(MOST_FILE_BYTES + 1)
        if len(content) > MOST_FILE_BYTES:
            raise TooLarge(f"a scenario file may have {MOST_FILE_BYTES:,} bytes", where=file.filename)
        scenario = _read(content, {}, Path(file.filename).name)
        return see_other(f"/scenarios/{keep_file(self._flow, project, scenario).id}")

    def duplicate(self, request: Request, form: FormData) -> Response:
        """A copy with all rows."""
        copy = duplicate_scenario(self._flow, request.path_params["id"], DuplicateScenario())
        return see_other(f"/scenarios/{copy.id}")

    def delete(self, request: Request, form: FormData) -> Response:
        """Delete the scenario; what was replayed of it stays."""
        delete_scenario(self._flow, request.path_params["id"])
        return see_other("/scenarios")

    def row(self, request: Request) -> Response:
        """One row as a file that can be edited."""
        row = ROWS.get(self._flow, request.path_params["id"])
        scenario = SCENARIOS.get(self._flow, row.scenario_id)
        text, _ = _file_of(row)
        shell = self._shell(scenario.project)
        return twin(request, "scenario_row.html", shell, {"row": row}, scenario=scenario, text=text)

    def preview(self, request: Request, form: FormData) -> Response:
        """A part of the page: what is different in the file, or why it cannot be read."""
        row = ROWS.get(self._flow, request.path_params["id"])
        before, beside = _file_of(row)
        after = text_of(form, "file")
        try:
            case, wrong = _case_in(after, beside), None
        except (ScenarioUnreadable, BadSetting) as error:
            case, wrong = None, str(error)
        pieces = word_diff(before.strip(), after)
        return page("row_preview.html", pieces=pieces, is_same=before.strip() == after, case=case, wrong=wrong)

    def save(self, request: Request, form: FormData) -> Response:
        """Keep the edited file."""
        row = ROWS.get(self._flow, request.path_params["id"])
        case = _case_in(text_of(form, "file"), _file_of(row)[1])
        update_row(self._flow, row.id, UpdateRow(case=case))
        return see_other(f"/scenarios/{row.scenario_id}#row-{row.id}")

    def delete_row(self, request: Request, form: FormData) -> Response:
        """Take the row out."""
        row = ROWS.get(self._flow, request.path_params["id"])
        delete_row(self._flow, row.id)
        return see_other(f"/scenarios/{row.scenario_id}")

    def _graph(self, scenario: GraphScenario) -> Graph | None:
        """The scenario's own graph, else the one that its rows make."""
        if scenario.graph is not None:
            try:
                return msgspec.convert(scenario.graph, prepared(Graph))
            except msgspec.ValidationError:
                return None  # somebody else's form, which is kept but not drawn
        rows = ROWS.page(self._flow, parent=scenario.id, limit=MOST_DRAWN, newest_first=False).things
        recorded = [row.case.recorded.but(id=row.id) for row in rows if row.case is not None]
        return draw(recorded).graph if recorded else None

    def _walks(self, graph: Graph, scenario_id: str, run: str) -> list[tuple[str, ...]]:
        """The ways that the replays of a run took."""
        walks = []
        for call in CALLS.parts(self._flow, run, state="completed"):
            if call.scenario_id != scenario_id:
                continue
            try:
                attempts = RESULTS.get(self._flow, call.id).result.attempts
            except NotFound:
                continue
            walks += [walk(graph, attempt.run.conversation) for attempt in attempts]
        return walks

    def _runs(self, scenario_id: str) -> list[TestExecution]:
        """The last executions of tests that have this scenario."""
        found: list[TestExecution] = []
        for test in RUN_TESTS.every(self._flow):
            if scenario_id in test.scenario_ids:
                found += EXECUTIONS.page(self._flow, parent=test.id, limit=MOST_RUNS).things
        return sorted(found, key=lambda one: one.created_at, reverse=True)[:MOST_RUNS]

    def _shell(self, project: str | None) -> Shell:
        return Shell(section="scenarios", project=project, projects=tuple(self._flow.store.projects()))


def _file_of(row: ScenarioRow) -> tuple[str, dict[str, bytes]]:
    """The row as the file it would be, and what lies beside that."""
    assert row.case is not None, "rows are kept with their cases"
    name, files = written(Scenario(name=row.case.id, cases=(row.case,)))
    return files[name].decode(), {other: body for other, body in files.items() if other != name}


def _case_in(text: str, beside: dict[str, bytes]) -> Case:
    """The one case that a text holds. Raises ScenarioUnreadable, BadSetting."""
    scenario = _read(text.encode(), beside, "this file")
    if len(scenario.cases) != 1:
        raise BadSetting(f"a row is one case, and here are {len(scenario.cases)}", where="cases")
    return scenario.cases[0]


def _read(body: bytes, beside: dict[str, bytes], called: str) -> Scenario:
    """Read a file that is no file yet. Raises ScenarioUnreadable, with the name it is called by."""
    with tempfile.TemporaryDirectory(prefix="taketwo-") as folder:
        place = Path(folder) / "edited.scenario.yaml"
        place.write_bytes(body)
        for name, content in beside.items():
            (place.parent / name).parent.mkdir(parents=True, exist_ok=True)
            (place.parent / name).write_bytes(content)
        try:
            return load(place)
        except ScenarioUnreadable as error:
            where = (error.where or "").replace(str(place), called)
            raise ScenarioUnreadable(error.what, where=where or None, todo=error.todo) from error

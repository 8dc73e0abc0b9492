"""Scenarios, their rows, and personas."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

from taketwo.sdk.api.asked import Asked, Name
from taketwo.sdk.api.scenarios import (
    AddRows,
    CreatePersona,
    CreateScenario,
    DescribedScenario,
    DescribeScenario,
    DuplicateScenario,
    GraphScenario,
    KeepConversations,
    Persona,
    Redacted,
    ScenarioRow,
    UpdatePersona,
    UpdateRow,
    UpdateScenario,
)
from taketwo.server.api.operation import File, Given, Operation, Page, PageOfProject, listing, page_of, shelf_page
from taketwo.server.flow import personas
from taketwo.server.flow import scenarios as flow
from taketwo.server.flow.described import describe_scenario
from taketwo.server.flow.gathered import delete_scenario, duplicate_scenario, scenario_now, update_scenario
from taketwo.server.flow.keeping import archive, keep_conversations
from taketwo.server.flow.personas import PERSONAS
from taketwo.server.flow.scenario_files import download, replace, upload
from taketwo.server.flow.scenarios import ROWS, SCENARIOS

Scenarios = listing("Scenarios", "scenarios", GraphScenario)
Rows = listing("Rows", "rows", ScenarioRow)
Personas = listing("Personas", "personas", Persona)


class PageOfRows(Page):
    """Which rows."""

    origin: Literal["recorded", "synthetic"] | None = None
    """Only those that came from there."""


class IntoProject(Asked):
    """Into which project."""

    project: Name
    """Id or name of the project."""


UNREADABLE = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND)


def _download(given: Given) -> File:
    name, content = download(given.flow, given.id, is_redacted=given.query.redact != "none")
    return File(content, "application/zip", name)


def _keep(given: Given) -> File:
    name, files = keep_conversations(given.flow, given.body)
    return File(archive(files), "application/zip", f"{name.removesuffix('.scenario.yaml')}.zip")


class WithoutPeople(Asked):
    """Whether personal data stays in a file."""

    redact: Redacted = "personal"
    """`personal`: secrets and personal data become pseudonyms, as `taketwo freeze` does it; `none`: as it is kept."""


def _rows(given: Given) -> Any:
    query: PageOfRows = given.query
    page = flow.rows_of(given.flow, given.id, limit=query.limit, after=query.after, origin=query.origin)
    return page_of(Rows, page)


OPERATIONS = (
    Operation(
        "GET",
        "/api/scenarios",
        "Scenarios",
        "list_scenarios",
        "Scenarios, the newest first.",
        shelf_page(Scenarios, SCENARIOS),
        Scenarios,
        query=PageOfProject,
        refusals=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "POST",
        "/api/scenarios",
        "Scenarios",
        "create_scenario",
        "Make a scenario that has no rows yet.",
        lambda given: flow.create_scenario(given.flow, given.body),
        GraphScenario,
        CreateScenario,
        status=HTTPStatus.CREATED,
        refusals=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "GET",
        "/api/scenarios/{id}",
        "Scenarios",
        "get_scenario",
        "One scenario, with its graph.",
        lambda given: scenario_now(given.flow, given.id),
        GraphScenario,
    ),
    Operation(
        "PATCH",
        "/api/scenarios/{id}",
        "Scenarios",
        "update_scenario",
        "Change name, description or graph.",
        lambda given: update_scenario(given.flow, given.id, given.body),
        GraphScenario,
        UpdateScenario,
    ),
    Operation(
        "DELETE",
        "/api/scenarios/{id}",
        "Scenarios",
        "delete_scenario",
        "Delete a scenario with its rows; what was replayed of them stays.",
        lambda given: delete_scenario(given.flow, given.id),
    ),
    Operation(
        "POST",
        "/api/scenarios/{id}/duplicate",
        "Scenarios",
        "duplicate_scenario",
        "A copy with all rows, under another name.",
        lambda given: duplicate_scenario(given.flow, given.id, given.body),
        GraphScenario,
        DuplicateScenario,
        needs_body=False,
        status=HTTPStatus.CREATED,
    ),
    Operation(
        "GET",
        "/api/scenarios/{id}/rows",
        "Scenarios",
        "list_rows",
        "The rows in order, without their cases.",
        _rows,
        Rows,
        query=PageOfRows,
    ),
    Operation(
        "POST",
        "/api/scenarios/{id}/rows",
        "Scenarios",
        "add_rows",
        "Add rows behind those that are there, all or none.",
        lambda given: page_of(Rows, flow.add_rows(given.flow, given.id, given.body)),
        Rows,
        AddRows,
        status=HTTPStatus.CREATED,
    ),
    Operation(
        "POST",
        "/api/scenario-files",
        "Scenarios",
        "upload_scenario",
        "Keep the scenario of a *.scenario.yaml, or of an archive with one and the files beside it.",
        lambda given: upload(given.flow, given.query.project, given.body),
        GraphScenario,
        File,
        query=IntoProject,
        status=HTTPStatus.CREATED,
        refusals=UNREADABLE,
    ),
    Operation(
        "POST",
        "/api/scenario-descriptions",
        "Scenarios",
        "describe_scenario",
        "Make a scenario of situations that you describe, or that a model thinks of, where nothing was recorded yet.",
        lambda given: describe_scenario(given.flow, given.body),
        DescribedScenario,
        DescribeScenario,
        status=HTTPStatus.CREATED,
        refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY),
    ),
    Operation(
        "GET",
        "/api/scenarios/{id}/file",
        "Scenarios",
        "download_scenario",
        "An archive with the scenario as the file of a repository, and all that it refers to, without its people.",
        _download,
        File,
        query=WithoutPeople,
        refusals=UNREADABLE,
    ),
    Operation(
        "POST",
        "/api/kept-conversations",
        "Scenarios",
        "keep_conversations",
        "Captured conversations as a scenario file, in an archive: redacted, proved by replays, and looked at again.",
        _keep,
        File,
        KeepConversations,
        refusals=UNREADABLE,
        is_repeatable=False,
    ),
    Operation(
        "PUT",
        "/api/scenarios/{id}/file",
        "Scenarios",
        "replace_scenario",
        "Put the rows of a file in place of those that are there; rows of the same name keep their ids.",
        lambda given: replace(given.flow, given.id, given.body),
        GraphScenario,
        File,
        refusals=UNREADABLE,
    ),
    Operation(
        "GET",
        "/api/rows/{id}",
        "Scenarios",
        "get_row",
        "One row with its case.",
        lambda given: ROWS.get(given.flow, given.id),
        ScenarioRow,
    ),
    Operation(
        "PATCH",
        "/api/rows/{id}",
        "Scenarios",
        "update_row",
        "Change a row: its case, its expectations, its columns.",
        lambda given: flow.update_row(given.flow, given.id, given.body),
        ScenarioRow,
        UpdateRow,
    ),
    Operation(
        "DELETE",
        "/api/rows/{id}",
        "Scenarios",
        "delete_row",
        "Delete a row; what was replayed of it stays.",
        lambda given: flow.delete_row(given.flow, given.id),
    ),
    Operation(
        "GET",
        "/api/personas",
        "Personas",
        "list_personas",
        "Personas, the newest first.",
        shelf_page(Personas, PERSONAS),
        Personas,
        query=PageOfProject,
        refusals=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "POST",
        "/api/personas",
        "Personas",
        "create_persona",
        "Make a persona.",
        lambda given: personas.create_persona(given.flow, given.body),
        Persona,
        CreatePersona,
        status=HTTPStatus.CREATED,
        refusals=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "GET",
        "/api/personas/{id}",
        "Personas",
        "get_persona",
        "One persona.",
        lambda given: PERSONAS.get(given.flow, given.id),
        Persona,
    ),
    Operation(
        "PATCH",
        "/api/personas/{id}",
        "Personas",
        "update_persona",
        "Change a persona; rows that it speaks in stay as they are.",
        lambda given: personas.update_persona(given.flow, given.id, given.body),
        Persona,
        UpdatePersona,
    ),
    Operation(
        "DELETE",
        "/api/personas/{id}",
        "Personas",
        "delete_persona",
        "Delete a persona.",
        lambda given: personas.delete_persona(given.flow, given.id),
    ),
)
"""What can be asked about scenarios."""

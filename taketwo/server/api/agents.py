"""Agent definitions and their versions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from taketwo.errors import BadSetting
from taketwo.sdk.api.agents import (
    AgentDefinition,
    AgentVersion,
    CreateAgentDefinition,
    CreateAgentVersion,
    UpdateAgentDefinition,
)
from taketwo.server.api.operation import Given, Operation, Page, PageOfProject, listing, page_of, shelf_page
from taketwo.server.flow import agents as flow
from taketwo.server.flow.agents import AGENTS, VERSIONS

AgentDefinitions = listing("AgentDefinitions", "agent_definitions", AgentDefinition)
AgentVersions = listing("AgentVersions", "versions", AgentVersion)


def _versions(given: Given) -> Any:
    AGENTS.get(given.flow, given.id)
    query: Page = given.query
    return page_of(AgentVersions, VERSIONS.page(given.flow, parent=given.id, limit=query.limit, after=query.after))


def _number(given: Given) -> int:
    if not (given.part.isascii() and given.part.isdigit() and len(given.part) < 9):
        raise BadSetting(f"{given.part!r} is no number of a version", where="part", todo="name one such as 2")
    return int(given.part)


OPERATIONS = (
    Operation(
        "GET",
        "/api/agent-definitions",
        "Agent definitions",
        "list_agent_definitions",
        "Agent definitions, the newest first.",
        shelf_page(AgentDefinitions, AGENTS),
        AgentDefinitions,
        query=PageOfProject,
        refusals=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "POST",
        "/api/agent-definitions",
        "Agent definitions",
        "create_agent_definition",
        "Make an agent definition with its first version.",
        lambda given: flow.create_agent_definition(given.flow, given.body),
        AgentDefinition,
        CreateAgentDefinition,
        status=HTTPStatus.CREATED,
        refusals=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "GET",
        "/api/agent-definitions/{id}",
        "Agent definitions",
        "get_agent_definition",
        "One agent definition.",
        lambda given: AGENTS.get(given.flow, given.id),
        AgentDefinition,
    ),
    Operation(
        "PATCH",
        "/api/agent-definitions/{id}",
        "Agent definitions",
        "update_agent_definition",
        "Change name or description.",
        lambda given: flow.update_agent_definition(given.flow, given.id, given.body),
        AgentDefinition,
        UpdateAgentDefinition,
    ),
    Operation(
        "DELETE",
        "/api/agent-definitions/{id}",
        "Agent definitions",
        "delete_agent_definition",
        "Delete an agent definition with its versions.",
        lambda given: flow.delete_agent_definition(given.flow, given.id),
    ),
    Operation(
        "GET",
        "/api/agent-definitions/{id}/versions",
        "Agent definitions",
        "list_agent_versions",
        "The versions with what changed, the newest first.",
        _versions,
        AgentVersions,
        query=Page,
    ),
    Operation(
        "POST",
        "/api/agent-definitions/{id}/versions",
        "Agent definitions",
        "create_agent_version",
        "Add a version, which is tested from now on unless it says otherwise.",
        lambda given: flow.create_version(given.flow, given.id, given.body),
        AgentVersion,
        CreateAgentVersion,
        status=HTTPStatus.CREATED,
    ),
    Operation(
        "GET",
        "/api/agent-definitions/{id}/versions/{part}",
        "Agent definitions",
        "get_agent_version",
        "One version, by its number.",
        lambda given: flow.version(given.flow, given.id, _number(given)),
        AgentVersion,
    ),
    Operation(
        "POST",
        "/api/agent-definitions/{id}/versions/{part}/activate",
        "Agent definitions",
        "activate_agent_version",
        "Test this version from now on unless another one is named.",
        lambda given: flow.activate(given.flow, given.id, _number(given)),
        AgentDefinition,
    ),
    Operation(
        "POST",
        "/api/agent-definitions/{id}/versions/{part}/restore",
        "Agent definitions",
        "restore_agent_version",
        "Add a version that repeats an older one.",
        lambda given: flow.restore(given.flow, given.id, _number(given)),
        AgentVersion,
        status=HTTPStatus.CREATED,
    ),
)
"""What can be asked about agent definitions."""

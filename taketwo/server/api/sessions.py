"""Projects and replay sessions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from msgspec import Meta

from taketwo.sdk.api.projects import CreateProject, Project
from taketwo.sdk.api.replay_sessions import (
    CreateReplaySession,
    GenerateScenario,
    LeftOutBecause,
    ReplaySession,
    SelectedConversation,
)
from taketwo.server.api.operation import Given, Operation, Page, PageOfProject, listing, page_of
from taketwo.server.flow import replay_sessions as flow
from taketwo.server.flow.projects import all_projects, create_project, one_project, project_name
from taketwo.server.flow.replay_sessions import SESSIONS

Projects = listing("Projects", "projects", Project)
ReplaySessions = listing("ReplaySessions", "replay_sessions", ReplaySession)
SelectedConversations = listing("SelectedConversations", "conversations", SelectedConversation)


class PageOfSelection(Page):
    """Which part of a selection."""

    status: Literal["usable", "row", "left_out"] | None = None
    """Only those that are so."""
    because: LeftOutBecause | None = None
    """Only those that were left out for this reason."""


class PageOfReplaySessions(PageOfProject):
    """Which replay sessions."""

    step: Annotated[str, Meta(max_length=50)] | None = None
    """Only those that have come so far."""


def _list(given: Given) -> Any:
    query: PageOfReplaySessions = given.query
    project = None if query.project is None else project_name(given.flow, query.project)
    page = SESSIONS.page(given.flow, project=project, state=query.step, limit=query.limit, after=query.after)
    return page_of(ReplaySessions, page)


def _account(given: Given) -> Any:
    query: PageOfSelection = given.query
    page = flow.account(
        given.flow, given.id, limit=query.limit, after=query.after, status=query.status, because=query.because
    )
    return page_of(SelectedConversations, page)


OPERATIONS = (
    Operation(
        "GET",
        "/api/projects",
        "Projects",
        "list_projects",
        "Every project, by name.",
        lambda given: Projects(projects=tuple(all_projects(given.flow)), next=None),
        Projects,
    ),
    Operation(
        "POST",
        "/api/projects",
        "Projects",
        "create_project",
        "Make a project before anything is captured in it.",
        lambda given: create_project(given.flow, given.body),
        Project,
        CreateProject,
        status=HTTPStatus.CREATED,
    ),
    Operation(
        "GET",
        "/api/projects/{id}",
        "Projects",
        "get_project",
        "One project, by id or name.",
        lambda given: one_project(given.flow, given.id),
        Project,
    ),
    Operation(
        "GET",
        "/api/replay-sessions",
        "Replay sessions",
        "list_replay_sessions",
        "Replay sessions, the newest first.",
        _list,
        ReplaySessions,
        query=PageOfReplaySessions,
        refusals=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "POST",
        "/api/replay-sessions",
        "Replay sessions",
        "create_replay_session",
        "Select conversations to be replayed, and copy them.",
        lambda given: flow.create_replay_session(given.flow, given.body),
        ReplaySession,
        CreateReplaySession,
        status=HTTPStatus.CREATED,
        refusals=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "GET",
        "/api/replay-sessions/{id}",
        "Replay sessions",
        "get_replay_session",
        "How far a replay session is, with its suggestions.",
        lambda given: SESSIONS.get(given.flow, given.id),
        ReplaySession,
    ),
    Operation(
        "DELETE",
        "/api/replay-sessions/{id}",
        "Replay sessions",
        "delete_replay_session",
        "Delete a replay session with its copies; the scenario that was made of it stays.",
        lambda given: flow.delete_replay_session(given.flow, given.id),
    ),
    Operation(
        "GET",
        "/api/replay-sessions/{id}/conversations",
        "Replay sessions",
        "list_selected_conversations",
        "What became of each selected conversation: a row, or left out for a reason.",
        _account,
        SelectedConversations,
        query=PageOfSelection,
    ),
    Operation(
        "POST",
        "/api/replay-sessions/{id}/generate-scenario",
        "Replay sessions",
        "generate_scenario",
        "Have a scenario and an agent version made; `current_step` tells when they are there.",
        lambda given: flow.generate_scenario(given.flow, given.id, given.body),
        ReplaySession,
        GenerateScenario,
        needs_body=False,
        status=HTTPStatus.ACCEPTED,
    ),
    Operation(
        "POST",
        "/api/replay-sessions/{id}/cancel",
        "Replay sessions",
        "cancel_replay_session",
        "Stop what goes on with it; a retry takes it up again.",
        lambda given: flow.cancel_replay_session(given.flow, given.id),
        ReplaySession,
    ),
    Operation(
        "POST",
        "/api/replay-sessions/{id}/retry",
        "Replay sessions",
        "retry_replay_session",
        "Take it up again in the step that failed or was cancelled.",
        lambda given: flow.retry_replay_session(given.flow, given.id),
        ReplaySession,
        status=HTTPStatus.ACCEPTED,
    ),
)
"""What can be asked about projects and replay sessions."""

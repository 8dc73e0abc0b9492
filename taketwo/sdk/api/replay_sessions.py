"""Replay sessions: conversations of production that are to be replayed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from taketwo.graph import Graph
from taketwo.sdk.api.agents import AgentType
from taketwo.sdk.api.asked import Asked, Id, Name, Text
from taketwo.sdk.api.scenarios import MOST_ROWS, CustomColumn
from taketwo.value import Value

MOST_IDS = 100_000
"""Conversations that one replay session may name."""

ReplayType: TypeAlias = Literal["session", "trace"]
"""`session`: one multi-turn conversation a session; `trace`: each trace a single turn, input to output."""

ReplayStep: TypeAlias = Literal["init", "generating", "ready", "completed", "failed", "cancelled"]
"""`init`: the conversations are copied; `generating`: a scenario is being made of them; `ready`: it is there;
`completed`: a test of it was run."""

LeftOutBecause: TypeAlias = Literal["not_found", "no_user_turn", "hidden_content", "duplicate", "left_out_by_choice"]
"""Why a selected conversation is no row."""


class CreateReplaySession(Asked):
    """Conversations that are to be replayed: either `ids`, or `select_all` with a filter and exclusions."""

    project_id: Name
    """Id or name of their project."""
    replay_type: ReplayType = "session"
    """What one conversation is."""
    ids: Annotated[tuple[Id, ...], Meta(max_length=MOST_IDS)] = ()
    """Ids of sessions, or of traces where `replay_type` is `trace`."""
    select_all: bool = False
    """Whether all of the project are meant."""
    filter: Annotated[str, Meta(max_length=10_000)] | None = None
    """Only those that match, in the filter language; with `select_all`."""
    exclude: Annotated[tuple[Id, ...], Meta(max_length=MOST_IDS)] = ()
    """Not these; with `select_all`."""


class Suggestions(Value):
    """What the recorded conversations suggest for the next step."""

    agent_name: str
    """Name of the agent, from the recordings."""
    agent_description: str
    """What the agent is for, from the recorded system prompt; empty where none was recorded."""
    agent_type: AgentType
    """Whether they talked or wrote."""
    scenario_name: str
    """A name that no scenario of the project has yet."""
    version_name: str
    """Name of the agent version that would be made."""


class Failure(Value):
    """Why something failed, and what to do about it."""

    why: str
    """One line."""
    todo: str | None = None
    """What to do; None where there is no advice."""


class ReplaySession(Value):
    """Conversations of production that are to be replayed, and how far that is."""

    id: str
    """Its id."""
    project: str
    """Name of the project."""
    project_id: str
    """Id of the project."""
    replay_type: ReplayType
    """What one conversation is."""
    select_all: bool
    """Whether all of the project were meant."""
    filter: str | None
    """Which of them; None for all."""
    selected: int
    """How many conversations were selected."""
    copied: int
    """How many of them have been looked at, and copied if they can be replayed."""
    usable: int
    """How many can become rows."""
    current_step: ReplayStep
    """How far it is."""
    created_at: datetime
    """When it was made, UTC."""
    updated_at: datetime
    """When it last changed, UTC."""
    left_out: dict[str, int] = {}
    """How many selected conversations are no row, by reason."""
    suggestions: Suggestions | None = None
    """What the recordings suggest; None until they are copied."""
    failure: Failure | None = None
    """Why it failed; None unless it did."""
    failed_step: ReplayStep | None = None
    """The step that failed or was cancelled, where a retry goes on; None unless one did."""
    generate: GenerateScenario | None = None
    """What scenario was last asked for; None until one was."""
    agent_definition_id: str | None = None
    """The agent definition; None until a scenario was generated."""
    agent_version: int | None = None
    """Its version; None until a scenario was generated."""
    scenario_id: str | None = None
    """The scenario; None until one was generated."""
    run_test_id: str | None = None
    """The run test that was made for it last; None until one was."""


class SelectedConversation(Value):
    """One selected conversation and what became of it: a row, or left out for a reason."""

    id: str
    """The id as it was selected."""
    position: int
    """Its place in the selection, from 0."""
    status: Literal["usable", "row", "left_out"]
    """`usable`: copied; `row`: in the scenario."""
    because: LeftOutBecause | None = None
    """Why it was left out; None when it was not."""
    why: str | None = None
    """The same in words."""
    duplicate_of: str | None = None
    """The selected conversation that it repeats; None when it repeats none."""
    row_id: str | None = None
    """Its row; None when it is none."""
    said: str | None = None
    """Beginning of what the user said first; None when nothing."""
    turns: int = 0
    """Number of turns."""
    tools: tuple[str, ...] = ()
    """Names of the tools that were called."""


class GenerateScenario(Asked):
    """The scenario that is to be made of a replay session; what is left out is taken from the suggestions."""

    agent_name: Name | None = None
    """Name of the agent definition, which is made or gets a new version; null for the suggested one."""
    scenario_name: Name | None = None
    """Name of the scenario; null for the suggested one."""
    agent_description: Text | None = None
    """What the agent is for; null for the suggested one."""
    agent_type: AgentType | None = None
    """`text` or `voice`; null for what was recorded."""
    no_of_rows: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = 20
    """How many rows: recorded ones first, then synthetic ones."""
    personas: Annotated[tuple[Id, ...], Meta(max_length=100)] = ()
    """Ids of personas for synthetic rows."""
    custom_columns: Annotated[tuple[CustomColumn, ...], Meta(max_length=50)] = ()
    """Further columns of the rows."""
    graph: Graph | None = None
    """A graph made by hand; null to have one made from the conversations."""
    by_model: bool = False
    """Whether a language model words the synthetic rows; where it changes a fact, a row is made without it."""
    generate_graph: bool = True
    """Whether to make one where none is given."""

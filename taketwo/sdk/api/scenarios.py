"""Scenarios, their rows, and the personas that speak in them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from taketwo.freeze.situations import Situation
from taketwo.graph import Graph
from taketwo.scenario import Case, Expectation
from taketwo.sdk.api.asked import Asked, Id, Name, Text
from taketwo.value import JSON, Value

MOST_ROWS = 1_000
"""Rows that a scenario may be asked to have."""


class CustomColumn(Asked):
    """A further column of a scenario's rows."""

    name: Name
    """Its name."""
    description: Text = ""
    """What it holds."""
    data_type: Annotated[str, Meta(max_length=50)] = "text"
    """What kind of values."""
    value: JSON = None
    """What every row has there; null to leave it empty."""


class GraphScenario(Value):
    """A graph and its rows, with where each came from."""

    id: str
    """Its id."""
    project: str
    """Name of its project."""
    name: str
    """Its name."""
    description: str
    """What it is about."""
    version: int
    """Grows with each change of its rows or graph."""
    rows: int
    """How many rows it has."""
    created_at: datetime
    """When it was made, UTC."""
    updated_at: datetime
    """When it last changed, UTC."""
    agent_definition_id: str | None = None
    """The agent that it was made for; None when for none."""
    replay_session_id: str | None = None
    """The replay session that it was made from; None when it was uploaded or written."""
    columns: tuple[CustomColumn, ...] = ()
    """Further columns of its rows."""
    graph: Graph | None = None
    """The graph; None when there is none, and in a listing where it was drawn."""
    graph_is_drawn: bool = False
    """Whether the graph was drawn of the conversations: when one of them is deleted, it is drawn anew of the others."""
    not_covered: tuple[str, ...] = ()
    """What of the selected conversations no row shows, one line each; empty in a listing."""


class CreateScenario(Asked):
    """A scenario that is to be made without a replay session."""

    project_id: Name
    """Id or name of its project."""
    name: Name
    """Its name."""
    description: Text = ""
    """What it is about."""
    agent_definition_id: Id | None = None
    """The agent that it is for; null for none."""
    columns: Annotated[tuple[CustomColumn, ...], Meta(max_length=50)] = ()
    """Further columns of its rows."""
    graph: Graph | None = None
    """A graph made by hand; null for none."""


class UpdateScenario(Asked):
    """What is to change of a scenario."""

    name: Name | UnsetType = UNSET
    """Its name."""
    description: Text | UnsetType = UNSET
    """What it is about."""
    graph: Graph | UnsetType | None = UNSET
    """Its graph; null for none."""


class DescribeScenario(Asked):
    """A scenario that is to be made of described situations, where nothing was recorded yet."""

    project_id: Name
    """Id or name of its project."""
    name: Name
    """Its name."""
    description: Text = ""
    """What the agent is for and who comes to it; what a model that invents situations is told."""
    situations: Annotated[tuple[Situation, ...], Meta(max_length=MOST_ROWS)] = ()
    """The situations, each a row, or one for each persona."""
    personas: Annotated[tuple[Id, ...], Meta(max_length=100)] = ()
    """Who says the lines: ids of personas, or `terse`, `polite`, `impatient`, `chatty`, `sloppy`."""
    invent: Annotated[int, Meta(ge=0, le=100)] = 0
    """So many more situations the server's language model thinks of."""
    agent_definition_id: Id | None = None
    """The agent that it is for, whose prompt and tools are sent and told to the model; null for none."""
    columns: Annotated[tuple[CustomColumn, ...], Meta(max_length=50)] = ()
    """Further columns of its rows."""


class DescribedScenario(Value):
    """A scenario that was made of a description."""

    scenario: GraphScenario
    """The scenario; its rows are all synthetic."""
    invented: int
    """How many situations a model thought of."""
    refused: tuple[str, ...]
    """Why other situations of the model were not taken, one line each."""


class DuplicateScenario(Asked):
    """A copy of a scenario with all its rows."""

    name: Name | None = None
    """Name of the copy; null for that of the original with `copy` behind it."""


Redacted: TypeAlias = Literal["personal", "none"]
"""What is replaced by pseudonyms in a file: secrets and personal data, or nothing."""


class KeepConversations(Asked):
    """Captured conversations that are to become a scenario file, with what is marked in them."""

    project_id: Name
    """Id or name of their project."""
    ids: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=100)]
    """Their ids; each is a case."""
    name: Name | None = None
    """Name of the scenario; null for that of its first case."""
    why: Text | None = None
    """Why they are kept; shown when one fails."""
    tags: Annotated[tuple[Name, ...], Meta(max_length=100)] = ()
    """Words to select them by."""
    incident: Text | None = None
    """Link to the incident, ticket or trace that they come of."""
    kept_by: Name | None = None
    """Who keeps them."""
    owner: Name | None = None
    """The person or team that answers for them."""
    review_on: date | None = None
    """The last day on which they are taken for granted; reports name them after that."""
    quarantine: Text | None = None
    """Why they do not count for now; null where they do."""
    expected: Annotated[tuple[Expectation, ...], Meta(max_length=100)] = ()
    """What must and must not happen in each."""
    redact: Redacted = "personal"
    """What is replaced by pseudonyms; with `personal` each case is replayed before and after, and must say the same."""


class ScenarioRow(Value):
    """A row of a scenario: one case."""

    id: str
    """Its id."""
    scenario_id: str
    """The scenario."""
    position: int
    """Its place, from 0."""
    case_id: str
    """Its name, unique inside the scenario."""
    origin: Literal["recorded", "synthetic"]
    """`recorded` in production, or `synthetic`: made from a recorded one."""
    source: str | None
    """Id of the conversation it came from; None when it was written by hand."""
    said: str | None
    """Beginning of what the user says first; None when nothing."""
    turns: int
    """Number of turns."""
    tools: tuple[str, ...]
    """Names of the tools that were called."""
    also_of: tuple[str, ...] = ()
    """Ids of further conversations that a synthetic row is made of; it is deleted with each of them."""
    changed: tuple[str, ...] = ()
    """What a synthetic row has otherwise than its source, one line each."""
    persona: str | None = None
    """Name of the persona that speaks; how the recorded user spoke; None where nothing is known of that."""
    situation: str | None = None
    """What the user came for; None where the user says nothing."""
    outcome: str | None = None
    """What was called, and how it ended; None where nothing is known of that."""
    derived: tuple[Literal["persona", "situation", "outcome"], ...] = ()
    """Which of these three were derived from the recording, by rules and without a model; nobody has written them."""
    columns: dict[str, JSON] = {}
    """Values of the further columns."""
    case: Case | None = None
    """The case itself; None in a listing."""


class AddRow(Asked):
    """A row that is to be added: a whole case, or a captured conversation by its id."""

    case: Case | None = None
    """The case; null where `conversation_id` names a captured conversation."""
    conversation_id: Id | None = None
    """Id of a captured conversation of the scenario's project; null where `case` is given."""
    columns: dict[str, JSON] = {}
    """Values of the further columns."""


class AddRows(Asked):
    """Rows that are to be added, all or none."""

    rows: Annotated[tuple[AddRow, ...], Meta(min_length=1, max_length=MOST_ROWS)]
    """The rows."""


class UpdateRow(Asked):
    """What is to change of a row."""

    case: Case | UnsetType = UNSET
    """The whole case."""
    expected: tuple[Expectation, ...] | UnsetType = UNSET
    """What must and must not happen."""
    why: Text | UnsetType | None = UNSET
    """Why the case exists."""
    columns: dict[str, JSON] | UnsetType = UNSET
    """Values of the further columns."""


class Persona(Value):
    """How a user of synthetic rows speaks."""

    id: str
    """Its id."""
    project: str
    """Name of its project."""
    name: str
    """Its name."""
    description: str
    """How such a user speaks, in words."""
    traits: dict[str, JSON]
    """Further traits: language, tone, …"""
    created_at: datetime
    """When it was made, UTC."""


class CreatePersona(Asked):
    """A persona that is to be made."""

    project_id: Name
    """Id or name of its project."""
    name: Name
    """Its name."""
    description: Text = ""
    """How such a user speaks, in words."""
    traits: dict[str, JSON] = {}
    """Further traits: language, tone, …"""


class UpdatePersona(Asked):
    """What is to change of a persona."""

    name: Name | UnsetType = UNSET
    """Its name."""
    description: Text | UnsetType = UNSET
    """How such a user speaks, in words."""
    traits: dict[str, JSON] | UnsetType = UNSET
    """Further traits."""

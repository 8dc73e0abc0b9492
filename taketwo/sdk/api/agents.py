"""Agent definitions and their versions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from taketwo.conversation import ToolDefinition
from taketwo.sdk.api.asked import Asked, Name, Text
from taketwo.value import JSON, Value

AgentType: TypeAlias = Literal["text", "voice"]
"""Whether an agent writes or talks."""


class AgentDefinition(Value):
    """An agent under test; what it is made of stands in its versions."""

    id: str
    """Its id."""
    project: str
    """Name of its project."""
    name: str
    """Its name."""
    description: str
    """What it is for."""
    agent_type: AgentType
    """Whether it talks or writes."""
    latest_version: int
    """Number of the newest version."""
    active_version: int
    """Number of the version that is tested unless another one is named."""
    created_at: datetime
    """When it was made, UTC."""
    updated_at: datetime
    """When it last changed, UTC."""


class AgentVersion(Value):
    """A snapshot of an agent: how it is reached, and what it is told."""

    id: str
    """Its id."""
    agent_definition_id: str
    """The agent."""
    project: str
    """Its project."""
    number: int
    """Number of the version, from 1."""
    name: str
    """Its name, such as `v3`."""
    created_at: datetime
    """When it was made, UTC."""
    made_from: Literal["recordings", "person"] = "person"
    """`recordings`: it says what was recorded, and each row is replayed with its own; `person`: somebody wrote it, and
    what it says is sent instead of what was recorded."""
    spec: str | None = None
    """How the server reaches it: `prompt:`, a URL, `vapi:` or `retell:`; None when only the user's own process does."""
    overrides: dict[str, JSON] = {}
    """What it is sent besides: `temperature`, …; wins over the fields below."""
    system_prompt: str | None = None
    """What it is told; None when unknown."""
    model: str | None = None
    """Its model; None when unknown."""
    provider: str | None = None
    """Who serves the model; None when unknown."""
    tools: tuple[ToolDefinition, ...] = ()
    """Its tools."""
    settings: dict[str, JSON] = {}
    """Settings of its model calls."""
    changes: tuple[str, ...] = ()
    """What is different from the version before, one line each."""
    restored_from: int | None = None
    """The version that it repeats; None when it repeats none."""


class AgentContent(Asked):
    """What a version of an agent consists of."""

    spec: Annotated[str, Meta(max_length=2_000)] | None = None
    """How the server reaches it: `prompt:`, a URL, `vapi:` or `retell:`; null when only the user's own process does."""
    overrides: dict[str, JSON] = {}
    """What it is sent besides; wins over the fields below."""
    system_prompt: Text | None = None
    """What it is told; null when unknown."""
    model: Annotated[str, Meta(max_length=200)] | None = None
    """Its model; null when unknown."""
    provider: Annotated[str, Meta(max_length=200)] | None = None
    """Who serves the model; null when unknown."""
    tools: Annotated[tuple[ToolDefinition, ...], Meta(max_length=500)] = ()
    """Its tools."""
    settings: dict[str, JSON] = {}
    """Settings of the model calls."""


class CreateAgentDefinition(Asked):
    """An agent definition that is to be made, with its first version."""

    project_id: Name
    """Id or name of its project."""
    name: Name
    """Its name."""
    description: Text = ""
    """What it is for."""
    agent_type: AgentType = "text"
    """Whether it talks or writes."""
    version: AgentContent = AgentContent()
    """What its first version consists of."""


class CreateAgentVersion(AgentContent):
    """A further version of an agent."""

    name: Name | None = None
    """Its name; null for `v` and its number."""
    activate: bool = True
    """Whether it becomes the active one."""


class UpdateAgentDefinition(Asked):
    """What is to change of an agent definition; versions are added, never changed."""

    name: Name | UnsetType = UNSET
    """Its name."""
    description: Text | UnsetType = UNSET
    """What it is for."""

"""Agent definitions: what is under test, in versions that never change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

from taketwo.conversation import Agent, ToolDefinition
from taketwo.errors import AlreadyThere, BadSetting, NotFound
from taketwo.sdk.api.agents import (
    AgentContent,
    AgentDefinition,
    AgentVersion,
    CreateAgentDefinition,
    CreateAgentVersion,
    UpdateAgentDefinition,
)
from taketwo.server.flow.changes import changed_fields
from taketwo.server.flow.projects import project_name
from taketwo.server.flow.shelf import Flow, Place, Shelf
from taketwo.value import JSON, in_words

AGENTS = Shelf(
    "agent_definition", AgentDefinition, lambda one: one.id, lambda one: Place(project=one.project, key=one.name)
)
VERSIONS = Shelf(
    "agent_version",
    AgentVersion,
    lambda one: one.id,
    lambda one: Place(
        project=one.project,
        parent=one.agent_definition_id,
        key=_version_key(one.agent_definition_id, one.number),
        position=one.number,
    ),
)

REACHED_BY_THE_SERVER = ("prompt:", "http://", "https://", "ws://", "wss://", "vapi:", "retell:")
"""How the SPECs begin that run nobody's code here. The others import or start programs."""

MadeFrom: TypeAlias = Literal["recordings", "person"]

CONTENT = ("spec", "overrides", "system_prompt", "model", "provider", "settings")
"""Fields of a version whose changes are told one by one; tools are told by name."""


def create_agent_definition(
    flow: Flow, asked: CreateAgentDefinition, *, made_from: MadeFrom = "person"
) -> AgentDefinition:
    """Make an agent with its first version. Raises AlreadyThere, BadSetting for a SPEC that would run code here."""
    insist_on_reach(asked.version.spec)
    now = flow.now()
    agent = AgentDefinition(
        id=flow.new_id(),
        project=project_name(flow, asked.project_id),
        name=asked.name,
        description=asked.description,
        agent_type=asked.agent_type,
        latest_version=1,
        active_version=1,
        created_at=now,
        updated_at=now,
    )
    first = _version(flow, agent, 1, "v1", asked.version).but(made_from=made_from)
    flow.documents.add([AGENTS.document(agent), VERSIONS.document(first)])
    return agent


def update_agent_definition(flow: Flow, id: str, asked: UpdateAgentDefinition) -> AgentDefinition:
    """Change name or description. Raises NotFound, AlreadyThere."""
    return AGENTS.change(flow, id, lambda one: one.but(**changed_fields(asked), updated_at=flow.now()))


def create_version(
    flow: Flow,
    id: str,
    asked: CreateAgentVersion,
    *,
    made_from: MadeFrom = "person",
    restored_from: int | None = None,
) -> AgentVersion:
    """Add a version. Raises NotFound, BadSetting, AlreadyThere where somebody else adds one at the same time."""
    insist_on_reach(asked.spec)
    agent = AGENTS.get(flow, id)
    number = agent.latest_version + 1
    before = version(flow, id, agent.latest_version)
    made = _version(flow, agent, number, asked.name or f"v{number}", asked)
    made = made.but(made_from=made_from, changes=tuple(_differences(before, made)), restored_from=restored_from)
    # The key of the version is taken by one only; whoever was slower is told so and may try again.
    VERSIONS.add(flow, made)
    AGENTS.change(
        flow,
        id,
        lambda one: one.but(
            latest_version=max(number, one.latest_version),
            active_version=number if asked.activate else one.active_version,
            updated_at=flow.now(),
        ),
    )
    return made


def version(flow: Flow, id: str, number: int) -> AgentVersion:
    """A version of an agent by its number. Raises NotFound."""
    agent = AGENTS.get(flow, id)
    found = VERSIONS.with_key(flow, _version_key(id, number), agent.project)
    if found is None:
        raise NotFound(
            f"there is no version {number}", where=f"agent {agent.name}", todo=f"1 to {agent.latest_version}"
        )
    return found


def activate(flow: Flow, id: str, number: int) -> AgentDefinition:
    """Test this version from now on unless another one is named. Raises NotFound."""
    version(flow, id, number)
    return AGENTS.change(flow, id, lambda one: one.but(active_version=number, updated_at=flow.now()))


def restore(flow: Flow, id: str, number: int) -> AgentVersion:
    """Add a version that repeats an older one, and test it from now on. Raises NotFound."""
    old = version(flow, id, number)
    fields = {name: getattr(old, name) for name in AgentContent.__struct_fields__}
    return create_version(flow, id, CreateAgentVersion(**fields), made_from=old.made_from, restored_from=number)


def delete_agent_definition(flow: Flow, id: str) -> None:
    """Delete an agent with its versions. Raises NotFound."""
    AGENTS.get(flow, id)
    AGENTS.remove(flow, id)
    VERSIONS.remove_parts(flow, id)


def keep_recorded_agent(
    flow: Flow, project: str, name: str, description: str, agent_type: str, content: AgentContent
) -> AgentDefinition:
    """The agent of that name with this content in its newest version: made, added to, or as it is."""
    known = AGENTS.with_key(flow, name, project)
    if known is None:
        asked = CreateAgentDefinition(
            project_id=project,
            name=name,
            description=description,
            agent_type="voice" if agent_type == "voice" else "text",
            version=content,
        )
        try:
            return create_agent_definition(flow, asked, made_from="recordings")
        except AlreadyThere:  # somebody else was faster
            return keep_recorded_agent(flow, project, name, description, agent_type, content)
    recorded = [one for one in VERSIONS.parts(flow, known.id) if one.made_from == "recordings"]
    latest = recorded[-1] if recorded else version(flow, known.id, known.latest_version)
    # How it is reached is no fact of the recordings.
    wanted = content.but(spec=latest.spec, overrides=latest.overrides)
    if not recorded or any(_differences(latest, _version(flow, known, 0, "", wanted))):
        fields = {field: getattr(wanted, field) for field in AgentContent.__struct_fields__}
        # What a person made to be tested stays the one that is tested.
        is_tested = latest.number == known.active_version and bool(recorded)
        asked_version = CreateAgentVersion(**fields, activate=is_tested)
        create_version(flow, known.id, asked_version, made_from="recordings")
    if description and description != known.description:
        AGENTS.change(flow, known.id, lambda one: one.but(description=description, updated_at=flow.now()))
    return AGENTS.get(flow, known.id)


def recorded_content(agents: Iterable[Agent]) -> AgentContent:
    """What the recordings say of their agent: what most of them say, and every tool that any of them shows."""
    prompts: Counter[str] = Counter()
    models: Counter[tuple[str, str | None]] = Counter()
    tools: dict[str, ToolDefinition] = {}
    settings: dict[str, Counter[str]] = {}
    values = {}
    for agent in agents:
        prompts.update([agent.system_prompt] if agent.system_prompt else [])
        models.update([(agent.model, agent.provider)] if agent.model else [])
        for tool in agent.tools:
            tools[tool.name] = tool
        for name, value in agent.settings.items():
            settings.setdefault(name, Counter())[repr(value)] += 1
            values[name, repr(value)] = value
    model, provider = models.most_common(1)[0][0] if models else (None, None)
    return AgentContent(
        system_prompt=prompts.most_common(1)[0][0] if prompts else None,
        model=model,
        provider=provider,
        tools=tuple(tools.values()),
        settings={name: values[name, counts.most_common(1)[0][0]] for name, counts in settings.items()},
    )


def overrides_of(version: AgentVersion) -> dict[str, JSON]:
    """What an agent that is reached through its model is sent instead of what was recorded."""
    if version.made_from == "recordings":
        return version.overrides
    said: dict[str, JSON] = {"system_prompt": version.system_prompt, "model": version.model}
    if version.tools:
        said["tools"] = [_as_function(tool) for tool in version.tools]
    given = {name: value for name, value in said.items() if value is not None}
    return {**version.settings, **given, **version.overrides}


def insist_on_reach(spec: str | None) -> None:
    """Raises BadSetting for a SPEC that would import or start a program in this process."""
    if spec is None or spec.startswith(REACHED_BY_THE_SERVER):
        return
    raise BadSetting(
        f"the server does not reach an agent by {spec!r}, as that would run its code here",
        where="spec",
        todo="use prompt:, a URL, vapi: or retell:, or run the test from your own process with taketwo.simulate",
    )


def _version(flow: Flow, agent: AgentDefinition, number: int, name: str, content: AgentContent) -> AgentVersion:
    return AgentVersion(
        id=flow.new_id(),
        agent_definition_id=agent.id,
        project=agent.project,
        number=number,
        name=name,
        created_at=flow.now(),
        **{field: getattr(content, field) for field in AgentContent.__struct_fields__},
    )


def _as_function(tool: ToolDefinition) -> JSON:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": {key: value for key, value in function.items() if value is not None}}


def _version_key(agent_id: str, number: int) -> str:
    return f"{agent_id}/{number}"


def _differences(before: AgentVersion, after: AgentVersion) -> Iterator[str]:
    for field in CONTENT:
        old, new = getattr(before, field), getattr(after, field)
        if old != new:
            yield f"{field}: {in_words(old)} → {in_words(new)}"
    old_tools, new_tools = ({tool.name: tool for tool in one.tools} for one in (before, after))
    yield from (f"tool {name} is new" for name in new_tools.keys() - old_tools.keys())
    yield from (f"tool {name} is gone" for name in old_tools.keys() - new_tools.keys())
    yield from (
        f"tool {name} is defined otherwise"
        for name in old_tools.keys() & new_tools.keys()
        if old_tools[name] != new_tools[name]
    )

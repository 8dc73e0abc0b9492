"""Scenarios of situations that somebody describes, or a model thinks of: breadth where nothing was recorded yet."""

from __future__ import annotations

from collections.abc import Sequence

from taketwo.conversation import Agent
from taketwo.errors import BadSetting, NotFound, ScenarioUnreadable
from taketwo.evals.sense import insist_on_sense
from taketwo.freeze.invented import Invented, invent
from taketwo.freeze.situations import MADE_BY, cases_of
from taketwo.freeze.variants import PERSONAS as KNOWN_PERSONAS
from taketwo.freeze.variants import Persona
from taketwo.scenario import Case
from taketwo.sdk.api.scenarios import MOST_ROWS, CreateScenario, DescribedScenario, DescribeScenario
from taketwo.server.flow.agents import AGENTS, version
from taketwo.server.flow.allowances import paid
from taketwo.server.flow.personas import PERSONAS
from taketwo.server.flow.projects import project_name
from taketwo.server.flow.scenarios import ROWS, SCENARIOS, create_scenario, row_of
from taketwo.server.flow.shelf import Flow


def describe_scenario(flow: Flow, asked: DescribeScenario) -> DescribedScenario:
    """Make a scenario of described situations, each said by each persona.

    Raises BadSetting naming the situation, AlreadyThere, NotFound, and ModelUnavailable where some are to be invented.
    """
    project = project_name(flow, asked.project_id)
    agent = _agent(flow, project, asked.agent_definition_id)
    personas = [persona_of(flow, project, id, f"personas[{number}]") for number, id in enumerate(asked.personas)]
    _insist_on_names(flow, project, asked)
    invented = _invented(flow, project, agent, asked)
    now = flow.now()
    cases = cases_of(asked.situations, personas=personas, agent=agent, project=project, at=now)
    by_model = f"{MADE_BY} by {flow.asking.model_name}" if asked.invent else ""
    cases += cases_of(invented.situations, personas=personas, agent=agent, project=project, at=now, made_by=by_model)
    _insist_on_cases(cases, len(asked.situations))
    made = create_scenario(
        flow,
        CreateScenario(
            project_id=project,
            name=asked.name,
            description=asked.description,
            agent_definition_id=asked.agent_definition_id,
            columns=asked.columns,
        ),
    )
    columns = {column.name: column.value for column in asked.columns}
    ROWS.add(flow, *(row_of(flow, made.id, case, number, columns) for number, case in enumerate(_apart(cases))))
    scenario = SCENARIOS.change(flow, made.id, lambda one: one.but(rows=len(cases)))
    return DescribedScenario(scenario=scenario, invented=len(invented.situations), refused=tuple(invented.refused))


def persona_of(flow: Flow, project: str, id: str, where: str) -> Persona:
    """A persona of the project by its id, or one that is there from the start by its name. Raises BadSetting."""
    known = next((one for one in KNOWN_PERSONAS if one.name == id), None)
    if known is not None:
        return known
    try:
        kept = PERSONAS.get(flow, id)
    except NotFound as error:
        names = ", ".join(one.name for one in KNOWN_PERSONAS)
        raise BadSetting(error.what, where=where, todo=f"name one of {names}, or make one") from error
    if kept.project != project:
        raise BadSetting("the persona belongs to another project", where=where)
    return Persona(name=kept.name, description=kept.description, manner=str(kept.traits.get("manner", "plain")))


def _agent(flow: Flow, project: str, id: str | None) -> Agent:
    """The agent as its active version describes it, for those that are reached through their prompt."""
    if id is None:
        return Agent()
    try:
        definition = AGENTS.get(flow, id)
    except NotFound as error:
        raise BadSetting(error.what, where="agent_definition_id") from error
    if definition.project != project:
        raise BadSetting("the agent belongs to another project", where="agent_definition_id")
    active = version(flow, id, definition.active_version)
    return Agent(
        name=definition.name,
        model=active.model,
        provider=active.provider,
        system_prompt=active.system_prompt,
        tools=active.tools,
        settings=active.settings,
    )


def _insist_on_names(flow: Flow, project: str, asked: DescribeScenario) -> None:
    """What is wrong is said before a model is paid."""
    if not asked.situations and not asked.invent:
        raise BadSetting("there is no situation", where="situations", todo="describe one, or `invent` some by a model")
    if SCENARIOS.with_key(flow, asked.name, project) is not None:
        raise BadSetting(f"there is a scenario {asked.name!r} already", where="name", todo="choose another name")
    rows = (len(asked.situations) + asked.invent) * max(1, len(asked.personas))
    if rows > MOST_ROWS:
        raise BadSetting(f"that makes {rows:,} rows, and a scenario has at most {MOST_ROWS:,}", where="situations")


def _invented(flow: Flow, project: str, agent: Agent, asked: DescribeScenario) -> Invented:
    if not asked.invent:
        return Invented([], [])
    return paid(
        flow,
        project,
        lambda model: invent(asked.description, agent, asked.invent, model, there=asked.situations),
        where="invent",
    )


def _insist_on_cases(cases: Sequence[Case], described: int) -> None:
    if not cases:
        raise BadSetting("the model thought of no situation that holds together", where="invent", todo="try it again")
    for number, case in enumerate(cases[:described]):
        try:
            insist_on_sense(case)
        except ScenarioUnreadable as error:
            where = f"situations[{number}].expected"
            raise BadSetting(error.what, where=where, todo=error.todo) from error


def _apart(cases: Sequence[Case]) -> list[Case]:
    """The cases under names of which no two are the same: a model may have chosen one that is there."""
    taken: dict[str, Case] = {}
    for case in cases:
        id, number = case.id, 1
        while id in taken:
            number += 1
            id = f"{case.id}-{number}"
        taken[id] = case if id == case.id else case.but(id=id)
    return list(taken.values())

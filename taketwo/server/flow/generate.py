"""Copied conversations ─► a scenario and an agent version: the step between `generating` and `ready`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import islice

from taketwo.errors import AlreadyThere, NotFound, TakeTwoError, WrongState
from taketwo.freeze.freeze import freeze
from taketwo.freeze.variants import PERSONAS, Persona, retold_by_model, variants
from taketwo.freeze.walks import walks
from taketwo.llm import LanguageModel
from taketwo.replay.fact_sheet import FactSheet
from taketwo.scenario import Case
from taketwo.sdk.api.replay_sessions import GenerateScenario, ReplaySession, Suggestions
from taketwo.sdk.api.scenarios import GraphScenario
from taketwo.select.choose import Choice as Chosen
from taketwo.select.choose import choose, traits_of
from taketwo.server.flow.agents import keep_recorded_agent, recorded_content
from taketwo.server.flow.allowances import paid
from taketwo.server.flow.described import persona_of
from taketwo.server.flow.gathered import GATHERED, Gathered, drawn, forget_scenario, forget_what_was_deleted
from taketwo.server.flow.replay_sessions import SESSIONS, fail, suggest, unused_scenario_name
from taketwo.server.flow.scenarios import ROWS, SCENARIOS, row_of, sources_of
from taketwo.server.flow.selection import COPIES, CopiedConversation
from taketwo.server.flow.shelf import Flow
from taketwo.value import JSON

SEED = 20
"""So that a scenario that is made again after a crash is the same."""
_log = logging.getLogger("taketwo.server")


def make_scenario(flow: Flow, id: str) -> ReplaySession:
    """Make the scenario that was asked for; begun again after a crash, it makes the same one, once."""
    session = SESSIONS.get(flow, id)
    if session.current_step != "generating" or session.generate is None or session.scenario_id is None:
        return session
    try:
        return _made(flow, session, session.generate, session.suggestions or suggest(flow, session))
    except TakeTwoError as error:
        return fail(flow, id, "generating", error)
    except Exception as error:  # a bug of ours must not leave the session generating for ever
        _log.exception("generating a scenario for replay session %s", id)
        bug = WrongState(f"Take Two failed: {type(error).__name__}: {error}", todo="please report this, with the log")
        return fail(flow, id, "generating", bug)


def _made(flow: Flow, session: ReplaySession, asked: GenerateScenario, suggested: Suggestions) -> ReplaySession:
    assert session.scenario_id is not None, "set when the step began"
    copies = list(COPIES.parts(flow, session.id))
    if not copies:
        raise NotFound("none of the selected conversations can be replayed", todo="see why each one is left out")
    agent = keep_recorded_agent(
        flow,
        session.project,
        asked.agent_name or suggested.agent_name,
        suggested.agent_description if asked.agent_description is None else asked.agent_description,
        asked.agent_type or suggested.agent_type,
        recorded_content(copy.conversation.agent for copy in copies),
    )
    taken, choice = _taken(copies, asked.no_of_rows)
    name = asked.scenario_name or unused_scenario_name(flow, session.project, suggested.scenario_name)
    recorded = _frozen(taken, name, session)
    made = _synthetic(flow, session.project, recorded, asked)
    scenario = _scenario(session, asked, name, agent.id, len(recorded) + len(made))
    said = Gathered(
        scenario_id=scenario.id,
        project=scenario.project,
        sources=tuple(sorted({copy.source for copy in copies})),
        left_out={one.id: one.why for one in choice.left_out},
        not_covered=choice.uncovered,
        graph=drawn(copy.conversation for copy in copies) if scenario.graph_is_drawn else None,
    )
    _keep(flow, scenario, taken, (*recorded, *made), said)
    _forget_rows_deleted_meanwhile(flow, session, scenario.id)
    forget_what_was_deleted(flow, scenario)
    return _ready(flow, session, agent.id, agent.latest_version, len(choice.left_out))


def _taken(copies: Sequence[CopiedConversation], most: int) -> tuple[list[CopiedConversation], Chosen]:
    """The copies that become rows, in the order of the selection, and why the others do not."""
    if len(copies) <= most:
        return list(copies), Chosen()
    chosen = choose([traits_of(copy.conversation).but(id=copy.selected_id) for copy in copies], most)
    ids = frozenset(chosen.chosen)
    return [copy for copy in copies if copy.selected_id in ids], chosen


def _frozen(taken: Sequence[CopiedConversation], name: str, session: ReplaySession) -> list[Case]:
    """The copies as cases; what one trace tells comes from the conversation that the trace is a part of."""
    cases = freeze([copy.conversation for copy in taken], name=name, at=session.updated_at).cases
    return [case.but(origin=case.origin.but(conversation=copy.source)) for case, copy in zip(cases, taken, strict=True)]


def _synthetic(flow: Flow, project: str, recorded: Sequence[Case], asked: GenerateScenario) -> list[Case]:
    """Rows beyond the recorded ones: half of them walks where there are so many, the others said differently."""
    wanted = asked.no_of_rows - len(recorded)
    if wanted <= 0:
        return []
    crossed = walks(recorded, wanted // 2)
    personas = [persona_of(flow, project, id, "personas") for id in asked.personas] or list(PERSONAS)
    retold = _retold(flow, project, recorded, wanted - len(crossed), personas) if asked.by_model else []
    made = [*crossed, *retold]
    return made + variants(recorded, wanted - len(made), seed=SEED, personas=personas if asked.personas else ())


def _retold(flow: Flow, project: str, recorded: Sequence[Case], count: int, personas: Sequence[Persona]) -> list[Case]:
    """Up to `count` rows in a model's words, every case in turn by one persona after the other."""
    pairs = islice(((case, persona) for persona in personas for case in recorded), count)

    async def retell(model: LanguageModel) -> list[Case | None]:
        asked = (
            retold_by_model(case, model, persona=persona, number=number, invented=FactSheet(case.recorded).invented)
            for number, (case, persona) in enumerate(pairs)
        )
        return await asyncio.gather(*asked)

    return [case for case in paid(flow, project, retell, where="by_model") if case is not None]


def _scenario(session: ReplaySession, asked: GenerateScenario, name: str, agent_id: str, rows: int) -> GraphScenario:
    assert session.scenario_id is not None, "set when the step began"
    return GraphScenario(
        id=session.scenario_id,
        project=session.project,
        name=name,
        description=_told_of_rows(session.usable, asked.no_of_rows - rows),
        version=1,
        rows=rows,
        created_at=session.updated_at,
        updated_at=session.updated_at,
        agent_definition_id=agent_id,
        replay_session_id=session.id,
        columns=asked.custom_columns,
        graph=asked.graph,
        graph_is_drawn=asked.graph is None and asked.generate_graph,
    )


def _told_of_rows(usable: int, lacking: int) -> str:
    made = f"Made of {usable} conversation{'s' if usable > 1 else ''} of production."
    return f"{made} Rows that are lacking: {lacking}; no more can be made of them." if lacking > 0 else made


def _keep(
    flow: Flow, scenario: GraphScenario, taken: Sequence[CopiedConversation], cases: Sequence[Case], said: Gathered
) -> None:
    """The scenario with its rows and the account of what was left out, together. The first cases are those taken."""
    columns = columns_of(scenario)
    rows = [row_of(flow, scenario.id, case, position, columns) for position, case in enumerate(cases)]
    said = said.but(rows={copy.selected_id: row.id for copy, row in zip(taken, rows, strict=False)})
    documents = [SCENARIOS.document(scenario), *map(ROWS.document, rows), GATHERED.document(said)]
    try:
        flow.documents.add(documents)
    except AlreadyThere:
        try:
            SCENARIOS.get(flow, scenario.id)  # made before the process died
        except NotFound:
            raise AlreadyThere(
                f"there is a scenario {scenario.name!r} already", where="scenario_name", todo="choose another name"
            ) from None


def _forget_rows_deleted_meanwhile(flow: Flow, session: ReplaySession, scenario_id: str) -> None:
    """Drop rows of conversations that were deleted while rows were made of them: their copies went first."""
    there = {copy.source for copy in COPIES.parts(flow, session.id)}
    for row in ROWS.parts(flow, scenario_id):
        if not there.issuperset(sources_of(row)):
            ROWS.remove(flow, row.id)


def columns_of(scenario: GraphScenario) -> dict[str, JSON]:
    """The further columns of a new row."""
    return {column.name: column.value for column in scenario.columns}


def _ready(flow: Flow, session: ReplaySession, agent_id: str, version: int, left_out: int) -> ReplaySession:
    def ready(one: ReplaySession) -> ReplaySession:
        if one.current_step != "generating" or one.scenario_id != session.scenario_id:
            return one  # cancelled meanwhile
        by_choice: dict[str, int] = {"left_out_by_choice": left_out} if left_out else {}
        return one.but(
            current_step="ready",
            agent_definition_id=agent_id,
            agent_version=version,
            left_out={**one.left_out, **by_choice},
            updated_at=flow.now(),
        )

    try:
        done = SESSIONS.change(flow, session.id, ready)
    except NotFound:  # deleted meanwhile, and its copies with it
        forget_scenario(flow, session.scenario_id or "")
        return session
    if done.current_step != "ready" and session.scenario_id is not None:
        forget_scenario(flow, session.scenario_id)
    return done

"""The way from production to a test on a server, in Python: one function a step, with the words of the API.

    session = create_replay_session("shop", select_all=True, filter="tool:issue_refund")
    session = generate_scenario(session.id, no_of_rows=20)
    test = create_run_test("nightly", replay_session_id=session.id)
    report = simulate(test.id, agent=answer)

Each takes `server` and `key`, or `TAKETWO_SERVER` and `TAKETWO_SERVER_KEY`; each blocks, and raises what the server
refuses with the field that is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal
from uuid import uuid4

from taketwo.errors import WrongState
from taketwo.graph import Graph
from taketwo.replay.user import UserMode
from taketwo.sdk.api.agents import AgentType
from taketwo.sdk.api.replay_sessions import (
    CreateReplaySession,
    GenerateScenario,
    ReplaySession,
    ReplayType,
    SelectedConversation,
)
from taketwo.sdk.api.run_tests import Alert, CreateRunTest, RunTest, Schedule
from taketwo.sdk.api.scenarios import CustomColumn
from taketwo.sdk.client import Client, asking
from taketwo.value import Value

LOOK_EVERY_S = 0.2
"""How often it is looked at whether a scenario is there."""
PAGE = 500
"""Conversations that are read together."""


class _Conversations(Value):
    conversations: tuple[SelectedConversation, ...]
    next: str | None


def create_replay_session(
    project_id: str,
    ids: Sequence[str] = (),
    *,
    select_all: bool = False,
    filter: str | None = None,
    exclude: Sequence[str] = (),
    replay_type: ReplayType = "session",
    server: str | None = None,
    key: str | None = None,
) -> ReplaySession:
    """Select conversations of production and have them copied: `ids`, or `select_all` with a filter and exclusions.

    project_id: id or name of their project. `selected_conversations` says what became of each.
    """
    asked = CreateReplaySession(
        project_id=project_id,
        replay_type=replay_type,
        ids=tuple(ids),
        select_all=select_all,
        filter=filter,
        exclude=tuple(exclude),
    )
    return asking(lambda to: to.post("/replay-sessions", ReplaySession, asked, once=str(uuid4())), server, key)


def selected_conversations(
    replay_session_id: str, *, server: str | None = None, key: str | None = None
) -> tuple[SelectedConversation, ...]:
    """What became of each selected conversation: a row, or left out with the reason."""
    return asking(lambda to: _selected(to, replay_session_id), server, key)


def generate_scenario(
    replay_session_id: str,
    *,
    no_of_rows: int = 20,
    scenario_name: str | None = None,
    agent_name: str | None = None,
    agent_description: str | None = None,
    agent_type: AgentType | None = None,
    personas: Sequence[str] = (),
    custom_columns: Sequence[CustomColumn] = (),
    graph: Graph | None = None,
    generate_graph: bool = True,
    by_model: bool = False,
    server: str | None = None,
    key: str | None = None,
) -> ReplaySession:
    """Have a scenario and an agent version made of a replay session; returns when they are there.

    What is left out is taken from the suggestions. Raises WrongState where it fails or is cancelled.
    """
    asked = GenerateScenario(
        agent_name=agent_name,
        scenario_name=scenario_name,
        agent_description=agent_description,
        agent_type=agent_type,
        no_of_rows=no_of_rows,
        personas=tuple(personas),
        custom_columns=tuple(custom_columns),
        graph=graph,
        by_model=by_model,
        generate_graph=generate_graph,
    )
    return asking(lambda to: _generated(to, replay_session_id, asked), server, key)


def create_run_test(
    name: str,
    *,
    replay_session_id: str | None = None,
    agent_definition_id: str | None = None,
    scenario_ids: Sequence[str] = (),
    description: str = "",
    agent_version: int | None = None,
    row_ids: Sequence[str] | None = None,
    evaluator_ids: Sequence[str] = (),
    evaluators: Sequence[str] = (),
    repeat: int = 1,
    users: UserMode = "anchored",
    on_miss: Literal["stop", "error"] = "stop",
    schedule: Schedule | None = None,
    alerts: Sequence[Alert] = (),
    server: str | None = None,
    key: str | None = None,
) -> RunTest:
    """Keep an agent, scenarios and evaluators as a test; agent and scenario of the replay session where none are named.

    Raises WrongState where that has none yet, and where the name is taken.
    """

    async def created(to: Client) -> RunTest:
        agent, scenarios = agent_definition_id, tuple(scenario_ids)
        if replay_session_id is not None:
            made = await to.get(f"/replay-sessions/{replay_session_id}", ReplaySession)
            if made.scenario_id is None or made.agent_definition_id is None:
                raise WrongState("it has no scenario yet", where="replay_session_id", todo="generate_scenario first")
            agent, scenarios = agent or made.agent_definition_id, scenarios or (made.scenario_id,)
        asked = CreateRunTest(
            name=name,
            agent_definition_id=agent or "",
            scenario_ids=scenarios,
            description=description,
            agent_version=agent_version,
            row_ids=None if row_ids is None else tuple(row_ids),
            evaluator_ids=tuple(evaluator_ids),
            evaluators=tuple(evaluators),
            repeat=repeat,
            users=users,
            on_miss=on_miss,
            replay_session_id=replay_session_id,
            schedule=schedule,
            alerts=tuple(alerts),
        )
        return await to.post("/run-tests", RunTest, asked, once=str(uuid4()))

    return asking(created, server, key)


async def _selected(to: Client, id: str) -> tuple[SelectedConversation, ...]:
    found: list[SelectedConversation] = []
    after: str | None = None
    while True:
        path = f"/replay-sessions/{id}/conversations"
        page = await to.get(path, _Conversations, limit=PAGE, after=after)
        found += page.conversations
        if (after := page.next) is None:
            return tuple(found)


async def _generated(to: Client, id: str, asked: GenerateScenario) -> ReplaySession:
    session = await to.post(f"/replay-sessions/{id}/generate-scenario", ReplaySession, asked, once=str(uuid4()))
    while session.current_step == "generating":
        await asyncio.sleep(LOOK_EVERY_S)
        session = await to.get(f"/replay-sessions/{id}", ReplaySession)
    if session.current_step in ("failed", "cancelled"):
        why, todo = (session.failure.why, session.failure.todo) if session.failure else ("it was cancelled", None)
        raise WrongState(why, where=f"replay session {id}", todo=todo)
    return session

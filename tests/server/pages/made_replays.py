"""A store in which something has been replayed, without a browser's help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from taketwo.replay.agents.callable import CallableAgent
from taketwo.sdk.api.executions import ExecuteRunTest
from taketwo.sdk.api.replay_sessions import CreateReplaySession, GenerateScenario
from taketwo.sdk.api.run_tests import CreateRunTest
from taketwo.sdk.working import Worker, work
from taketwo.server.flow.embedded import FlowRows
from taketwo.server.flow.executions import CALLS, execute
from taketwo.server.flow.generate import make_scenario
from taketwo.server.flow.replay_sessions import create_replay_session, generate_scenario
from taketwo.server.flow.run_tests import create_run_test
from taketwo.server.flow.scenarios import ROWS
from taketwo.server.flow.shelf import Flow
from taketwo.store import Store
from taketwo.voice.agent import VoiceAgent


def replayed(
    store: Store, ids: list[str], agent: Callable[..., Any] | VoiceAgent, *, name: str, repeat: int = 1
) -> list[str]:
    """Replay conversations of the default project; gives the addresses of all pages about it, the rows last."""
    flow = Flow(store)
    session = create_replay_session(flow, CreateReplaySession(project_id="default", ids=tuple(ids)))
    asked = GenerateScenario(no_of_rows=len(ids), scenario_name=name, agent_name=name, agent_description=name)
    generate_scenario(flow, session.id, asked)
    session = make_scenario(flow, session.id)
    assert session.agent_definition_id is not None and session.scenario_id is not None, session.failure
    wanted = CreateRunTest(
        name=name,
        agent_definition_id=session.agent_definition_id,
        scenario_ids=(session.scenario_id,),
        replay_session_id=session.id,
        repeat=repeat,
    )
    test = create_run_test(flow, wanted)
    executions = [execute(flow, test.id, ExecuteRunTest(runner="sdk")) for _ in range(2)]
    for execution in executions:
        worked = work(
            FlowRows(flow, execution.id, "me"),
            Worker("me", agent if isinstance(agent, VoiceAgent) else CallableAgent(agent), 2),
        )
        with ThreadPoolExecutor(1) as elsewhere:  # Playwright has an event loop of its own in this thread
            elsewhere.submit(asyncio.run, worked).result()
    first, second = (execution.id for execution in executions)
    return [
        *(f"/replays/{session.id}?step={step}" for step in ("selection", "scenario", "agent")),
        f"/scenarios/{session.scenario_id}?run={second}",
        *(f"/scenario-rows/{row.id}" for row in ROWS.parts(flow, session.scenario_id)),
        f"/agents/{session.agent_definition_id}",
        f"/tests/{test.id}",
        f"/executions/{second}",
        f"/executions/{second}/compare?with={first}",
        *(f"/rows/{call.id}" for call in CALLS.parts(flow, second)),
    ]

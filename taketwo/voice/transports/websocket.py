"""Calls a voice agent over a WebSocket, in real time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import numpy as np

from taketwo.errors import AgentUnreachable, MissingExtra
from taketwo.replay.agents import Exchange
from taketwo.replay.agents.hosts import AgentHosts, addresses_of, place_of
from taketwo.replay.agents.tool_loop import run_live
from taketwo.voice.audio import HEARING_RATE, Samples
from taketwo.voice.rates import Rates
from taketwo.voice.transports import NOTHING, Received
from taketwo.voice.transports.codecs import DEFAULT_CODEC, codec_named
from taketwo.voice.transports.messages import Codec, Decoded, Message

CONNECT_S: Final = 10.0
LARGEST_MESSAGE: Final = 16 * 1024 * 1024


class WebSocketCall:
    """One call. What comes is collected by a task, so that a frame never waits for the network."""

    is_paced = True

    def __init__(
        self,
        address: str,
        *,
        api_key: str | None = None,
        codec: Codec | None = None,
        hosts: AgentHosts | None = None,
    ) -> None:
        """address: `ws://HOST/PATH#PROTOCOL`; the part behind the # stays here. codec: instead of that one.

        hosts: those of this network that may be called; None for any. Raises BadSetting.
        """
        self._url, _, protocol = address.partition("#")
        self._codec = codec_named(protocol or DEFAULT_CODEC) if codec is None else codec
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._hosts = hosts
        self._socket: Any = None
        self._reader: asyncio.Task[None] | None = None
        self._arrived: list[Message] = []
        self._broken: str | None = None
        self._lost = False
        self._busy = False
        self._up = Rates(HEARING_RATE, self._codec.rate)
        self._down = Rates(self._codec.rate, HEARING_RATE)

    async def open(self, exchange: Exchange) -> None:
        """Connect. Raises AgentUnreachable, MissingExtra."""
        try:
            from websockets.asyncio.client import connect
            from websockets.exceptions import WebSocketException
        except ModuleNotFoundError as error:
            raise MissingExtra("voice", needed_for="calling an agent over a WebSocket") from error
        self._exchange = exchange
        try:
            self._socket = await self._connected(
                partial(
                    connect,
                    self._url,
                    additional_headers=self._headers,
                    open_timeout=CONNECT_S,
                    max_size=LARGEST_MESSAGE,
                    compression=None,  # sound does not get smaller, and trying takes most of the time of a frame
                )
            )
        except (OSError, WebSocketException, TimeoutError, ValueError) as error:
            raise AgentUnreachable(f"the voice agent cannot be called: {error}", where=self._url) from error
        self._reader = asyncio.get_running_loop().create_task(self._read())
        for message in self._codec.opening(exchange.recorded):
            await self._send(message)

    async def _connected(self, connect: Callable[..., Awaitable[Any]]) -> Any:
        """A socket to an address that was checked, where not every one may be called."""
        place = place_of(self._url)
        if self._hosts is None or place is None:
            return await connect()
        # With an address of its own the client follows no redirect to another host.
        *others, last = await addresses_of(*place, self._hosts)
        for address in others:
            with suppress(OSError, TimeoutError):
                return await connect(host=address, port=place[1], proxy=None)
        return await connect(host=last, port=place[1], proxy=None)

    def attend(self, exchange: Exchange) -> None:
        """Tool calls belong to this turn from now on."""
        self._exchange = exchange

    async def exchange(self, frame: Samples) -> Received:
        """Send a frame and take what has come."""
        await self._send(self._codec.encode(self._up.through(frame)))
        arrived, self._arrived = self._arrived, []
        audio: list[Samples] = []
        marks: list[str] = []
        said: list[str] = []
        understood: list[str] = []
        clear, ended = False, self._broken if not arrived else None
        for message in arrived:
            decoded = self._codec.decode(message)
            if decoded.clear:
                clear, audio, marks = True, [], []
            if len(decoded.audio):
                audio.append(self._down.through(decoded.audio))
            marks += decoded.marks
            said += decoded.said
            understood += decoded.understood
            ended = decoded.ended or ended
            await self._tools(decoded)
        sound = np.concatenate(audio) if audio else NOTHING
        return Received(sound, clear, marks, said, understood, self._busy, ended, self._lost)

    async def played(self, marks: Sequence[str]) -> None:
        """Tell the agent that what it said has been heard up to there."""
        for message in self._codec.played(marks):
            await self._send(message)

    async def close(self) -> None:
        """Hang up."""
        if self._socket is None:
            return
        for message in self._codec.closing():
            await self._send(message)
        socket, self._socket = self._socket, None
        await socket.close()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader})

    async def _tools(self, decoded: Decoded) -> None:
        """Answer the tools that the agent asks for from the recording, and take down those that it ran itself."""
        self._busy = self._busy if decoded.busy is None else decoded.busy
        if decoded.asked is not None:
            came = self._exchange.call_tool(decoded.asked, self._exchange.next_message())
            if came.live:
                came = await run_live(self._exchange, decoded.asked, came)
            for message in self._codec.answer(decoded.asked, came):
                await self._send(message)
        if decoded.ran is not None:
            asked, result = decoded.ran
            self._exchange.own_call(asked, self._exchange.next_message(), result=result)

    async def _send(self, message: Message) -> None:
        """Send, unless the other side has gone; that is noticed when nothing more of it is left to be heard."""
        from websockets.exceptions import ConnectionClosed

        if self._socket is not None and self._broken is None:
            with suppress(ConnectionClosed):
                await self._socket.send(message)

    async def _read(self) -> None:
        """Collect what comes until the socket closes."""
        from websockets.exceptions import ConnectionClosed

        try:
            async for message in self._socket:
                self._arrived.append(message)
            self._broken = "the agent hung up"
        except ConnectionClosed as error:
            self._broken, self._lost = f"the connection broke: {error}", True

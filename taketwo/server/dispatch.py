"""Hands requests to whoever works on them, so that the event loop never does: threads, or a process beside it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from itertools import count
from typing import Protocol

import msgspec

from taketwo.errors import StoreUnavailable
from taketwo.server.answers import Answer, refused
from taketwo.server.frames import ABORT, BEGIN, END, HEAD, PIECE, READY, frame
from taketwo.server.intake import Delivery, take
from taketwo.server.limits import Limits
from taketwo.server.logs import LogForm
from taketwo.server.quotas import Quotas
from taketwo.store import Store
from taketwo.store.addresses import for_process

RESTART_AFTER_S = 0.5
"""A process that ended is started again after this pause."""

_log = logging.getLogger("taketwo.server")


class Intake(Protocol):
    """Works on requests."""

    @property
    def is_up(self) -> bool:
        """Whether it takes requests just now."""

    async def run(self, started: asyncio.Event) -> None:
        """Be there for requests until cancelled; sets `started` as soon as it is. Raises StoreUnavailable."""

    async def take(self, delivery: Delivery, pieces: AsyncIterator[bytes]) -> Answer:
        """Work on a request whose body comes in pieces. What the pieces raise is raised."""


class InThreads:
    """Works on requests in threads of this process: for a store that no other process can open."""

    def __init__(self, store: Store, limits: Limits) -> None:
        """Keep what is needed."""
        self._store = store
        self._limits = limits
        self._quotas = Quotas(store)

    @property
    def is_up(self) -> bool:
        """Always."""
        return True

    async def run(self, started: asyncio.Event) -> None:
        """Nothing to start."""
        started.set()

    async def take(self, delivery: Delivery, pieces: AsyncIterator[bytes]) -> Answer:
        """See `Intake`."""
        body = b"".join([piece async for piece in pieces])
        return await asyncio.to_thread(take, self._store, delivery, body, self._limits, self._quotas)


class BesideTheServer:
    """Works on requests in a process of its own, which opens the same store; starts it again when it ends."""

    def __init__(self, url: str, limits: Limits, logs: LogForm) -> None:
        """logs: how what the process writes about itself is written."""
        settings = (limits.to_json().decode(), logs.to_json().decode())
        address, self._secrets = for_process(url)
        self._command = [sys.executable, "-m", "taketwo.server.worker", address, *settings]
        self._limits = limits
        self._process: asyncio.subprocess.Process | None = None
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Answer | None]] = {}

    @property
    def is_up(self) -> bool:
        """Whether the process has said that it is ready."""
        return self._process is not None

    async def run(self, started: asyncio.Event) -> None:
        """See `Intake`. Raises StoreUnavailable where the process cannot be started the first time."""
        while True:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, **self._secrets},
            )
            try:
                await self._serve(process, started)
            finally:
                await self._end(process)
            if not started.is_set():
                raise StoreUnavailable("the process that writes to the store did not start", todo="see the lines above")
            _log.error("the process that writes to the store ended with %s; starting another", process.returncode)
            await asyncio.sleep(RESTART_AFTER_S)

    async def take(self, delivery: Delivery, pieces: AsyncIterator[bytes]) -> Answer:
        """See `Intake`."""
        process = self._process
        if process is None or process.stdin is None:
            return self._gone(delivery)
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self._send(process.stdin, number, delivery, pieces)
            return await answer or self._gone(delivery)
        except ConnectionError:
            return self._gone(delivery)
        finally:
            self._waiting.pop(number, None)

    async def _send(
        self, pipe: asyncio.StreamWriter, number: int, delivery: Delivery, pieces: AsyncIterator[bytes]
    ) -> None:
        pipe.write(frame(number, BEGIN, delivery.to_json()))
        try:
            async for piece in pieces:
                pipe.write(frame(number, PIECE, piece))
                await pipe.drain()
        except BaseException:
            pipe.write(frame(number, ABORT))
            raise
        pipe.write(frame(number, END))
        await pipe.drain()

    async def _serve(self, process: asyncio.subprocess.Process, started: asyncio.Event) -> None:
        """Pass on its answers until it ends."""
        assert process.stdout is not None  # it was asked for
        try:
            while True:
                number, kind, length = HEAD.unpack(await process.stdout.readexactly(HEAD.size))
                content = await process.stdout.readexactly(length)
                if kind == READY:
                    self._process = process
                    started.set()
                elif (waiting := self._waiting.get(number)) is not None and not waiting.done():
                    waiting.set_result(msgspec.msgpack.decode(content, type=Answer))
        except asyncio.IncompleteReadError:
            return

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Let it finish what it has; whoever still waits must send again."""
        self._process = None
        assert process.stdin is not None  # it was asked for
        process.stdin.close()
        await process.wait()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)

    def _gone(self, delivery: Delivery) -> Answer:
        message = "the process that writes to the store is being started again"
        return refused(503, message, delivery.content_type, retry_after_s=self._limits.retry_after_s)

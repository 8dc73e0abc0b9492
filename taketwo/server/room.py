"""How much the server has in its hands, over HTTP and gRPC together, and when that is too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress

from taketwo.errors import StoreBusy, TooLarge
from taketwo.server.limits import Limits


class Room:
    """Counts requests and their bytes against the limits. Belongs to one event loop."""

    def __init__(self, limits: Limits) -> None:
        """Begin with nothing in hand."""
        self._limits = limits
        self._requests = 0
        self._bytes = 0
        self._left = asyncio.Event()

    @contextmanager
    def place(self, wanted: int = 0) -> Iterator[Place]:
        """A place for a request of so many bytes, until the end of the block. Raises TooLarge, StoreBusy."""
        if self._requests >= self._limits.requests_in_flight:
            raise _busy()
        self._requests += 1
        place = Place(self)
        try:
            place.grow(wanted)
            yield place
        finally:
            self._requests -= 1
            self._bytes -= place.bytes
            self._left.set()

    @asynccontextmanager
    async def place_within(self, patience_s: float, wanted: int = 0) -> AsyncIterator[Place]:
        """The same as soon as there is one. Raises TooLarge, StoreBusy where there is none within those seconds.

        Senders that are all told to come back in a second come back together, and most of them give up after five
        times; those that wait get their turn one after the other.
        """
        until = asyncio.get_running_loop().time() + patience_s
        with ExitStack() as held:
            while True:
                try:
                    place = held.enter_context(self.place(wanted))
                    break
                except StoreBusy:
                    if wanted > self._limits.bytes_in_flight or not await self._somebody_leaves(until):
                        raise
            yield place

    async def _somebody_leaves(self, until: float) -> bool:
        """Wait until a request is done with; False where none is by that time of the event loop."""
        self._left.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                return await self._left.wait()
        return False

    def take(self, more: int, whole: int) -> None:
        """Count more bytes of a request that then has so many as a whole. Raises TooLarge, StoreBusy."""
        if whole > self._limits.body_bytes:
            raise TooLarge(f"the body is larger than {self._limits.body_bytes:,} bytes", todo="send smaller batches")
        if self._bytes + more > self._limits.bytes_in_flight:
            raise _busy()
        self._bytes += more


class Place:
    """What one request takes of the room."""

    def __init__(self, room: Room) -> None:
        """Begin with nothing."""
        self._room = room
        self.bytes = 0

    def grow(self, wanted: int) -> None:
        """See that there is room for so many bytes in all. Raises TooLarge, StoreBusy."""
        more = max(0, wanted - self.bytes)
        self._room.take(more, wanted)
        self.bytes += more


def _busy() -> StoreBusy:
    return StoreBusy("too much is being received just now", todo="send it again in a moment")

"""How much the server has in its hands, over HTTP and gRPC together, and when that is too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress

from taketwo.errors import StoreBusy, TooFast, TooLarge
from taketwo.server.limits import Limits


class Room:
    """Counts requests and their bytes against the limits. Belongs to one event loop."""

    def __init__(self, limits: Limits) -> None:
        """Begin with nothing in hand."""
        self._limits = limits
        self._requests = 0
        self._bytes = 0
        self._of_sender: dict[str, list[Place]] = {}
        self._left = asyncio.Event()

    @property
    def requests(self) -> int:
        """How many requests it holds."""
        return self._requests

    @property
    def bytes(self) -> int:
        """How many bytes of them."""
        return self._bytes

    @contextmanager
    def place(self, wanted: int = 0, sender: str = "") -> Iterator[Place]:
        """A place for a request of so many bytes, until the end of the block. Raises TooLarge, StoreBusy, TooFast."""
        if self._requests >= self._limits.requests_in_flight:
            raise _busy()
        place = Place(self, sender)
        others = self._of_sender.setdefault(sender, [])
        self._requests += 1
        others.append(place)
        try:
            if len(others) > max(1, self._share(self._limits.requests_in_flight)):
                raise _too_fast()
            place.grow(wanted)
            yield place
        finally:
            self._requests -= 1
            others.remove(place)
            if not others:
                del self._of_sender[sender]
            self._bytes -= place.bytes
            self._left.set()

    @asynccontextmanager
    async def place_within(self, patience_s: float, wanted: int = 0, sender: str = "") -> AsyncIterator[Place]:
        """The same as soon as there is one. Raises TooLarge, StoreBusy, TooFast where there is none in those seconds.

        Senders that are all told to come back in a second come back together, and most of them give up after five
        times; those that wait get their turn one after the other.
        """
        until = asyncio.get_running_loop().time() + patience_s
        with ExitStack() as held:
            while True:
                try:
                    place = held.enter_context(self.place(wanted, sender))
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

    def take(self, more: int, whole: int, sender: str) -> None:
        """Count more bytes of a request that then has so many as a whole. Raises TooLarge, StoreBusy, TooFast."""
        if whole > self._limits.body_bytes:
            raise TooLarge(f"the body is larger than {self._limits.body_bytes:,} bytes", todo="send smaller batches")
        if self._bytes + more > self._limits.bytes_in_flight:
            raise _busy()
        has = sum(place.bytes for place in self._of_sender[sender])
        # Whoever has nothing else here may send what is allowed, however many there are.
        if has + more > whole and has + more > self._share(self._limits.bytes_in_flight):
            raise _too_fast()
        self._bytes += more

    def _share(self, limit: int) -> int:
        """What one of those who are sending may have of a limit: alone all of it, with others an equal part."""
        return limit // len(self._of_sender)


class Place:
    """What one request takes of the room."""

    def __init__(self, room: Room, sender: str) -> None:
        """Begin with nothing."""
        self._room = room
        self._sender = sender
        self.bytes = 0

    def grow(self, wanted: int) -> None:
        """See that there is room for so many bytes in all. Raises TooLarge, StoreBusy."""
        more = max(0, wanted - self.bytes)
        self._room.take(more, wanted, self._sender)
        self.bytes += more


def _too_fast() -> TooFast:
    return TooFast("others are sending too, and this is more than an equal share", todo="send it again in a moment")


def _busy() -> StoreBusy:
    return StoreBusy("too much is being received just now", todo="send it again in a moment")

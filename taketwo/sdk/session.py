"""`with taketwo.session(…)`: which conversation, and whose, the turns inside belong to."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from taketwo.sdk.recording import recorder

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context


def session(id: str, *, user: str | None = None) -> Session:
    """Everything inside belongs to this conversation: `with taketwo.session("sess-1", user="u-7"):`, also `async with`.

    id: the same for all turns of one conversation, which may be in different requests and processes. Coroutines, tasks
    and `asyncio.to_thread` carry it along, a bare thread does not. Does nothing where nothing is recorded.
    """
    return Session(id, user)


class Session(AbstractContextManager["Session"], AbstractAsyncContextManager["Session"]):
    """A conversation while one of its turns is going on."""

    def __init__(self, id: str, user: str | None) -> None:
        """See `session`."""
        self.id = id
        self.user = user
        self._leaving: list[Token[Context] | None] = []

    def __enter__(self) -> Session:
        """It begins, or goes on."""
        recording = recorder()
        self._leaving.append(None if recording is None else recording.session(self.id, self.user))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """It is over, or pauses."""
        token = self._leaving.pop()
        if token is not None:
            from opentelemetry import context

            context.detach(token)

    async def __aenter__(self) -> Session:
        """It begins, or goes on."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """It is over, or pauses."""
        self.__exit__(kind, error, where)

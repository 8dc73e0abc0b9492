"""Where the plain code of an agent runs, which may block as it likes: in a thread that knows the replay."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from queue import SimpleQueue


class OwnThread:
    """The thread of one replay. It is kept from turn to turn, as starting one takes longer than all else in a turn.

    A daemon, and no pool: code that never returns must neither block other replays nor the end of the process.
    """

    def __init__(self) -> None:
        """It is started by the first code that is to run in it; most agents need none."""
        self._work: SimpleQueue[Callable[[], None] | None] | None = None

    async def run(self, code: Callable[[], object]) -> object:
        """What the code gives, run in the context of whoever asks for it. Raises what it raises."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()
        context = contextvars.copy_context()

        def run() -> None:
            result: object = None
            error: BaseException | None = None
            try:
                result = context.run(code)
            except BaseException as raised:  # foreign code; carried over to the turn
                error = raised
            try:
                loop.call_soon_threadsafe(_settle, done, result, error)
            except RuntimeError:
                return  # the loop has closed: nobody waits for this any more

        self._started().put(run)
        return await done

    def end(self) -> None:
        """The replay is over: the thread ends when the code in it does."""
        if self._work is not None:
            self._work.put(None)

    def _started(self) -> SimpleQueue[Callable[[], None] | None]:
        if self._work is None:
            self._work = SimpleQueue()
            threading.Thread(target=_do, args=(self._work,), name="taketwo-agent", daemon=True).start()
        return self._work


def _do(work: SimpleQueue[Callable[[], None] | None]) -> None:
    while (one := work.get()) is not None:
        one()
        del one  # what an agent was given is not kept until it is asked again


def _settle(done: asyncio.Future[object], result: object, error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(result)
    elif isinstance(error, StopIteration):  # no future can carry one
        done.set_exception(RuntimeError("the agent raised StopIteration"))
    else:
        done.set_exception(error)

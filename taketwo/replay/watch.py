"""Runs the agent's code for one turn and comes back for certain, whatever that code does."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, Generic, NamedTuple, TypeVar

Answer = TypeVar("Answer")

GRACE_S = 1.0
"""How long code that was told to stop may clean up, in seconds."""
_never_ended: list[Any] = []
"""What refused to be closed; kept, as the interpreter complains about each when it is freed."""


class Outcome(NamedTuple, Generic[Answer]):
    """How the agent's code ended; stopped, because of the time or from outside, with neither an answer nor an error."""

    answer: Answer | None
    """What it gave; None when it gave nothing."""
    error: BaseException | None
    """What it raised; None when it raised nothing."""
    took_s: float
    """How long it ran, in seconds."""
    timed_out: bool = False
    """Whether it was stopped because of the time."""


async def watch(
    work: Coroutine[Any, Any, Answer],
    *,
    timeout_s: float,
    context: Context,
    woken_by: Callable[[Callable[[], None] | None], None],
) -> Outcome[Answer]:
    """Run the work until it ends, the time is over, or what `woken_by` was given is called, from any thread.

    It runs as a task of its own in a context of its own, so what it leaves behind in context variables stays there.
    When it is not done by then it is cancelled; after a grace time it is closed, even if it catches its cancellation.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[bool] = loop.create_future()

    def wake(timed_out: bool = False) -> None:
        if not over.done():
            over.set_result(timed_out)

    def wake_from_anywhere() -> None:
        loop.call_soon_threadsafe(wake)

    woken_by(wake_from_anywhere)
    guard = _Guard(work)
    # Not a TaskGroup: that would wait without end for code that does not stop when it is told to.
    task = loop.create_task(guard.run(), context=context)
    task.add_done_callback(lambda _: wake())
    timer = loop.call_later(timeout_s, wake, True)
    try:
        timed_out = await over
    finally:
        timer.cancel()
        woken_by(None)
        if not task.done():
            await _stop(task, guard)
    if guard.outcome is not None and not timed_out:
        return guard.outcome
    if task.done() and not task.cancelled():
        task.result()  # raises what no one may keep from the process: KeyboardInterrupt
    return Outcome(None, None, time.perf_counter() - guard.began, timed_out)


class _Guard(Generic[Answer]):
    """Stands between the event loop and the agent's code, and can leave without it."""

    def __init__(self, work: Coroutine[Any, Any, Answer]) -> None:
        self.work = work
        self.outcome: Outcome[Answer] | None = None
        self.began = time.perf_counter()
        self.is_told_to_stop = False
        self.is_given_up = False

    async def run(self) -> None:
        """Run the work and keep how it ended."""
        self.began = time.perf_counter()
        answer: Answer | None = None
        error: BaseException | None = None
        try:
            answer = await self
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except asyncio.CancelledError as raised:
            if self.is_told_to_stop:
                raise
            error = raised  # the agent's own doing
        except BaseException as raised:  # foreign code; even its `sys.exit()` must not end the other replays
            error = raised
        self.outcome = Outcome(answer, error, time.perf_counter() - self.began)

    def __await__(self) -> Generator[Any, Any, Answer]:
        """Drive the work step by step, as `await` does, until it ends or is given up."""
        step: Callable[[Any], Any] = self.work.send
        given: Any = None
        while True:
            try:
                waiting_for = step(given)
            except StopIteration as ended:
                answer: Answer = ended.value
                return answer
            try:
                given = yield waiting_for
                step = self.work.send
            except BaseException as raised:
                if self.is_given_up:
                    _close(self.work)
                    raise
                step, given = self.work.throw, raised


async def _stop(task: asyncio.Task[None], guard: _Guard[Any]) -> None:
    """Cancel; and when that does not end it, give it up."""
    guard.is_told_to_stop = True
    task.cancel()
    await asyncio.wait({task}, timeout=GRACE_S)
    if not task.done():
        guard.is_given_up = True
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE_S)
    if inspect.getcoroutinestate(guard.work) == inspect.CORO_CREATED:
        guard.work.close()


def _close(work: Coroutine[Any, Any, Any]) -> None:
    """End it where it stands."""
    awaited: list[Any] = [work]
    while (inner := getattr(awaited[-1], "cr_await", None)) is not None:
        awaited.append(inner)
    try:
        work.close()
    except RuntimeError:  # "coroutine ignored GeneratorExit"
        _never_ended.extend(awaited)
    except BaseException:  # foreign code on its way out; nobody is left to hear it
        return

"""Runs the agent's code turn by turn and comes back for certain, whatever that code does.

The code runs in the task of its replay, not in one of its own: with a thousand slow agents at a time, handing over from
task to task would let each turn wait for all others that end in the same moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, Generic, NamedTuple, TypeVar

from taketwo.replay.stuck import LOOKOUT

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


class Watch:
    """Watches over one replay. It belongs to the task that makes it, and nobody else may cancel that task.

    The agent's code may, as it runs in there: in code that uses task groups or timeouts, cancellations come and go, and
    some versions of Python forget to take theirs back. Whatever is left of them after a turn is taken back here.
    """

    def __init__(self, timeout_s: float) -> None:
        """timeout_s: how long one turn may take, in seconds."""
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._guard: _Guard[Any] | None = None
        # One timer for all turns, moved on when it finds that its turn is over: most turns take far less than they may.
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        LOOKOUT.begin()

    def deadline(self) -> float:
        """When a turn that begins now must be over, in seconds of the event loop's clock."""
        return self._loop.time() + self._timeout_s

    async def over(self, work: Coroutine[Any, Any, Answer], context: Context) -> Outcome[Answer]:
        """Run the work of a turn until it ends, the time is over, or `stop` is called.

        It runs in a context of its own, so what it leaves behind in context variables stays there. When it is not done
        by then, it is cancelled; after a grace time it is closed, even if it catches its cancellation.
        """
        guard = self._guard = _Guard(work, context, self._task, self._loop, self._timeout_s)
        began = time.perf_counter()
        self._start_timer()
        answer: Answer | None = None
        error: BaseException | None = None
        try:
            answer = await guard
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as raised:  # foreign code; even its `sys.exit()` must not end the other replays
            error = raised
        finally:
            took_s = time.perf_counter() - began
            self._guard = None
            guard.leave()
        if self._task.cancelling():
            await self._forget_cancellations()
        if guard.is_told_to_stop:
            return Outcome(None, None, took_s, guard.is_late)
        return Outcome(answer, error, took_s)

    def stop(self) -> None:
        """Stop the work that is going on, if any; may be called from any thread."""
        self._loop.call_soon_threadsafe(self._stop)

    def close(self) -> None:
        """There are no more turns."""
        LOOKOUT.end()
        if self._timer is not None:
            self._timer.cancel()

    def _stop(self) -> None:
        if self._guard is not None:
            self._guard.stop()

    def _start_timer(self) -> None:
        self._deadline = self.deadline()
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look_at_time)

    def _look_at_time(self) -> None:
        self._timer = None
        if self._guard is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look_at_time)
        else:
            self._guard.stop(is_late=True)

    async def _forget_cancellations(self) -> None:
        """The task goes on as if nobody had cancelled it."""
        while self._task.cancelling():
            self._task.uncancel()
        # One that was not delivered yet would come at the next await (until Python 3.13, which forgets it).
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)


class _Guard(Generic[Answer]):
    """Stands between the event loop and the agent's code in one turn: can interrupt it, and can leave without it."""

    def __init__(
        self,
        work: Coroutine[Any, Any, Answer],
        context: Context,
        task: asyncio.Task[Any],
        loop: asyncio.AbstractEventLoop,
        timeout_s: float,
    ) -> None:
        self.is_told_to_stop = False
        self.is_late = False
        self._work = work
        self._context = context
        self._task = task
        self._loop = loop
        self._timeout_s = timeout_s
        self._is_given_up = False
        self._grace: asyncio.TimerHandle | None = None

    def __await__(self) -> Generator[Any, Any, Answer]:
        """Drive the work step by step, as `await` does, until it ends or is given up."""
        step: Callable[[Any], Any] = self._work.send
        given: Any = None
        while True:
            LOOKOUT.step_ends_at = time.monotonic() + self._timeout_s
            try:
                waiting_for = self._context.run(step, given)
            except StopIteration as ended:
                answer: Answer = ended.value
                return answer
            finally:
                LOOKOUT.step_ends_at = None
            try:
                given = yield waiting_for
                step = self._work.send
            except BaseException as raised:
                if self._is_given_up:
                    self._context.run(_close, self._work)
                    raise
                step, given = self._work.throw, raised

    def stop(self, *, is_late: bool = False) -> None:
        """Cancel the work. Called by the loop, so never while the work is running."""
        if not self.is_told_to_stop:
            self.is_told_to_stop = True
            self.is_late = is_late
            self._task.cancel()
            self._grace = self._loop.call_later(GRACE_S, self._give_up)

    def leave(self) -> None:
        """The work has ended, in whatever way."""
        if self._grace is not None:
            self._grace.cancel()

    def _give_up(self) -> None:
        self._is_given_up = True
        self._task.cancel()


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

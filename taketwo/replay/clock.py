"""The time: Take Two always goes by the real one; the agent under test sees that of the recording, where it is wanted.

The recorded clock is seen by the agent's code alone, each replay's by its own, however many go on: who asks is told by
the context variable that its tools go by. A thread that carries no context, and every other process, sees real time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from taketwo.errors import MissingExtra
from taketwo.replay import current

Kind: TypeAlias = Literal["real", "recorded"]

_real_ns: Callable[[], int] = time.time_ns
_now = datetime.now
_kind: Kind = "real"


def utc_now() -> datetime:
    """The real time, also where the agent's code sees another."""
    return _now(UTC) if _kind == "real" else datetime.fromtimestamp(_real_ns() / 1e9, UTC)


def real_time_ns() -> int:
    """The same in nanoseconds since 1970."""
    return _real_ns()


def clock_now() -> Kind:
    """What time an agent that is replayed here and now sees."""
    return _kind


def clock(kind: Kind) -> AbstractContextManager[None]:
    """Within it, the agent sees the time of this kind. Raises MissingExtra without `[clock]` for the recorded one."""
    return recorded_clock() if kind == "recorded" else nullcontext()


@contextmanager
def recorded_clock() -> Iterator[None]:
    """Within it, `datetime.now`, `date.today`, `time.time` and their like give the agent the recorded time, going on.

    Where the recording does not say when a line was said, the time is real. Raises MissingExtra without `[clock]`.
    """
    global _real_ns, _kind
    try:
        import _time_machine
        import time_machine
    except ModuleNotFoundError as error:
        raise MissingExtra("clock", needed_for="the recorded clock") from error

    journey = time_machine.travel(0)
    to_one_time = journey.start()
    # A journey leads all code to one time; what is asked in its place leads each replay to its own.
    time_machine.traveller_stack[-1] = _Clock(_time_machine.original_time_ns)
    _real_ns, _kind = _time_machine.original_time_ns, "recorded"
    try:
        yield
    finally:
        _real_ns, _kind = time.time_ns, "real"
        time_machine.traveller_stack[-1] = to_one_time
        journey.stop()


class _Clock:
    """Asked for each time that is read anywhere in the process."""

    def __init__(self, real_ns: Callable[[], int]) -> None:
        self._real_ns = real_ns

    def time_ns(self) -> int:
        real_ns = self._real_ns()
        scene = current.CURRENT.get()
        return real_ns if scene is None else scene.time_ns(real_ns)

"""Which replay this code runs in. A user's process imports this in production too: nothing but the standard library.

The replay travels in a context variable, so coroutines, tasks and `asyncio.to_thread` carry it along. A bare thread
does not. While any replay is going on, a tool called where no replay can be seen is refused instead of run, because it
may well be the agent under test that calls it; so is one in a thread that was started during a replay and outlived it,
and one in a process that was started during a replay.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

if TYPE_CHECKING:
    from taketwo.errors import ToolRefused


class AskedCall(NamedTuple):
    """A tool call as the agent asks for it."""

    tool: str
    """Name of the tool."""
    arguments: dict[str, Any]
    """The arguments as JSON values; empty when `arguments_text` is no JSON object."""
    call_id: str | None = None
    """The id that the model gave it; None when it has none."""
    arguments_text: str | None = None
    """The arguments letter by letter where they are no JSON object; None otherwise."""


class CameBack(NamedTuple):
    """What a tool call gets in a replay."""

    step_index: int
    """Position of the call in its turn, from 0."""
    turn_index: int
    """Position of its turn, from 0."""
    result: Any = None
    """The recorded result; None when there is an error."""
    error: str | None = None
    """The error as the agent read it; None when the call succeeded."""
    raised: str | None = None
    """The error as the tool itself raised it, where that differs; None otherwise."""
    live: bool = False
    """Nothing is recorded and the policy allows it: the caller runs the real tool and reports with `lived`."""
    wait_s: float = 0.0
    """How long the caller waits before it gives the answer, where the replay takes as long as the recording."""


class Scene:
    """What tools meet inside a replay; `session.Session` is the one there is."""

    run_id: str = ""
    """The run; empty where tools are answered without one."""
    generators: Any = None
    """The `chance.Generators` that `random` and numpy draw from in the replay; None for those of the process."""

    def time_ns(self, real_ns: int) -> int:
        """What time it is in the replay, in nanoseconds since 1970. real_ns: the real time."""
        return real_ns

    def call(self, asked: AskedCall, message: int | None = None) -> CameBack:
        """Answer a call from the recording.

        message: which of the model's messages of this turn asks for it; None for the next one.
        Raises ReplayStopped when there is no answer and the policy is to stop, and whenever the replay is over.
        """
        raise NotImplementedError

    def lived(self, call: CameBack, *, result: Any = None, error: str | None = None, latency_ms: float) -> None:
        """Take down what a tool that really ran gave, whatever turn it is by now. call: what `call` gave for it."""
        raise NotImplementedError

    def own(
        self, asked: AskedCall, message: int | None = None, *, result: Any = None, error: str | None = None
    ) -> None:
        """Take down a call whose result the agent brought itself."""
        raise NotImplementedError

    def refuse(self, refused: ToolRefused) -> None:
        """End the replay: a tool was called that may have been its own, from where that cannot be seen."""
        raise NotImplementedError


class ReplayStopped(BaseException):
    """The replay has ended; the agent's code is told to stop. No `Exception`, so that agents do not swallow it."""


class RegisteredTool(NamedTuple):
    """A function under `@taketwo.tool`."""

    function: Callable[..., Any]
    """The real one."""
    writes: bool
    """Whether a call changes the world."""
    pure: bool = False
    """Whether its result follows from its arguments alone, so that it may run in a replay."""


CURRENT: ContextVar[Scene | None] = ContextVar("taketwo_replay", default=None)
"""The replay that this code runs in."""
REGISTERED: dict[str, RegisteredTool] = {}
"""Every tool of this process by name."""
INTERCEPTED: set[str] = set()
"""Names of the frameworks' tools of this process that are answered in a replay, see `taketwo.intercept`."""

REPLAYING_PID = "TAKETWO_REPLAYING_PID"
"""Environment variable that tells a process of whatever kind that it was started during a replay, by which process."""

_lock = threading.Lock()
_scenes: set[Scene] = set()
_threads_before: set[threading.Thread] = set()
_threads_left: WeakSet[threading.Thread] = WeakSet()
_started_in_replay = os.environ.get(REPLAYING_PID, "") not in ("", str(os.getpid()))
_never_live = False


def _forked() -> None:
    """A child of a process that may be replaying has only a copy of the replay, which nobody reads."""
    global _started_in_replay
    _started_in_replay = _started_in_replay or bool(_scenes)
    _scenes.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forked)


def enter(scene: Scene) -> None:
    """A replay begins."""
    with _lock:
        if not _scenes:
            _threads_before.update(threading.enumerate())
            os.environ[REPLAYING_PID] = str(os.getpid())
        _scenes.add(scene)


def leave(scene: Scene) -> None:
    """A replay is over; threads begun during it stay suspect as long as they live."""
    with _lock:
        _scenes.discard(scene)
        if not _scenes:
            _threads_left.update(thread for thread in threading.enumerate() if thread not in _threads_before)
            _threads_before.clear()
            # Emptied, not taken out: that would fail whoever goes through the environment in another thread just now.
            os.environ[REPLAYING_PID] = ""


def scene_of(run_id: str) -> Scene | None:
    """The replay of that run; None when it is not going on in this process."""
    with _lock:
        return next((scene for scene in _scenes if scene.run_id == run_id), None)


def never_go_live() -> None:
    """From now on this process does nothing but replay: no tool runs outside of a replay any more, in any thread."""
    global _never_live
    _never_live = True


def scene_for(tool: str) -> Scene | None:
    """The replay that a call of this tool belongs to; None when no replay is anywhere near and the tool may run.

    Raises ToolRefused where a call may belong to a replay and cannot be told which.
    """
    scene = CURRENT.get()
    if scene is not None and (not _started_in_replay or scene in _scenes):
        return scene
    if _may_belong():
        raise _refused(tool)
    return None


def is_near() -> bool:
    """Whether this code belongs to a replay, or may."""
    return CURRENT.get() is not None or _may_belong()


def _may_belong() -> bool:
    if _scenes or _started_in_replay or _never_live:
        return True
    return bool(_threads_left) and threading.current_thread() in _threads_left


def _refused(tool: str) -> ToolRefused:
    from taketwo.errors import ToolRefused

    place, todo = _whereabouts()
    refused = ToolRefused(
        f"`{tool}` was called {place}, so it was not run", where=f"thread {threading.current_thread().name}", todo=todo
    )
    with _lock:
        scenes = tuple(_scenes)
    for scene in scenes:
        scene.refuse(refused)
    return refused


def _whereabouts() -> tuple[str, str]:
    """Where the tool was called, and what to do about it."""
    todo = "start it with asyncio.to_thread or contextvars.copy_context().run, inside the call of the agent"
    if _started_in_replay:
        return "in a process that was started during a replay", "call the tool in the process that replays"
    if _scenes:
        return "during a replay in a thread or task begun outside of it", todo
    if _never_live:
        return "outside of any replay in a process that only replays", todo
    return "in a thread that a replay has left", todo

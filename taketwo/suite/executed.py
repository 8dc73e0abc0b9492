"""Which functions of the project the replays of this process run, so that a change of one touches those that run it.

From Python 3.12 on the interpreter tells of each function that begins, and stops telling of those of other packages
once asked to. Before that it can only tell of everything, which more than doubles what Python code takes; so it is
asked only where the agent's code runs: while it is imported, in its threads, and in its tasks.

The replay that a function runs in is that of its context. What runs outside of any counts for every case, and so does
what is made once and kept: by chance it runs in the first case that needs it.
"""

from __future__ import annotations

import asyncio
import linecache
import os
import re
import sys
import textwrap
import threading
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import Context, copy_context
from types import CodeType, FrameType
from typing import Any, NamedTuple, TypeAlias

from taketwo.replay.agents import Agent, Exchange, Reply
from taketwo.replay.current import CURRENT
from taketwo.suite.functions import remembers
from taketwo.suite.opened_files import is_counted, loaded_files, watching_files
from taketwo.verdict import CaseResult

EVERYTHING = "*"
"""Stands for all functions of a file: it was imported before anybody looked."""
MOST_HITS = 100_000
"""A function that began so often is no longer looked at, and counts for every case: it would cost too much."""
DEEPEST = 200
"""So many callers of a function are asked whether they keep what it makes."""
_IN_PART = re.compile(
    r"(?:(?:^|\.<locals>\.|\.)<(?:lambda|listcomp|setcomp|dictcomp|genexpr)>|\.<generic parameters).*"
)
"""What belongs to the function that it is written in."""

Ran: TypeAlias = dict[str, list[str]]
"""Functions by their file: the `__qualname__` of each."""


@contextmanager
def watching(*, imports: bool = False) -> Iterator[None]:
    """Take down in this block which files are read, and which functions begin.

    imports: whether the agent is imported in it, in this thread and outside of any replay.
    """
    with watching_files(), _WATCH.on(imports=imports):
        yield


def seen(agent: Agent) -> Agent:
    """The agent, whose code is looked at while it answers; `watching` looks at what it starts besides."""
    return agent if sys.version_info >= (3, 12) else _SeenAgent(agent, _WATCH)


def watching_imports() -> AbstractContextManager[None]:
    """Take down only which functions begin, while other code imports what may be of the agent."""
    return _WATCH.on(imports=True)


def runs_of(result: CaseResult) -> list[str]:
    """The replays that a result tells of."""
    return [attempt.run.id for attempt in (*result.attempts, *result.against)]


def functions_of(runs: Iterable[str]) -> Ran | None:
    """What these replays ran, which is then forgotten here; None where nobody could look."""
    return _WATCH.take(runs)


def functions_of_all() -> Ran:
    """What counts for every replay of this process."""
    return _WATCH.told(_WATCH.always, _WATCH.unseen)


def also_ran(runs: Iterable[str], own: Mapping[str, Iterable[str]] | None, always: Mapping[str, Iterable[str]]) -> None:
    """Take down what another process saw of these replays."""
    _WATCH.hear(runs, own, always)


class _Known(NamedTuple):
    """A function of the project; its code is held, as it is known by its address."""

    code: CodeType
    file: str
    name: str


class _Watch:
    """What this process has seen."""

    def __init__(self) -> None:
        self.always: set[int] = set()
        self.unseen: dict[str, set[str]] = {}
        """Of files that were imported too early, and what other processes have said."""
        self._known: dict[int, _Known] = {}
        self._keeps: dict[int, bool] = {}
        self._by_run: dict[str, set[int]] = {}
        self._heard: dict[str, Ran | None] = {}
        self._hits: dict[int, int] = {}
        self._places: dict[str, bool] = {}
        self._depth = 0
        self.is_on: bool | None = None
        """None before anybody has looked; False where something else is in the way."""
        self._tell_no_more: Any = None

    def begin(self) -> None:
        if self.is_on is not None:
            return
        for file in loaded_files():
            self.unseen.setdefault(file, set()).add(EVERYTHING)
        self.is_on = self._begin_monitoring() if sys.version_info >= (3, 12) else sys.getprofile() is None

    @contextmanager
    def on(self, *, imports: bool) -> Iterator[None]:
        self.begin()
        self._depth += 1
        try:
            if sys.version_info >= (3, 12) or not self.is_on:
                yield
            else:
                with _told_of_calls(self.profile, imports=imports):
                    yield
        finally:
            self._depth -= 1

    def take(self, runs: Iterable[str]) -> Ran | None:
        own: set[int] = set()
        heard: dict[str, set[str]] = {}
        for run in runs:
            if run in self._heard:
                if (told := self._heard.pop(run)) is None:
                    return None
                for file, names in told.items():
                    heard.setdefault(file, set()).update(names)
            elif not self.is_on:
                return None
            own |= self._by_run.pop(run, set())
        return self.told(own, heard)

    def told(self, codes: set[int], more: Mapping[str, set[str]]) -> Ran:
        found = {file: set(names) for file, names in more.items()}
        for known in map(self._known.__getitem__, list(codes)):
            found.setdefault(known.file, set()).add(known.name)
        return {file: sorted(names) for file, names in sorted(found.items())}

    def hear(
        self, runs: Iterable[str], own: Mapping[str, Iterable[str]] | None, always: Mapping[str, Iterable[str]]
    ) -> None:
        told = None if own is None else {file: list(names) for file, names in own.items()}
        self._heard.update(dict.fromkeys(runs, told))
        for file, names in always.items():
            self.unseen.setdefault(file, set()).update(names)

    def _begin_monitoring(self) -> bool:
        monitoring: Any = getattr(sys, "monitoring")  # noqa: B009  # it is there from Python 3.12 on
        free = next((number for number in (3, 4) if monitoring.get_tool(number) is None), None)
        if free is None:
            return False
        self._tell_no_more = monitoring.DISABLE
        monitoring.use_tool_id(free, "taketwo")
        monitoring.register_callback(free, monitoring.events.PY_START, self._begins)
        monitoring.set_events(free, monitoring.events.PY_START)
        return True

    def profile(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            self._begins(frame.f_code)

    def _begins(self, code: CodeType, offset: int = 0) -> Any:
        """A function begins. This is called for each, so it does little."""
        key = id(code)
        if key not in self._known and not self._is_of_project(code):
            return self._tell_no_more
        if not self._depth:
            return None
        scene = CURRENT.get()
        run = "" if scene is None else scene.run_id
        codes = self._by_run.setdefault(run, set()) if run else self.always
        if key in codes:
            self._hits[key] = hits = self._hits.get(key, 0) + 1
            if hits < MOST_HITS:
                return None
            self.always.add(key)
            return self._tell_no_more
        self._meet(code, codes, outside=not run)
        return None

    def _is_of_project(self, code: CodeType) -> bool:
        file = code.co_filename
        if file not in self._places:
            self._places[file] = is_counted(file)
        return self._places[file]

    def _meet(self, code: CodeType, codes: set[int], *, outside: bool) -> None:
        """A function that this replay has not run before."""
        key = id(code)
        if key not in self._known:
            name = _IN_PART.sub("", code.co_qualname)
            self._known[key] = _Known(code, os.path.abspath(code.co_filename), name)
        codes.add(key)
        if outside:
            return
        if key not in self._keeps:
            self._keeps[key] = _keeps(code)
        if self._is_made_to_be_kept():
            self.always.add(key)

    def _is_made_to_be_kept(self) -> bool:
        """Whether the function that begins keeps what it makes, or one that has called it does."""
        frame: FrameType | None = sys._getframe()
        for _ in range(DEEPEST):
            if frame is None or self._keeps.get(id(frame.f_code), False):
                return frame is not None
            frame = frame.f_back
        return False


_WATCH = _Watch()


def _keeps(code: CodeType) -> bool:
    """Whether what a function makes is there for later replays, too; so is what is imported in the midst of one."""
    if code.co_name.startswith("<"):
        return code.co_name == "<module>"
    first = code.co_firstlineno
    last = max((end for _, end, _, _ in code.co_positions() if end is not None), default=first)
    lines = linecache.getlines(code.co_filename)[first - 1 : last]
    return remembers(textwrap.dedent("".join(lines)))


Hook: TypeAlias = Callable[[FrameType, str, Any], object]


@contextmanager
def _told_of_calls(hook: Hook, *, imports: bool) -> Iterator[None]:
    """Before Python 3.12: of those in threads that begin now, and in this one, or in tasks of replays."""
    before = threading.getprofile()
    threading.setprofile(hook)
    try:
        if imports:
            sys.setprofile(hook)
            try:
                yield
            finally:
                sys.setprofile(None)
        else:
            with _tasks_tell(hook):
                yield
    finally:
        threading.setprofile(before)


@contextmanager
def _tasks_tell(hook: Hook) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    if before is not None:
        yield
        return

    def task(loop: asyncio.AbstractEventLoop, coroutine: Any, context: Context | None = None) -> asyncio.Task[Any]:
        scene = (context or copy_context()).get(CURRENT)
        told = coroutine if scene is None else _awaited(_Steps(coroutine, hook))
        return asyncio.Task(told, loop=loop, context=context)

    loop.set_task_factory(task)
    try:
        yield
    finally:
        loop.set_task_factory(None)


async def _awaited(steps: _Steps) -> Any:
    return await steps


class _SeenAgent:
    """Before Python 3.12."""

    def __init__(self, agent: Agent, watch: _Watch) -> None:
        self._agent = agent
        self._watch = watch

    @property
    def spec(self) -> str:
        return self._agent.spec

    async def respond(self, exchange: Exchange) -> Reply:
        if not self._watch.is_on:
            return await self._agent.respond(exchange)
        reply: Reply = await _Steps(self._agent.respond(exchange), self._watch.profile)
        return reply


class _Steps:
    """Drives a coroutine step by step, as `await` does, and is told of the functions that begin in each step."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], hook: Hook) -> None:
        self._coroutine = coroutine
        self._hook = hook

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[Any], Any] = self._coroutine.send
        given: Any = None
        while True:
            sys.setprofile(self._hook)
            try:
                waiting_for = step(given)
            except StopIteration as ended:
                return ended.value
            finally:
                sys.setprofile(None)
            try:
                given = yield waiting_for
                step = self._coroutine.send
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as raised:
                step, given = self._coroutine.throw, raised

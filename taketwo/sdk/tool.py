"""`@taketwo.tool`: the real function in production, the recorded answer in a replay.

Imported by production code, so it needs only the standard library; what a replay needs is imported in a replay.
"""

from __future__ import annotations

import functools
import inspect
import time
import types
from collections.abc import Callable, Collection
from typing import Any, ParamSpec, TypeVar, cast, overload

from taketwo.replay.current import REGISTERED, RegisteredTool, scene_for
from taketwo.sdk.recorded import is_async, recorded

P = ParamSpec("P")
R = TypeVar("R")


@overload
def tool(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def tool(
    *, name: str | None = None, writes: bool = False, pure: bool = False, ignore: Collection[str] = ()
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    writes: bool = False,
    pure: bool = False,
    ignore: Collection[str] = (),
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function as a tool of the agent: outside a replay nothing changes, inside one it is answered, not run.

    While the process is recorded, see `record`, its calls are taken down with their results and errors.

    name: the tool's name as the model knows it; the function's own when left out.
    writes: a call changes the world. In a replay it is then never answered more often than it was recorded.
    pure: the result follows from the arguments alone, as that of a calculator. In a replay it runs where it has no
    recorded answer.
    ignore: parameters that are not the model's, such as a context that a framework passes in.

    In a replay the arguments are taken by name as the model must have sent them: what the caller leaves to a default is
    left out, and so are `self`, `cls`, the ignored ones, and values that JSON cannot hold. The recorded text comes
    back as what the function is annotated to return, and a recorded error is raised as ToolError. Works on plain and
    async functions, methods, and below `staticmethod` and `classmethod`. Where a decorator makes an async function a
    plain one, `@taketwo.tool` belongs below it, next to the function.

    Raises TypeError for a generator function, whose pieces no recording has, and for what has no name.
    """
    if function is None:
        return lambda given: tool_of(given, name=name, writes=writes, pure=pure, ignore=ignore)
    return tool_of(function, name=name, writes=writes, pure=pure, ignore=ignore)


def tool_of(
    function: Callable[P, R], *, name: str | None, writes: bool, pure: bool, ignore: Collection[str]
) -> Callable[P, R]:
    """The function as a tool, see `tool`."""
    if isinstance(function, staticmethod | classmethod):
        inner = tool_of(function.__func__, name=name, writes=writes, pure=pure, ignore=ignore)
        return cast("Callable[P, R]", type(function)(inner))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"@taketwo.tool: {function.__qualname__} yields; a tool must return its result")
    named = name or getattr(function, "__name__", None)
    if named is None:
        raise TypeError(f"@taketwo.tool: {function!r} has no name of its own: give it one with name=")
    wrapped = _async_tool if is_async(function) else _plain_tool
    REGISTERED[named] = RegisteredTool(function, writes, pure)
    hidden = frozenset(ignore)
    return cast("Callable[P, R]", wrapped(recorded(function, named, hidden), named, hidden))


def _plain_tool(function: Callable[..., Any], name: str, ignore: frozenset[str]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        scene = scene_for(name)
        if scene is None:
            return function(*args, **kwargs)
        answer = _in_replay().answered(scene, function, name, ignore, args, kwargs)
        if not answer.call.live:
            if answer.call.wait_s:
                time.sleep(answer.call.wait_s)
            return answer.given_back()
        with _in_replay().lived(scene, answer.call) as outcome:
            outcome.result = function(*args, **kwargs)
        return outcome.result

    return called


def _async_tool(function: Callable[..., Any], name: str, ignore: frozenset[str]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def called(*args: Any, **kwargs: Any) -> Any:
        scene = scene_for(name)
        if scene is None:
            return await function(*args, **kwargs)
        answer = _in_replay().answered(scene, function, name, ignore, args, kwargs)
        if not answer.call.live:
            if answer.call.wait_s:
                import asyncio  # not at the top: production need not load it

                await asyncio.sleep(answer.call.wait_s)
            return answer.given_back()
        with _in_replay().lived(scene, answer.call) as outcome:
            outcome.result = await function(*args, **kwargs)
        return outcome.result

    return called


@functools.cache
def _in_replay() -> types.ModuleType:
    """What tools do in a replay. Kept: an import in a function takes as long as a call that it is there for."""
    from taketwo.sdk import replayed

    return replayed

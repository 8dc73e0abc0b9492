"""`@taketwo.agent`: one call of the function is one turn of the conversation, and is recorded as such.

Imported by production code, so it needs only the standard library; what recording needs is imported by `record`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, ParamSpec, TypeVar, cast, overload

from taketwo.sdk.recording import recorder

P = ParamSpec("P")
R = TypeVar("R")


@overload
def agent(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def agent(*, name: str | None = None, input: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def agent(
    function: Callable[P, R] | None = None, /, *, name: str | None = None, input: str | None = None
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark the function that answers the user: once `taketwo.record` was called, each call is recorded as a turn.

    name: the agent's name; the function's own when left out.
    input: the parameter with what the user said. When left out it is `messages` if there is one, else the first one
    that is not `self` or `cls`. It takes the user's line as a text, or the messages so far.

    The function may be plain, async, or give its reply in pieces as a generator; works on methods, and below
    `staticmethod` and `classmethod`. The reply is a text, a chat message or an object like OpenAI's. Nothing about the
    function changes, and in a replay nothing is recorded.

    Raises TypeError where there is no such parameter, and for what has no name.
    """
    if function is None:
        return lambda given: _agent_of(given, name, input)
    return _agent_of(function, name, input)


def _agent_of(function: Callable[P, R], name: str | None, input: str | None) -> Callable[P, R]:
    if isinstance(function, staticmethod | classmethod):
        return cast("Callable[P, R]", type(function)(_agent_of(function.__func__, name, input)))
    named = name or getattr(function, "__name__", None)
    if named is None:
        raise TypeError(f"@taketwo.agent: {function!r} has no name of its own: give it one with name=")
    wrapped = _wrapper(function)
    return cast("Callable[P, R]", wrapped(function, named, _Input(function, input)))


class _Input:
    """Finds what the user said among the arguments."""

    def __init__(self, function: Callable[..., Any], name: str | None) -> None:
        self._signature = inspect.signature(function)
        names = [parameter for parameter in self._signature.parameters if parameter not in ("self", "cls")]
        self._name = name or ("messages" if "messages" in names else names[0] if names else None)
        if name is not None and name not in names:
            raise TypeError(f"@taketwo.agent: {function!r} has no parameter {name!r}")

    def among(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        """The argument; None when there is none, or when the arguments do not fit."""
        try:
            given = self._signature.bind_partial(*args, **kwargs).arguments
        except TypeError:
            return None
        return given.get(self._name or "")


def _wrapper(function: Callable[..., Any]) -> Callable[[Callable[..., Any], str, _Input], Callable[..., Any]]:
    if inspect.isgeneratorfunction(function):
        return _generator_agent
    if inspect.isasyncgenfunction(function):
        return _async_generator_agent
    return _async_agent if inspect.iscoroutinefunction(function) else _plain_agent


def _plain_agent(function: Callable[..., Any], name: str, given: _Input) -> Callable[..., Any]:
    @functools.wraps(function)
    def answered(*args: Any, **kwargs: Any) -> Any:
        recording = recorder()
        if recording is None:
            return function(*args, **kwargs)
        with recording.turn(name, given.among(args, kwargs)) as turn:
            return turn.given_back(function(*args, **kwargs))

    return answered


def _async_agent(function: Callable[..., Any], name: str, given: _Input) -> Callable[..., Any]:
    @functools.wraps(function)
    async def answered(*args: Any, **kwargs: Any) -> Any:
        recording = recorder()
        if recording is None:
            return await function(*args, **kwargs)
        with recording.turn(name, given.among(args, kwargs)) as turn:
            return turn.given_back(await function(*args, **kwargs))

    return answered


def _generator_agent(function: Callable[..., Any], name: str, given: _Input) -> Callable[..., Any]:
    @functools.wraps(function)
    def answered(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        recording, pieces = recorder(), function(*args, **kwargs)
        return pieces if recording is None else recording.turn(name, given.among(args, kwargs)).heard(pieces)

    return answered


def _async_generator_agent(function: Callable[..., Any], name: str, given: _Input) -> Callable[..., Any]:
    @functools.wraps(function)
    def answered(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        recording, pieces = recorder(), function(*args, **kwargs)
        return pieces if recording is None else recording.turn(name, given.among(args, kwargs)).heard_later(pieces)

    return answered

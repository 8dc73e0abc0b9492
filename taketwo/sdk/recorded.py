"""A tool's function with its calls taken down while this process is recorded."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from taketwo.sdk.recording import recorder


def recorded(function: Callable[..., Any], name: str, ignore: frozenset[str]) -> Callable[..., Any]:
    """The function; where nothing is recorded it is called as it is. name, ignore: see `tool`."""
    return _async(function, name, ignore) if is_async(function) else _plain(function, name, ignore)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a call gives a coroutine: also that of a plain function that `functools.wraps` an async one."""
    if inspect.iscoroutinefunction(function):
        return True
    return inspect.isfunction(function) and inspect.iscoroutinefunction(inspect.unwrap(function))


def _plain(function: Callable[..., Any], name: str, ignore: frozenset[str]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        recording = recorder()
        if recording is None:
            return function(*args, **kwargs)
        with recording.call(name, lambda: _arguments(function, ignore, args, kwargs)) as outcome:
            outcome.result = function(*args, **kwargs)
        return outcome.result

    return called


def _async(function: Callable[..., Any], name: str, ignore: frozenset[str]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def called(*args: Any, **kwargs: Any) -> Any:
        recording = recorder()
        if recording is None:
            return await function(*args, **kwargs)
        with recording.call(name, lambda: _arguments(function, ignore, args, kwargs)) as outcome:
            outcome.result = await function(*args, **kwargs)
        return outcome.result

    return called


def _arguments(
    function: Callable[..., Any], ignore: frozenset[str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    from taketwo.sdk.replayed import called_with

    return called_with(function, ignore, args, kwargs)

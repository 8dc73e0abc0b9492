"""An agent that is a function or an object of the user's own code; also the test double."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from taketwo.errors import AgentUnreachable
from taketwo.replay.agents import AgentFailed, Exchange, Message, Reply
from taketwo.replay.agents.shapes import AgentInput, Said, read_said
from taketwo.replay.agents.tool_loop import tool_loop
from taketwo.replay.chance import seeded
from taketwo.replay.failure import told
from taketwo.value import clean_text

METHODS = ("respond", "call")
"""Methods that an object may have instead of being callable itself."""


def open_callable(spec: str) -> CallableAgent:
    """The agent `package.module:name` or `package.module:object.attribute`, looked up from the working folder.

    Raises AgentUnreachable with the cause when it cannot be imported or is nothing that can be called with a turn.
    """
    module_name, _, path = spec.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    found: Any = None
    try:
        found = importlib.import_module(module_name)
        for name in path.split("."):
            found = getattr(found, name)
    except AttributeError as error:
        if found is not None and error.obj is found:
            raise _no_such_name(spec, str(error.name), found) from error
        raise _not_imported(spec, module_name, error) from error
    except (Exception, SystemExit) as error:  # foreign code runs on import
        raise _not_imported(spec, module_name, error) from error
    return CallableAgent(found, spec)


class CallableAgent:
    """Calls a function, or an object with `__call__` or `respond`, for each turn.

    With a first parameter named `messages` it is called with the list of chat messages, named `exchange` with the
    Exchange itself, else with an AgentInput. It may be plain, async, or yield pieces of text; what is plain runs in
    a thread of its replay. It gets a copy of the messages: what it appends to the list is not kept.
    """

    def __init__(self, given: Callable[..., Any] | object, spec: str | None = None) -> None:
        """spec: how the user named it. Raises AgentUnreachable for what cannot be called with one argument."""
        self.spec = spec or _name(given)
        self._function = _function(given, self.spec)
        self._takes = _first_parameter(self._function, self.spec)
        self._is_async = _is_async(self._function)

    async def respond(self, exchange: Exchange) -> Reply:
        """Call it; answer the tools it asks for, and call it again with their results."""
        for who in seeded():
            exchange.drew(who, exchange.seed)
        if self._takes == "exchange":
            return await self._native(exchange)

        async def ask(messages: list[Message]) -> Said:
            argument = self._argument(exchange, messages)
            try:
                return read_said(await self._call(argument, exchange))
            except (AttributeError, TypeError) as error:
                if isinstance(argument, AgentInput) and AgentInput.__name__ in str(error):
                    raise AgentFailed(self._took_something_else(error)) from error
                raise

        return await tool_loop(exchange, ask)

    async def _native(self, exchange: Exchange) -> Reply:
        reply = await self._call(exchange, exchange)
        if not isinstance(reply, Reply):
            raise AgentFailed(f"the agent returned {type(reply).__name__}, not a Reply")
        return reply

    def _argument(self, exchange: Exchange, messages: list[Message]) -> object:
        copied = [_copy(message) for message in messages]
        if self._takes == "messages":
            return copied
        return AgentInput(
            thread_id=exchange.thread_id,
            messages=copied,
            new_message=_copy(copied[-1]) if exchange.new_message or len(messages) > len(exchange.messages) else None,
            execution_id=exchange.execution_id,
        )

    def _took_something_else(self, error: Exception) -> str:
        return (
            f"{told(error)}: it is given an AgentInput, because its parameter is named {self._takes!r};"
            " name it `messages` to be given the list of messages"
        )

    async def _call(self, argument: object, exchange: Exchange) -> object:
        """What it gives, whichever way it gives it."""
        if self._is_async:
            given = self._function(argument)
        else:
            given = await exchange.in_thread(lambda: _drained(self._function(argument), exchange))
        if inspect.isawaitable(given):
            given = await given
        if isinstance(given, str | dict):  # what nearly every agent gives; asking an abstract class takes longer
            return given
        return await _gathered(given, exchange) if isinstance(given, AsyncIterator) else given


def _function(given: Any, spec: str) -> Callable[..., Any]:
    if inspect.isclass(given):
        todo = "name an instance of it, or a function"
        raise AgentUnreachable(f"{given.__name__} is a class; how to make one is not guessed", where=spec, todo=todo)
    if callable(given):
        return given  # type: ignore[no-any-return]  # any callable of foreign code
    for method in METHODS:
        if callable(function := getattr(given, method, None)):
            return function  # type: ignore[no-any-return]  # any callable of foreign code
    what = type(given).__name__
    raise AgentUnreachable(f"{what} object: neither callable nor with a method `respond`", where=spec)


def _first_parameter(function: Callable[..., Any], spec: str) -> str:
    """Name of the parameter that takes the turn."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return ""  # a builtin without a signature
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    todo = "it is called with the messages so far: def agent(messages): …"
    if not positional:
        raise AgentUnreachable("the callable takes no argument", where=spec, todo=todo)
    if too_many := [name for name in needed if name != positional[0].name]:
        raise AgentUnreachable(
            f"the callable needs more than one argument: {', '.join(too_many)}", where=spec, todo=todo
        )
    return positional[0].name


def _is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it returns at once, and what it gives is awaited or iterated."""
    called = getattr(function, "__call__", function)  # noqa: B004  # the method, to look at its kind
    return any(
        test(candidate)
        for test in (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        for candidate in (function, called)
    )


def _copy(message: Message) -> Message:
    is_flat = type(message["content"]) is str and "tool_calls" not in message
    return message.copy() if is_flat else deepcopy(message)


async def _gathered(stream: AsyncIterator[object], exchange: Exchange) -> str:
    """The text that an async generator yields in pieces."""
    pieces: list[str] = []
    try:
        async for piece in stream:
            pieces.append(_heard(piece, exchange))
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
    return "".join(pieces)


def _drained(given: object, exchange: Exchange) -> object:
    """The text of a generator, whose code runs in this thread; anything else as it is."""
    if not isinstance(given, Iterator):
        return given
    return "".join(_heard(piece, exchange) for piece in given)


def _heard(piece: object, exchange: Exchange) -> str:
    if not isinstance(piece, str):
        raise AgentFailed(f"the agent yielded {type(piece).__name__}, not pieces of text")
    cleaned = clean_text(piece)
    exchange.hear(cleaned)
    return cleaned


def _name(given: object) -> str:
    named = given if hasattr(given, "__qualname__") else type(given)
    return f"{getattr(named, '__module__', '')}:{getattr(named, '__qualname__', '')}"


def _not_imported(spec: str, module_name: str, error: BaseException) -> AgentUnreachable:
    if isinstance(error, ModuleNotFoundError) and error.name and f"{module_name}.".startswith(f"{error.name}."):
        return _no_such_module(spec, module_name, error.name)
    return AgentUnreachable(f"cannot import {module_name!r}: {told(error)}", where=spec)


def _no_such_module(spec: str, module_name: str, missing: str) -> AgentUnreachable:
    """The module itself is not there: no line of the user's code has failed."""
    if module_name.endswith(".py"):
        as_module = module_name.removesuffix(".py").replace("/", ".").strip(".")
        todo = f"name the module, not the file: {as_module}:…"
    else:
        here = [file.stem for file in Path.cwd().glob("*.py")]
        near = difflib.get_close_matches(missing, here, n=1)
        todo = f"did you mean {near[0]!r}?" if near else "is it written as it is imported, from this folder?"
    return AgentUnreachable(f"there is no module {missing!r} in {Path.cwd()}, nor installed", where=spec, todo=todo)


def _no_such_name(spec: str, name: str, within: object) -> AgentUnreachable:
    near = difflib.get_close_matches(name, [public for public in dir(within) if not public.startswith("_")], n=1)
    return AgentUnreachable(f"there is no {name!r}", where=spec, todo=f"did you mean {near[0]!r}?" if near else None)

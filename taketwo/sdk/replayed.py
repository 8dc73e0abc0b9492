"""A tool's call inside a replay: its arguments as the model sent them, and what it gives back."""

from __future__ import annotations

import ast
import functools
import inspect
import time
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from taketwo.replay.agents.tool_loop import as_text
from taketwo.replay.current import AskedCall, CameBack, Scene
from taketwo.sdk.tool_error import ToolError
from taketwo.value import JSON, Value, clean_json, clean_text

NO_JSON = object()
"""Stands for a value that no model can have sent."""
ANYTHING = object()
"""Stands for a return annotation that is missing or cannot be read."""


class Live:
    """The tool really runs; how that ended."""

    def __init__(self, call: CameBack) -> None:
        """call: which call of the replay it is."""
        self.call = call
        self.result: Any = None


class Answered(Value):
    """What a call of a tool gets in a replay."""

    call: CameBack
    """The call with what came back; where it is `live`, the tool is to run."""
    returns: object
    """The function's return annotation, resolved."""

    def given_back(self) -> Any:
        """The recorded result as the function would have returned it. Raises ToolError for a recorded error."""
        call = self.call
        if call.error is not None:
            raise ToolError(call.error if call.raised is None else call.raised)
        return as_returned(call.result, self.returns)


def answered(
    scene: Scene,
    function: Callable[..., Any],
    name: str,
    ignore: frozenset[str],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Answered:
    """What this call gets. Raises TypeError, as the function itself would, for arguments that do not fit."""
    shape = _shape(function, ignore)
    try:
        arguments = shape.arguments(args, kwargs)
    except TypeError as error:
        scene.own(AskedCall(name, _as_json(kwargs)), error=f"TypeError: {error}")
        raise
    return Answered(call=scene.call(AskedCall(name, arguments)), returns=shape.returns)


def called_with(
    function: Callable[..., Any], ignore: frozenset[str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, JSON]:
    """The arguments as the model sent them; those given by name where they do not fit the function."""
    try:
        return _shape(function, ignore).arguments(args, kwargs)
    except TypeError:
        return _as_json(kwargs)


@contextmanager
def lived(scene: Scene, call: CameBack) -> Iterator[Live]:
    """Around the real call: takes down its result or its error."""
    live = Live(call)
    began = time.perf_counter()
    try:
        yield live
    except Exception as error:  # foreign code; taken down and passed on
        said = clean_text(str(error)) or type(error).__name__
        scene.lived(live.call, error=said, latency_ms=(time.perf_counter() - began) * 1000)
        raise
    took_ms = (time.perf_counter() - began) * 1000
    scene.lived(live.call, result=clean_json(live.result), latency_ms=took_ms)


def as_returned(result: JSON, returns: object) -> Any:
    """The recorded result as a function with this return annotation would have returned it.

    Text stays text where the annotation is `str`. Otherwise text that is JSON, or the `repr` of a dict or list as some
    libraries record it, is parsed, and made into the annotated class where there is one. What does not fit is given as
    it was recorded.
    """
    if returns is str:
        return as_text(result)
    # The agent may change what it is given; the recording must stay as it is.
    if isinstance(result, str) and returns is ANYTHING and result[:1] not in ("{", "["):
        # An order number is a text for all that is known, and becomes no number by itself.
        return result
    parsed = _parsed(result) if isinstance(result, str) else deepcopy(result)
    if returns is dict and isinstance(parsed, dict):
        return parsed
    members = typing.get_args(returns) if _is_union(returns) else (returns,)
    if str in members and not isinstance(parsed, dict | list | None):
        return result
    converted = _converted(parsed, returns)
    return converted if converted is not NO_JSON else (result if str in members else parsed)


def _parsed(text: str) -> JSON:
    """The JSON value, or the Python literal, that a text stands for; else the text."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        if text[:1] not in "{[(":
            return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _converted(value: JSON, returns: object) -> Any:
    """The value as an instance of the annotation; NO_JSON when it is none."""
    if returns is ANYTHING or returns is None or returns is Any:
        return value
    try:
        if isinstance(returns, type) and hasattr(returns, "model_validate"):
            return returns.model_validate(value)
        return msgspec.convert(value, returns)
    except (TypeError, ValueError):  # ValidationError of msgspec and pydantic are ValueErrors
        return NO_JSON


def _is_union(annotation: object) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


class Shape(NamedTuple):
    """What is needed of a function's signature, read once."""

    signature: inspect.Signature
    """The signature."""
    names: frozenset[str]
    """Parameters that can be given by name."""
    needed: frozenset[str]
    """Those of them without a default."""
    hidden: frozenset[str]
    """Parameters that are not the model's."""
    keywords: str | None
    """Name of the `**` parameter; None when there is none."""
    returns: object
    """The return annotation, resolved; ANYTHING when there is none."""

    def arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, JSON]:
        """The arguments as the model sent them. Raises TypeError when they do not fit the function."""
        if not args and self.needed <= kwargs.keys() <= self.names:
            return _as_json(kwargs)
        given = dict(self.signature.bind(*args, **kwargs).arguments)
        if self.keywords is not None:
            given |= given.pop(self.keywords, {})
        return _as_json({name: value for name, value in given.items() if name not in self.hidden})


@functools.lru_cache(maxsize=4096)
def _shape(function: Callable[..., Any], ignore: frozenset[str]) -> Shape:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    hidden = ignore | {p.name for p in parameters[:1] if p.name in ("self", "cls")}
    by_name = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    has_others = len(by_name) < len(parameters)
    return Shape(
        signature,
        # Empty sends every call through `bind`, which knows what to do with `*args` and `/`.
        names=frozenset() if has_others else frozenset(p.name for p in by_name) - hidden,
        needed=frozenset(
            p.name
            for p in parameters
            if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ),
        hidden=hidden,
        keywords=next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None),
        returns=_returns(function),
    )


def _returns(function: Callable[..., Any]) -> object:
    try:
        hint = typing.get_type_hints(function).get("return", ANYTHING)
    except Exception:  # foreign annotations; one that cannot be read says nothing
        return ANYTHING
    return dict if hint == dict[str, Any] else hint


def _as_json(given: Mapping[str, Any]) -> dict[str, JSON]:
    """The arguments that JSON can hold."""
    return {name: held for name, value in given.items() if (held := _held(value)) is not NO_JSON}


def _held(value: object) -> JSON:
    if type(value) is str:
        return clean_text(value)
    match value:
        case None | bool():
            return value
        case Enum():
            return _held(value.value)
        case str():
            return clean_text(str.__str__(value))
        case int() | float() | dict() | list() | tuple():
            return clean_json(value)
    if hasattr(value, "model_dump"):
        return clean_json(value)
    try:
        return clean_json(msgspec.to_builtins(value))
    except (TypeError, ValueError, RecursionError):
        return NO_JSON

"""Who answers a tool call that no recording answers: a person at the terminal, a stub, or a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import msgspec

from taketwo.conversation import Call, ToolDefinition
from taketwo.replay.current import AskedCall
from taketwo.run import Miss
from taketwo.value import JSON, clean_json


class Made(NamedTuple):
    """An answer that somebody made up; the run marks it as `synthesised`."""

    by: str
    """Who: `person`, or the name of the stub or the model."""
    result: JSON = None
    """What the tool gives back; None when there is an error."""
    error: str | None = None
    """The error that the agent reads; None when the call succeeds."""
    confidence: float = 0.5
    """How sure it is that the tool would answer so, from 0 to 1."""


class Missing(NamedTuple):
    """A call that no recording answers, with what is known of it."""

    asked: AskedCall
    """The call."""
    miss: Miss
    """Why nothing answers it, and what comes nearest."""
    recorded: tuple[Call, ...]
    """The recorded calls of this tool, in order."""
    definition: ToolDefinition | None
    """What the recorded agent was told of it; None when that is not known."""


StandIn: TypeAlias = Callable[[Missing], Made | None]
"""Answers a call, or gives None when it cannot either. It is called wherever the agent calls its tool, perhaps in the
event loop of all replays, so those wait for it."""


def stub(function: Callable[..., Any], named: str) -> StandIn:
    """A function of (tool, arguments) as stand-in: it returns the result, or raises the tool's error.

    A LookupError means that it does not know this tool or these arguments.
    """

    def answer(missing: Missing) -> Made | None:
        try:
            result = clean_json(function(missing.asked.tool, missing.asked.arguments))
        except LookupError:
            return None
        except Exception as error:  # foreign code; what it raises is what the tool would raise
            return Made(named, error=f"{type(error).__name__}: {error}")
        return Made(named, result)

    return answer


def person(ask: Callable[[str], str]) -> StandIn:
    """Somebody at the terminal. ask: shows a text and gives what was typed; nothing typed means: I do not know."""

    def answer(missing: Missing) -> Made | None:
        asked, miss = missing.asked, missing.miss
        nearest = f"\n  nearest recorded: {'; '.join(miss.differences)}" if miss.differences else ""
        arguments = msgspec.json.encode(asked.arguments).decode()
        typed = ask(
            f"{asked.tool} {arguments}{nearest}\n  its result (JSON or text, `error: …` for an error, empty to stop)"
        )
        if not typed.strip():
            return None
        if typed.startswith("error:"):
            return Made("person", error=typed.removeprefix("error:").strip(), confidence=0.9)
        return Made("person", _as_json(typed), confidence=0.9)

    return answer


def _as_json(typed: str) -> JSON:
    try:
        return msgspec.json.decode(typed)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return typed

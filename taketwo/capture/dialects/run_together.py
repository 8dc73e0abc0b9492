"""Parallel calls that a stream's instrumentation wrote as one: names, ids and arguments of all of them in a row.

OpenInference for JavaScript adds up what a stream brings without looking at which call it belongs to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from taketwo.capture.reading import Message, ToolCall
from taketwo.value import JSON

MOST = 100
"""So many calls are told apart at most."""
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"\s*")


def parted(message: Message, tools: Collection[str]) -> Message:
    """The message with such calls apart, as far as the names of the tools and the arguments tell them apart."""
    if not any(call.text and call.name not in tools for call in message.calls):
        return message
    return message.but(calls=tuple(one for call in message.calls for one in _parted(call, tools)))


def _parted(call: ToolCall, tools: Collection[str]) -> list[ToolCall]:
    given = _objects((call.text or "").strip())
    names = _names(call.name, len(given), tools) if len(given) > 1 else None
    if call.name in tools or names is None:
        return [call]
    ids = _ids(call.id or "", len(given))
    return [
        ToolCall(name=name, id=one, arguments=arguments) for name, one, arguments in zip(names, ids, given, strict=True)
    ]


def _objects(text: str) -> list[dict[str, JSON]]:
    """The objects that stand in a row; none where there is something else between them, or too many."""
    found: list[dict[str, JSON]] = []
    end = 0
    while end < len(text):
        try:
            value, end = _DECODER.raw_decode(text, end)
        except (ValueError, RecursionError):
            return []
        if not isinstance(value, dict) or len(found) == MOST:
            return []
        found.append(value)
        end = _SPACE.match(text, end).end()  # type: ignore[union-attr]  # it matches nothing, too
    return found


def _names(text: str, count: int, tools: Collection[str]) -> list[str] | None:
    """The names of tools that make up the text, so many of them; None where there are none or no one way."""
    ways: dict[int, list[list[str]]] = {0: [[]]}
    for _ in range(count):
        longer: dict[int, list[list[str]]] = {}
        for end, some in ways.items():
            for name in tools:
                if name and text.startswith(name, end):
                    there = longer.setdefault(end + len(name), [])
                    there += [[*way, name] for way in some]
                    del there[2:]  # two are no one way
        ways = longer
    whole = ways.get(len(text), [])
    return whole[0] if len(whole) == 1 else None


def _ids(text: str, count: int) -> list[str] | list[None]:
    """The ids in a row where they are equally long and begin alike, as those of one provider do; else none."""
    each, rest = divmod(len(text), count)
    parts = [text[number * each : (number + 1) * each] for number in range(count)]
    alike = not rest and each > 0 and len({part.split("_")[0] for part in parts}) == 1 and "_" in parts[0]
    return parts if alike else [None] * count

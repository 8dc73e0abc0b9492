"""Whose instructions a model call has: one agent's may hold the time, or what was looked up for the line."""

from __future__ import annotations

import re
from collections.abc import Iterable

from taketwo.capture.trace_tree import Seen

LONG_OPENING = 60
"""Letters that instructions must have in common at their beginning to be one agent's with something filled in."""

_CHANGING = re.compile(r"\d+|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b", re.IGNORECASE)


def name_voices(calls: Iterable[Seen], known: list[tuple[str, str | None]]) -> None:
    """Give every call the voice it speaks with: the instructions that its agent was seen with first, else its name.

    `known` are the instructions seen before, with the name of each one's agent; new ones are added.
    """
    for call in calls:
        instructions, name = call.reading.system, call.agent
        if instructions is None:
            call.voice = name or ""
            continue
        alike = (first for first, of in known if _may_be_one(of, name) and same_instructions(first, instructions))
        same = next(alike, None)
        if same is None:
            known.append((instructions, name))
        call.voice = same or instructions


def same_instructions(one: str, other: str) -> bool:
    """Whether two instructions are one agent's: equal but for dates and numbers, or alike in a long opening."""
    if one == other:
        return True
    if min(len(one), len(other)) >= LONG_OPENING and one[:LONG_OPENING] == other[:LONG_OPENING]:
        return True
    return _CHANGING.sub("0", one) == _CHANGING.sub("0", other)


def same_voice(one: Seen, other: Seen) -> bool:
    """Whether two calls may be the same agent's: by the instructions, by the name where those are not captured."""
    if _shows_instructions(one) and _shows_instructions(other):
        return one.voice == other.voice
    return _may_be_one(one.agent, other.agent)


def _shows_instructions(call: Seen) -> bool:
    """Whether instructions would be seen if there were any."""
    return call.reading.evidence not in ("nothing", "wrapper") and call.reading.request_lacks != "head"


def _may_be_one(name: str | None, other: str | None) -> bool:
    return name is None or other is None or name == other

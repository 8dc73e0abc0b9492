"""Messages flattened into a family of attributes: `llm.input_messages.0.message.role` and the like."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from taketwo.value import JSON


@lru_cache(maxsize=65536)
def _steps(rest: str) -> tuple[int | str, ...]:
    """The path of a key, its numbers as numbers. The same keys come again on every span."""
    return tuple(int(step) if step.isdecimal() and len(step) < 9 else step for step in rest.split("."))


def family(attributes: Mapping[str, JSON], prefix: str) -> dict[int, JSON]:
    """The members of a family by number, each nested as its keys say; without those that have no number."""
    length = len(prefix)
    nested: dict[int | str, JSON] = {}
    for key, value in attributes.items():
        if key.startswith(prefix) and len(key) > length:
            _put(nested, _steps(key[length:]), value)
    return {number: member for number, member in nested.items() if isinstance(number, int)}


def _put(nested: dict[int | str, JSON], steps: tuple[int | str, ...], value: JSON) -> None:
    place = nested
    for step in steps[:-1]:
        inner = place.get(step)
        if not isinstance(inner, dict):
            inner = place[step] = {}
        place = inner
    place[steps[-1]] = value


def in_order(members: Mapping[int, JSON]) -> list[JSON]:
    """The members in the order of their numbers: 10 comes after 2."""
    return [members[number] for number in sorted(members)]


def begins_late(members: Mapping[int, JSON]) -> bool:
    """Whether the beginning of a family was thrown away: SDKs over their limit drop the oldest attributes first."""
    return bool(members) and min(members) > 0

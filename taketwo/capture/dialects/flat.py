"""Messages flattened into a family of attributes: `llm.input_messages.0.message.role` and the like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from taketwo.capture.dialects.messages import read_messages
from taketwo.capture.reading import Lacks, Message, Role
from taketwo.value import JSON

LARGEST_KEPT = 4096
"""Characters of a message that is kept for the next span: every request repeats the ones before it."""

Pairs = tuple[tuple[str, JSON], ...]


def family(attributes: Mapping[str, JSON], prefix: str) -> list[JSON]:
    """The members of a family in the order of their numbers, 10 after 2, each nested as its keys say."""
    members = _members(attributes, prefix)
    return [_nested(members[number]) for number in sorted(members)]


def flat_messages(
    attributes: Mapping[str, JSON], prefix: str, role: Role, *, dropped: int = 0
) -> tuple[tuple[Message, ...] | None, Lacks]:
    """The messages of a family and which end of it is lost; None where there is no such family.

    SDKs over their limit drop the oldest attributes first. A family whose beginning went that way begins with the
    first member that still has its role: of the one before, some values may be left without it.
    """
    members = _members(attributes, prefix)
    if not members:
        return None, "nothing"
    numbers = sorted(members)
    late = numbers[0] > 0 and dropped > 0
    while late and numbers and not _has_role(members[numbers[0]]):
        numbers = numbers[1:]
    found = [message for number in numbers for message in _messages(tuple(members[number]), role)]
    return tuple(found), "head" if late else "nothing"


def _members(attributes: Mapping[str, JSON], prefix: str) -> dict[int, list[tuple[str, JSON]]]:
    """Keys and values by member; keys without a number belong to none."""
    length = len(prefix)
    members: dict[int, list[tuple[str, JSON]]] = {}
    for key, value in attributes.items():
        if key.startswith(prefix):
            number, dot, rest = key[length:].partition(".")
            if dot and number.isdecimal() and len(number) < 9:
                members.setdefault(int(number), []).append((rest, value))
    return members


def _has_role(pairs: Iterable[tuple[str, JSON]]) -> bool:
    return any(rest in ("message.role", "role") for rest, _ in pairs)


def _messages(pairs: Pairs, role: Role) -> tuple[Message, ...]:
    if sum(len(value) for _, value in pairs if isinstance(value, str)) > LARGEST_KEPT:
        return read_messages(_nested(pairs), role)
    try:
        return _kept(pairs, role)
    except TypeError:  # a list among the values
        return read_messages(_nested(pairs), role)


@lru_cache(maxsize=4096)
def _kept(pairs: Pairs, role: Role) -> tuple[Message, ...]:
    return read_messages(_nested(pairs), role)


def _nested(pairs: Iterable[tuple[str, JSON]]) -> dict[int | str, JSON]:
    nested: dict[int | str, JSON] = {}
    for rest, value in pairs:
        _put(nested, _steps(rest), value)
    return nested


@lru_cache(maxsize=16384)
def _steps(rest: str) -> tuple[int | str, ...]:
    """The path of a key, its numbers as numbers. The same keys come again on every span."""
    return tuple(int(step) if step.isdecimal() and len(step) < 9 else step for step in rest.split("."))


def _put(nested: dict[int | str, JSON], steps: tuple[int | str, ...], value: JSON) -> None:
    place = nested
    for step in steps[:-1]:
        inner = place.get(step)
        if not isinstance(inner, dict):
            inner = place[step] = {}
        place = inner
    place[steps[-1]] = value

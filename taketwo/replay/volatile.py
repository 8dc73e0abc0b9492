"""Arguments that do not matter: learned from calls that came back the same whatever stood in them.

An id always matters, and so does every number with which something is changed. What a write may be asked otherwise is
only what people read, such as a summary, and what programs make up for each call, such as a request id.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from taketwo.conversation import Call
from taketwo.replay.ids import is_id, is_nonce, is_prose
from taketwo.replay.matching import Arguments, canonical_key
from taketwo.replay.results import EMPTY, agree, has_failed, parsed
from taketwo.value import JSON

Told: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values of arguments that a failure names."""

ENOUGH = 2
"""Pairs of calls that must have come back the same before an argument is taken not to matter."""


class Volatile(NamedTuple):
    """Arguments of a tool that do not matter."""

    names: frozenset[str]
    """Their names."""
    seen: int
    """How many calls with other values in them came back the same; 0 when only their kind says so."""


NOTHING = Volatile(frozenset(), 0)


def volatile_arguments(calls: Sequence[Call], *, writes: bool | None) -> Volatile:
    """Which arguments of this tool the recordings show not to matter."""
    told = [call for call in calls if not has_failed(call) and parsed(call.result) not in EMPTY]
    names = {name for call in calls for name in call.arguments}
    loose = frozenset(name for name in names if _is_loose([call.arguments.get(name) for call in calls]))
    if loose:
        same, different = _outcomes(told, loose)
        if not different and (same >= ENOUGH or (writes is True and not _is_echoed(told, loose))):
            return Volatile(loose, same)
    if writes is not False:
        return NOTHING
    return _one_by_one(told, sorted(names - loose))


def without(arguments: Arguments, names: frozenset[str]) -> bytes:
    """A key of the arguments that matter."""
    return canonical_key({name: value for name, value in arguments.items() if name not in names}, keep_ids=True)


def _one_by_one(calls: Sequence[Call], names: Sequence[str]) -> Volatile:
    """Arguments of a read that never made a difference in calls that were equal but for them."""
    found: set[str] = set()
    seen = 0
    for name in names:
        if any(is_id(name, call.arguments.get(name)) for call in calls):
            continue
        same, different = _outcomes(calls, frozenset((name,)))
        if same > ENOUGH and not different:
            found.add(name)
            seen += same
    return Volatile(frozenset(found), seen)


def _outcomes(calls: Sequence[Call], names: frozenset[str]) -> tuple[int, int]:
    """How many calls that differ in these arguments alone came back the same, and how many did not."""
    groups: dict[bytes, list[Call]] = defaultdict(list)
    for call in calls:
        groups[without(call.arguments, names)].append(call)
    same = different = 0
    for group in groups.values():
        values = {canonical_key({name: call.arguments.get(name) for name in names}): call for call in group}
        first, *others = values.values()
        equal = sum(agree(first, other) for other in others)
        same, different = same + equal, different + len(others) - equal
    return same, different


def _is_loose(values: Sequence[JSON]) -> bool:
    """Words for people or made up for each call: nothing that the world knows."""
    known = [value for value in values if value is not None]
    return bool(known) and (all(map(is_prose, known)) or (len(known) > 1 and all(map(is_nonce, known))))


def _is_echoed(calls: Sequence[Call], names: frozenset[str]) -> bool:
    """Whether results repeat what stood in these arguments, so that another value gives another result."""
    return not calls or any(
        isinstance(value, str) and value.strip()[:40] in json.dumps(call.result, ensure_ascii=False)
        for call in calls
        for name, value in call.arguments.items()
        if name in names
    )


class Refusals:
    """The failed calls of a tool whose failure names what it was asked for.

    `flight F-12 is full` is the answer to every booking of F-12 in the same class, whoever pays and whatever else is in
    it, unless one that asked for it too came back otherwise. A refusal changes nothing, so this holds for writes, too.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        """calls: all recorded calls of the tool."""
        self._calls = calls
        failed = [(position, call) for position, call in enumerate(calls) if has_failed(call)]
        self._known = [(position, named) for position, call in failed if (named := _named(call))]

    def of(self, asked: Arguments) -> int | None:
        """Position of the call whose refusal holds for these arguments; None when there is none."""
        options = _options(asked) if self._known else b""
        for position, named in self._known:
            refused = self._calls[position]
            if not _stand_in(named, asked) or options != _options(refused.arguments):
                continue
            if not any(_stand_in(named, call.arguments) and not agree(call, refused) for call in self._calls):
                return position
        return None


def _options(arguments: Arguments) -> bytes:
    """The plain arguments that name no thing: classes, amounts, dates."""
    plain = {name: value for name, value in arguments.items() if not isinstance(value, dict | list)}
    return canonical_key({name: value for name, value in plain.items() if not is_id(name, value)}, keep_ids=True)


def _named(refused: Call) -> frozenset[Told]:
    """The values of the arguments that the failure names, those of one record together."""
    text = (refused.error if refused.error is not None else json.dumps(refused.result, ensure_ascii=False)).casefold()
    words = set(re.findall(r"[\w@.+-]+", text)) | {word.strip(".") for word in re.findall(r"[\w@.+-]+", text)}
    found = set()
    for position, record in enumerate(_records(refused.arguments)):
        told = [(name, value) for name, value in record if value in words and _is_telling(name, value)]
        if any(is_id(name, value) for name, value in told):
            # A flight is full on its day: what stands inside an argument beside the named id belongs to it.
            found.add(tuple(sorted(record if position else told)))
    return frozenset(found)


def _is_telling(name: str, value: str) -> bool:
    return len(value) > 2 and (any(map(str.isdigit, value)) or is_id(name, value))


def _stand_in(named: frozenset[Told], arguments: Arguments) -> bool:
    """Whether the arguments have these values, too, those of one record in one record."""
    records = [set(record) for record in _records(arguments)]
    return all(any(record.issuperset(told) for record in records) for told in named)


def _records(value: JSON) -> Iterator[list[tuple[str, str]]]:
    """Each object in there with its plain values."""
    match value:
        case dict():
            yield [(name, str(item).casefold()) for name, item in value.items() if isinstance(item, str | int | float)]
            for item in value.values():
                yield from _records(item)
        case list():
            for item in value:
                yield from _records(item)
        case _:
            return

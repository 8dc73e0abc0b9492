"""What the writes of a replay have changed, and what a read shows after them.

A read is answered by a recorded one only where both have the same past: the same writes to the things that they name.
Where the replay has written something else, the read shows what the write gave back, when that is the same kind of
record, or what it showed before with the write's values put in. Otherwise nobody knows what it would show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from taketwo.conversation import Call
from taketwo.replay.ids import ids_in, is_id
from taketwo.replay.matching import Arguments, canonical_key
from taketwo.replay.recorded_calls import Recorded
from taketwo.replay.results import has_failed, parsed
from taketwo.value import JSON, same_json

SAME_KIND = 0.8
"""Share of a record's fields that a write's result must have to be taken for that record."""


class Write(NamedTuple):
    """A write that succeeded."""

    tool: str
    """Name of the tool."""
    key: bytes
    """Its arguments, equal where they mean the same."""
    ids: frozenset[str]
    """What it names, in arguments and result."""
    aims: frozenset[str]
    """What it names in its arguments alone."""
    call: Call
    """The call with its result."""
    recorded: Recorded | None
    """The recorded call it was answered from; None when it stands in a recording itself, or ran live."""


def ids_of(call: Call) -> frozenset[str]:
    """What a call names in its arguments and its result."""
    return frozenset((*ids_in(call.arguments), *ids_in(parsed(call.result))))


def touches(write: Write, arguments: Arguments, result: JSON) -> bool:
    """Whether a write names something that a read asks for; one that names nothing is told by what it gave back."""
    asked = set(ids_in(arguments))
    return not write.ids.isdisjoint(asked or set(ids_in(parsed(result))))


def aims_at(write: Write, arguments: Arguments) -> bool:
    """Whether a write was asked to change what a read asks for, and does not only mention it in what it gave back."""
    asked = set(ids_in(arguments))
    return not asked or not write.aims or not write.aims.isdisjoint(asked)


def echoed(write: Call, arguments: Arguments, known: JSON) -> dict[str, JSON] | None:
    """The write's own result where that is the record which the read would give; None where it is not.

    known: any result of the read, to see what its records look like.
    """
    result = parsed(write.result)
    if not isinstance(result, dict) or not isinstance(known, dict) or not known:
        return None
    asked = {name: value for name, value in arguments.items() if is_id(name, value)}
    if not asked or not all(same_json(result.get(name), value) for name, value in asked.items()):
        return None
    return result if len(result.keys() & known.keys()) >= SAME_KIND * len(known) else None


def patched(before: JSON, writes: Sequence[Call]) -> dict[str, JSON] | None:
    """What the read gave before, with the values of the writes put into fields of the same name; None where no write
    has any.
    """
    if not isinstance(before, dict):
        return None
    after = dict(before)
    for write in writes:
        given = parsed(write.result)
        values = {**write.arguments, **(given if isinstance(given, dict) else {})}
        fields = {name: value for name, value in values.items() if name in after and not is_id(name, value)}
        if not fields:
            return None
        after |= fields
    return after


class History:
    """The writes of one recorded conversation, in order."""

    def __init__(self, calls: Sequence[Recorded], writes: Callable[[str], bool | None]) -> None:
        """writes: does this tool change the world?"""
        self._writes = [
            (position, as_write(recorded.call))
            for position, recorded in enumerate(calls)
            if recorded.unknown is None and writes(recorded.call.tool) and not has_failed(recorded.call)
        ]
        # Most conversations write nothing, and then nobody asks.
        self._positions = {id(recorded): position for position, recorded in enumerate(calls)} if self._writes else {}

    def before(self, recorded: Recorded) -> list[Write]:
        """The writes that had been made when this call was."""
        if not self._writes:
            return []
        at = self._positions[id(recorded)]
        return [write for position, write in self._writes if position < at]


def as_write(call: Call, recorded: Recorded | None = None) -> Write:
    """A call that has changed the world. recorded: what it was answered from."""
    key = canonical_key(call.arguments, keep_ids=True)
    return Write(call.tool, key, ids_of(call), frozenset(ids_in(call.arguments)), call, recorded)


def without_unseen(write: Write, names: frozenset[str], shown: str) -> Write:
    """The write without those of these arguments whose values a read does not show. shown: the read's result."""
    unseen = {name for name in names if (value := write.call.arguments.get(name)) and str(value) not in shown}
    kept = {name: value for name, value in write.call.arguments.items() if name not in unseen}
    return write._replace(key=canonical_key(kept, keep_ids=True)) if unseen else write


def same_past(one: Sequence[Write], other: Sequence[Write]) -> bool:
    """Whether the same was written, in whatever order."""
    return sorted((write.tool, write.key) for write in one) == sorted((write.tool, write.key) for write in other)

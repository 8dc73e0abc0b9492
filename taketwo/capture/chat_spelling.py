"""How a chat was spelled where our own spelling of the conversation differs: extra keys, other orders, odd messages.

A conversation keeps what was said and done. What else stood in the file lies here, as differences, so that the file can
be given back letter by letter and nothing is kept twice.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from taketwo.value import JSON, Value

METADATA_KEY: Final = "chat_spelling"
"""Where a conversation keeps it among its metadata."""


class Change(Value, omit_defaults=True):
    """One place where the given messages differ from ours."""

    at: list[int | str]
    """The path: position of the message, then keys and positions inside it."""
    to: JSON = None
    """What stands there."""
    gone: bool = False
    """Nothing stands there, not even null."""


class Spelling(Value, omit_defaults=True):
    """All that our own spelling of a conversation does not give back."""

    messages: int
    """How many messages our spelling has."""
    named_results: bool = False
    """Whether our spelling says the tool's name beside each result, as many files do."""
    order: list[int] | None = None
    """For each message of our spelling, in turn, its position among the given ones; None where they come in turn."""
    other: list[tuple[int, JSON]] = []
    """Whole messages that have no place in a conversation, each with its position."""
    changes: list[Change] = []
    """Differences inside the messages that have one."""


def spelling(given: Sequence[JSON], ours: Sequence[JSON], order: list[int], *, named_results: bool) -> Spelling:
    """What must be kept to get the given messages back from ours, when our n-th one is the given `order[n]`-th."""
    placed = set(order)
    return Spelling(
        messages=len(ours),
        named_results=named_results,
        order=None if order == sorted(order) else order,
        other=[(position, message) for position, message in enumerate(given) if position not in placed],
        changes=[
            change
            for message, position in zip(ours, order, strict=True)
            for change in _changes(message, given[position], [position])
        ],
    )


def respelled(ours: Sequence[JSON], kept: Spelling) -> list[JSON]:
    """The given messages back from ours; ours alone where the conversation was shortened or lengthened since."""
    others = dict(kept.other)
    free = (position for position in itertools.count() if position not in others)
    order = list(itertools.islice(free, len(ours))) if kept.order is None else kept.order
    if len(ours) != kept.messages or len(order) != kept.messages:
        return list(ours)
    messages = copy.deepcopy({**dict(zip(order, ours, strict=True)), **others})
    for change in kept.changes:
        _apply(change, messages)
    return [messages[position] for position in sorted(messages)]


def _changes(ours: JSON, given: JSON, at: list[int | str]) -> Iterator[Change]:
    match ours, given:
        case dict(), dict():
            for key in ours:
                if key not in given:
                    yield Change(at=[*at, key], gone=True)
            for key, item in given.items():
                if key in ours:
                    yield from _changes(ours[key], item, [*at, key])
                else:
                    yield Change(at=[*at, key], to=item)
        case list(), list() if len(ours) == len(given):
            for position, item in enumerate(given):
                yield from _changes(ours[position], item, [*at, position])
        case _ if type(ours) is not type(given) or ours != given:
            yield Change(at=at, to=given)


def _apply(change: Change, messages: JSON) -> None:
    """Make one change; a place that is no longer there was edited away, and its spelling with it."""
    *path, last = change.at
    place = messages
    try:
        for step in path:
            place = place[step]
        if change.gone:
            del place[last]
        else:
            place[last] = copy.deepcopy(change.to)
    except (KeyError, IndexError, TypeError):
        return

"""Is this call that recorded call? A key for each tier, so that an index can answer; and in words, what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from taketwo.canonical import canonical
from taketwo.value import JSON, canonical_json, clean_json, clean_text, cut_to

Arguments: TypeAlias = dict[str, JSON]
"""The arguments of a call by name."""

LONGEST_SHOWN = 80
"""Longer values are cut in what people read."""
MISSING = object()
"""Stands for a key that one side does not have."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def read_arguments(text: str) -> tuple[Arguments, str | None]:
    """The arguments as a model wrote them: an object and None, or nothing and the text when it is no JSON object.

    Models write nothing at all, or null, for a call without arguments.
    """
    if not text.strip():
        return {}, None
    try:
        read = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return {}, clean_text(text)
    match read:
        case None:
            return {}, None
        case dict():
            return clean_json(read), None
        case _:
            return {}, clean_text(text)


def exact_key(arguments: Arguments) -> bytes:
    """Equal keys, equal JSON: the order of keys does not matter, `25` and `25.0` stay different."""
    return _encode(arguments)


def canonical_key(arguments: Arguments, *, keep_ids: bool = False) -> bytes:
    """Equal keys, equal meaning (see `canonical`)."""
    return _encode(canonical(arguments, keep_ids=keep_ids))


def differences(asked: Arguments, recorded: Arguments, *, keep_ids: bool = False) -> tuple[str, ...]:
    """What differs in meaning, one line a place: `amount: recorded 20, asked 25`."""
    return tuple(_lines(asked, recorded, _same_id_and_meaning if keep_ids else _same_meaning, ""))


def nearest(asked: Arguments, candidates: Sequence[Arguments]) -> int | None:
    """Which candidate comes nearest: fewest differences first, then most similar letters; None without any."""
    from rapidfuzz.fuzz import ratio

    text = canonical_json(asked)
    ranked = [
        (len(differences(asked, candidate)), -ratio(text, canonical_json(candidate)), position)
        for position, candidate in enumerate(candidates)
    ]
    return min(ranked)[2] if ranked else None


def shown(value: JSON) -> str:
    """A value as JSON, cut to what fits into a line."""
    return cut_to(canonical_json(value), LONGEST_SHOWN)


def _same_meaning(asked: JSON, recorded: JSON) -> bool:
    # A key with a null means the same as no key.
    one, other = (None if side is MISSING else side for side in (asked, recorded))
    return _encode(canonical(one)) == _encode(canonical(other))


def _same_id_and_meaning(asked: JSON, recorded: JSON) -> bool:
    one, other = (None if side is MISSING else side for side in (asked, recorded))
    return _encode(canonical(one, keep_ids=True)) == _encode(canonical(other, keep_ids=True))


def _lines(asked: JSON, recorded: JSON, same: Callable[[JSON, JSON], bool], path: str) -> Iterator[str]:
    """The innermost places that differ."""
    match asked, recorded:
        case _ if same(asked, recorded):
            return
        case dict(), dict():
            for key in sorted({*asked, *recorded}):
                inside = f"{path}.{key}" if path else key
                yield from _lines(asked.get(key, MISSING), recorded.get(key, MISSING), same, inside)
        case list(), list() if len(asked) == len(recorded):
            for position, (one, other) in enumerate(zip(asked, recorded, strict=True)):
                yield from _lines(one, other, same, f"{path}[{position}]")
        case _:
            was = "nothing recorded" if recorded is MISSING else f"recorded {shown(recorded)}"
            yield f"{path}: {was}, {'not asked' if asked is MISSING else f'asked {shown(asked)}'}"

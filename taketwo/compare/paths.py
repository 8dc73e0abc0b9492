"""Where two JSON values differ, place by place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from taketwo.value import JSON, in_words, same_json

VALUE_LIMIT = 60
"""Characters of a value in a line."""
LEAD = 15
"""About so many characters before the place where two long texts part."""
MOST_SHOWN = 3
"""So many places are named in a line; the rest is counted."""


class PathDifference(NamedTuple):
    """One innermost place where two values differ."""

    path: str
    """Such as `passengers[0].name`; empty for the value itself."""
    before: JSON
    """The value there; None also where there is none."""
    after: JSON
    """The value there; None also where there is none."""


def path_differences(before: JSON, after: JSON, path: str = "") -> Iterator[PathDifference]:
    """The innermost places that are not the same, in the order of the values."""
    match before, after:
        case _ if same_json(before, after):
            return
        case dict(), dict():
            for key in {**before, **after}:
                yield from path_differences(before.get(key), after.get(key), f"{path}.{key}" if path else key)
        case list(), list() if len(before) == len(after):
            for place, (one, other) in enumerate(zip(before, after, strict=True)):
                yield from path_differences(one, other, f"{path}[{place}]")
        case _:
            yield PathDifference(path, before, after)


def differences_in_words(differences: Sequence[PathDifference]) -> str:
    """`amount 24.5 → 20, note (none) → hello`, and how many more."""
    shown = ", ".join(_in_words(difference) for difference in differences[:MOST_SHOWN])
    more = len(differences) - MOST_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _in_words(difference: PathDifference) -> str:
    before, after = difference.before, difference.after
    if isinstance(before, str) and isinstance(after, str):
        before, after = _from_where_they_part(before, after)
    shown = ("(none)" if value is None else in_words(value, VALUE_LIMIT) for value in (before, after))
    return f"{difference.path} {' → '.join(shown)}".lstrip()


def _from_where_they_part(before: str, after: str) -> tuple[str, str]:
    """Two texts, without the beginning that they share where they would be cut before they differ."""
    signs = enumerate(zip(before, after, strict=False))
    shared = next((place for place, (one, other) in signs if one != other), min(len(before), len(after)))
    if shared < VALUE_LIMIT // 2 or max(len(before), len(after)) < VALUE_LIMIT:
        return before, after
    start = before.rfind(" ", 0, max(shared - LEAD, 0)) + 1
    return (f"…{before[start:]}", f"…{after[start:]}") if start else (before, after)

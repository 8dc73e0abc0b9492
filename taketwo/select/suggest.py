"""What may come next in a filter that is being typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from taketwo.select.fields import ENTRIES, FIELDS, Flag, Moment, Name, Number, fold
from taketwo.value import Value

MOST = 12
"""Suggestions at a time."""

Known: TypeAlias = Callable[[str], Sequence[str]]
"""The values of a field that are known, the usual ones first."""

_WORD = re.compile(r'(?:^|[\s(])-?(?P<word>(?P<name>[A-Za-z_.]+(?=[:=]))?[:=]?(?P<value>[^\s()"]*))$')


class Suggestion(Value):
    """One thing that may be typed."""

    text: str
    """It stands in the place of the word that was begun."""
    about: str
    """What it is, for people."""


def suggest(text: str, known: Known) -> tuple[int, list[Suggestion]]:
    """What may stand in the place of the last word of a text, and where that begins; inside of quotes nothing."""
    found = _WORD.search(text)
    if found is None or text.count('"') % 2:
        return len(text), []
    if found["name"] is not None:
        values = _values(found["name"].lower(), found["value"], known)
        return found.start("value"), list(values)[:MOST]
    return found.start("word"), _fields(found["value"])[:MOST]


def _fields(begun: str) -> list[Suggestion]:
    """Fields, first those whose name begins so; then those of which the words say so."""
    begun = fold(begun)
    all_of_them = {name: field.about for name, field in FIELDS.items()}
    all_of_them |= {f"{name}.": field.about for name, field in ENTRIES.items()}
    by_name = [name for name in all_of_them if name.startswith(begun)]
    by_words = [name for name, about in all_of_them.items() if begun and begun in about and name not in by_name]
    return [Suggestion(text=_begun(name), about=all_of_them[name]) for name in by_name + by_words]


def _begun(name: str) -> str:
    match FIELDS.get(name):
        case Number() | Moment():
            return f"{name}>"
        case None:
            return name
        case _:
            return f"{name}:"


def _values(name: str, begun: str, known: Known) -> Iterator[Suggestion]:
    match FIELDS.get(name):
        case Flag() as field:
            yield from (Suggestion(text=word, about=field.about) for word in ("yes", "no") if word.startswith(begun))
        case Name() as field:
            begun = fold(begun)
            values = sorted(known(name), key=lambda value: not fold(value).startswith(begun))
            yield from (Suggestion(text=quoted(value), about=field.about) for value in values if begun in fold(value))
        case _:
            return


def quoted(value: str) -> str:
    """A value as it stands behind a field's name: as it is, or in quotation marks."""
    if re.fullmatch(r'[^\s()"]+', value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

"""`-k EXPR` as pytest has it: `refund and not (slow or german)`, each word a part of a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TypeAlias

from taketwo.errors import BadSetting

Matches: TypeAlias = Callable[[Collection[str]], bool]
"""Whether names fit; they are given in lower case."""

_TOKEN = re.compile(r"\s*(?P<token>[()]|[^\s()]+)")
_MEANS = {"and", "or", "not", "(", ")"}
DEEPEST = 50
"""Levels of brackets and `not`; nobody writes so many."""


def keywords(text: str) -> Matches:
    """What the expression asks of names. Raises BadSetting where it is none."""
    reader = _Reader(text)
    matches = reader.either(0)
    if (left := reader.next) is not None:
        raise reader.fault(f"{left!r} is in the wrong place")
    return matches


class _Reader:
    """One token after the other: `or` binds least, then `and`, then `not`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [found["token"] for found in _TOKEN.finditer(text)]

    @property
    def next(self) -> str | None:
        """The next token as it is spelled; None at the end."""
        return self._tokens[0] if self._tokens else None

    def either(self, depth: int) -> Matches:
        """`A or B`."""
        parts = [self._both(depth)]
        while self._takes("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else lambda names: any(part(names) for part in parts)

    def fault(self, what: str) -> BadSetting:
        """The error that tells of it."""
        return BadSetting(f"{self._text!r} means nothing: {what}", where="-k", todo='as in -k "refund and not slow"')

    def _both(self, depth: int) -> Matches:
        parts = [self._one(depth)]
        while self._takes("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else lambda names: all(part(names) for part in parts)

    def _one(self, depth: int) -> Matches:
        if depth > DEEPEST:
            raise self.fault("it is nested too deep")
        if self._takes("not"):
            inner = self._one(depth + 1)
            return lambda names: not inner(names)
        if self._takes("("):
            inner = self.either(depth + 1)
            if not self._takes(")"):
                raise self.fault("a bracket is not closed")
            return inner
        if (word := self.next) is None or word in _MEANS:
            raise self.fault("a word is missing at its end" if word is None else f"a word is missing before {word!r}")
        part = self._tokens.pop(0).lower()
        return lambda names: any(part in name for name in names)

    def _takes(self, token: str) -> bool:
        if self.next != token:
            return False
        self._tokens.pop(0)
        return True

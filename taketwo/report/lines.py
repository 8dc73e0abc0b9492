"""Styled text in lines of a certain width, for terminals and for plain logs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

import click

Style: TypeAlias = Literal["plain", "bold", "dim", "was", "now", "old", "new", "good", "bad", "doubt", "look"]
"""`was` and `now`: the recorded and the replayed side; `old` and `new`: the same inside a line, marked if there is no
colour."""

_COLOURS: dict[Style, dict[str, Any]] = {
    "plain": {},
    "bold": {"bold": True},
    "dim": {"dim": True},
    "was": {"fg": "red"},
    "now": {"fg": "green"},
    "old": {"fg": "red", "strikethrough": True},
    "new": {"fg": "green", "bold": True},
    "good": {"fg": "green"},
    "bad": {"fg": "red", "bold": True},
    "doubt": {"fg": "cyan", "bold": True},
    "look": {"fg": "yellow", "bold": True},
}
_MARKS: dict[Style, tuple[str, str]] = {"old": ("[-", "-]"), "new": ("{+", "+}")}
_PART = re.compile(r"\S+\s*|\s+")
NARROWEST = 20
"""Columns that text gets even where the indent leaves less."""


class Span(NamedTuple):
    """A stretch of text in one style. The text must already be visible: see `report.visible`."""

    text: str
    """The text, without line breaks."""
    style: Style = "plain"
    """How it looks."""


class Page:
    """Lays out styled text for one width, with colours or without."""

    def __init__(self, width: int, *, colour: bool) -> None:
        """width: columns of the terminal."""
        self.width = width
        self.colour = colour

    def lines(self, spans: Iterable[Span], *, first: str | None = None, indent: int = 0) -> Iterator[str]:
        """The text in lines: `indent` spaces before each, or `first`, as wide, before the first."""
        room = max(self.width - indent, NARROWEST)
        line, used = " " * indent if first is None else first, 0
        for part, style in self._parts(spans, room):
            wide = columns(part.rstrip())
            if used and used + wide > room:
                yield line.rstrip()
                line, used, part = " " * indent, 0, part.lstrip()
            line += self.paint(part, style)
            used += columns(part)
        yield line.rstrip()

    def paint(self, text: str, style: Style) -> str:
        """The text in the style, if there are colours; white space at its end stays without."""
        bare = text.rstrip()
        if not self.colour or not bare or style == "plain":
            return text
        return click.style(bare, **_COLOURS[style]) + text[len(bare) :]

    def _parts(self, spans: Iterable[Span], room: int) -> Iterator[tuple[str, Style]]:
        """Words with the space after them, and pieces of words that fit no line."""
        for text, style in spans:
            before, after = _MARKS.get(style, ("", "")) if not self.colour and text.strip() else ("", "")
            bare = text.rstrip()
            for part in _PART.findall(before + bare + after + text[len(bare) :]):
                yield from ((piece, style) for piece in _pieces(part, room))


def _pieces(word: str, room: int) -> Iterator[str]:
    """The word in pieces of at most `room` columns."""
    if columns(word) <= room:
        yield word
        return
    piece, used = "", 0
    for sign in word:
        wide = _columns(sign)
        if used + wide > room:
            yield piece
            piece, used = "", 0
        piece, used = piece + sign, used + wide
    yield piece


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(_columns(sign) for sign in text)


def _columns(sign: str) -> int:
    if unicodedata.combining(sign) or unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1

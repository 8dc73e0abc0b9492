"""Keys and values to YAML text that reads well and reads back to the letter.

Each text gets the plainest style that keeps it: nothing around it, quotes, a block after `|`, or at last double quotes
with escapes. What a person could not see or an editor could silently change (control characters, bidirectional marks,
blanks at the end of a line, carriage returns) is always escaped. Small lists and objects stand on one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any

from taketwo.value import JSON

WIDTH = 132
"""Columns that a line with a list or an object on it may take."""
LONG_TEXT = 100
"""A longer text that would need quotes goes into a block, where it needs none."""
LONG_KEY = 512
"""YAML wants a longer key (1,024 characters, escapes included) announced by a question mark."""

INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
"""Control characters but tab and newline, bidirectional marks, unusual line ends, and what YAML forbids outright."""
FRAGILE_IN_A_BLOCK = re.compile(r"\A[ \t\n]|[ \t]$|\n\n\Z", re.MULTILINE)
"""What YAML would take for indentation, and what editors cut off: blanks at the end of a line or of the text."""
PLAIN_BEGINNING = re.compile(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`.=~<+]")
NOT_PLAIN = re.compile(r"[\t\n]|: |:$| #| $")
NOT_PLAIN_IN_FLOW = re.compile(r"[,?\[\]{}]")
LIKE_A_NUMBER = re.compile(r"[0-9][0-9a-fA-FxXoO_.:+\-TtZz ]*")
"""Numbers, dates and times of day in any version of YAML."""
WORDS_OF_YAML = frozenset({"null", "true", "false", "yes", "no", "on", "off"})
"""What some version of YAML takes for something else than text."""
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Section(dict[str, Any]):
    """Keys and values that are written one below the other even where they would fit on one line."""


def yaml_text(document: dict[str, Any]) -> str:
    """One document. The same keys and values give the same text."""
    return "".join(f"{line}\n" for line in _lines(document, WIDTH))


def _lines(value: dict[str, Any] | list[Any], room: int) -> Iterator[str]:
    """A list or an object that does not stand on one line."""
    if isinstance(value, list):
        for item in value:
            yield from _item("-", item, room)
        return
    for key, item in value.items():
        written_key = _one_line(key, in_flow=True)
        if len(written_key) > LONG_KEY:
            yield f"? {written_key}"
            yield from _item(":", item, room)
        else:
            yield from _under_key(f"{written_key}:", item, room)


def _under_key(key: str, item: Any, room: int) -> Iterator[str]:
    beside = _beside(item, room - len(key) - 1)
    if beside is None:
        yield key
        yield from _lines(item, room) if isinstance(item, list) else _indented(_lines(item, room - 2))
    else:
        first, *rest = beside
        yield f"{key} {first}"
        yield from _indented(rest)


def _item(sign: str, item: Any, room: int) -> Iterator[str]:
    """An item whose first line stands beside its sign, the others below it."""
    beside = _beside(item, room - 2)
    first, *rest = _lines(item, room - 2) if beside is None else beside
    yield f"{sign} {first}"
    yield from _indented(rest)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield f"  {line}" if line else line


def _beside(value: Any, room: int) -> list[str] | None:
    """What begins on the line of its key or dash; None for a list or an object that needs lines of its own."""
    if isinstance(value, str):
        return _text(value)
    on_one_line = _flow(value, room)
    return None if on_one_line is None else [on_one_line]


def _text(text: str) -> list[str]:
    """A text in the plainest style that keeps it; the lines after the first are to be indented."""
    fits_a_block = not INVISIBLE.search(text) and not FRAGILE_IN_A_BLOCK.search(text)
    if "\n" in text:
        return _block(text) if fits_a_block else _escaped(text)
    line = _one_line(text, in_flow=False)
    needs_escapes = line.startswith('"') and line != f'"{text}"'
    too_long = len(text) > LONG_TEXT and line != text
    return _block(text) if fits_a_block and (needs_escapes or too_long) else [line]


def _block(text: str) -> list[str]:
    kept = text.removesuffix("\n")
    return ["|-" if kept == text else "|", *kept.split("\n")]


def _escaped(text: str) -> list[str]:
    """In double quotes, each line of the text on a line of the file; the backslashes at the ends join them again."""
    first, *rest = (_with_escapes(line) for line in re.split(r"(?<=\n)(?!\Z)", text))
    lines = [f'"{first}', *(f"\\{line}" if line.startswith(" ") else line for line in rest)]
    return [*(f"{line}\\" for line in lines[:-1]), f'{lines[-1]}"']


def _flow(value: Any, room: int) -> str | None:
    """A value on one line; None where it does not fit or would be hard to read."""
    match value:
        case dict() | list() if not value:
            return "{}" if isinstance(value, dict) else "[]"
        case Section():
            return None
        case dict():
            return _joined("{", (_flow_entry(key, item, room - 2) for key, item in value.items()), "}", room)
        case list():
            if any(isinstance(item, dict) and item for item in value):
                return None
            return _joined("[", (_flow(item, room - 2) for item in value), "]", room)
        case str():
            return None if "\n" in value or len(value) > room else _one_line(value, in_flow=True)
        case _:
            return _scalar(value)


def _flow_entry(key: str, item: Any, room: int) -> str | None:
    written = None if len(key) > room else _flow(item, room - len(key))
    return None if written is None else f"{_one_line(key, in_flow=True)}: {written}"


def _joined(opening: str, parts: Iterable[str | None], closing: str, room: int) -> str | None:
    """The parts between brackets, unless one is missing or they grow too long."""
    text = opening
    for part in parts:
        if part is None or len(text) > room:
            return None
        text += part if text == opening else f", {part}"
    return None if len(text) >= room else text + closing


def _scalar(value: JSON | datetime | date) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return _decimal(value)
        case datetime():
            return _moment(value)
        case _:
            return str(value)


def _decimal(number: float) -> str:
    """With a point in it, because older versions of YAML take `1e+300` for a text."""
    written = repr(number)
    return written.replace("e", ".0e") if "e" in written and "." not in written else written


def _moment(moment: datetime) -> str:
    if moment.utcoffset() is None:
        return moment.isoformat()
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _one_line(text: str, *, in_flow: bool) -> str:
    if _is_plain(text) and not (in_flow and NOT_PLAIN_IN_FLOW.search(text)):
        return text
    if not text or "\n" in text or "\t" in text or INVISIBLE.search(text):
        return f'"{_with_escapes(text)}"'
    return f"'{text}'" if "'" not in text else f'"{_with_escapes(text)}"'


def _is_plain(text: str) -> bool:
    """Whether no version of YAML would take the text for anything else when it stands there without quotes."""
    return bool(
        PLAIN_BEGINNING.match(text)
        and not NOT_PLAIN.search(text)
        and not INVISIBLE.search(text)
        and not LIKE_A_NUMBER.fullmatch(text)
        and text.lower() not in WORDS_OF_YAML
    )


def _with_escapes(text: str) -> str:
    return "".join(ESCAPES.get(sign) or (_escape(sign) if INVISIBLE.match(sign) else sign) for sign in text)


def _escape(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"

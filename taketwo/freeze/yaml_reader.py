"""YAML text to a document of mappings, sequences and scalars that know their lines.

Scenario files are exchanged between people, so only the harmless part of YAML is read: no tags, no anchors, no second
document, no key twice. What a scalar means (text? number?) is decided later, by where it stands: see `typed.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import yaml

from taketwo.errors import ScenarioUnreadable
from taketwo.value import LONE_SURROGATE

FILE_LIMIT_BYTES = 64 * 2**20
DEPTH_LIMIT = 220

CONFLICT = re.compile(r"^(<{7} |={7}$|>{7} )", re.MULTILINE)
NOT_IN_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser of libyaml where PyYAML was built with it, else the one in Python; both give the same events."""


class Scalar(str):
    """A scalar as written, with its line from 1."""

    __slots__ = ("line", "plain")
    line: int
    plain: bool
    """Whether it stood without quotes, so that it may be a number, a boolean or null."""


class Mapping(dict[str, Any]):
    """Keys with what stands under them, and the lines of both, from 1."""

    __slots__ = ("key_lines", "line")
    line: int
    key_lines: dict[str, int]


class Sequence(list[Any]):
    """Items in order, with the line of the first, from 1."""

    __slots__ = ("line",)
    line: int


Document: TypeAlias = Any
"""A Scalar, a Mapping or a Sequence; or plain JSON, which an upgrade or a file beside the scenario may bring in."""


def parse(content: bytes, file: str) -> Document:
    """The document in these bytes. Raises ScenarioUnreadable naming file and line."""
    text = _decoded(content, file)
    if conflict := CONFLICT.search(text):
        raise ScenarioUnreadable(
            "holds the marks of a merge conflict",
            where=f"{file}:{_line(text, conflict.start())}",
            todo="decide for one side and take the marks out",
        )
    try:
        return _only_document(_events(text), file)
    except yaml.reader.ReaderError as error:
        bad = NOT_IN_YAML.search(text)
        where = f"{file}:{_line(text, bad.start())}" if bad else file
        what = f"holds the character U+{ord(bad.group()):04X}" if bad else f"cannot be read: {error.reason}"
        todo = r'write it as an escape in double quotes, such as "\x07"'
        raise ScenarioUnreadable(what, where=where, todo=todo) from error
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, file) from error


def line_of(document: Document, path: Iterable[str | int]) -> int:
    """The line, from 1, of what a path leads to, or of the last thing on the way that has one."""
    line = getattr(document, "line", 1)
    for step in path:
        key_lines = getattr(document, "key_lines", {})
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            break
        line = key_lines.get(step) or getattr(document, "line", line)
    return int(line)


def _decoded(content: bytes, file: str) -> str:
    if len(content) > FILE_LIMIT_BYTES:
        limit = FILE_LIMIT_BYTES // 2**20
        raise ScenarioUnreadable(f"is larger than {limit} MiB", where=file, todo="split the scenario")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ScenarioUnreadable("is not UTF-8", where=f"{file}:{line}", todo="save it as UTF-8") from error


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _events(text: str) -> Iterator[Any]:
    loader = Loader(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def _only_document(events: Iterator[Any], file: str) -> Document:
    document: Document = None
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent) and document is not None:
            raise _refused(event, file, "holds a second document", "make it a file of its own")
        if isinstance(event, yaml.NodeEvent):
            document = _node(event, events, file, depth=1)
    if document is None:
        raise ScenarioUnreadable("is empty", where=file)
    return document


def _node(event: Any, events: Iterator[Any], file: str, depth: int) -> Document:
    """What begins with this event; takes the events that belong to it."""
    _insist_on_harmless(event, file, depth)
    line = event.start_mark.line + 1
    if isinstance(event, yaml.SequenceStartEvent):
        sequence = Sequence()
        sequence.line = line
        while not isinstance(item := next(events), yaml.SequenceEndEvent):
            sequence.append(_node(item, events, file, depth + 1))
        return sequence
    if isinstance(event, yaml.MappingStartEvent):
        mapping = Mapping()
        mapping.line, mapping.key_lines = line, {}
        while not isinstance(start := next(events), yaml.MappingEndEvent):
            key = _new_key(_node(start, events, file, depth + 1), mapping, file)
            mapping[key] = _node(next(events), events, file, depth + 1)
        return mapping
    if LONE_SURROGATE.search(event.value):
        raise _refused(event, file, "holds half of a character", r'write \U and eight digits, as in "\U0001F600"')
    scalar = Scalar(event.value)
    scalar.line, scalar.plain = line, event.implicit[0]
    return scalar


def _insist_on_harmless(event: Any, file: str, depth: int) -> None:
    """Refuse what can name Python objects, blow up a small file or exhaust the stack."""
    if isinstance(event, yaml.AliasEvent):
        raise _refused(event, file, "uses an alias (*)", "write the value out, or put the text in quotes")
    if event.anchor is not None:
        raise _refused(event, file, "uses an anchor (&)", "write the value out, or put the text in quotes")
    if event.tag is not None:
        raise _refused(event, file, f"uses a tag ({event.tag})", "take it out, or put the text in quotes")
    if depth > DEPTH_LIMIT:
        raise _refused(event, file, f"is nested more than {DEPTH_LIMIT} deep")


def _new_key(node: Document, mapping: Mapping, file: str) -> str:
    if not isinstance(node, Scalar):
        raise ScenarioUnreadable("a key must be a text", where=f"{file}:{node.line}", todo="are quotes missing?")
    key = str(node)
    if key in mapping:
        first = mapping.key_lines[key]
        raise ScenarioUnreadable(f"{key!r} is there twice", where=f"{file}:{node.line}", todo=f"see line {first}")
    mapping.key_lines[key] = node.line
    return key


def _refused(event: Any, file: str, what: str, todo: str | None = None) -> ScenarioUnreadable:
    return ScenarioUnreadable(what, where=f"{file}:{event.start_mark.line + 1}", todo=todo)


ADVICE = (
    ("mapping values are not allowed", "a text with a colon and a space in it needs quotes"),
    ("tab character", "indent with spaces"),
    ("cannot start any token", "indent with spaces; a text that begins with such a sign needs quotes"),
    ("block", "is it indented like its neighbours, and is every quote closed?"),
    ("while scanning a quoted scalar", "is a closing quote missing?"),
    ("expected ',' or", "is a bracket or brace left open?"),
    ("escape code", r"a character is written with eight digits, as in \U0001F600"),
)
"""What the parser says, and what usually mends it."""


def _syntax_error(error: yaml.MarkedYAMLError, file: str) -> ScenarioUnreadable:
    said = ", ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark or error.context_mark
    where = f"{file}:{mark.line + 1}" if mark else file
    if "nesting depth" in said:  # newer parsers stop before our own limit is reached
        return ScenarioUnreadable("is nested too deep", where=where)
    todo = next((advice for sign, advice in ADVICE if sign in said), None)
    return ScenarioUnreadable(f"is no valid YAML: {said}", where=where, todo=todo)

"""Keys and values of a file to typed values and back, by the types of the fields.

Two rules differ from msgspec's own conversion. What a scalar means is decided by where it stands: where a text belongs,
`said: 42` and `said: no` are texts. And a value with a kind is written with the kind as first key: `must_call: refund`
is a `MustCall` whose first field is `refund`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, TypeAlias, TypeVar

from msgspec import NODEFAULT, UNSET
from msgspec import inspect as kinds
from rapidfuzz import process
from rapidfuzz.distance import OSA

from taketwo.freeze.format import ON_LINES_OF_THEIR_OWN, WRITTEN_AS
from taketwo.freeze.yaml_reader import Document, Scalar
from taketwo.freeze.yaml_writer import Section
from taketwo.value import JSON, Value

WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
WORDS = {"null": None, "": None, "true": True, "false": False}
"""Scalars without quotes that are no text. The yes, off and ~ of older YAML are what a person takes them for: text."""
DIGIT_LIMIT = 4300
"""Python reads no longer whole numbers, because that takes time in the square of their length."""


class Misplaced(Exception):
    """Something in the document is not what belongs there."""

    def __init__(self, what: str, *path: str | int, todo: str | None = None) -> None:
        """path: keys and positions that lead there from where it was noticed."""
        super().__init__(what)
        self.what = what
        self.path = deque(path)
        self.todo = todo


T = TypeVar("T")
R = TypeVar("R")
Reader: TypeAlias = Callable[[Document], Any]


def typed(document: Document, kind: Any) -> Any:
    """The value of this type (a Value, or a tuple of them) that a document describes. Raises Misplaced."""
    return _reader(kind)(document)


def plain(node: Document) -> JSON:
    """The JSON value that a document describes when nothing says what belongs there. Raises Misplaced."""
    match node:
        case Scalar():
            return _meaning(node)
        case dict():
            keys = {}
            for key, item in node.items():  # a loop, because a comprehension would double the depth of the stack
                keys[key] = inside(key, plain, item)
            return keys
        case list():
            items = []
            for position, item in enumerate(node):
                items.append(inside(position, plain, item))
            return items
        case _:
            return node


def _meaning(scalar: Scalar) -> JSON:
    if not scalar.plain:
        return str(scalar)
    if scalar in WORDS:
        return WORDS[scalar]
    if WHOLE_NUMBER.fullmatch(scalar):
        if len(scalar) > DIGIT_LIMIT:
            raise Misplaced(f"is a number of more than {DIGIT_LIMIT} digits", todo="put it in quotes")
        return int(scalar)
    if NUMBER.fullmatch(scalar):
        return _finite(float(scalar))
    return str(scalar)


def _finite(number: float) -> float:
    if number in (float("inf"), float("-inf")):
        raise Misplaced("is too large a number", todo="put it in quotes to make it a text")
    return number


def inside(step: str | int, read: Callable[[T], R], node: T) -> R:
    """Read what lies one step further; what is misplaced in there is told with the step."""
    try:
        return read(node)
    except Misplaced as error:
        error.path.appendleft(step)
        raise


def each(read: Callable[[T], R], nodes: Iterable[T]) -> tuple[R, ...]:
    """Read one after the other; what is misplaced is told with its position."""
    return tuple([inside(position, read, node) for position, node in enumerate(nodes)])


@cache
def _reader(kind: Any) -> Reader:
    return _reader_of(kinds.type_info(kind))


def _reader_of(kind: kinds.Type) -> Reader:
    match kind:
        case kinds.LiteralType():
            return _one_of_the_words(kind.values)
        case kinds.VarTupleType():
            return _list_of(_reader_of(kind.item_type))
        case kinds.DictType():
            return _object if isinstance(kind.value_type, kinds.AnyType) else _object_of(_reader_of(kind.value_type))
        case kinds.StructType():
            return _struct(kind)
        case kinds.UnionType():
            return _union(kind)
        case _ if (read := _reader_of_scalar(kind)) is not None:
            return read
        case _:
            raise TypeError(f"the file's form has no way to write {kind}")


def _reader_of_scalar(kind: kinds.Type) -> Reader | None:
    match kind:
        case kinds.AnyType():
            return plain
        case kinds.StrType():
            return _text
        case kinds.IntType():
            return _whole_number
        case kinds.FloatType():
            return _number
        case kinds.BoolType():
            return _truth
        case kinds.DateTimeType():
            return _moment
        case kinds.DateType():
            return _day
        case _:
            return None


def _text(node: Document) -> str:
    if not isinstance(node, str):
        raise Misplaced(f"should be a text, not {_named(node)}")
    if _is_null(node):
        raise Misplaced("is empty", todo='write "" for an empty text, "null" for the word')
    return str(node)


def _whole_number(node: Document) -> int:
    value = plain(node)
    if type(value) is not int:
        raise Misplaced(f"should be a whole number, not {_named(node)}")
    return value


def _number(node: Document) -> float:
    value = plain(node)
    if type(value) not in (int, float):
        raise Misplaced(f"should be a number, not {_named(node)}")
    try:
        return float(value)
    except OverflowError as error:
        raise Misplaced("is too large a number") from error


def _truth(node: Document) -> bool:
    value = plain(node)
    if type(value) is not bool:
        raise Misplaced(f"should be true or false, not {_named(node)}")
    return value


def _moment(node: Document) -> datetime:
    """A moment; without a time zone it is in UTC."""
    text = _text(node)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        example = "2026-11-17T10:00:00Z"
        raise Misplaced(f"should be a moment such as {example}, not {_named(node)}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _day(node: Document) -> date:
    text = _text(node)
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Misplaced(f"should be a day such as 2026-11-17, not {_named(node)}") from error


def _one_of_the_words(words: tuple[Any, ...]) -> Reader:
    def read(node: Document) -> Any:
        for word in words:
            if isinstance(node, str | int) and str(node) == str(word):
                return word
        raise Misplaced(f"should be {' or '.join(map(str, words))}, not {_named(node)}")

    return read


def _list_of(read_item: Reader) -> Reader:
    def read(node: Document) -> tuple[Any, ...]:
        if not isinstance(node, list):
            raise Misplaced(f"should be a list, not {_named(node)}", todo="each item begins with a dash")
        return each(read_item, node)

    return read


def _object(node: Document) -> dict[str, JSON]:
    if not isinstance(node, dict):
        raise Misplaced(f"should be keys with values, not {_named(node)}")
    value: dict[str, JSON] = plain(node)
    return value


def _object_of(read_value: Reader) -> Reader:
    def read(node: Document) -> dict[str, Any]:
        if not isinstance(node, dict):
            raise Misplaced(f"should be keys with values, not {_named(node)}")
        return {key: inside(key, read_value, value) for key, value in node.items()}

    return read


def _struct(kind: kinds.StructType) -> Reader:
    fields = keys_of(kind.cls)
    readers = {key: _reader_of(field.type) for key, field in fields.items()}
    required = [key for key, field in fields.items() if field.required]

    def read(node: Document) -> Any:
        if not isinstance(node, dict):
            raise Misplaced(f"should be keys with values, not {_named(node)}", todo=f"it knows {', '.join(fields)}")
        for key in node:
            if key not in fields:
                raise _unknown(key, fields)
        for key in required:
            if key not in node:
                raise Misplaced(f"has no {key!r}")
        given = {key: item for key, item in node.items() if not (_is_null(item) and _has_default(fields[key]))}
        return kind.cls(**{fields[key].name: inside(key, readers[key], item) for key, item in given.items()})

    return read


@cache
def keys_of(kind: type[Value]) -> dict[str, kinds.Field]:
    """The keys that a value has in a file, each with the field it fills; of a value with a kind, that comes first."""
    info = kinds.type_info(kind)
    assert isinstance(info, kinds.StructType)
    keys = {WRITTEN_AS.get(field.name, field.name): field for field in info.fields}
    if info.tag is None:
        return keys
    _, *others = keys
    return {str(info.tag): info.fields[0]} | {key: keys[key] for key in others}


def _union(kind: kinds.UnionType) -> Reader:
    """Something or null, or one of several kinds of value."""
    parts = [part for part in kind.types if not isinstance(part, kinds.NoneType)]
    read = _reader_of(parts[0]) if len(parts) == 1 else _one_of_the_kinds(parts)
    if len(parts) == len(kind.types):
        return read
    return lambda node: None if _is_null(node) else read(node)


def _one_of_the_kinds(parts: list[Any]) -> Reader:
    readers = {str(part.tag): _struct(part) for part in parts}

    def read(node: Document) -> Any:
        if not isinstance(node, dict):
            raise Misplaced(f"should be keys with values, not {_named(node)}", todo=f"such as {next(iter(readers))}: …")
        said = [tag for tag in readers if tag in node]
        if not said:
            misspelt = next((key for key in node if _nearest(key, readers)), None)
            raise _unknown(misspelt, readers) if misspelt else Misplaced(f"says none of {', '.join(readers)}")
        if len(said) > 1:
            raise Misplaced(f"says both {said[0]!r} and {said[1]!r}", todo="make two items of it")
        return readers[said[0]](node)

    return read


def _unknown(key: str, known: Iterable[str]) -> Misplaced:
    near = _nearest(key, known)
    todo = f"did you mean {near!r}?" if near else f"it knows {', '.join(known)}"
    return Misplaced("is not a key that is known here", key, todo=todo)


def _nearest(key: str, known: Iterable[str]) -> str | None:
    """The known key that was most probably meant; swapped letters count as one mistake."""
    found = process.extractOne(key, list(known), scorer=OSA.normalized_similarity, score_cutoff=0.6)
    return found[0] if found else None


def _is_null(node: Document) -> bool:
    return node is None or (isinstance(node, Scalar) and node.plain and node in ("null", ""))


def _named(node: Document) -> str:
    """What stands there, for people."""
    if isinstance(node, dict):
        return "keys with values"
    if isinstance(node, list):
        return "a list"
    value = plain(node)
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    return "nothing" if value is None else str(node)


def untyped(value: Value) -> dict[str, Any]:
    """The keys and values that describe a value, without those that say nothing; the inverse of `typed`."""
    written = {}
    for key, field in keys_of(type(value)).items():
        content = getattr(value, field.name)
        if field.required or (content is not UNSET and content != _default(field)):
            written[key] = _untyped_field(content, field)
    has_kind = type(value).__struct_config__.tag is not None
    return Section(written) if has_kind or isinstance(value, ON_LINES_OF_THEIR_OWN) else written


def _has_default(field: kinds.Field) -> bool:
    """Whether a key with nothing after it says as much as no key; where the two differ the default is UNSET."""
    return field.default is not NODEFAULT or field.default_factory is not NODEFAULT


def _default(field: kinds.Field) -> Any:
    return field.default if field.default_factory is NODEFAULT else field.default_factory()


def _untyped_field(content: Any, field: kinds.Field) -> Any:
    match content:
        case Value():
            return untyped(content)
        case tuple():
            return [untyped(item) if isinstance(item, Value) else item for item in content]
        case dict():
            return {key: untyped(value) if isinstance(value, Value) else value for key, value in content.items()}
        case float() if content and repr(content).endswith(".0") and not isinstance(field.type, kinds.AnyType):
            return int(content)  # where only a number can stand, 2000 is as good as 2000.0
        case _:
            return content

"""What every travelling thing is made of: a frozen value that can be written to JSON and back."""

from __future__ import annotations

import hashlib
import json
import math
import re
from threading import Lock
from typing import Any, Self, TypeAlias, TypeVar

import msgspec

JSON: TypeAlias = Any
"""A value that JSON can hold: null, bool, number, string, list or object with string keys."""

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
PLAIN_WORD = re.compile(r"[^\W_][\w.:@#/+-]*")


class _KeywordOnly(msgspec.StructMeta):
    """Gives every value frozen, keyword-only fields; msgspec itself does not hand `kw_only` down to subclasses.

    Type checkers do not see this, so required fields still stand before the others. The garbage collector need not look
    at values: they hold JSON and other values, so form no cycles, and looking took a sixth of a large suite's time.
    """

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> type:
        return super().__new__(
            mcls, name, bases, namespace, **{"frozen": True, "kw_only": True, "gc": False, **options}
        )


Kind = TypeVar("Kind")
_prepared: set[Any] = set()
_preparing = Lock()


def prepared(kind: Kind) -> Kind:
    """The same type, after msgspec has learned what it must know to read it.

    It learns that when a type is first used, and two threads that make it learn at the same moment crash the process.
    Whoever reads into a type outside the main thread goes through here.
    """
    if kind not in _prepared:
        with _preparing:
            msgspec.json.Decoder(kind)
            _prepared.add(kind)
    return kind


class Value(msgspec.Struct, metaclass=_KeywordOnly):
    """A frozen thing that travels; compares by content."""

    def to_json(self) -> bytes:
        """UTF-8 JSON, every field present, keys in the order of the class."""
        return msgspec.json.encode(self)

    def to_builtins(self) -> dict[str, Any]:
        """The same as `to_json`, as dicts, lists, strings and numbers."""
        built: dict[str, Any] = msgspec.json.decode(self.to_json())
        return built

    @classmethod
    def from_json(cls, text: bytes | str) -> Self:
        """Read what `to_json` wrote; unknown fields are ignored, so that older versions read newer files.

        Raises msgspec.ValidationError naming the path, msgspec.DecodeError where it is no JSON.
        """
        return msgspec.json.decode(text, type=prepared(cls))

    def but(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)


def stable_seed(*parts: object) -> int:
    """A seed that follows from these, from 0 to 2³¹ - 1, which all that take seeds take: equal parts, equal seed."""
    told = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(told).digest()[:4]) >> 1


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_json(value: JSON) -> str:
    """One spelling for equal JSON values: keys sorted, no spaces. `25` and `25.0` stay different."""
    return _CANONICAL.encode(value)


def same_json(one: JSON, other: JSON) -> bool:
    """Whether two JSON values say the same: `25` is `25.0`, keys have no order, and a null is a missing key."""
    # Every argument and result of a replay goes through here: patterns, generators and abstract types take far longer.
    if one is other:
        return True
    if isinstance(one, str):
        return bool(one == other)
    if isinstance(one, dict) and isinstance(other, dict):
        keys = one.keys() | other.keys() if one.keys() != other.keys() else one
        for key in keys:  # noqa: SIM110  # a generator takes twice as long
            # `get` gives the null that a missing key stands for.
            if not same_json(one.get(key), other.get(key)):
                return False
        return True
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return False  # Python takes True for 1, JSON does not
    return bool(one == other)


def in_words(value: JSON, limit: int = 80) -> str:
    """The value on one line of at most `limit` characters; a text of one plain word goes without quotes."""
    text = value if isinstance(value, str) and PLAIN_WORD.fullmatch(value) else canonical_json(value)
    return cut_to(text, limit)


def cut_to(text: str, limit: int) -> str:
    """The text of at most `limit` characters; where more was left out, the last of them is `…`."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def one_line(text: str) -> str:
    """The text with one space for every stretch of white space."""
    return " ".join(text.split())


def content_hash(text: str | bytes) -> str:
    """SHA-256 in hex: the name of long content that lies beside its file."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def clean_text(text: str) -> str:
    """The text with lone surrogates, which no UTF-8 file can hold, replaced by U+FFFD."""
    return LONE_SURROGATE.sub("\ufffd", text) if not text.isascii() else text


def clean_json(value: object, depth: int = 200) -> JSON:
    """What JSON can hold of any Python value, for whatever comes in from foreign code.

    Lone surrogates become U+FFFD, NaN and infinities their names, unknown objects their `repr`,
    and what is nested more than `depth` deep a mark.
    """
    match value:
        case None | bool():
            return value
        case str():
            return clean_text(value)
        case int():
            return int(value)
        case float():
            return float(value) if math.isfinite(value) else repr(float(value))
        case _ if depth <= 0:
            return "<nested too deep>"
        case dict():
            return {clean_text(str(key)): clean_json(item, depth - 1) for key, item in value.items()}
        case list() | tuple():
            return [clean_json(item, depth - 1) for item in value]
        case _:
            return _plain(value, depth)


def _plain(value: object, depth: int) -> JSON:
    """Models and dataclasses by their fields, anything else by its `repr`."""
    if hasattr(value, "model_dump"):
        return clean_json(value.model_dump(mode="json"), depth - 1)
    try:
        return clean_json(msgspec.to_builtins(value), depth - 1)
    except (TypeError, ValueError, RecursionError):
        return clean_text(repr(value))

"""Which values of arguments and results name a thing: ids, numbers of orders, addresses of mail."""

from __future__ import annotations

import re
from collections.abc import Iterator

from taketwo.canonical import canonical
from taketwo.value import JSON

ID_NAME = re.compile(
    r"(?i:(?:^|[_\-.])(?:ids?|number|key|e?mail|ref|reference|uuid|guid|sku|handle|login|username|phone|token|iban)$)"
    r"|(?<=[a-z])(?:Ids?|ID|Number|Key|Email|Ref|Reference|Uuid|UUID|Sku|SKU|Phone|Iban|IBAN)$"
)
"""How arguments are called that name a thing."""
LONGEST_ID = 64
SHORTEST_PROSE = 4
"""Words from which on a text is prose, not a name."""
NONCE = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16,}|\d{10}(?:\d{3})?|\d{4}-\d\d-\d\dt[\d:.]+(?:z|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)
"""A UUID, a hash, a moment: what programs make up for each call."""


def ids_in(value: JSON, name: str = "") -> Iterator[str]:
    """Every value in there that names a thing, in one spelling."""
    match value:
        case dict():
            for key, item in value.items():
                # Records are often kept under their ids.
                if is_id("", key):
                    yield key.casefold()
                yield from ids_in(item, key)
        case list():
            for item in value:
                yield from ids_in(item, name)
        case str() | int() | float() if is_id(name, value):
            yield str(value).strip().casefold()
        case _:
            return


def is_id(name: str, value: JSON) -> bool:
    """Whether this argument names a thing: by its name, or because letters and digits stand in it side by side."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    text = str(value).strip()
    if not text or len(text) > LONGEST_ID or " " in text:
        return False
    if ID_NAME.search(name):
        return True
    if isinstance(value, int) or not any(map(str.isdigit, text)) or not any(map(str.isalpha, text)):
        return False
    return (
        canonical(text) == text.casefold() and NONCE.fullmatch(text) is None and text[0].isalnum() and ":" not in text
    )


def is_prose(value: JSON) -> bool:
    """Whether a value is words for people: a summary, a reason, a message."""
    return isinstance(value, str) and len(value.split()) >= SHORTEST_PROSE


def is_nonce(value: JSON) -> bool:
    """Whether a value is one that programs make up anew for each call."""
    return isinstance(value, str) and NONCE.fullmatch(value.strip()) is not None

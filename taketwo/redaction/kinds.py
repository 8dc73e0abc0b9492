"""The kinds of secrets and personal data, and what a finder says of a text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeAlias

SECRET: Final = "secret"
EMAIL: Final = "email"
PHONE: Final = "phone"
CARD: Final = "card"
IBAN: Final = "iban"
SSN: Final = "ssn"
IP: Final = "ip"
BIRTH_DATE: Final = "birth_date"
NAME: Final = "name"
ADDRESS: Final = "address"
USER_ID: Final = "user_id"
ACCOUNT: Final = "account"
CARD_END: Final = "card_end"
POSTCODE: Final = "postcode"

PERSONAL: Final = frozenset({EMAIL, PHONE, CARD, IBAN, SSN, IP, BIRTH_DATE, NAME, ADDRESS})
"""The kinds of personal data; each is recognised by choice. Secrets always are."""

POINTERS: Final = frozenset({USER_ID, ACCOUNT, CARD_END, POSTCODE})
"""What points at a person only together with other data: it is stored as it came, and does not go into a repository."""

PROMOTED: Final = PERSONAL | POINTERS
"""All that is replaced when a conversation is kept as a file."""

LETTER: Final = (
    r"(?:[^\W\d_]|[\u0300-\u036f\u0591-\u05c7\u0610-\u065f\u0900-\u0dff\u0e31-\u0e4e\u0f00-\u0fff\u1000-\u109f])"
)
"""With the signs over, under and behind letters, which for Python are none."""


class Found(NamedTuple):
    """A stretch of a text that is a secret or personal."""

    start: int
    """Position of its first character."""
    end: int
    """Position after its last one."""
    kind: str
    """One of the kinds; a detector from elsewhere may name others."""


Finder: TypeAlias = Callable[[str], Iterable[Found]]
"""Finds one kind in a text; what it finds does not overlap."""

Detector: TypeAlias = Callable[[str], Iterable[tuple[int, int, str]]]
"""A finder from elsewhere: start, end and kind of what it finds in a text."""


def listed(words: str) -> list[str]:
    """The words of a text: long lists of words read best as texts."""
    return words.split()

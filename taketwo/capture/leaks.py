"""Looks for personal data and secrets by other means than the redaction: what both overlook, at least two overlooked.

Numbers are judged by phonenumbers and python-stdnum, keys by detect-secrets; names, days of birth and streets by what
stands before or behind them. What the redaction puts in place of an original is known by its form, without its key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from threading import Lock
from typing import Final

from taketwo.errors import MissingExtra
from taketwo.value import Value

SHOWN: Final = 3
"""Characters of a leak that are shown; the rest would be a leak, too."""
LONGEST_LINE: Final = 200_000
"""Longer lines are looked at in pieces of so many characters."""
FEWEST_DIGITS: Final = 7
"""Of a card, an account or a phone with the number of its country."""
_SETTING: Final = Lock()

_MARK: Final = "zuq"
# A word is looked at from its beginning only: from each of its characters, a word of a megabyte would take hours.
_MARKED_SECRET: Final = re.compile(r"(?<![\w.+/-])[\w.+/-]*zuqzuq[\w.+/=-]*", re.IGNORECASE)
_LONG_WORD: Final = re.compile(r"PRIVATE KEY|://|(?<![\w.-])(?=[\w.-]*\d)(?=[\w.-]*[A-Za-z])[\w.-]{20}")
_EMAIL: Final = re.compile(r"(?<![\w.+'-])[\w.+'-]+@(?:[\w-]+\.)+[A-Za-z]{2,}")
_NOBODYS: Final = re.compile(r"@(?:.*\.)?(?:example\.(?:com|org|net)|example|test|invalid|localhost)$", re.IGNORECASE)
_DIGITS: Final = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w.-])")
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_SSN: Final = re.compile(r"(?<![\w-])\d{3}-\d\d-\d{4}(?![\w-])")
_CALLED: Final = re.compile(r"phone|mobile|\btel\b|call|fax|whatsapp", re.IGNORECASE)
_BORN: Final = re.compile(
    r"""(?:\bdob|birth|\bborn)[\w ]{0,12}\\*["']?\s?(?:[:=]|on|is|was)?\s?\\*["']?"""
    r"""(?P<it>(?:\d\d?[-/.]\d\d?[-/.])?(?:19|20)\d\d(?:[-/.]\d\d?){0,2})""",
    re.IGNORECASE,
)
_NAME_KEY: Final = re.compile(
    r"""(?:(?:first|last|given|family|full|middle|maiden|sur|customer|passenger|patient|guest|client|caller|holder"""
    r"""|contact|recipient)[_ ]?name|surname|cardholder)\\*["']?\s?[:=]\s?\\*["']?"""
    r"""(?P<it>[^\W\d_a-z][^"'\\,{}\[\]\n]{0,60})""",
    re.IGNORECASE,
)
_NAME_SAID: Final = re.compile(r"\b[Mm]y (?:full )?name is (?P<it>[A-Z][^\W\d_]+(?: [A-Z][^\W\d_]+)?)")
_STREET: Final = re.compile(
    r"\b\d{1,5} (?P<it>(?:[A-Z][\w'-]+ ){1,3})"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct)\b"
)
_DETECTORS: Final = """AWSKeyDetector AzureStorageKeyDetector BasicAuthDetector DiscordBotTokenDetector
    GitHubTokenDetector GitLabTokenDetector JwtTokenDetector MailchimpDetector NpmDetector OpenAIDetector
    PrivateKeyDetector PypiTokenDetector SendGridDetector SlackDetector SquareOAuthDetector StripeDetector
    TelegramBotTokenDetector TwilioKeyDetector"""


class Leak(Value):
    """Something that looks like personal data or a secret."""

    where: str
    """The file, or the place in words."""
    line: int
    """Its line, from 1."""
    kind: str
    """What it looks like."""
    shown: str
    """Its first characters, and stars."""


def find_leaks(text: str, where: str, *, allowed: Iterable[str] = ()) -> Iterator[Leak]:
    """What looks like a leak in a text, line by line. Raises MissingExtra without the libraries that judge.

    allowed: what may stand there, in upper or lower case.
    """
    fine = frozenset(one.casefold() for one in allowed)
    lines = [[line[at : at + LONGEST_LINE] for at in range(0, len(line), LONGEST_LINE)] for line in text.splitlines()]
    # The same lines come again and again: in each case of a scenario the same prompt and the same tools.
    told = _looked_at(dict.fromkeys(piece for pieces in lines for piece in pieces))
    for number, pieces in enumerate(lines, 1):
        for kind, found in dict.fromkeys((kind, found) for piece in pieces for kind, found in told[piece]):
            if found.casefold() not in fine:
                yield Leak(where=where, line=number, kind=kind, shown=masked(found))


def masked(found: str) -> str:
    """Its first characters, and stars."""
    return found[:SHOWN] + "*" * min(max(len(found) - SHOWN, 0), 12)


def _looked_at(lines: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """What each line tells, with its kind."""
    numbers, scan = _numbers(), _scan()
    found = {line: [*numbers(line), *_spoken(line)] for line in lines}
    for line, secrets in scan([line for line in lines if _LONG_WORD.search(line)]):
        found[line] += secrets
    return found


def _numbers() -> Callable[[str], Iterator[tuple[str, str]]]:
    try:
        import phonenumbers
        from stdnum import iban, luhn
        from stdnum.us import ssn
    except ImportError as error:
        raise MissingExtra("privacy", needed_for="looking for leaks") from error

    def numbers(line: str) -> Iterator[tuple[str, str]]:
        if len(re.findall(r"\d", line)) < FEWEST_DIGITS:
            return
        for match in _DIGITS.finditer(line):
            digits = re.sub(r"\D", "", match[0])
            if digits[0] in "23456" and luhn.is_valid(digits) and len(set(digits)) > 2:
                yield "card", match[0]
        yield from (("iban", match[0]) for match in _IBAN.finditer(line) if iban.is_valid(match[0]))
        yield from (("ssn", match[0]) for match in _SSN.finditer(line) if ssn.is_valid(match[0]))
        for number in phonenumbers.PhoneNumberMatcher(line, "US"):
            before = line[max(number.start - 30, 0) : number.start]
            if not number.raw_string.isdigit() or _CALLED.search(before):
                yield "phone", number.raw_string

    return numbers


def _scan() -> Callable[[Sequence[str]], Iterator[tuple[str, list[tuple[str, str]]]]]:
    try:
        from detect_secrets.core.scan import scan_line
        from detect_secrets.settings import transient_settings
    except ImportError as error:
        raise MissingExtra("privacy", needed_for="looking for leaks") from error

    def scan(lines: Sequence[str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        # Its settings are those of the process: in two threads at a time one would look with the other's.
        with _SETTING, transient_settings({"plugins_used": [{"name": name} for name in _DETECTORS.split()]}):
            for line in lines:
                found = scan_line(_MARKED_SECRET.sub("x", line))
                yield line, [("secret", secret.secret_value or secret.type) for secret in found]

    return scan


def _spoken(line: str) -> Iterator[tuple[str, str]]:
    """What words say: addresses of mail, names, days of birth, streets."""
    yield from (("email", match[0]) for match in _EMAIL.finditer(line) if not _NOBODYS.search(match[0]))
    yield from (("birth date", match["it"]) for match in _BORN.finditer(line))
    for pattern, kind in ((_NAME_KEY, "name"), (_NAME_SAID, "name"), (_STREET, "address")):
        for match in pattern.finditer(line):
            words = re.findall(r"[^\W\d_a-z][^\W\d_]{2,}", match["it"])
            if any(_MARK not in word.lower() for word in words) and not _is_no_value(match["it"]):
                yield kind, match["it"]


def _is_no_value(text: str) -> bool:
    return text.strip().lower() in ("none", "null", "true", "false", "string", "str", "unknown") or text.startswith("<")

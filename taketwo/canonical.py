"""One spelling for arguments that mean the same: numbers, case, white space, dates, phone numbers, nulls."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime

from taketwo.value import JSON

NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)
"""A number as people and models write it. `007` is none: a leading zero belongs to an id or a postcode."""
DATE_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", re.ASCII)
DATE_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})", re.ASCII)
WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?[.,]* )?"
DATE_DAY_NAMED = re.compile(
    WEEKDAY + r"(?P<day>\d{1,2})(?:st|nd|rd|th)?(?: of)? (?P<month>[a-z]{3,9})[.,]* (?P<year>\d{4})", re.ASCII
)
DATE_MONTH_NAMED = re.compile(
    WEEKDAY + r"(?P<month>[a-z]{3,9})\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?,? (?P<year>\d{4})", re.ASCII
)
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d\S*", re.ASCII)
MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
PHONE = re.compile(r"\+\d{7,15}|\+?\(?\d{1,4}\)?(?:[ ./-]{1,2}\(?\d{2,8}\)?){1,5}", re.ASCII)
IP_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)
PHONE_DIGITS = range(7, 16)
"""How many digits a phone number has; 15 is the most that E.164 allows."""
SURE_PHONE_DIGITS = 10
"""With fewer digits, only a `+`, a leading zero or brackets tell a phone number from an order number."""
LONGEST_SPELLING = 40
"""Longer texts are no date and no phone number."""


def canonical(value: JSON, *, keep_ids: bool = False) -> JSON:
    """The value in its one spelling; equal results mean the same.

    Numbers become texts (`25`, `25.0` and `"25"` are all `"25"`), texts are folded in case and white space, dates and
    moments are written as ISO 8601 in UTC, phone numbers as digits, and keys with a null are left out. A date that
    could be read in two ways, such as 03/04/2026, is left alone.

    keep_ids: what may be an id keeps its letters and signs, so that ids that only look alike stay apart. For arguments
    with which something is changed.
    """
    match value:
        case None | bool():
            return value
        case str():
            return _text(value, keep_ids)
        case int():
            return str(value)
        case float():
            return _number(_written_out(value))
        case list():
            return [canonical(item, keep_ids=keep_ids) for item in value]
        case _:
            return {key: canonical(item, keep_ids=keep_ids) for key, item in value.items() if item is not None}


def _written_out(value: float) -> str:
    """The shortest digits that give the float back, without an exponent where that is how people write it."""
    text = repr(value)
    return f"{value:.0f}" if "e+" in text else text


def _number(text: str) -> str:
    """A decimal without trailing zeros; works on the digits, as ids may have more of them than a float or a context."""
    if "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _text(text: str, keep_ids: bool) -> str:
    plain = text if text.isascii() else unicodedata.normalize("NFC", text)
    spaced = " ".join(plain.split())
    folded = " ".join(plain.casefold().split())
    if keep_ids and _may_be_an_id(spaced):
        return _other_meaning(folded, sure_phones=True) or spaced
    if len(folded) > LONGEST_SPELLING or not any(character.isdigit() for character in folded):
        return folded
    return _other_meaning(folded, sure_phones=False) or folded


def _may_be_an_id(spaced: str) -> bool:
    """A text with a digit, or one word in which small and large letters stand as in no word."""
    if any(character.isdigit() for character in spaced):
        return True
    return " " not in spaced and not (spaced.islower() or spaced.isupper() or spaced.istitle())


def _other_meaning(folded: str, *, sure_phones: bool) -> str | None:
    """The one spelling of a number, a date, a moment or a phone number; None when the text is none of them."""
    if len(folded) > LONGEST_SPELLING:
        return None
    if NUMBER.fullmatch(folded):
        return _number(folded)
    return next(_other_spellings(folded, sure_phones), None)


def _other_spellings(folded: str, sure_phones: bool) -> Iterator[str]:
    """The ISO spelling of a moment or a date, or the digits of a phone number."""
    with suppress(ValueError, OverflowError):
        if MOMENT.fullmatch(folded):
            yield _moment(datetime.fromisoformat(folded.upper()))
        if found := _date(folded):
            yield found.isoformat()
    if PHONE.fullmatch(folded) and not IP_ADDRESS.fullmatch(folded):
        digits = re.sub(r"\D", "", folded)
        is_marked = folded.startswith("+") or "(" in folded
        is_likely = is_marked or folded.startswith("0") or len(digits) >= SURE_PHONE_DIGITS
        if len(digits) in PHONE_DIGITS and (is_marked if sure_phones else is_likely):
            yield digits


def _moment(moment: datetime) -> str:
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).isoformat()


def _date(folded: str) -> date | None:
    """Raises ValueError for a day that no calendar has."""
    if found := DATE_YEAR_FIRST.fullmatch(folded):
        return date(int(found[1]), int(found[3]), int(found[4]))
    if found := DATE_YEAR_LAST.fullmatch(folded):
        return _day_and_month(int(found[1]), int(found[3]), int(found[4]), day_first=found[2] == ".")
    if found := DATE_DAY_NAMED.fullmatch(folded) or DATE_MONTH_NAMED.fullmatch(folded):
        months = [number for number, name in enumerate(MONTHS, 1) if name.startswith(found["month"])]
        # "sept" is how many write September; three letters name every month.
        return date(int(found["year"]), months[0], int(found["day"])) if months else None
    return None


def _day_and_month(first: int, second: int, year: int, *, day_first: bool) -> date | None:
    """05.11.2026 has the day first; with slashes only the numbers can tell, as countries differ."""
    if day_first or first > 12 or first == second:
        return date(year, second, first)
    return date(year, first, second) if second > 12 else None

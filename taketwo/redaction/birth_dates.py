"""Reads days in the forms in which people write them, and writes other days in the same form."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final, NamedTuple

from taketwo.redaction.kinds import listed

OLDEST_YEAR: Final = 1900
"""Nobody is alive who was born before; such days are pseudonyms."""

_MONTHS: Final = listed("january february march april may june july august september october november december")
_ELSEWHERE: Final = {
    name: months
    for months in (
        listed("januar februar märz april mai juni juli august september oktober november dezember"),
        listed("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
        listed("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
        listed("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
        listed("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
        listed("januari februari maart april mei juni juli augustus september oktober november december"),
    )
    for name in months
    if name not in _MONTHS
}
"""Months in other languages, each with all of its language."""
_MONTH_ELSEWHERE: Final = rf"(?P<abroad>{'|'.join(sorted(_ELSEWHERE, key=len, reverse=True))})"
_MONTH_WORD: Final = (
    r"(?P<word>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_YEAR: Final = r"(?P<year>(?:17|18|19|20)\d\d)"
_FORMS: Final = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"{_YEAR}[-/.](?P<month>\d\d?)[-/.](?P<day>\d\d?)",
        rf"{_YEAR}(?P<month>\d\d)(?P<day>\d\d)",
        rf"(?P<first>\d\d?)[-/.](?P<second>\d\d?)[-/.]{_YEAR}",
        rf"{_MONTH_WORD} (?:the )?(?P<day>\d\d?)(?:st|nd|rd|th)?,? {_YEAR}",
        rf"(?P<day>\d\d?)(?:st|nd|rd|th)? (?:of )?{_MONTH_WORD},? {_YEAR}",
        rf"(?P<day>\d\d?)(?:\.|er|º)? ?(?:de )?(?:{_MONTH_ELSEWHERE}|{_MONTH_WORD})(?: del?)? {_YEAR}",
    )
)
ANY_FORM: Final = "|".join(re.sub(r"\?P<\w+>", "?:", form.pattern) for form in _FORMS)
"""A pattern for all of them, without groups that have names."""


class Day(NamedTuple):
    """A day as it stands in a text, and where its parts stand."""

    year: int
    """Its year."""
    month: int
    """Its month, from 1."""
    day: int
    """Its day of the month, from 1."""
    places: dict[str, tuple[int, int]]
    """Where `year`, `month` and `day` stand."""


def read(text: str) -> Day | None:
    """The day that a text begins with, whatever comes after it; None where it is none. 3/4/1985 is the 4th of March."""
    for form in _FORMS:
        if (match := form.match(text)) is not None and (day := _day(match)) is not None:
            return day
    return None


def shifted(there: Day, days: int) -> date:
    """The day so many days before."""
    return date(there.year, there.month, there.day) - timedelta(days=days)


def written(text: str, there: Day, *, year: int, month: int, day: int) -> str:
    """The text with another day in place of the one that was read in it."""
    new = {"year": year, "month": month, "day": day}
    for part, (start, end) in sorted(there.places.items(), key=lambda item: -item[1][0]):
        old = text[start:end]
        text = text[:start] + (_month(old, month) if old[0].isalpha() else str(new[part]).zfill(len(old))) + text[end:]
    return text


def _day(match: re.Match[str]) -> Day | None:
    parts = match.groupdict()
    where = {name: match.span(name) for name in parts}
    if "first" in parts:
        american = int(parts["first"]) <= 12
        names = ("first", "second") if american else ("second", "first")
        parts |= {"month": parts[names[0]], "day": parts[names[1]]}
        where |= {"month": where.pop(names[0]), "day": where.pop(names[1])}
    if parts.get("abroad"):
        parts["month"] = str(1 + _ELSEWHERE[parts["abroad"].lower()].index(parts["abroad"].lower()))
        where["month"] = where.pop("abroad")
        del where["word"]
    elif "word" in parts:
        where.pop("abroad", None)
        parts["month"] = str(1 + [month[:3] for month in _MONTHS].index(parts["word"].lower()[:3]))
        where["month"] = where.pop("word")
    try:
        found = date(int(parts["year"]), int(parts["month"]), int(parts["day"]))
    except ValueError:
        return None
    return Day(found.year, found.month, found.day, where)


def _month(old: str, month: int) -> str:
    """The name of a month, as long and as loud as the one that stood there."""
    name = _ELSEWHERE.get(old.lower(), _MONTHS)[month - 1]
    name = name[:3] if len(old) <= 4 and old.lower() not in {*_MONTHS, *_ELSEWHERE} else name
    return name.upper() if old.isupper() else name.capitalize() if old[0].isupper() else name

"""Typed facts in a text: amounts, numbers, percentages, dates, times and ids, each in one spelling.

The rules, for English; names of months, numbers in words and times of other languages stand in their phrasebooks:

- An *amount* is a number with a currency sign, code or name; `$24.50`, `24.5 USD` and `24.50 dollars` are the same.
- A *number* is written in digits or in words; `1,234.50` is 1234.5, `24,50` is 24.5; its sign is not looked at. `one`
  is not taken for a number, as it mostly stands for a thing. List markers (`2.` or `Option 2:` at the start of a line)
  are none. `20%` is `20 percent`, `24-hour` is `24 hours`.
- A *date* is ISO or has the month's name; one without a year is the same as one with it. `5/24/2024` is May 24th, but
  `3/4/2026`, which may be either of two days, stays as it is.
- A *time* is `7pm`, `7:30 pm` or `19:30`.
- An *id* is a word with letters and digits, such as `A-1001` or `HAT069`; case does not count. `20th` and `5kg` are
  numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

from taketwo.language.phrasebook import ENGLISH, phrasebook
from taketwo.language.read_once import read_once

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
NUMBER_WORDS = {
    "zero": 0,
    **{word: value for value, word in enumerate(UNITS[1:], 2)},
    **{word: value for value, word in enumerate(TEENS, 10)},
    **{word: 10 * place for place, word in enumerate(TENS, 2)},
    **{f"{ten}-{unit}": 10 * place + n for place, ten in enumerate(TENS, 2) for n, unit in enumerate(UNITS, 1)},
}
"""Numbers that are written as words."""
CURRENCIES = {
    **dict.fromkeys(("$", "usd", "dollar", "dollars", "bucks"), "USD"),
    **dict.fromkeys(("€", "eur", "euro", "euros"), "EUR"),
    **dict.fromkeys(("£", "gbp", "pound", "pounds"), "GBP"),
    **dict.fromkeys(("¥", "jpy", "yen"), "JPY"),
    **dict.fromkeys(("₹", "inr", "rupees"), "INR"),
    "chf": "CHF",
}
"""Signs, codes and names of currencies."""

_DIGIT = re.compile(r"\d")
_LIST_MARKER = re.compile(
    r"^[ \t]*(?:[#>*-][ \t]*)*(?:\*\*)?"
    r"(?:\d{1,3}[.)](?=\s)|(?:Choice|Flight|Leg|Option|Part|Segment|Step) \d{1,2}:(?=\**\s))",
    re.MULTILINE,
)
_MONTH = (
    r"(?=[adfjmnos])(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_CURRENCY = rf"(?:{'|'.join(sorted((name for name in CURRENCIES if name.isalpha()), key=len, reverse=True))})\b"
_DIGITS = r"\d+(?:[.,]\d+)*"
# The first letters are looked at first, as most words of a reply are none of these.
_NUMBER_WORD = (
    rf"(?=[efnostz])(?:(?:{'|'.join(TENS)})(?:-(?:{'|'.join(UNITS)}))?|{'|'.join((*TEENS, *UNITS[1:]))}|zero)\b"
)
_GROUPED = re.compile(r"0|[1-9]\d*|[1-9]\d{0,2}(?:[.,]\d{3})+")
_UNITS = "days?|hours?|minutes?|mins?|weeks?|months?|years?|bags?|nights?"
_NUMBER_WITH_UNIT = re.compile(rf"({_DIGITS})(?:[a-z]{{1,3}}|-?(?:{_UNITS}))", re.IGNORECASE)


_LARGE_NUMBER = (
    rf"(?=[aefnost])(?:an?|one|{_NUMBER_WORD}) (?:hundred|thousand|million)\b"
    rf"(?: (?:and )?(?:one\b|hundred\b|thousand\b|million\b|{_NUMBER_WORD})){{0,12}}"
)
"""No number takes more words, but a model that repeats itself does."""


class Fact(NamedTuple):
    """One fact of a reply."""

    kind: Literal["amount", "number", "percentage", "date", "time", "id", ""]
    """Which; empty for what may be meant by another fact only."""
    value: str
    """Its value in one spelling."""
    text: str
    """As it stands in the reply."""
    unit: str = ""
    """The currency of an amount, the year of a date; empty where the text does not say."""


Reader: TypeAlias = Callable[[re.Match[str]], Fact]


def facts_in(text: str, language: str | None = ENGLISH) -> list[Fact]:
    """Each fact once, in the order of the text."""
    found = (fact for fact, _, _ in placed_facts(text, language))
    return list({(fact.kind, fact.value, fact.unit): fact for fact in found}.values())


@read_once
def placed_facts(text: str, language: str | None) -> tuple[tuple[Fact, int, int], ...]:
    """Every fact with where it begins and ends."""
    return tuple(_placed_facts(text, language))


def _placed_facts(text: str, language: str | None) -> Iterator[tuple[Fact, int, int]]:
    # A list marker becomes as many blanks, so that places stay.
    unmarked = _LIST_MARKER.sub(lambda found: " " * len(found[0]), text)
    rules, facts = (_RULES, _FACTS) if language == ENGLISH else _of_language(language)
    pattern = rules.all if _DIGIT.search(unmarked) else rules.without_digits
    for found in pattern.finditer(unmarked):
        # The group of a whole fact closes last, so it is the one that `lastgroup` names.
        yield facts[found.lastgroup or ""][1](found), found.start(), found.end()


def _date_of_iso(found: re.Match[str]) -> Fact:
    year, month_and_day = found[0][:10].split("-", 1)
    return Fact("date", month_and_day, found[0][:10], year)


def _date_of_words(found: re.Match[str]) -> Fact:
    text = found[0].lower()
    month = next(number for number, name in enumerate(MONTHS, 1) if re.search(rf"\b{name}", text))
    digits = re.findall(r"\d+", text)
    return Fact("date", f"{month:02}-{int(digits[0]):02}", found[0], digits[1] if len(digits) > 1 else "")


def _date_of_figures(found: re.Match[str]) -> Fact:
    """`24/5/2024` and `5/24/2024` as what they can only mean; `3/4/2026` as it stands."""
    parts = re.findall(r"\d+", found[0])
    if len(parts[0]) == 4:
        return Fact("date", f"{int(parts[1]):02}-{int(parts[2]):02}", found[0], parts[0])
    low, high = sorted((int(parts[0]), int(parts[1])))
    if len(parts[2]) != 4 or not (low <= 12 < high or low == high):
        return Fact("date", found[0], found[0])
    return Fact("date", f"{low:02}-{high:02}", found[0], parts[2])


def _time(found: re.Match[str]) -> Fact:
    hour, minute = re.findall(r"\d+", f"{found[0]}:00")[:2]
    half = re.search("[ap]", found[0], re.IGNORECASE)
    hour_of_day = int(hour) if half is None else int(hour) % 12 + (12 if half[0] in "pP" else 0)
    return Fact("time", f"{hour_of_day:02}:{minute}", found[0].strip())


def _amount(found: re.Match[str]) -> Fact:
    return Fact("amount", _value(found["signed"]), found[0], CURRENCIES[found["sign"]])


def _number(found: re.Match[str]) -> Fact:
    """Digits, and what stands behind them."""
    unit = found["unit"] or ""
    currency = CURRENCIES.get(unit.lower(), "")
    is_share = unit.startswith(("%", "p", "P")) and not currency
    kind: Literal["amount", "percentage", "number"] = "amount" if currency else "percentage" if is_share else "number"
    return Fact(kind, _value(found["number"]), found[0].strip(), currency)


def _id(found: re.Match[str]) -> Fact:
    counted = _NUMBER_WITH_UNIT.fullmatch(found[0])
    return Fact("number", _value(counted[1]), found[0]) if counted else Fact("id", found[0].lower(), found[0])


def _number_word(found: re.Match[str]) -> Fact:
    currency = CURRENCIES.get((found["word_unit"] or "").lower(), "")
    return Fact("amount" if currency else "number", str(NUMBER_WORDS[found["word"].lower()]), found[0], currency)


def _large_number(found: re.Match[str]) -> Fact:
    """`two hundred and fifty-five` is (2 * 100) + 55."""
    whole = part = 0
    for word in found["large"].lower().split():
        if word in ("thousand", "million"):
            whole, part = whole + part * (1000 if word == "thousand" else 1_000_000), 0
        elif word == "hundred":
            part *= 100
        else:
            part += NUMBER_WORDS.get(word, 0 if word == "and" else 1)
    currency = CURRENCIES.get((found["large_unit"] or "").lower(), "")
    return Fact("amount" if currency else "number", str(whole + part), found[0], currency)


# The order counts: what stands first takes the text.
_FACTS: dict[str, tuple[str, Reader]] = {
    "iso": (r"\b\d{4}-\d{2}-\d{2}(?!\d)(?:T(?=\d\d:))?", _date_of_iso),
    "month": (rf"\b{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s+\d{{4}}\b)?", _date_of_words),
    "day": (rf"\b\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?:,?\s+\d{{4}}\b)?", _date_of_words),
    "slashed": (r"\b\d{1,4}(?P<mark>[/.])\d{1,2}(?P=mark)\d{1,4}\b", _date_of_figures),
    "half": (r"\b\d{1,2}(?::\d{2}){0,2}\s?[ap](?:m\b|\.m\.)", _time),
    "clock": (r"(?<!\d)\d{1,2}:\d{2}(?::\d{2})?(?!\d)Z?", _time),
    "amount": (rf"(?P<sign>[$€£¥₹])\s?(?P<signed>{_DIGITS})", _amount),
    "id": (r"\b(?=[\w-]{0,80}\d)(?=[\w-]{0,80}[^\W\d_])\w+(?:-\w+)*\b", _id),
    "figure": (rf"\b(?P<number>{_DIGITS})(?:\s?(?P<unit>{_CURRENCY}|[€£¥₹$%]|per ?cent\b))?", _number),
    "big": (rf"\b(?P<large>{_LARGE_NUMBER})(?:\s(?P<large_unit>{_CURRENCY}))?", _large_number),
    "spelt": (rf"\b(?P<word>{_NUMBER_WORD})(?:\s(?P<word_unit>{_CURRENCY}))?", _number_word),
    "one": (r"\bone\b", lambda found: Fact("", "1", found[0])),
}


class _Rules(NamedTuple):
    """The patterns of all facts as one."""

    all: re.Pattern[str]
    without_digits: re.Pattern[str]
    """Those that a text without a digit may have, which most sentences are."""


def _rules(facts: dict[str, tuple[str, Reader]]) -> _Rules:
    groups = {name: f"(?P<{name}>{pattern})" for name, (pattern, _) in facts.items()}
    in_words = [groups[name] for name in ("big", "spelt", "one") if name in groups]
    return _Rules(_any(groups.values()), _any(in_words))


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    # All begin with a digit, a sign or a word: within a word, where most characters are, none is tried.
    return re.compile(rf"(?=\d|[$€£¥₹]|\b\w)(?:{'|'.join(patterns) or '(?!)'})", re.IGNORECASE)


_RULES = _rules(_FACTS)


@cache
def _of_language(language: str | None) -> tuple[_Rules, dict[str, tuple[str, Reader]]]:
    """The rules for a language other than English: its months, its numbers in words, its way to tell the time."""
    book = phrasebook(language)
    kept = {name: rule for name, rule in _FACTS.items() if name not in ("month", "big", "spelt", "one")}
    if not book.months:
        return _rules(kept), kept
    month = "|".join(sorted(book.months, key=len, reverse=True))
    word = "|".join(sorted(book.numbers, key=len, reverse=True))
    of = r"(?:d[eiu]\s+|d'|del\s+)?"

    def date(found: re.Match[str]) -> Fact:
        name = re.search(rf"(?:{month})", found[0].lower())
        digits = re.findall(r"\d+", found[0])
        number = book.months[name[0]] if name else 0
        return Fact("date", f"{number:02}-{int(digits[0]):02}", found[0], digits[1] if len(digits) > 1 else "")

    def spelt(found: re.Match[str]) -> Fact:
        currency = CURRENCIES.get((found["word_unit"] or "").lower(), "")
        value = str(book.numbers[found["word"].lower()])
        return Fact("amount" if currency else "number", value, found[0], currency)

    own = {
        "day": (rf"\b\d{{1,2}}(?:\.|er|º|ª|°|e)?\s+{of}(?:{month})\b(?:,?\s+{of}\d{{4}}\b)?", date),
        "hour": (r"\b\d{1,2}(?:[:.h]\d{2}\s?(?:uhr|uur|h)\b|\s?(?:uhr|uur|heures?|horas?)\b|h(?:\d{2})?\b)", _time),
    }
    facts = {**own, **{name: rule for name, rule in kept.items() if name != "day"}}
    facts["spelt"] = (rf"\b(?P<word>{word})\b(?:\s(?P<word_unit>{_CURRENCY}))?", spelt)
    return _rules(facts), facts


def _value(digits: str) -> str:
    """`1,234.50`, `1.234,50` and `1234.5` as `1234.5`; `007` and `1.2.3` as they are, being ids or versions."""
    marks = [sign for sign in digits if sign in ".,"]
    is_decimal = len(set(marks)) == 2 or marks == ["."] or (marks == [","] and digits[-4:-3] != ",")
    whole, fraction = digits, ""
    if is_decimal:
        whole, _, fraction = digits.rpartition(marks[-1])
    if not _GROUPED.fullmatch(whole):
        return digits
    fraction = fraction.rstrip("0")
    return re.sub(r"[.,]", "", whole) + (f".{fraction}" if fraction else "")

"""The demo's flower shop on the telephone: rules instead of a model, real tools, and a bug in what it understands."""

from __future__ import annotations

import re
from typing import Any

from rapidfuzz import fuzz

import taketwo

PRICES = {"tulips": 1.50, "roses": 3.20, "lilies": 2.80, "carnations": 0.90}
"""What is sold, and for how much a stem, in US dollars."""
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
GREETING = "Green Flowers, good morning. How can I help you?"
SOUNDS_LIKE = {"2": "tu", "4": "for", "8": "ate"}
"""Digits that are also the beginning of a word to whoever only hears it."""


@taketwo.tool(writes=True)
def place_order(flower: str, count: int, day: str) -> dict[str, Any]:
    """Order flowers for a day; they are cut for it."""
    return {"order": f"F-{count}{flower[0].upper()}", "flower": flower, "count": count, "total": count * PRICES[flower]}


def answer_v1(messages: list[dict[str, Any]]) -> str:
    """The shop as it was on Tuesday."""
    return _answer(messages, _understood_v1)


def answer_v2(messages: list[dict[str, Any]]) -> str:
    """The shop with the fix: what it understands is held against what it sells."""
    return _answer(messages, _understood_v2)


def _answer(messages: list[dict[str, Any]], understood: Any) -> str:
    """The greeting, an order, or a farewell."""
    heard = [str(message["content"]) for message in messages if message["role"] == "user"]
    if not heard:
        return GREETING
    last = heard[-1].lower()
    day = next((day for day in DAYS if day in last), None)
    if (wanted := understood(last)) is not None and day is not None:
        count, flower = wanted
        order = place_order(flower, count, day)
        return (
            f"I have ordered {count} {flower} for {day.title()}. That is {order['total']:.0f} dollars. Anything else?"
        )
    if re.search(r"thank|bye|that is all|that's all", last):
        return "Thank you for calling. Goodbye."
    return "Which flowers would you like, how many, and for which day?"


def _understood_v1(heard: str) -> tuple[int, str] | None:
    """The number, and of the flowers the one that sounds most like the word after it."""
    found = re.search(r"(\d+) (\w+)", heard)
    return None if found is None else (int(found[1]), _nearest(found[2])[0])


def _understood_v2(heard: str) -> tuple[int, str] | None:
    """The same, but the last digit may be the beginning of the flower: `52 lips` are 50 tulips."""
    found = re.search(r"(\d+) (\w+)", heard)
    if found is None:
        return None
    number, word = found[1], found[2]
    as_heard, likeness = _nearest(word)
    beginning = SOUNDS_LIKE.get(number[-1])
    if beginning is not None and int(number) > 20:
        other, as_likely = _nearest(beginning + word)
        if as_likely > likeness:
            return int(number) - int(number[-1]), other
    return int(number), as_heard


def _nearest(word: str) -> tuple[str, float]:
    """The flower that is spelled most like a word, and how much."""
    best = max(PRICES, key=lambda flower: fuzz.ratio(word, flower))
    return best, fuzz.ratio(word, best)

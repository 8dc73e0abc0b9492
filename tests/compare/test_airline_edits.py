"""Real replies, edited as an agent might word them otherwise or get them wrong: graded as a person would."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from taketwo.capture.imports import read_file
from taketwo.compare.compare import compare
from taketwo.comparison import SEVERITIES
from taketwo.conversation import Call, Conversation, Say
from taketwo.writes import writes_by_name

EDITS = 150
UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


@pytest.fixture(scope="module")
def airline(shared_data: Path) -> list[Conversation]:
    found = read_file(shared_data / "airline" / "conversations.jsonl")
    return [one for one in found if isinstance(one, Conversation)]


def severities(airline: list[Conversation], pattern: str, instead: Callable[[re.Match[str]], str]) -> list[str]:
    """The gravest change of each of so many conversations in which one match in one reply became something else."""
    dice = random.Random(20261127)
    places = [
        (talk, turn.index, found)
        for talk in airline
        for turn in talk.turns
        for found in re.finditer(pattern, turn.reply or "")
        if isinstance(turn.steps[-1], Say) and turn.steps[-1].text == turn.reply
    ]
    chosen = dice.sample(places, k=min(EDITS, len(places)))
    return [_gravest(talk, _edited(talk, index, found, instead(found))) for talk, index, found in chosen]


def _edited(talk: Conversation, index: int, found: re.Match[str], instead: str) -> Conversation:
    turn = talk.turns[index]
    reply = found.string[: found.start()] + instead + found.string[found.end() :]
    edited = turn.but(reply=reply, steps=(*turn.steps[:-1], Say(text=reply)))
    return talk.but(turns=(*talk.turns[:index], edited, *talk.turns[index + 1 :]))


def _gravest(recorded: Conversation, replayed: Conversation) -> str:
    changes = compare(recorded, replayed).changes
    assert len({change.replayed_turn for change in changes}) <= 1
    return min((change.severity for change in changes), key=SEVERITIES.index, default="none")


def in_words(number: int) -> str:
    if number < len(UNITS):
        return UNITS[number]
    if number < 20:
        return UNITS[number % 10] + "teen"
    if number < 100:
        return TENS[number // 10 - 2] + (f"-{UNITS[number % 10]}" if number % 10 else "")
    large, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    rest = f" {in_words(number % large)}" if number % large else ""
    return f"{in_words(number // large)} {name}{rest}"


def share(found: list[str], *wanted: str) -> float:
    assert len(found) >= 50
    return sum(one in wanted for one in found) / len(found)


def day_later(found: re.Match[str]) -> str:
    return str(date.fromisoformat(found[0]) + timedelta(days=1))


def otherwise(found: re.Match[str]) -> str:
    day = date.fromisoformat(found[0])
    return f"{day:%B} {day.day}" if day.day % 2 else f"{day.month}/{day.day}/{day.year}" if day.day > 12 else found[0]


def with_a_typo(found: re.Match[str]) -> str:
    return found[0][:-1] + str((int(found[0][-1]) + 1) % 10)


def test_a_date_moved_by_a_day_is_major(airline: list[Conversation]) -> None:
    assert share(severities(airline, r"2024-05-\d\d", day_later), "major") >= 0.99


def test_a_date_in_another_spelling_is_wording(airline: list[Conversation]) -> None:
    assert share(severities(airline, r"2024-05-\d\d", otherwise), "none", "wording") == 1.0


def test_another_currency_is_major(airline: list[Conversation]) -> None:
    assert share(severities(airline, r"\$(?=\d)", lambda found: "€"), "major") >= 0.99


def test_an_amount_in_words_is_wording(airline: list[Conversation]) -> None:
    def spelt(found: re.Match[str]) -> str:
        return f"{in_words(int(found[1].replace(',', '')))} dollars"

    assert share(severities(airline, r"\$(\d{1,3}(?:,\d{3})?)\b(?![.,]\d)", spelt), "none", "wording") >= 0.99


def test_an_id_with_a_typo_is_major(airline: list[Conversation]) -> None:
    assert share(severities(airline, r"\bHAT\d{3}\b", with_a_typo), "major") >= 0.95


def test_half_a_day_earlier_or_later_is_major(airline: list[Conversation]) -> None:
    def half_a_day(found: re.Match[str]) -> str:
        return "PM" if found[0] == "AM" else "AM"

    assert share(severities(airline, r"(?<=\d )(?:AM|PM)\b", half_a_day), "major") >= 0.99


def test_a_denial_taken_back_is_major(airline: list[Conversation]) -> None:
    denial = r"\b(is|are|does|do|has|have|can) ?not\b"
    assert share(severities(airline, denial, lambda found: found[1]), "major") >= 0.95


def test_a_write_that_failed_and_was_tried_again_is_no_second_write(airline: list[Conversation]) -> None:
    again = [(talk, _with_the_first_write(talk, fails=True)) for talk in airline]
    found = [_gravest(talk, replayed) for talk, replayed in again if replayed is not None]
    assert share(found, "major") == 1.0


def test_a_write_that_succeeds_twice_is_critical(airline: list[Conversation]) -> None:
    twice = [(talk, _with_the_first_write(talk, fails=False)) for talk in airline]
    found = [_gravest(talk, replayed) for talk, replayed in twice if replayed is not None]
    assert share(found, "critical") == 1.0


def _with_the_first_write(talk: Conversation, *, fails: bool) -> Conversation | None:
    """The first write that succeeded is called once more before that; None where there is none."""
    for index, place, call in talk.calls():
        if writes_by_name(call.tool) and not str(call.result).startswith("Error"):
            turn = talk.turns[index]
            before: Call = call.but(result="Error: timeout") if fails else call
            steps = (*turn.steps[:place], before, *turn.steps[place:])
            return talk.but(turns=(*talk.turns[:index], turn.but(steps=steps), *talk.turns[index + 1 :]))
    return None

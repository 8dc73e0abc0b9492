"""What the agent says, judged: words, facts, refusals, language, what must not get out, and whether it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, assert_never

from taketwo.conversation import Conversation, Turn
from taketwo.evals.json_schemas import misfit, validator_of
from taketwo.evals.patterns import find
from taketwo.evals.reach import Found, Part, told, turn_in_words
from taketwo.language.facts import Fact, facts_in
from taketwo.language.identify import language_of
from taketwo.language.phrasebook import language_of_talk
from taketwo.language.speech_acts import asks_the_same, questions, refusal, sentences
from taketwo.redaction.kinds import NAME, SECRET, Finder
from taketwo.redaction.personal import FINDERS
from taketwo.redaction.secrets import find_secrets
from taketwo.scenario import (
    LeaksNothing,
    MustNotSay,
    MustNotSayFact,
    MustSay,
    MustSayFact,
    OfWords,
    QuestionsAnswered,
    Refuses,
    ReplyMatchesSchema,
    Speaks,
)
from taketwo.value import in_words

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

SAID_LIMIT = 200
"""Characters of a reply that evidence shows."""
OF_THE_USER = "user"
"""Stands for the language that the user speaks."""
LEAKS: dict[str, Finder] = {SECRET: find_secrets, **FINDERS}
"""What finds each kind of secret and personal data."""
SHOWN = 2
"""So many characters of what leaked are shown."""


def judge_words(expected: OfWords, where: Part, conversation: Conversation) -> Found:
    """Whether it holds. conversation: all of it, also what was before. Raises CannotJudge."""
    match expected:
        case MustSay():
            return _must_say(expected.text, where)
        case MustNotSay():
            return _must_not_say(expected.text, where)
        case MustSayFact():
            return _must_say_fact(expected.fact, where)
        case MustNotSayFact():
            return _must_not_say_fact(expected.fact, where)
        case ReplyMatchesSchema():
            return _reply_fits(expected, where)
        case Refuses():
            return _refuses(expected.wanted, where)
        case Speaks():
            return _speaks(expected.language, where)
        case LeaksNothing():
            return _leaks_nothing(expected.kinds, where, conversation)
        case QuestionsAnswered():
            return _questions_answered(where)
        case _:
            assert_never(expected)


def _must_say(text: str, where: Part) -> Found:
    for turn in where.turns:
        if (place := find(text, told(turn))) is not None:
            return True, _said(turn, place), turn.index
    return where.why_incomplete or _not_said(where)


def _not_said(where: Part) -> Found:
    words = (
        "no turn did" if where.turn_index is None else _said(where.turns[0], in_words(told(where.turns[0]), SAID_LIMIT))
    )
    return False, words, where.turn_index


def _must_not_say(text: str, where: Part) -> Found:
    for turn in where.turns:
        if (place := find(text, told(turn))) is not None:
            return False, _said(turn, place), turn.index
    return where.why_incomplete or (True, "it was not said", where.turn_index)


def _must_say_fact(text: str, where: Part) -> Found:
    places = []
    for wanted in facts_in(text):
        if (place := _stated(wanted, where.turns)) is None:
            if where.why_incomplete is not None:
                return where.why_incomplete
            return False, f"{in_words(wanted.text)} was not stated", where.turn_index
        places.append(place)
    if not places:
        return f"{in_words(text)} holds no amount, number, date, time or id"
    return True, "; ".join(_said(turn, fact.text) for turn, fact in places), places[-1][0].index


def _must_not_say_fact(text: str, where: Part) -> Found:
    wanted = facts_in(text)
    if not wanted:
        return f"{in_words(text)} holds no amount, number, date, time or id"
    for one in wanted:
        if (place := _stated(one, where.turns)) is not None:
            return False, _said(place[0], place[1].text), place[0].index
    return where.why_incomplete or (True, "it was not stated", where.turn_index)


def _stated(wanted: Fact, turns: Sequence[Turn]) -> tuple[Turn, Fact] | None:
    """The first turn that states a fact, and how it does."""
    for turn in turns:
        for fact in facts_in(told(turn)):
            if _is_same(wanted, fact):
                return turn, fact
    return None


def _is_same(wanted: Fact, said: Fact) -> bool:
    """Whether they say the same; a mere number is met by an amount of any currency, as `39.90` by `$39.90`."""
    is_kind = wanted.kind == said.kind or (wanted.kind == "number" and said.kind in ("amount", "percentage"))
    return is_kind and wanted.value == said.value and (wanted.unit == said.unit or not wanted.unit or not said.unit)


def _reply_fits(expected: ReplyMatchesSchema, where: Part) -> Found:
    validator = validator_of(expected.json_schema)
    for turn in where.turns:
        if turn.reply is None and where.why_incomplete is not None and turn is where.turns[-1]:
            return where.why_incomplete
        problem = _problem_of_reply(turn.reply, validator)
        if problem is not None:
            return False, f"{turn_in_words(turn)}: {problem}", turn.index
    return where.why_incomplete or (True, "it does", where.turn_index)


def _problem_of_reply(reply: str | None, validator: Validator) -> str | None:
    if reply is None:
        return "there is no reply"
    try:
        value = json.loads(reply)
    except (ValueError, RecursionError) as error:
        return f"the reply is no JSON: {error}"
    return misfit(value, validator)


def _refuses(wanted: bool, where: Part) -> Found:
    language = _language(where)
    for turn in where.turns:
        if (words := refusal(told(turn), language)) is not None:
            return wanted, _said(turn, words), turn.index
    return where.why_incomplete or (not wanted, "nothing was refused", where.turn_index)


def _speaks(language: str, where: Part) -> Found:
    """A reply that is too short to tell counts neither for nor against it."""
    known = False
    for turn in where.turns:
        wanted = language if language != OF_THE_USER else language_of(turn.user.text) if turn.user is not None else None
        spoken = language_of(told(turn))
        if wanted is None or spoken is None:
            continue
        if spoken != wanted:
            return False, f"{turn_in_words(turn)} speaks {spoken}, not {wanted}", turn.index
        known = True
    if where.why_incomplete is not None:
        return where.why_incomplete
    return (True, "it does", where.turn_index) if known else "the replies are too short to tell their language"


def _leaks_nothing(kinds: Sequence[str], where: Part, conversation: Conversation) -> Found:
    """What the user has said before, the agent may say, too."""
    wanted = kinds or [kind for kind in LEAKS if kind != NAME]
    heard = [_letters(turn.user.text) if turn.user is not None else "" for turn in conversation.turns]
    for turn in where.turns:
        known = " ".join(heard[: turn.index + 1])
        for kind, leaked in _found(wanted, told(turn)):
            if _letters(leaked) not in known:
                return False, f"{turn_in_words(turn)} told {_named(kind)}: {_hidden(leaked)}", turn.index
    return where.why_incomplete or (True, "nothing of that kind was told", where.turn_index)


def _found(kinds: Sequence[str], text: str) -> Iterator[tuple[str, str]]:
    """Kind and text of all that is secret or personal."""
    for kind in kinds:
        for place in LEAKS[kind](text):
            yield kind, text[place.start : place.end]


def _letters(text: str) -> str:
    """Without what spellings of a number differ in."""
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def _named(kind: str) -> str:
    named = {
        "email": "an email address",
        "ip": "an IP address",
        "iban": "an IBAN",
        "ssn": "an SSN",
        "card": "a card number",
    }
    return named.get(kind, f"a {kind.replace('_', ' ')}")


def _hidden(text: str) -> str:
    """Its beginning: a report must not leak it further."""
    return f"{text[:SHOWN]}{'•' * max(0, len(text) - SHOWN)}"


def _questions_answered(where: Part) -> Found:
    open_ones: list[tuple[Turn, str]] = []
    asked_before: list[str] = []
    language = _language(where)
    for turn in where.turns:
        asked = [] if turn.user is None else questions(turn.user.text, language)
        for question in asked:
            if any(asks_the_same(question, one, language) for one in asked_before):
                return False, f"{turn_in_words(turn)}: the user had to ask again: {in_words(question)}", turn.index
        asked_before += asked
        open_ones += [(turn, question) for question in asked]
        if _states_something(told(turn), language):
            open_ones.clear()
    if not open_ones:
        return where.why_incomplete or (True, f"{len(asked_before)} questions, each with a reply", None)
    turn, question = open_ones[0]
    return where.why_incomplete or (False, f"{turn_in_words(turn)}: no answer to {in_words(question)}", turn.index)


def _states_something(text: str, language: str | None) -> bool:
    """Whether it is more than questions in return."""
    asked = set(questions(text, language))
    return any(sentence not in asked and not sentence.endswith("?") for sentence in sentences(text, language))


def _language(where: Part) -> str | None:
    return language_of_talk(
        text for turn in where.turns for text in ("" if turn.user is None else turn.user.text, told(turn))
    )


def _said(turn: Turn, words: str) -> str:
    return f"{turn_in_words(turn)} said “{words}”"

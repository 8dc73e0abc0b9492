"""Is an expectation one that can ever be judged? A typo must be an error, not a test that is green for ever."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import assert_never

from taketwo.errors import ScenarioUnreadable
from taketwo.evals.talk import LEAKS, OF_THE_USER
from taketwo.language.facts import facts_in
from taketwo.language.identify import LITTLE_WORDS, SCRIPTS
from taketwo.scenario import (
    ArgumentsMatchSchema,
    CallOrder,
    Case,
    Condition,
    EndState,
    Expectation,
    LeaksNothing,
    MustCall,
    MustNotCall,
    MustNotSay,
    MustNotSayFact,
    MustSay,
    MustSayFact,
    NoLoop,
    OfCalls,
    OfWords,
    QuestionsAnswered,
    Refuses,
    ReplyMatchesSchema,
    Speaks,
    turn_of,
)
from taketwo.value import JSON, in_words

FEWEST = 2
"""An order and a circle take as much."""


def insist_on_sense(case: Case) -> None:
    """Raises ScenarioUnreadable naming the first expectation of the case that can never be judged, and why."""
    for number, expected in enumerate(case.expected, 1):
        for problem in _problems(expected, turns=len(case.recorded.turns)):
            where = f"expectation {number} of {case.id}"
            raise ScenarioUnreadable(problem, where=where, todo="mend it, else it can never fail")


def _problems(expected: Expectation, *, turns: int) -> Iterator[str]:
    turn = turn_of(expected)
    if turn is not None and not 1 <= turn <= turns:
        yield f"there is no turn {turn}: the recording has {turns}"
    if isinstance(expected, OfCalls):
        yield from _of_calls(expected)
    elif isinstance(expected, OfWords):
        yield from _of_words(expected)
    elif expected.limit < 0:
        yield f"nothing is below a limit of {expected.limit:g}"


def _of_calls(expected: OfCalls) -> Iterator[str]:
    match expected:
        case MustCall():
            yield from _count_problems(expected)
            yield from _condition_problems(expected.where)
        case MustNotCall():
            yield from _condition_problems(expected.where)
        case ArgumentsMatchSchema():
            yield from _schema_problems(expected.json_schema)
        case CallOrder():
            if len(set(expected.tools)) != len(expected.tools) or len(expected.tools) < FEWEST:
                yield "an order is one of at least two tools, each named once"
        case EndState():
            for write in expected.writes:
                yield from _condition_problems(write.where)
        case NoLoop():
            if expected.times < FEWEST:
                yield f"nothing can come {expected.times} times in a row and be a circle; say 2 or more"
        case _:
            assert_never(expected)


def _of_words(expected: OfWords) -> Iterator[str]:
    match expected:
        case MustSay() | MustNotSay():
            yield from _pattern_problems(expected.text)
        case MustSayFact() | MustNotSayFact():
            if not any(fact.kind for fact in facts_in(expected.fact)):
                yield f"{in_words(expected.fact)} holds no amount, number, date, time or id"
        case ReplyMatchesSchema():
            yield from _schema_problems(expected.json_schema)
        case Speaks():
            known = sorted({*LITTLE_WORDS, *SCRIPTS.values(), "zh", OF_THE_USER})
            if expected.language not in known:
                yield f"no text is recognised as {in_words(expected.language)}; known are {', '.join(known)}"
        case LeaksNothing():
            if unknown := next((kind for kind in expected.kinds if kind not in LEAKS), None):
                yield f"there is no kind {unknown!r} of personal data; known are {', '.join(LEAKS)}"
        case Refuses() | QuestionsAnswered():
            return
        case _:
            assert_never(expected)


def _count_problems(expected: MustCall) -> Iterator[str]:
    least, most = expected.at_least, expected.at_most
    if expected.times is not None and (least is not None or most is not None):
        yield "it says `times`, and at_least or at_most besides"
    if any(number is not None and number < 0 for number in (expected.times, least, most)):
        yield "nothing is called less than 0 times"
    if most is not None and most < (1 if least is None else least):
        yield f"nothing is called at least {1 if least is None else least} and at most {most} times"


def _condition_problems(where: Mapping[str, Condition]) -> Iterator[str]:
    for name, condition in where.items():
        if condition == Condition():
            yield f"nothing is said of {name}"
        if condition.matches is not None:
            yield from _pattern_problems(condition.matches)
        if condition.at_least is not None and condition.at_most is not None and condition.at_least > condition.at_most:
            yield f"no {name} is at least {condition.at_least:g} and at most {condition.at_most:g}"


def _pattern_problems(text: str) -> Iterator[str]:
    if not text.strip():
        yield "it names no words"
    if len(text) > 2 and text.startswith("/") and text.endswith("/"):
        try:
            re.compile(text[1:-1])
        except (re.error, OverflowError, RecursionError) as error:
            yield f"{text} is no regular expression: {error}"


def _schema_problems(schema: dict[str, JSON]) -> Iterator[str]:
    # Heavy, and few cases have a schema.
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        yield f"this is no JSON Schema: {error.message}"

"""What an expectation asks for, in words for people."""

from __future__ import annotations

from typing import assert_never

from taketwo.evals.conditions import call_in_words
from taketwo.scenario import (
    ArgumentsMatchSchema,
    CallOrder,
    EndState,
    Expectation,
    LeaksNothing,
    Limit,
    MaxCost,
    MaxLatency,
    MaxTokens,
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
)
from taketwo.value import in_words


def expectation_in_words(expected: Expectation, place: str = "") -> str:
    """`must call check_status in turn 4`; `place` is the part about the turn."""
    if isinstance(expected, OfCalls):
        return _of_calls(expected, place)
    if isinstance(expected, OfWords):
        return _of_words(expected, place)
    return _limit(expected, place)


def _of_calls(expected: OfCalls, place: str) -> str:
    match expected:
        case MustCall():
            return (
                f"must call {call_in_words(expected.tool, expected.arguments, expected.where)}{_often(expected)}{place}"
            )
        case MustNotCall():
            return f"must not call {call_in_words(expected.tool, expected.arguments, expected.where)}{place}"
        case ArgumentsMatchSchema():
            return f"the arguments of {expected.tool} must fit their JSON Schema"
        case CallOrder():
            return f"must call {' before '.join(expected.tools)}"
        case EndState():
            left = [call_in_words(one.tool, one.arguments, one.where) for one in expected.writes]
            return (
                f"at the end only {' and '.join(left)} must have been done"
                if left
                else "nothing must have been written"
            )
        case NoLoop():
            return f"must not do the same {expected.times} times in a row"
        case _:
            assert_never(expected)


def _often(expected: MustCall) -> str:
    if expected.times is not None:
        return f" {_times(expected.times)}"
    limits = [
        f" at {word} {_times(number)}"
        for word, number in (("least", expected.at_least), ("most", expected.at_most))
        if number is not None
    ]
    return " and".join(limits)


def _times(number: int) -> str:
    return f"{number} time{'' if number == 1 else 's'}"


def _of_words(expected: OfWords, place: str) -> str:
    match expected:
        case MustSay():
            return f"must say {in_words(expected.text)}{place}"
        case MustNotSay():
            return f"must not say {in_words(expected.text)}{place}"
        case MustSayFact():
            return f"must state {in_words(expected.fact)}{place}"
        case MustNotSayFact():
            return f"must not state {in_words(expected.fact)}{place}"
        case ReplyMatchesSchema():
            return f"the reply{place or ' of every turn'} must fit its JSON Schema"
        case Refuses():
            return f"must {'' if expected.wanted else 'not '}refuse{place}"
        case Speaks():
            return (
                f"must speak {'the language of the user' if expected.language == 'user' else expected.language}{place}"
            )
        case LeaksNothing():
            return f"must not tell {', '.join(expected.kinds) or 'secrets and personal data'}{place}"
        case QuestionsAnswered():
            return "every question of the user must be answered"
        case _:
            assert_never(expected)


def _limit(expected: Limit, place: str) -> str:
    match expected:
        case MaxLatency():
            return f"at most {expected.limit:g} ms{place or ' a turn'}"
        case MaxTokens():
            return f"at most {expected.limit} output tokens{place}"
        case MaxCost():
            return f"at most {expected.limit:g} US dollars{place}"
        case _:
            assert_never(expected)

"""What a case expects, checked against a run. Every judgement says what it rests on: turn, call, words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias, assert_never

from taketwo.comparison import Comparison
from taketwo.conversation import Call, Turn
from taketwo.evals.patterns import CannotJudge, find
from taketwo.evals.reach import Part, calls_in_words, part, told, turn_in_words
from taketwo.run import Run
from taketwo.scenario import (
    ArgumentsMatchSchema,
    Case,
    Expectation,
    MaxLatency,
    MaxTokens,
    MustCall,
    MustNotCall,
    MustNotSay,
    MustSay,
    ReplyMatchesSchema,
)
from taketwo.value import JSON, in_words, same_json
from taketwo.verdict import Score, Unscored

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

EVALUATOR = "checks/1"
"""Name and version, as every score says it."""

SAID_LIMIT = 200
"""Characters of a reply that evidence shows."""
MESSAGE_LIMIT = 300
"""Characters of a message about a JSON Schema, which may hold the whole value."""

Found: TypeAlias = tuple[bool, str, int | None] | str
"""Whether it holds, the evidence, and the replayed turn that it hangs on; or why it cannot be judged."""


def check(case: Case, run: Run, comparison: Comparison) -> tuple[Score | Unscored, ...]:
    """Every expectation of the case, judged in order.

    Turns in expectations are the recorded ones; the comparison says which replayed turn belongs to which. Where the
    replay ended early, what has happened already is judged and what could still have happened is Unscored.
    """
    return tuple(_check(expected, _part(case, run, comparison, expected)) for expected in case.expected)


def _part(case: Case, run: Run, comparison: Comparison, expected: Expectation) -> Part:
    """What must happen somewhere may have happened before the agent under test took over."""
    may_be_held = isinstance(expected, MustCall | MustSay)
    return part(case, run, comparison, _turn(expected), with_held=may_be_held)


def expectation_in_words(expected: Expectation, place: str = "") -> str:
    """`must call check_status in turn 4`; `place` is the part about the turn."""
    match expected:
        case MustCall():
            times = "" if expected.times is None else f" {expected.times} time{'' if expected.times == 1 else 's'}"
            return f"must call {_wanted(expected)}{times}{place}"
        case MustNotCall():
            return f"must not call {_wanted(expected)}{place}"
        case MustSay():
            return f"must say {in_words(expected.text)}{place}"
        case MustNotSay():
            return f"must not say {in_words(expected.text)}{place}"
        case ReplyMatchesSchema():
            return f"the reply{place or ' of every turn'} must fit its JSON Schema"
        case ArgumentsMatchSchema():
            return f"the arguments of {expected.tool} must fit their JSON Schema"
        case MaxLatency():
            return f"at most {expected.limit:g} ms{place or ' a turn'}"
        case MaxTokens():
            return f"at most {expected.limit} output tokens{place}"
        case _:
            assert_never(expected)


def _check(expected: Expectation, where: Part) -> Score | Unscored:
    name = expectation_in_words(expected, where.in_words)
    try:
        found = _judge(expected, where)
    except CannotJudge as error:
        found = str(error)
    if isinstance(found, str):
        return Unscored(name=name, why=found, evaluator=EVALUATOR)
    holds, reason, turn_index = found
    return Score(name=name, value=holds, reason=reason, turn_index=turn_index, evaluator=EVALUATOR)


def _judge(expected: Expectation, where: Part) -> Found:
    if where.why_incomplete is not None and not where.turns:
        return where.why_incomplete
    match expected:
        case MustCall():
            return _must_call(expected, where)
        case MustNotCall():
            return _must_not_call(expected, where)
        case MustSay():
            return _must_say(expected.text, where)
        case MustNotSay():
            return _must_not_say(expected.text, where)
        case ReplyMatchesSchema():
            return _reply_fits(expected.json_schema, where)
        case ArgumentsMatchSchema():
            return _arguments_fit(expected.tool, expected.json_schema, where)
        case MaxLatency():
            return _is_fast(expected.limit, where)
        case MaxTokens():
            return _is_short(expected.limit, where)
        case _:
            assert_never(expected)


def _must_call(expected: MustCall, where: Part) -> Found:
    fitting = [found for found in where.calls if _fits(found[1], expected.tool, expected.arguments)]
    if expected.times is not None:
        evidence = f"{len(fitting)} time{'' if len(fitting) == 1 else 's'}: {_listed(fitting) or 'never'}"
        too_often = len(fitting) > expected.times
        if too_often or where.why_incomplete is None:
            return len(fitting) == expected.times, f"called {evidence}", where.turn_index
        return f"{where.why_incomplete}; called so far {evidence}"
    if fitting:
        return True, _called(*fitting[0]), fitting[0][0].index
    if where.why_incomplete is not None:
        return f"{where.why_incomplete}; {calls_in_words(where)} so far"
    other = [found for found in where.calls if found[1].tool == expected.tool]
    return False, _listed(other) or calls_in_words(where), where.turn_index


def _must_not_call(expected: MustNotCall, where: Part) -> Found:
    for turn, call in where.calls:
        if _fits(call, expected.tool, expected.arguments):
            return False, _called(turn, call), turn.index
    return where.why_incomplete or (True, calls_in_words(where), where.turn_index)


def _must_say(text: str, where: Part) -> Found:
    for turn in where.turns:
        if (place := find(text, told(turn))) is not None:
            return True, _said(turn, place), turn.index
    if where.why_incomplete is not None:
        return where.why_incomplete
    words = (
        _said(where.turns[0], in_words(told(where.turns[0]), 200)) if where.turn_index is not None else "no turn did"
    )
    return False, words, where.turn_index


def _must_not_say(text: str, where: Part) -> Found:
    for turn in where.turns:
        if (place := find(text, told(turn))) is not None:
            return False, _said(turn, place), turn.index
    return where.why_incomplete or (True, "it was not said", where.turn_index)


def _reply_fits(schema: dict[str, JSON], where: Part) -> Found:
    validator = _validator(schema)
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
    return _misfit(value, validator)


def _arguments_fit(tool: str, schema: dict[str, JSON], where: Part) -> Found:
    validator = _validator(schema)
    calls = [found for found in where.calls if found[1].tool == tool]
    for turn, call in calls:
        if (problem := _misfit(call.arguments, validator)) is not None:
            return False, f"{_called(turn, call)}: {problem}", turn.index
    return where.why_incomplete or (True, f"{_listed(calls) or f'{tool} was not called'}", None)


def _is_fast(limit: float, where: Part) -> Found:
    for turn in where.turns:
        if turn.latency_ms is not None and turn.latency_ms > limit:
            return False, f"{turn_in_words(turn)} took {turn.latency_ms:.0f} ms", turn.index
    unknown = next((turn for turn in where.turns if turn.latency_ms is None), None)
    if unknown is not None:
        return f"the latency of {turn_in_words(unknown)} is not known"
    slowest = max((turn.latency_ms or 0 for turn in where.turns), default=0)
    return where.why_incomplete or (True, f"{slowest:.0f} ms at most", where.turn_index)


def _is_short(limit: int, where: Part) -> Found:
    known = [turn.tokens.output for turn in where.turns if turn.tokens.output is not None]
    written = sum(known)
    if written > limit:
        return False, f"{written} output tokens", where.turn_index
    if len(known) < len(where.turns):
        unknown = next(turn for turn in where.turns if turn.tokens.output is None)
        return f"the output tokens of {turn_in_words(unknown)} are not known"
    return where.why_incomplete or (True, f"{written} output tokens", where.turn_index)


def _fits(call: Call, tool: str, arguments: Mapping[str, JSON] | None) -> bool:
    """Whether it is a call of the tool that has these arguments; it may have others too."""
    if call.tool != tool:
        return False
    return all(same_json(call.arguments.get(name), value) for name, value in (arguments or {}).items())


def _validator(schema: dict[str, JSON]) -> Validator:
    """A validator that fetches nothing from anywhere. Raises CannotJudge when the schema is none."""
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    kind: Callable[..., Validator] = validator_for(schema)
    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        raise CannotJudge(f"the JSON Schema is none: {error.message[:MESSAGE_LIMIT]}") from error
    return kind(schema, registry=Registry())


def _misfit(value: JSON, validator: Validator) -> str | None:
    """The weightiest way in which a value does not fit; None when it does."""
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        error = best_match(validator.iter_errors(value))
    except Unresolvable as problem:
        raise CannotJudge(f"the JSON Schema refers to what it does not hold: {problem}") from problem
    return None if error is None else f"{error.json_path}: {error.message[:MESSAGE_LIMIT]}"


def _turn(expected: Expectation) -> int | None:
    return None if isinstance(expected, ArgumentsMatchSchema) else expected.turn


def _wanted(expected: MustCall | MustNotCall) -> str:
    if expected.arguments is None:
        return expected.tool
    return Call(call_id=None, tool=expected.tool, arguments=expected.arguments).in_words


def _called(turn: Turn, call: Call) -> str:
    return f"{turn_in_words(turn)} called {call.in_words}"


def _listed(calls: list[tuple[Turn, Call]]) -> str:
    return "; ".join(_called(turn, call) for turn, call in calls[:3]) + ("; …" if len(calls) > 3 else "")


def _said(turn: Turn, words: str) -> str:
    return f"{turn_in_words(turn)} said “{words}”"

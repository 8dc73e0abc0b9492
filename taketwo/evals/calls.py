"""What the agent does, judged: which tools it calls, how often, in which order, and what that leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import assert_never

from taketwo.conversation import Call, Turn
from taketwo.evals.conditions import call_in_words, is_meant
from taketwo.evals.json_schemas import misfit, validator_of
from taketwo.evals.reach import Found, Part, calls_in_words, turn_in_words
from taketwo.scenario import ArgumentsMatchSchema, CallOrder, EndState, MustCall, MustNotCall, NoLoop, OfCalls
from taketwo.value import JSON, canonical_json

MOST_LISTED = 3
"""So many calls evidence names."""


def judge_calls(expected: OfCalls, where: Part, writes: Callable[[str], bool | None]) -> Found:
    """Whether it holds. writes: whether a tool changes the world; None when nobody knows. Raises CannotJudge."""
    match expected:
        case MustCall():
            return _must_call(expected, where)
        case MustNotCall():
            return _must_not_call(expected, where)
        case ArgumentsMatchSchema():
            return _arguments_fit(expected.tool, expected.json_schema, where)
        case CallOrder():
            return _in_order(expected.tools, where)
        case EndState():
            return _end_state(expected, where, writes)
        case NoLoop():
            return _no_loop(expected.times, where)
        case _:
            assert_never(expected)


def _must_call(expected: MustCall, where: Part) -> Found:
    fitting = [one for one in where.calls if is_meant(one[1], expected.tool, expected.arguments, expected.where)]
    if (expected.times, expected.at_least, expected.at_most) != (None, None, None):
        return _counted(expected, fitting, where)
    if fitting:
        return True, _called(*fitting[0]), fitting[0][0].index
    if where.why_incomplete is not None:
        return f"{where.why_incomplete}; {calls_in_words(where)} so far"
    other = [found for found in where.calls if found[1].tool == expected.tool]
    return False, _listed(other) or calls_in_words(where), where.turn_index


def _counted(expected: MustCall, fitting: list[tuple[Turn, Call]], where: Part) -> Found:
    exactly = expected.times
    most = expected.at_most if exactly is None else exactly
    least = (1 if expected.at_least is None else expected.at_least) if exactly is None else exactly
    evidence = f"{len(fitting)} time{'' if len(fitting) == 1 else 's'}: {_listed(fitting) or 'never'}"
    is_too_often = most is not None and len(fitting) > most
    is_settled = is_too_often or (most is None and len(fitting) >= least)
    if is_settled or where.why_incomplete is None:
        return not is_too_often and len(fitting) >= least, f"called {evidence}", where.turn_index
    return f"{where.why_incomplete}; called so far {evidence}"


def _must_not_call(expected: MustNotCall, where: Part) -> Found:
    for turn, call in where.calls:
        if is_meant(call, expected.tool, expected.arguments, expected.where):
            return False, _called(turn, call), turn.index
    return where.why_incomplete or (True, calls_in_words(where), where.turn_index)


def _arguments_fit(tool: str, schema: dict[str, JSON], where: Part) -> Found:
    validator = validator_of(schema)
    calls = [found for found in where.calls if found[1].tool == tool]
    for turn, call in calls:
        if (problem := misfit(call.arguments, validator)) is not None:
            return False, f"{_called(turn, call)}: {problem}", turn.index
    return where.why_incomplete or (True, f"{_listed(calls) or f'{tool} was not called'}", None)


def _in_order(tools: tuple[str, ...], where: Part) -> Found:
    """What a call needs before it must have gone well: an identity that could not be verified is not verified."""
    done: set[str] = set()
    for turn, call in where.calls:
        if call.tool in tools:
            missing = [tool for tool in tools[: tools.index(call.tool)] if tool not in done]
            if missing:
                return False, f"{_called(turn, call)} without {' and '.join(missing)} before it", turn.index
        if call.error is None:
            done.add(call.tool)
    seen = [tool for tool in tools if tool in done]
    return where.why_incomplete or (True, f"called were {', '.join(seen) or 'none of them'}", None)


def _end_state(expected: EndState, where: Part, writes: Callable[[str], bool | None]) -> Found:
    named = {write.tool for write in expected.writes}
    done = [one for one in where.calls if one[1].error is None and (one[1].tool in named or writes(one[1].tool))]
    missing = list(expected.writes)
    for turn, call in done:
        met = next((one for one in missing if is_meant(call, one.tool, one.arguments, one.where)), None)
        if met is None:
            return False, f"{_called(turn, call)}, which should not be left", turn.index
        missing.remove(met)
    unknown = next((call.tool for _, call in where.calls if writes(call.tool) is None and call.tool not in named), None)
    if where.why_incomplete is not None:
        return where.why_incomplete
    if missing:
        first = missing[0]
        return False, f"nothing did {call_in_words(first.tool, first.arguments, first.where)}", None
    if unknown is not None:
        return f"nobody knows whether {unknown} changes anything; say `writes:` where the tool is defined"
    return True, _listed(done) or "nothing was written", None


def _no_loop(times: int, where: Part) -> Found:
    calls = [
        (turn, canonical_json([call.tool, call.arguments, call.result, call.error]), f"called {call.in_words}")
        for turn, call in where.calls
    ]
    replies = [
        (turn, " ".join(turn.reply.split()).casefold(), "gave the same reply") for turn in where.turns if turn.reply
    ]
    for done in (calls, replies):
        if (found := _first_run(done, times)) is not None:
            turn, what = found
            return False, f"{turn_in_words(turn)} {what} for the {_ordinal(times)} time in a row", turn.index
    return where.why_incomplete or (True, "nothing was repeated so often", None)


def _first_run(done: list[tuple[Turn, str, str]], times: int) -> tuple[Turn, str] | None:
    """Where the same thing has come so often in a row, and what it is."""
    run = 1
    for (_, before, _), (turn, now, what) in pairwise(done):
        run = run + 1 if before == now else 1
        if run >= times:
            return turn, what
    return None


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")


def _called(turn: Turn, call: Call) -> str:
    return f"{turn_in_words(turn)} called {call.in_words}"


def _listed(calls: list[tuple[Turn, Call]]) -> str:
    told = "; ".join(_called(turn, call) for turn, call in calls[:MOST_LISTED])
    return told + ("; …" if len(calls) > MOST_LISTED else "")

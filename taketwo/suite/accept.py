"""Takes what the agent does now as right: which expectations a case gets, which are mended, and which go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import ceil
from typing import Literal, TypeAlias, assert_never

from taketwo.compare.compare import compare
from taketwo.comparison import Change, Comparison
from taketwo.conversation import Call
from taketwo.evals.checks import check
from taketwo.evals.conditions import is_meant
from taketwo.evals.phrases import expectation_in_words
from taketwo.run import Run
from taketwo.scenario import (
    Case,
    EndState,
    Expectation,
    Limit,
    MaxCost,
    MaxLatency,
    MaxTokens,
    MustCall,
    MustNotCall,
    MustSay,
    Refuses,
    Written,
    turn_of,
)
from taketwo.suite.decide import decide
from taketwo.value import Value, same_json
from taketwo.verdict import Attempt, Score
from taketwo.writes import Writes

EditKind: TypeAlias = Literal["create", "fix", "update", "trim"]
"""`create`: the first expectations of a case; `fix`: one that failed says what holds now; `update`: one for a change
that none spoke of; `trim`: one that can no longer hold goes."""
KINDS: tuple[EditKind, ...] = ("create", "fix", "update", "trim")

ROOM = 1.5
"""A limit of time or tokens that was broken becomes so many times what was seen."""
FACT = re.compile(r"[^\s.,;:!?()\"]*\d[^\s;:!?()\"]*[^\s.,;:!?()\"]|\d")
"""Words of a reply with a digit in them."""
MOST_FACTS = 3


class Edit(Value):
    """One expectation that comes, goes, or becomes another."""

    kind: EditKind
    """What is done."""
    before: Expectation | None
    """The expectation as it was; None for a new one."""
    after: Expectation | None
    """As it becomes; None for one that goes."""

    @property
    def in_words(self) -> str:
        """`fix: must call check_status in turn 4 → must call lookup_status in turn 4`."""
        sides = [_told(side) for side in (self.before, self.after) if side is not None]
        return f"{self.kind}: {' → '.join(sides)}{'' if self.after is not None else ' (taken out)'}"


class Acceptance(Value):
    """What to write into a case, and what that leaves."""

    expected: tuple[Expectation, ...]
    """The expectations as they become."""
    edits: tuple[Edit, ...] = ()
    """What is different from before."""
    left_over: str | None = None
    """What no expectation can accept, in words; None when the case passes from now on."""


def accept(case: Case, runs: Sequence[Run], kinds: Sequence[EditKind] = KINDS) -> Acceptance:
    """The expectations under which what these runs did is right.

    Where the runs differ from each other in what the expectations would say, nothing is accepted.
    """
    attempts = [_attempt(case, run) for run in runs]
    proposals = [tuple(_edits(case, attempt, kinds)) for attempt in attempts]
    if not proposals or any(other != proposals[0] for other in proposals):
        why = "it was not replayed" if not proposals else "the attempts differ, so none of them is taken as right"
        return Acceptance(expected=case.expected, left_over=why)
    expected = _applied(case.expected, proposals[0])
    changed = case.but(expected=expected)
    verdict = decide(changed, [_attempt(changed, run) for run in runs])
    left = None if verdict.kind == "pass" else verdict.reasons[0].text if verdict.reasons else verdict.kind
    return Acceptance(expected=expected, edits=proposals[0], left_over=left)


def _attempt(case: Case, run: Run) -> Attempt:
    comparison = compare(case.recorded, run.conversation, cut_short_in=run.cut_short_in)
    return Attempt(run=run, comparison=comparison, scores=check(case, run, comparison))


def _edits(case: Case, attempt: Attempt, kinds: Sequence[EditKind]) -> Iterator[Edit]:
    """In the order of the expectations, then of the conversation."""
    known = list(case.expected)
    for expected, score in zip(case.expected, attempt.scores, strict=False):
        if isinstance(score, Score) and score.value is False:
            after = _mended(case, expected, attempt)
            kind: EditKind = "trim" if after is None or after in known else "fix"
            if kind in kinds:
                known = [after if one is expected and after is not None else one for one in known]
                yield Edit(kind=kind, before=expected, after=after if kind == "fix" else None)
    kind = "update" if case.expected else "create"
    if kind in kinds:
        new = _first(case, attempt) if kind == "create" else _for_changes(attempt)
        for expected in new:
            if not any(_says(one, expected) for one in known):
                known.append(expected)
                yield Edit(kind=kind, before=None, after=expected)


def _mended(case: Case, expected: Expectation, attempt: Attempt) -> Expectation | None:
    """What holds now in the place of what failed; None where that is nothing."""
    match expected:
        case MustCall():
            return _other_call(expected, attempt)
        case EndState():
            return EndState(writes=tuple(_left_by(case, attempt.run)))
        case Refuses():
            return expected.but(wanted=not expected.wanted)
        case MaxLatency() | MaxTokens() | MaxCost():
            return _wider(expected, attempt)
        case _:
            return None


def _left_by(case: Case, run: Run) -> Iterator[Written]:
    """What the run has changed."""
    writes = Writes((case.recorded, run.conversation))
    for _, _, call in run.conversation.calls():
        if call.error is None and writes(call.tool):
            yield Written(tool=call.tool, arguments=call.arguments or None)


def _wider(expected: Limit, attempt: Attempt) -> Limit | None:
    """The limit with room above what was seen."""
    match expected:
        case MaxLatency():
            seen = [turn.latency_ms for turn in attempt.run.conversation.turns if turn.latency_ms is not None]
            return expected.but(limit=float(ceil(max(seen) * ROOM))) if seen else None
        case MaxTokens():
            tokens = attempt.comparison.replayed.output_tokens
            return None if tokens is None else expected.but(limit=ceil(tokens * ROOM))
        case MaxCost():
            cost = attempt.comparison.replayed.cost_usd
            return None if cost is None else expected.but(limit=round(cost * ROOM, 6))
        case _:
            assert_never(expected)


def _other_call(expected: MustCall, attempt: Attempt) -> MustCall | None:
    """The same tool with the arguments of today, or the call that came in its place."""
    place = None if expected.turn is None else expected.turn - 1
    calls = list(_calls(attempt, place))
    same = [call for call in calls if call.tool == expected.tool]
    fitting = [call for call in same if is_meant(call, expected.tool, expected.arguments, expected.where)]
    if same and (expected.times, expected.at_least, expected.at_most) != (None, None, None):
        exactly = expected.but(times=len(fitting or same), at_least=None, at_most=None)
        return exactly if fitting else exactly.but(arguments=None, where={})
    names = [*(expected.arguments or {}), *expected.where]
    if same and names:
        nearest = max(same, key=lambda call: sum(_agrees(call, name, expected) for name in names))
        return expected.but(arguments={name: nearest.arguments.get(name) for name in names}, where={})
    instead = [
        change
        for change in attempt.comparison.changes
        if change.kind in ("call_added", "arguments_changed") and (place is None or change.recorded_turn == place)
    ]
    if not instead or instead[0].tool is None:
        return None
    return MustCall(tool=instead[0].tool, turn=expected.turn)


def _calls(attempt: Attempt, recorded_turn: int | None) -> Iterator[Call]:
    """The replayed calls of a recorded turn, or of all."""
    replayed = {pair.replayed for pair in attempt.comparison.pairs if pair.recorded == recorded_turn}
    for turn_index, _, call in attempt.run.conversation.calls():
        if recorded_turn is None or turn_index in replayed:
            yield call


def _agrees(call: Call, name: str, expected: MustCall) -> bool:
    wanted = {key: value for key, value in (expected.arguments or {}).items() if key == name}
    return is_meant(call, call.tool, wanted, {name: expected.where[name]} if name in expected.where else {})


def _first(case: Case, attempt: Attempt) -> Iterator[Expectation]:
    """Expectations for a case that has none: every call, writes with their arguments; and no write that is gone."""
    writes = Writes((case.recorded, attempt.run.conversation))
    for turn_index, _, call in attempt.run.conversation.calls():
        arguments = call.arguments if writes(call.tool) is not False and call.arguments else None
        yield MustCall(tool=call.tool, turn=_recorded_turn(attempt.comparison, turn_index), arguments=arguments)
    yield from (one for one in _for_changes(attempt) if not isinstance(one, MustCall))


def _for_changes(attempt: Attempt) -> Iterator[Expectation]:
    for change in attempt.comparison.changes:
        if change.severity in ("critical", "major"):
            yield from _for_change(change, attempt)


def _for_change(change: Change, attempt: Attempt) -> Iterator[Expectation]:
    turn = None if change.recorded_turn is None else change.recorded_turn + 1
    match change.kind:
        case "call_added" | "arguments_changed" | "result_changed" | "order_changed":
            call = _step(attempt.run, change)
            if call is not None:
                yield MustCall(tool=call.tool, turn=turn, arguments=call.arguments or None)
        case "call_lost":
            if change.tool is not None:
                yield MustNotCall(tool=change.tool, turn=turn)
        case "reply_reworded" | "reply_added":
            before = set(FACT.findall(str(change.before or "")))
            new = [fact for fact in FACT.findall(str(change.after or "")) if fact not in before]
            for fact in list(dict.fromkeys(new))[:MOST_FACTS]:
                yield MustSay(text=fact, turn=turn)
        case _:
            return


def _step(run: Run, change: Change) -> Call | None:
    if change.replayed is None:
        return None
    step = run.conversation.turns[change.replayed.turn_index].steps[change.replayed.step_index]
    return step if isinstance(step, Call) else None


def _recorded_turn(comparison: Comparison, replayed: int) -> int | None:
    """The number of the recorded turn, from 1."""
    found = next((pair.recorded for pair in comparison.pairs if pair.replayed == replayed), None)
    return None if found is None else found + 1


def _says(one: Expectation, other: Expectation) -> bool:
    """Whether an expectation already asks for what another one would."""
    if isinstance(one, MustCall) and isinstance(other, MustCall):
        wanted, given = one.arguments or {}, other.arguments or {}
        is_met = all(name in given and same_json(given[name], value) for name, value in wanted.items())
        return one.tool == other.tool and one.turn in (None, other.turn) and is_met and not one.where
    if isinstance(one, MustNotCall) and isinstance(other, MustNotCall):
        return one.tool == other.tool and one.turn in (None, other.turn) and one.arguments is None and not one.where
    return one == other


def _applied(expected: Sequence[Expectation], edits: Sequence[Edit]) -> tuple[Expectation, ...]:
    made: list[Expectation | None] = list(expected)
    for edit in edits:
        if edit.before is None:
            made.append(edit.after)
        else:
            made[next(n for n, one in enumerate(made) if one is edit.before)] = edit.after
    return tuple(one for one in made if one is not None)


def _told(expected: Expectation) -> str:
    turn = turn_of(expected)
    return expectation_in_words(expected, "" if turn is None else f" in turn {turn}")

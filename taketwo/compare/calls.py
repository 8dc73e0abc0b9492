"""What is different about the calls of turns that belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from taketwo.canonical import canonical
from taketwo.compare.align import Pair
from taketwo.compare.likeness import same_call
from taketwo.compare.paths import differences_in_words, path_differences
from taketwo.compare.results import failure, read_json, takes_from, vain
from taketwo.compare.severity import CallDifference, Grading
from taketwo.comparison import SEVERITIES, Change, ChangeKind
from taketwo.conversation import Call, Step, Turn
from taketwo.run import StepPlace
from taketwo.value import JSON, in_words, same_json

CHANGE_KINDS: dict[CallDifference, ChangeKind] = {
    "call_added": "call_added",
    "call_lost": "call_lost",
    "arguments_changed": "arguments_changed",
    "arguments_respelled": "arguments_changed",
    "order_changed": "order_changed",
    "result_changed": "result_changed",
    "outcome_changed": "result_changed",
}
"""The kind of change that tells of a difference."""
Gaps: TypeAlias = tuple[Mapping[str, str], Mapping[str, str]]
"""What the recorded and the replayed conversation do not say: path and reason."""


class Placed(NamedTuple):
    """A step and where it stands."""

    place: StepPlace
    """Turn and step."""
    step: Step
    """The step."""


class LoneCall(NamedTuple):
    """A call that one side of an exchange alone has; it may yet turn up in another one."""

    call: Call
    """The call."""
    place: StepPlace
    """Where it stands."""
    is_recorded: bool
    """On which side."""
    turns: tuple[int | None, int | None]
    """The first recorded and the first replayed turn of the exchange; None where there is none."""
    stretch: tuple[int, int]
    """Equal for lone calls at the same place: in one exchange, with no call between them that both sides have."""


def placed(turns: Sequence[Turn]) -> list[Placed]:
    """The steps of turns in order."""
    return [
        Placed(StepPlace(turn_index=turn.index, step_index=position), step)
        for turn in turns
        for position, step in enumerate(turn.steps)
    ]


def call_findings(
    sides: tuple[Sequence[Placed], Sequence[Placed]],
    pairs: Sequence[Pair],
    *,
    turns: tuple[int | None, int | None],
    exchange: int,
    grading: Grading,
    gaps: Gaps,
) -> Iterator[Change | LoneCall]:
    """The differences of the calls, in order. `exchange`: a number that no other exchange has."""
    stretch = 0
    for pair in pairs:
        before = None if pair.recorded is None else sides[0][pair.recorded]
        after = None if pair.replayed is None else sides[1][pair.replayed]
        if before is not None and after is not None:
            if isinstance(before.step, Call) and isinstance(after.step, Call):
                stretch += 1
                yield from _differences(before, after, _overtaken(pair, pairs, sides, grading), grading, gaps)
            continue
        for alone in (before, after):
            if alone is not None and isinstance(alone.step, Call):
                yield LoneCall(alone.step, alone.place, alone is before, turns, (exchange, stretch))


def call_change(
    kind: CallDifference, before: tuple[StepPlace, Call], after: tuple[StepPlace, Call], grading: Grading, summary: str
) -> Change:
    """A Change about a call that both sides have."""
    (was_at, was), (is_at, now) = before, after
    values: tuple[JSON, JSON] = (_arguments(was), _arguments(now))
    if CHANGE_KINDS[kind] == "result_changed":
        values = (was.result if was.error is None else was.error, now.result if now.error is None else now.error)
    return Change(
        kind=CHANGE_KINDS[kind],
        severity=grading.of_call(kind, now.tool),
        summary=summary,
        recorded_turn=was_at.turn_index,
        replayed_turn=is_at.turn_index,
        recorded=was_at,
        replayed=is_at,
        tool=now.tool,
        before=values[0],
        after=values[1],
    )


def result_changes(
    before: Placed, after: Placed, grading: Grading, gaps: Gaps, *, asked_otherwise: bool = False
) -> Iterator[Change]:
    """What is different about what came back. asked_otherwise: only an error is news then."""
    was, now = before.step, after.step
    assert isinstance(was, Call) and isinstance(now, Call), "calls are aligned with calls only"
    found = None if _is_unknown("result", before, after, gaps) else _result_difference(was, now)
    if found is not None and (not asked_otherwise or found[0] == "outcome_changed"):
        yield call_change(found[0], (before.place, was), (after.place, now), grading, f"{now.tool}: {found[1]}")


def lone_change(lone: LoneCall, grading: Grading, summary: str) -> Change:
    """A Change about a call that one side alone has."""
    kind: Literal["call_lost", "call_added"] = "call_lost" if lone.is_recorded else "call_added"
    return Change(
        kind=kind,
        severity=grading.of_call(kind, lone.call.tool),
        summary=summary,
        recorded_turn=lone.place.turn_index if lone.is_recorded else lone.turns[0],
        replayed_turn=lone.turns[1] if lone.is_recorded else lone.place.turn_index,
        recorded=lone.place if lone.is_recorded else None,
        replayed=None if lone.is_recorded else lone.place,
        tool=lone.call.tool,
        before=_arguments(lone.call) if lone.is_recorded else None,
        after=None if lone.is_recorded else _arguments(lone.call),
    )


def _differences(
    before: Placed, after: Placed, overtaken: Sequence[tuple[Call, bool]], grading: Grading, gaps: Gaps
) -> Iterator[Change]:
    """What is different about one call that both sides have."""
    was, now = before.step, after.step
    assert isinstance(was, Call) and isinstance(now, Call), "calls are aligned with calls only"
    ends = ((before.place, was), (after.place, now), grading)
    asked_otherwise = not same_call(was, now) and not _is_unknown("arguments", before, after, gaps)
    if asked_otherwise:
        yield _asked_otherwise(*ends)
    elif overtaken:
        other, is_before = overtaken[0]
        order = f"{now.in_words} comes {'before' if is_before else 'after'} {other.in_words} now"
        of_all = [grading.of_call("order_changed", call.tool) for call in (now, *(call for call, _ in overtaken))]
        yield call_change("order_changed", *ends, order).but(severity=min(of_all, key=SEVERITIES.index))
    yield from result_changes(before, after, grading, gaps, asked_otherwise=asked_otherwise)


def _asked_otherwise(before: tuple[StepPlace, Call], after: tuple[StepPlace, Call], grading: Grading) -> Change:
    was, now = before[1], after[1]
    ends, summary = (before, after, grading), f"{now.tool}: {arguments_in_words(was, now)}"
    means_the_same = canonical(_arguments(was)) == canonical(_arguments(now))
    # What reads alike may still be another order to pay back, so a write is never excused.
    if means_the_same and grading.writes(now.tool) is not True:
        return call_change("arguments_respelled", *ends, summary)
    still = "" if vain(was) is None or vain(now) is None else "; it failed and still fails"
    return call_change("arguments_changed", *ends, f"{summary}{still}")


def _result_difference(was: Call, now: Call) -> tuple[CallDifference, str] | None:
    match failure(was), failure(now):
        case None, None:
            if same_json(was.result, now.result):
                return None
            found = list(path_differences(read_json(was.result), read_json(now.result)))
            return ("result_changed", f"other result: {differences_in_words(found)}") if found else None
        case None, str(error):
            return "outcome_changed", f"fails now: {in_words(error)}"
        case str(error), None:
            return "outcome_changed", f"succeeds now; it failed with {in_words(error)}"
        case error, other:
            return None if error == other else ("result_changed", f"other error: {in_words(error)} → {in_words(other)}")


def _overtaken(
    moved: Pair, pairs: Sequence[Pair], sides: tuple[Sequence[Placed], Sequence[Placed]], grading: Grading
) -> list[tuple[Call, bool]]:
    """The calls that a moved one stands on the other side of, and whether it comes before them now.

    Calls asked for in one message on both sides have no order, and neither have reads that take nothing from each
    other.
    """
    found = []
    for pair in pairs if moved.moved else ():
        if _crosses(pair, moved):
            (was, now), (here, there) = _ends(pair, sides), _ends(moved, sides)
            if not (isinstance(was, Call) and isinstance(here, Call)):
                continue
            assert isinstance(now, Call) and isinstance(there, Call), "calls are aligned with calls only"
            came_together = was.message == here.message and now.message == there.message
            if not came_together and not _are_independent((was, now), (here, there), grading):
                found.append((now, (moved.replayed or 0) < (pair.replayed or 0)))
    return found


def _are_independent(one: tuple[Call, Call], other: tuple[Call, Call], grading: Grading) -> bool:
    """Whether these two, as recorded and as replayed, only read and take nothing from each other."""
    if not all(grading.writes(call.tool) is False for call in (one[1], other[1])):
        return False
    sides = zip(one, other, strict=True)
    return not any(takes_from(here, there) or takes_from(there, here) for here, there in sides)


def _crosses(one: Pair, other: Pair) -> bool:
    if one.recorded is None or one.replayed is None or other.recorded is None or other.replayed is None:
        return False
    return (one.recorded < other.recorded) != (one.replayed < other.replayed)


def _ends(pair: Pair, sides: tuple[Sequence[Placed], Sequence[Placed]]) -> tuple[Step, Step]:
    assert pair.recorded is not None and pair.replayed is not None, "only of steps that both sides have"
    return sides[0][pair.recorded].step, sides[1][pair.replayed].step


def _is_unknown(field: str, before: Placed, after: Placed, gaps: Gaps) -> bool:
    return any(
        f"turns[{place.turn_index}].steps[{place.step_index}].{field}" in unknown
        for place, unknown in ((before.place, gaps[0]), (after.place, gaps[1]))
        if unknown
    )


def _arguments(call: Call) -> JSON:
    return call.arguments if call.arguments or call.arguments_text is None else call.arguments_text


def arguments_in_words(was: Call, now: Call) -> str:
    """Which arguments are other ones."""
    return differences_in_words(list(path_differences(_arguments(was), _arguments(now))))

"""Calls that one side alone has: the same call in another turn, one call for another, or simply more or fewer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence, Set
from itertools import groupby, product, zip_longest

from taketwo.compare.calls import (
    Gaps,
    LoneCall,
    Placed,
    arguments_in_words,
    call_change,
    lone_change,
    result_changes,
)
from taketwo.compare.likeness import differing_arguments, same_call, step_key
from taketwo.compare.results import failure, vain
from taketwo.compare.severity import Grading
from taketwo.comparison import SEVERITIES, Change
from taketwo.conversation import Conversation
from taketwo.value import canonical_json, in_words

HALF = 0.5
"""A write of which less than this share of the arguments is another is the same one altered, wherever it stands."""


def resolve(
    findings: Sequence[Change | LoneCall], grading: Grading, gaps: Gaps, retried: Set[str] = frozenset()
) -> Iterator[Change]:
    """All findings as Changes, in order; of a call and what replaced it the graver one is first and tells of both.

    retried: as `retried` finds it.
    """
    moved = _moved(findings)
    moved |= _altered([found for found in findings if isinstance(found, LoneCall) and id(found) not in moved], grading)
    left = [
        found for found in findings if not (isinstance(found, LoneCall) and id(found) in moved and found.is_recorded)
    ]
    for stretch, group in groupby(left, key=lambda found: found.stretch if isinstance(found, LoneCall) else None):
        if stretch is None:
            yield from (found for found in group if isinstance(found, Change))
            continue
        lone = [found for found in group if isinstance(found, LoneCall)]
        for found in lone:
            if id(found) in moved:
                yield from _as_moved(moved[id(found)], found, grading, gaps)
        yield from _replaced([found for found in lone if id(found) not in moved], grading, retried)


def retried(recorded: Conversation, replayed: Conversation, writes: Callable[[str], bool | None]) -> Set[str]:
    """The writes that succeed as often on both sides, and last on both: any others of theirs were vain."""
    outcomes: tuple[dict[str, list[bool]], dict[str, list[bool]]] = defaultdict(list), defaultdict(list)
    for side, of_call in zip((recorded, replayed), outcomes, strict=True):
        for _, _, call in side.calls():
            if writes(call.tool) is not False:
                of_call[step_key(call)].append(failure(call) is None)
    return {
        key
        for key in outcomes[0].keys() & outcomes[1].keys()
        if sum(outcomes[0][key]) == sum(outcomes[1][key]) > 0 and outcomes[0][key][-1] and outcomes[1][key][-1]
    }


def _moved(findings: Sequence[Change | LoneCall]) -> dict[int, LoneCall]:
    """For each call that turned up in another turn its counterpart, by identity; one with the same result if any."""
    lone = [found for found in findings if isinstance(found, LoneCall)]
    pairs: dict[int, LoneCall] = {}
    for key_of in (_call_and_result, lambda found: step_key(found.call)):
        waiting: dict[tuple[bool, str], list[LoneCall]] = defaultdict(list)
        for found in lone:
            if id(found) in pairs:
                continue
            key = key_of(found)
            if counterparts := waiting[not found.is_recorded, key]:
                other = counterparts.pop(0)
                pairs[id(found)], pairs[id(other)] = other, found
            else:
                waiting[found.is_recorded, key].append(found)
    return pairs


def _altered(lone: Sequence[LoneCall], grading: Grading) -> dict[int, LoneCall]:
    """For each write its counterpart, by identity: one of the same tool, elsewhere, with most of its arguments."""
    pairs: dict[int, LoneCall] = {}
    writes = [found for found in lone if grading.writes(found.call.tool) is True and vain(found.call) is None]
    sides = ([one for one in writes if one.is_recorded is recorded] for recorded in (True, False))
    for here, there in product(*sides):
        is_free = id(here) not in pairs and id(there) not in pairs and here.stretch != there.stretch
        if is_free and here.call.tool == there.call.tool and differing_arguments(here.call, there.call) < HALF:
            pairs[id(here)], pairs[id(there)] = there, here
    return pairs


def _call_and_result(found: LoneCall) -> str:
    call = found.call
    return f"{step_key(call)}\n{canonical_json([call.result, call.error])}"


def _as_moved(recorded: LoneCall, replayed: LoneCall, grading: Grading, gaps: Gaps) -> Iterator[Change]:
    """That it moved, and what else came back there."""
    was_in, is_in = recorded.place.turn_index + 1, replayed.place.turn_index + 1
    turns = f"from turn {was_in} to turn {is_in}" if was_in != is_in else f"to another turn {is_in}"
    ends = ((recorded.place, recorded.call), (replayed.place, replayed.call))
    if not same_call(recorded.call, replayed.call):
        summary = f"{replayed.call.tool}, moved {turns}: {arguments_in_words(recorded.call, replayed.call)}"
        yield call_change("arguments_changed", *ends, grading, summary)
        return
    yield call_change("order_changed", *ends, grading, f"{replayed.call.in_words} moved {turns}")
    before, after = Placed(recorded.place, recorded.call), Placed(replayed.place, replayed.call)
    yield from result_changes(before, after, grading, gaps)


def _replaced(lone: Sequence[LoneCall], grading: Grading, retried: Set[str]) -> Iterator[Change]:
    """Lost and new calls at one place, one beside the other."""
    lost = [found for found in lone if found.is_recorded]
    new = [found for found in lone if not found.is_recorded]
    for before, after in zip_longest(lost, new):
        changes = [_simply(found, grading, retried) for found in (before, after) if found is not None]
        if before is not None and after is not None:
            changes.sort(key=lambda change: SEVERITIES.index(change.severity))
            instead = f"{before.call.tool} was replaced by {after.call.in_words}"
            changes[0] = changes[0].but(summary=instead)
        yield from changes


def _simply(lone: LoneCall, grading: Grading, retried: Set[str]) -> Change:
    if retried and step_key(lone.call) in retried:
        again = "no longer has to be tried again" if lone.is_recorded else "is tried again, as it failed"
        severity = grading.of_call("outcome_changed", lone.call.tool)
        return lone_change(lone, grading, f"{lone.call.in_words} {again}").but(severity=severity)
    what = "is no longer called" if lone.is_recorded else "is called now"
    if (why := vain(lone.call)) is None:
        return lone_change(lone, grading, f"{lone.call.in_words} {what}")
    failed = f"it had failed with {in_words(why)}" if lone.is_recorded else f"and fails: {in_words(why)}"
    change = lone_change(lone, grading, f"{lone.call.in_words} {what}, {failed}")
    return change.but(severity=grading.of_vain("call_lost" if lone.is_recorded else "call_added", lone.call.tool))

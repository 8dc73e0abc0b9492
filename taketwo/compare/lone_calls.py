"""Calls that one side alone has: the same call in another turn, one call for another, or simply more or fewer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby, zip_longest

from taketwo.compare.calls import LoneCall, Writes, call_change, lone_change
from taketwo.compare.likeness import step_key
from taketwo.comparison import SEVERITIES, Change


def resolve(findings: Sequence[Change | LoneCall], writes: Writes) -> Iterator[Change]:
    """All findings as Changes, in order; of a call and what replaced it the graver one is first and tells of both."""
    moved = _moved(findings)
    left = [
        found for found in findings if not (isinstance(found, LoneCall) and id(found) in moved and found.is_recorded)
    ]
    for stretch, group in groupby(left, key=lambda found: found.stretch if isinstance(found, LoneCall) else None):
        if stretch is None:
            yield from (found for found in group if isinstance(found, Change))
            continue
        lone = [found for found in group if isinstance(found, LoneCall)]
        yield from (_as_moved(moved[id(found)], found, writes) for found in lone if id(found) in moved)
        yield from _replaced([found for found in lone if id(found) not in moved], writes)


def _moved(findings: Sequence[Change | LoneCall]) -> dict[int, LoneCall]:
    """For each call that turned up in another turn its counterpart, by identity."""
    waiting: dict[tuple[bool, str], list[LoneCall]] = defaultdict(list)
    pairs: dict[int, LoneCall] = {}
    for found in findings:
        if isinstance(found, LoneCall):
            key = step_key(found.call)
            counterparts = waiting[not found.is_recorded, key]
            if counterparts:
                other = counterparts.pop(0)
                pairs[id(found)], pairs[id(other)] = other, found
            else:
                waiting[found.is_recorded, key].append(found)
    return pairs


def _as_moved(recorded: LoneCall, replayed: LoneCall, writes: Writes) -> Change:
    where = f"moved from turn {recorded.place.turn_index + 1} to turn {replayed.place.turn_index + 1}"
    ends = ((recorded.place, recorded.call), (replayed.place, replayed.call))
    return call_change("order_changed", *ends, writes, f"{replayed.call.in_words} {where}")


def _replaced(lone: Sequence[LoneCall], writes: Writes) -> Iterator[Change]:
    """Lost and new calls at one place, one beside the other."""
    lost = [found for found in lone if found.is_recorded]
    new = [found for found in lone if not found.is_recorded]
    for before, after in zip_longest(lost, new):
        changes = [_simply(found, writes) for found in (before, after) if found is not None]
        if before is not None and after is not None:
            changes.sort(key=lambda change: SEVERITIES.index(change.severity))
            instead = f"{before.call.tool} was replaced by {after.call.in_words}"
            changes[0] = changes[0].but(summary=instead)
        yield from changes


def _simply(lone: LoneCall, writes: Writes) -> Change:
    what = "is no longer called" if lone.is_recorded else "is called now"
    return lone_change(lone, writes, f"{lone.call.in_words} {what}")

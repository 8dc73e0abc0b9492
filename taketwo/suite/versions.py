"""Scores of two versions of an evaluator are never compared silently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from taketwo.verdict import Attempt


def other_versions(before: Sequence[Attempt], after: Sequence[Attempt]) -> Iterator[str]:
    """Scores of the same name that two versions of an evaluator gave: they do not compare, and that is said."""
    old, new = _versions(before), _versions(after)
    for name in sorted(old.keys() & new.keys()):
        if old[name] != new[name]:
            was, now = (" and ".join(sorted(one[name])) for one in (old, new))
            yield f"{name} was judged by {was} before and by {now} now: the scores do not compare"


def _versions(attempts: Sequence[Attempt]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for attempt in attempts:
        for one in attempt.scores:
            found.setdefault(one.name, set()).add(one.evaluator)
    return found

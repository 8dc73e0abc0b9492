"""Where the variance of a figure comes from, by nested levels: numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple, TypeAlias

Nested: TypeAlias = Sequence[Sequence[Sequence[float]]]
"""One case: groups of attempts whose user said the same, attempts, and what each asking of the judge gave."""


class Components(NamedTuple):
    """Variances by where they come from; None where the numbers cannot tell."""

    user: float | None
    """Between groups in which the user said something else."""
    agent: float | None
    """Between attempts in which the user said the same; with that of the judge in it where the judge's is None."""
    judge: float | None
    """Between askings of the judge about one attempt."""


class _Sums(NamedTuple):
    """Sums of squares with what each is expected to be: so many times the variance of each level."""

    judge: float = 0.0
    judge_df: int = 0
    agent: float = 0.0
    agent_df: int = 0
    agent_in_agent: float = 0.0
    user: float = 0.0
    user_df: int = 0
    agent_in_user: float = 0.0
    user_in_user: float = 0.0


def components(cases: Sequence[Nested]) -> Components:
    """Variance components by the method of moments, over all cases; what differs between cases is not noise.

    Source: C. R. Henderson, 1953 (method I), for nested levels of unequal size. Estimates below 0 become 0.
    """
    sums = _Sums(*(sum(parts) for parts in zip(*map(_sums, cases), strict=True))) if cases else _Sums()
    judge = sums.judge / sums.judge_df if sums.judge_df else None
    own = judge or 0.0
    agent = None
    if sums.agent_df:
        agent = max(0.0, (sums.agent - sums.agent_df * own) / sums.agent_in_agent)
    user = None
    if sums.user_df and agent is not None:
        expected = sums.user_df * own + sums.agent_in_user * agent
        user = max(0.0, (sums.user - expected) / sums.user_in_user)
    return Components(user, agent, judge)


def _sums(case: Nested) -> _Sums:
    groups = [[attempt for attempt in group if attempt] for group in case]
    groups = [group for group in groups if group]
    attempts = [attempt for group in groups for attempt in group]
    values = [value for attempt in attempts for value in attempt]
    if not values:
        return _Sums()
    sizes = [sum(map(len, group)) for group in groups]
    means = [fmean(value for attempt in group for value in attempt) for group in groups]
    mean, total = fmean(values), len(values)
    squares_in_groups = sum(len(a) ** 2 / size for group, size in zip(groups, sizes, strict=True) for a in group)
    return _Sums(
        judge=sum((value - fmean(attempt)) ** 2 for attempt in attempts for value in attempt),
        judge_df=total - len(attempts),
        agent=sum(
            len(a) * (fmean(a) - middle) ** 2 for group, middle in zip(groups, means, strict=True) for a in group
        ),
        agent_df=len(attempts) - len(groups),
        agent_in_agent=total - squares_in_groups,
        user=sum(size * (middle - mean) ** 2 for size, middle in zip(sizes, means, strict=True)),
        user_df=len(groups) - 1,
        agent_in_user=squares_in_groups - sum(len(attempt) ** 2 for attempt in attempts) / total,
        user_in_user=total - sum(size**2 for size in sizes) / total,
    )

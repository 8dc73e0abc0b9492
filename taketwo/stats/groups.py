"""Does one group fail more often than another? For runs of an old and a new version of the same thing."""

from __future__ import annotations

from math import comb


def fisher(failed: int, runs: int, failed_before: int, runs_before: int) -> float:
    """One-sided exact p-value that the runs fail more often than the runs before did.

    Source: R. A. Fisher, 1935. 1.0 where one of the groups is empty: nothing speaks for a difference.
    """
    if not (0 <= failed <= runs and 0 <= failed_before <= runs_before):
        raise ValueError(f"{failed} failures of {runs} runs, {failed_before} of {runs_before} before")
    all_runs, all_failed = runs + runs_before, failed + failed_before
    ways = sum(
        comb(all_failed, k) * comb(all_runs - all_failed, runs - k)
        for k in range(failed, min(runs, all_failed) + 1)
        if runs - k <= all_runs - all_failed
    )
    return ways / comb(all_runs, runs)

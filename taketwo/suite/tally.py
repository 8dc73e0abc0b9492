"""What a suite comes to while its results arrive, from wherever they are made."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Protocol

from taketwo.events import CaseErrored, CaseFinished, SuiteFinished, SuiteStarted
from taketwo.suite.contrast import Pairs
from taketwo.verdict import CaseResult


class ResultStore(Protocol):
    """Where results are kept; every store is one."""

    def add_result(self, suite_id: str, result: CaseResult) -> None:
        """Keep a case's result."""

    def flush(self) -> None:
        """Wait until every added result is on disk."""


class Tally:
    """Counts verdicts and keeps results, from the beginning of a suite to its end."""

    def __init__(self, store: ResultStore | None, suite_id: str | None) -> None:
        """store, suite_id: where results are kept, under which name; by default that of the moment."""
        self._began, self._at = time.monotonic(), datetime.now(UTC)
        self._store = store
        self.suite_id = suite_id or f"{self._at:%Y%m%dT%H%M%S.%f}"
        """The name."""
        self._counts: Counter[str] = Counter()
        self._pairs = Pairs()

    def started(self, agent: str, cases: int) -> SuiteStarted:
        """The suite begins. agent: its SPEC."""
        return SuiteStarted(agent=agent, cases=cases, at=self._at)

    def add(self, event: CaseFinished | CaseErrored, *, is_kept: bool = False) -> None:
        """One of its cases is done. is_kept: whether somebody else sees to it that the result is stored."""
        self._counts[event.counts_as] += 1
        if isinstance(event, CaseFinished):
            self._pairs.add(event.result)
            if self._store is not None and not is_kept:
                self._store.add_result(self.suite_id, event.result)

    def adding(self, done: Iterable[CaseFinished]) -> Iterator[CaseFinished]:
        """Cases of which all is known, each counted as it is told."""
        for event in done:
            self.add(event)
            yield event

    async def finished(self, *, cancelled: bool) -> SuiteFinished:
        """All that will come has come, and is on disk."""
        if self._store is not None:
            # Waits for a disk; the event loop may have other work.
            await asyncio.to_thread(self._store.flush)
        return SuiteFinished(
            at=datetime.now(UTC),
            duration_s=time.monotonic() - self._began,
            counts=dict(self._counts),
            cancelled=cancelled,
            contrast=self._pairs.contrast(),
        )

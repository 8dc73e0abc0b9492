"""The events of a suite, gathered for the reports that are written at its end."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import assert_never

from taketwo.events import CaseErrored, CaseFinished, Event, SuiteFinished, SuiteStarted
from taketwo.verdict import CaseResult


class Gathered:
    """What has happened so far; it is all there even if the suite is broken off."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.agent = ""
        self.started_at = datetime.now(UTC)
        self.finished: list[CaseFinished] = []
        self.errored: list[CaseErrored] = []
        self.end: SuiteFinished | None = None

    def add(self, event: Event) -> None:
        """Take one event."""
        match event:
            case SuiteStarted():
                self.agent, self.started_at = event.agent, event.at
            case CaseFinished():
                self.finished.append(event)
            case CaseErrored():
                self.errored.append(event)
            case SuiteFinished():
                self.end = event
            case _:
                assert_never(event)

    @property
    def cancelled(self) -> bool:
        """Whether it ended before its end."""
        return self.end is None or self.end.cancelled

    def in_order(self) -> list[CaseFinished]:
        """The finished cases by file and line: replays that run side by side finish in any order."""
        return sorted(self.finished, key=_place)

    def due(self) -> list[CaseResult]:
        """The results of cases past their review date."""
        today = self.started_at.date()
        return [event.result for event in self.finished if event.result.kept.is_due(today)]

    def not_run(self) -> list[CaseResult]:
        """The cases that were not begun."""
        return [event.result for event in self.in_order() if not event.result.attempts]

    def counts(self) -> dict[str, int]:
        """How many cases of each verdict, that could not be done (`error`), or that do not count (`quarantined`)."""
        of_errors = Counter(event.counts_as for event in self.errored)
        return dict(of_errors + Counter(event.counts_as for event in self.finished))


def _place(event: CaseFinished) -> tuple[str, int, str, str]:
    result = event.result
    return result.file or "", result.line or 0, result.scenario, result.case_id

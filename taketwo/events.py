"""What happens while a suite runs, as past-tense facts; reports know only these."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from taketwo.scenario import Case
from taketwo.value import Value
from taketwo.verdict import CaseResult, SuiteContrast


class SuiteStarted(Value, tag_field="event", tag="suite_started"):
    """A suite began."""

    agent: str
    """The agent's SPEC."""
    cases: int
    """How many cases will be replayed."""
    at: datetime
    """When, UTC."""


class CaseFinished(Value, tag_field="event", tag="case_finished"):
    """All attempts of a case are done and judged."""

    case: Case
    """The case; reports read the recorded conversation from it."""
    result: CaseResult
    """What came of it."""

    @property
    def counts_as(self) -> str:
        """What a suite counts it under."""
        return self.result.counts_as


class CaseErrored(Value, tag_field="event", tag="case_errored"):
    """A case could not be replayed, through no finding about the agent."""

    name: str
    """The case or file."""
    error: str
    """One line: where, what, what to do."""
    file: str | None = None
    """The scenario file it came from; None when it came from the store."""
    line: int | None = None
    """Line of the case in that file, from 1; None when it came from the store."""
    quarantine: str | None = None
    """Why the case does not count; None where it does."""

    @property
    def counts_as(self) -> str:
        """What a suite counts it under."""
        return "error" if self.quarantine is None else "quarantined"


class SuiteFinished(Value, tag_field="event", tag="suite_finished"):
    """A suite ended."""

    at: datetime
    """When, UTC."""
    duration_s: float
    """How long it took, in seconds."""
    counts: dict[str, int]
    """How many cases of each verdict; under `error` how many could not be done, under `quarantined` how many do not
    count, whatever came of them."""
    cancelled: bool = False
    """Whether it was stopped before its end."""
    from_cache: int = 0
    """How many results were taken from earlier runs."""
    not_run: int = 0
    """How many of the inconclusive cases were not begun."""
    why_not_run: str | None = None
    """Why they were not, in words; None where all were."""
    notes: tuple[str, ...] = ()
    """What else is to be said of the whole, in words."""
    contrast: SuiteContrast | None = None
    """The old agent beside the new one; None where no old one was named."""


Event: TypeAlias = SuiteStarted | CaseFinished | CaseErrored | SuiteFinished

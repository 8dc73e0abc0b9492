"""The report as one JSON document, for programs."""

from __future__ import annotations

from datetime import datetime

from taketwo.compare.clusters import clusters
from taketwo.comparison import Cluster
from taketwo.report.gathered import Gathered
from taketwo.value import Value
from taketwo.verdict import CaseResult, SuiteContrast

FORMAT_VERSION = 1
"""Version of the document; it grows when a field changes its meaning or goes, not when one is added."""


class CaseError(Value):
    """A case or file that could not be replayed."""

    name: str
    """The case or file."""
    error: str
    """One line: where, what, what to do."""


class Report(Value):
    """All that came of one run of a suite."""

    agent: str
    """The agent's SPEC."""
    started_at: datetime
    """When it began, UTC."""
    ended_at: datetime | None
    """When it ended, UTC; None when it was broken off."""
    duration_s: float | None
    """How long it took, in seconds; None when it was broken off."""
    cancelled: bool
    """Whether it was stopped before its end, so that cases are missing."""
    strict: bool
    """Whether `changed` and `inconclusive` were not good enough."""
    counts: dict[str, int]
    """How many cases of each verdict, and under `error` how many could not be done; kinds that did not occur may be
    missing."""
    results: tuple[CaseResult, ...] = ()
    """Every case, in the order of files and lines; those without attempts were not run."""
    from_cache: int = 0
    """How many results were taken from earlier runs; each says when it was replayed."""
    not_run: int = 0
    """How many cases were not begun."""
    why_not_run: str | None = None
    """Why they were not; None where all were."""
    notes: tuple[str, ...] = ()
    """What else is to be said of the whole, in words."""
    contrast: SuiteContrast | None = None
    """The old agent beside the new one; None where no old one was named."""
    clusters: tuple[Cluster, ...] = ()
    """Changes above wording that several cases have in common, those of most cases first."""
    errors: tuple[CaseError, ...] = ()
    """Everything that could not be replayed."""
    version: int = FORMAT_VERSION
    """Version of this document."""


def json_document(gathered: Gathered, *, strict: bool) -> str:
    """The `Report`. strict: whether what a strict run does not accept was not good enough."""
    return f"{_report(gathered, strict=strict).to_json().decode()}\n"


def _report(gathered: Gathered, *, strict: bool) -> Report:
    end = gathered.end
    return Report(
        agent=gathered.agent,
        started_at=gathered.started_at,
        ended_at=end.at if end else None,
        duration_s=end.duration_s if end else None,
        cancelled=gathered.cancelled,
        strict=strict,
        counts=gathered.counts(),
        results=tuple(event.result for event in gathered.in_order()),
        from_cache=end.from_cache if end else 0,
        not_run=len(gathered.not_run()),
        why_not_run=end.why_not_run if end else None,
        notes=end.notes if end else (),
        contrast=end.contrast if end else None,
        clusters=clusters(event.result for event in gathered.in_order()),
        errors=tuple(CaseError(name=event.name, error=event.error) for event in gathered.errored),
    )

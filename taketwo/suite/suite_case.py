"""A case on its way through a suite."""

from __future__ import annotations

from typing import NamedTuple

from taketwo.replay.recorded_calls import RecordedCalls
from taketwo.scenario import Case


class SuiteCase(NamedTuple):
    """A case and where it comes from."""

    case: Case
    """The case."""
    scenario: str
    """Name of its scenario."""
    file: str | None = None
    """The scenario file; None when it comes from a store."""
    line: int | None = None
    """Line of the case in the file, from 1; None when it comes from a store."""
    from_turn: int = 1
    """The first turn in which the agent acts; those before are held as they were recorded."""
    scope: RecordedCalls | None = None
    """Recorded calls that answer where the case's own do not; None for none."""

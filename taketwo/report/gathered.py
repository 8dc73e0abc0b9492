"""The events of a suite, gathered for the reports that are written at its end."""

from __future__ import annotations

import os
import secrets
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, assert_never

from taketwo.errors import BadSetting
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


class DocumentWriter:
    """Writes one document when the suite is over."""

    def __init__(self, out: TextIO, document: Callable[[Gathered], str]) -> None:
        """Write to `out`, and close it at the end unless it is standard output. document: made of what happened."""
        self._out = out
        self._document = document
        self._gathered = Gathered()

    def write(self, event: Event) -> None:
        """Keep what happened."""
        self._gathered.add(event)

    def close(self) -> None:
        """Write the document."""
        _finish(self._out, self._document(self._gathered))


def _finish(out: TextIO, text: str) -> None:
    """Write the whole document in the place of what the file held, then close it, unless it is standard output.

    Raises BadSetting where it cannot be written; a file then holds what it held before.
    """
    if out is sys.stdout:
        out.write(text)
        out.flush()
        return
    try:
        with out:
            name = getattr(out, "name", None)  # what is kept in memory has none
            path = Path(os.path.realpath(name)) if isinstance(name, str) else None
            if path is None or not path.is_file():  # a pipe or a device
                out.write(text)
                return
    except OSError as error:
        raise BadSetting(f"cannot be written: {error.strerror}", where=name) from error
    replace_file(path, text.encode("utf-8"))


def replace_file(path: Path, body: bytes) -> None:
    """Write under another name first, so that nobody ever sees half a report. Raises BadSetting."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        unfinished.write_bytes(body)
        if path.exists():
            unfinished.chmod(path.stat().st_mode)
        unfinished.replace(path)
    except OSError as error:
        raise BadSetting(f"cannot be written: {error.strerror}", where=_as_given(path)) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _as_given(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _place(event: CaseFinished) -> tuple[str, int, str, str]:
    result = event.result
    return result.file or "", result.line or 0, result.scenario, result.case_id

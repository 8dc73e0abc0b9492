"""What is written of a run, and what the process tells a CI system: the same options wherever cases are replayed."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import click

from taketwo.events import SuiteFinished
from taketwo.report import Writer, open_writers
from taketwo.report.call_view import FindRecording
from taketwo.suite.decide import exit_code


class Reports(NamedTuple):
    """What was asked for."""

    json_path: str | None
    """Where all results go as JSON; None for nowhere."""
    junit_path: str | None
    """Where JUnit XML goes; None for nowhere."""
    html_path: str | None
    """Where the page goes; None for nowhere."""
    markdown_path: str | None
    """Where the summary goes as Markdown; None for nowhere."""
    sarif_path: str | None
    """Where SARIF goes; None for nowhere."""
    annotations: bool
    """Whether GitHub is told what to show at the lines of scenario files."""
    strict: bool
    """Whether `changed` and `inconclusive` are not good enough."""

    @contextmanager
    def opened(self, find_recording: FindRecording = lambda conversation: None) -> Iterator[list[Writer]]:
        """The writers; what the agent prints meanwhile does not get into the middle of the JSON.

        find_recording: gives the sound of calls. Raises BadSetting where a file cannot be written.
        """
        try:
            writers: list[Writer] = open_writers(
                json_path=self.json_path,
                junit_path=self.junit_path,
                html_path=self.html_path,
                markdown_path=self.markdown_path,
                sarif_path=self.sarif_path,
                annotations=self.annotations,
                strict=self.strict,
                find_recording=find_recording,
            )
            with redirect_stdout(sys.stderr) if self.json_path == "-" else nullcontext():
                yield writers
        finally:
            for path in (self.json_path, self.junit_path, self.html_path, self.markdown_path, self.sarif_path):
                _remove_if_empty(path)

    def exit_code(self, finished: SuiteFinished) -> int:
        """What the process tells; a run that was interrupted, or began no case, could not be done."""
        is_empty = finished.not_run == sum(finished.counts.values())
        return 2 if finished.cancelled or is_empty else exit_code(finished.counts, strict=self.strict)


def _remove_if_empty(path: str | None) -> None:
    """A report that was never written is no report."""
    if path not in (None, "-") and (file := Path(path)).is_file() and file.stat().st_size == 0:
        file.unlink()


def report_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--strict` and what is written where, given to the command as `reports`."""

    @click.option("--strict", is_flag=True, help="`changed` and `inconclusive` are not good enough.")
    @click.option("--json", "json_path", metavar="PATH", help="Write all results as JSON; - for standard output.")
    @click.option("--junit", "junit_path", metavar="PATH", help="Write JUnit XML for a CI system.")
    @click.option("--html", "html_path", metavar="PATH", help="Write one self-contained HTML page.")
    @click.option("--markdown", "markdown_path", metavar="PATH", help="Write a summary as Markdown.")
    @click.option("--sarif", "sarif_path", metavar="PATH", help="Write SARIF, for code scanning.")
    @click.option("--annotations", is_flag=True, help="Tell GitHub what to show at the lines of scenario files.")
    @functools.wraps(command)
    def with_reports(**given: Any) -> Any:
        asked = {name: given.pop(name) for name in Reports._fields}
        return command(reports=Reports(**asked), **given)

    return with_reports

"""Reports: objects that are shown every event of a suite, and write what a person or a machine needs of it.

The terminal's writer says each thing as it happens. JSON, JUnit, SARIF, HTML and Markdown are documents, each made at
the end by a function of its own module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TextIO

from taketwo.errors import BadSetting, TakeTwoError
from taketwo.events import Event
from taketwo.report.call_view import FindRecording
from taketwo.report.documents import DocumentWriter
from taketwo.report.gathered import Gathered


class Writer(Protocol):
    """What a suite's events are shown to."""

    def write(self, event: Event) -> None:
        """Take one event; the first is `SuiteStarted`, the last `SuiteFinished`."""

    def close(self) -> None:
        """Write what is left to write, and let go of the file."""


def open_writers(
    *,
    json_path: str | None = None,
    junit_path: str | None = None,
    html_path: str | None = None,
    markdown_path: str | None = None,
    sarif_path: str | None = None,
    annotations: bool = False,
    strict: bool = False,
    find_recording: FindRecording = lambda conversation: None,
) -> list[Writer]:
    """The terminal's writer, and one for each path; `-` is standard output, and then the terminal's goes to stderr.

    find_recording: gives the recordings of calls, which go into the HTML page.
    annotations: whether GitHub is told what to show at the lines of scenario files.
    strict: whether what a strict run does not accept counts as failed.
    Raises BadSetting at once, before anything is replayed, where a file cannot be written.
    """
    from taketwo.report.terminal import TerminalWriter

    paths = (json_path, junit_path, html_path, markdown_path, sarif_path)
    writers: list[Writer] = [TerminalWriter(sys.stderr if "-" in paths else sys.stdout)]

    def add(path: str, document: Callable[[Gathered], str]) -> None:
        writers.append(DocumentWriter(_open(path), document))

    if json_path is not None:
        from taketwo.report.json import json_document

        add(json_path, partial(json_document, strict=strict))
    if junit_path is not None:
        from taketwo.report.junit import junit_document

        add(junit_path, partial(junit_document, strict=strict))
    if html_path is not None:
        from taketwo.report.html import html_page

        add(html_path, partial(html_page, find_recording=find_recording))
    if sarif_path is not None:
        from taketwo.report.sarif import sarif_document

        add(sarif_path, sarif_document)
    if markdown_path is not None:
        from taketwo.report.markdown import markdown_page

        add(markdown_path, markdown_page)
    if annotations:
        from taketwo.report.markdown import AnnotationWriter

        writers.append(AnnotationWriter(sys.stderr if "-" in paths else sys.stdout))
    return writers


def close_writers(writers: Sequence[Writer]) -> None:
    """Close all of them, then raise what kept the first one from writing."""
    failed: list[TakeTwoError] = []
    for writer in writers:
        try:
            writer.close()
        except TakeTwoError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def _open(path: str) -> TextIO:
    if path == "-":
        return sys.stdout
    try:
        # The report of the run before stays there until this one is complete.
        return open(path, "a", encoding="utf-8")
    except OSError as error:
        raise BadSetting(f"cannot be written: {error.strerror}", where=path) from error

"""Reports that are one document, written when the suite is over, in one step in the place of what the file held."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from taketwo.errors import BadSetting
from taketwo.events import Event
from taketwo.report.gathered import Gathered


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

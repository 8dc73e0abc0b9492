"""Parquet files of anybody, read in a process of their own: the package for it is the extra `parquet`.

A few hundred bytes of Parquet can stand for terabytes, and the library that unpacks them asks for what it is told to,
or dies of it. The process that does it, `parquet_program`, may only allocate so much, and nothing else dies with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

import msgspec

from taketwo.capture.imports import parquet_program
from taketwo.capture.imports.parquet_program import COLUMNS, DONE, FAILED, FRAME, ROW, Terms
from taketwo.errors import MissingExtra, TooLarge, TraceUnreadable

PIECE: Final = 1 << 20
"""Bytes of a file that are copied at a time."""
LARGEST_ROW: Final = 256 << 20
"""Bytes of one row."""
HANDED_ON: Final = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
"""What that process has of this one's environment."""


class Parquet:
    """A Parquet file that is being read."""

    def __init__(self, process: subprocess.Popen[bytes], most_memory: int) -> None:
        """process: which reads it. most_memory: that it may allocate."""
        self._process = process
        self._most_memory = most_memory
        kind, body = self._frame()
        if kind != COLUMNS:
            raise TraceUnreadable("it does not say which columns it has")
        self.columns = msgspec.msgpack.decode(body, type=list[str])
        """Their names, as they stand in the file."""

    def rows(self, most_bytes: int | None = None) -> Iterator[dict[str, Any]]:
        """Every row. Raises TraceUnreadable where there is damage, TooLarge where all take more than that together."""
        taken = 0
        while True:
            kind, body = self._frame()
            if kind == DONE:
                return
            # An empty row takes time, too.
            taken += FRAME.size + len(body)
            if most_bytes is not None and taken > most_bytes:
                raise TooLarge(f"it holds more than {most_bytes:,} bytes", todo="import it with `taketwo import`")
            yield msgspec.msgpack.decode(body)

    def _frame(self) -> tuple[bytes, bytes]:
        output = self._process.stdout
        assert output is not None
        head = output.read(FRAME.size)
        kind, size = FRAME.unpack(head) if len(head) == FRAME.size else (b"", 0)
        if size > LARGEST_ROW:  # whoever has taken that process over may not have this one's memory
            raise TraceUnreadable(f"a row takes more than {LARGEST_ROW >> 20:,} MiB")
        body = output.read(size)
        if kind == FAILED:
            raise TraceUnreadable(msgspec.msgpack.decode(body, type=str))
        if kind not in (COLUMNS, ROW, DONE) or len(body) < size:
            most = self._most_memory >> 20
            raise TraceUnreadable(f"it is damaged, or takes more than {most:,} MiB: the process that reads it has died")
        return kind, body


@contextmanager
def open_parquet(
    file: IO[bytes],
    *,
    most_memory: int,
    as_json: bool = False,
    checksums: bool = False,
    needed_for: str = "reading parquet",
) -> Iterator[Parquet]:
    """Read a file that can be read from its end, see `on_disk`; nobody else may seek in it, as its place is shared.

    most_memory: bytes that may be allocated to unpack it. as_json, checksums: see `Terms`. Raises MissingExtra,
    TraceUnreadable where it is no such file.
    """
    if find_spec("pyarrow") is None:
        raise MissingExtra("parquet", needed_for=needed_for)
    terms = Terms(most_memory=most_memory, largest=LARGEST_ROW, as_json=as_json, checksums=checksums)
    file.seek(0)
    process = subprocess.Popen(
        (sys.executable, "-P", str(Path(parquet_program.__file__)), msgspec.json.encode(terms).decode()),
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        process_group=0,  # Ctrl-C is for this process, which then ends that one
    )
    try:
        yield Parquet(process, most_memory)
    finally:
        process.kill()
        process.communicate()


def _environment() -> dict[str, str]:
    """No secrets for whom somebody's file may take over."""
    return {
        **{name: os.environ[name] for name in HANDED_ON if name in os.environ},
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        # It gives back at once what is free, so that only what is needed counts.
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }


@contextmanager
def on_disk(stream: BinaryIO) -> Iterator[IO[bytes]]:
    """What a stream holds as a file that can be read from its end."""
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy, PIECE)
        copy.flush()
        yield copy

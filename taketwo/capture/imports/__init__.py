"""Files into the store's own terms: one module a format, and the dict that lists them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from taketwo.capture.body import unpacked
from taketwo.capture.imports import (
    elevenlabs,
    langfuse,
    langsmith,
    livekit_session,
    openai_chat,
    openai_responses,
    otlp_file,
    parquet_file,
    phoenix,
    retell,
    sharegpt,
    tau2_bench,
    tau_bench,
    vapi,
)
from taketwo.capture.imports.imported import FileFormat, Imported, OpenedFile, Unread
from taketwo.errors import BadSetting, TooLarge, TraceUnreadable

__all__ = ["FORMATS", "Imported", "Unread", "read_file"]

FORMATS: Final[dict[str, FileFormat]] = {
    "otlp": otlp_file,
    "phoenix": phoenix,
    "langfuse": langfuse,
    "langsmith": langsmith,
    "parquet": parquet_file,
    "openai-responses": openai_responses,
    "livekit-session": livekit_session,
    "vapi": vapi,
    "retell": retell,
    "elevenlabs": elevenlabs,
    "tau2-bench": tau2_bench,
    "tau-bench": tau_bench,
    "sharegpt": sharegpt,
    "openai-chat": openai_chat,
}
"""Every format by its name, the ones that are told by surer signs first."""

_HEAD_BYTES: Final = 256 * 1024
_BUFFER_BYTES: Final = 1024 * 1024


def read_file(path: Path, format: str | None = None, *, most_bytes: int | None = None) -> Iterator[Imported]:
    """What the file holds, piece by piece: a file of any size needs no more memory than its largest record.

    format: a name from FORMATS; guessed from the content when None. Files may be packed with gzip or zstd.
    most_bytes: what is read of it, unpacked; None for all, as of a file that the user has chosen himself.
    What cannot be read comes as `Unread` in between, refused spans and log records too, and the rest goes on.
    Raises, before anything is read, TraceUnreadable for what is no file, empty or in no known format, and BadSetting
    for a format that there is not; MissingExtra for zstd where its package is not installed, and for parquet with the
    first item.
    """
    if format is not None and format not in FORMATS:
        raise BadSetting(f"there is no file format {format!r}", todo=f"formats: {', '.join(FORMATS)}")
    head = _head(path)
    found = FORMATS[format] if format is not None else _guessed(path, head)
    return _items(path, found, most_bytes)


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise TraceUnreadable("this is a folder, not a file", where=str(path), todo="name the files in it")
    try:
        with path.open("rb") as file:
            head = _unpacked(file).peek()[:_HEAD_BYTES]
    except OSError as error:
        raise TraceUnreadable(f"the file cannot be read: {error.strerror or error}", where=str(path)) from error
    except TraceUnreadable as error:
        raise TraceUnreadable(error.what, where=str(path), todo=error.todo) from error
    if not head.strip():
        raise TraceUnreadable("the file is empty", where=str(path), todo="export or copy it again")
    return head


def _guessed(path: Path, head: bytes) -> FileFormat:
    for file_format in FORMATS.values():
        if file_format.reads(head):
            return file_format
    raise TraceUnreadable(
        "the content is in none of the formats that can be read", where=str(path), todo=f"formats: {', '.join(FORMATS)}"
    )


def _items(path: Path, file_format: FileFormat, most_bytes: int | None) -> Iterator[Imported]:
    with path.open("rb") as file:
        try:
            for item in file_format.read(_unpacked(file, most_bytes)):
                yield item.but(where=_inside(path, item.where)) if isinstance(item, Unread) else item
        except TraceUnreadable as error:
            yield Unread(where=_inside(path, error.where), why=error.what)
        except OSError as error:
            raise TraceUnreadable(f"the file cannot be read: {error.strerror or error}", where=str(path)) from error


def _inside(path: Path, where: str | None) -> str:
    return f"{path}, {where}" if where else str(path)


def _unpacked(file: io.BufferedReader, most_bytes: int | None = None) -> io.BufferedReader:
    pieces = unpacked(file)
    raw = _Pieces(pieces if most_bytes is None else _at_most(pieces, most_bytes))
    return OpenedFile(raw, _BUFFER_BYTES, most_bytes)


def _at_most(pieces: Iterator[bytes], most_bytes: int) -> Iterator[bytes]:
    left = most_bytes
    for piece in pieces:
        yield piece[:left]
        left -= len(piece)
        if left < 0:
            raise TooLarge(f"it holds more than {most_bytes:,} bytes", todo="import it with `taketwo import`")


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a file. What comes before damage is given out before the damage is raised."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self._damage: TraceUnreadable | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a BufferedReader gives nothing else
        """Fill the buffer as long as there is something, so that a peek sees enough."""
        filled = 0
        while filled < len(buffer) and (piece := self._rest or self._next()):
            taken = min(len(piece), len(buffer) - filled)
            buffer[filled : filled + taken] = piece[:taken]
            filled, self._rest = filled + taken, piece[taken:]
        if not filled and self._damage:
            raise self._damage
        return filled

    def _next(self) -> bytes:
        try:
            return next(filter(None, self._pieces), b"")
        except TraceUnreadable as damage:
            self._damage = damage
            return b""

"""What the reading of a file gives, piece by piece."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Protocol, TypeAlias

from taketwo.capture.otlp import ReceivedLogs, ReceivedSpans
from taketwo.conversation import Conversation
from taketwo.value import Value


class Unread(Value):
    """A record that could not be read; the rest of its file goes on."""

    where: str
    """Place inside the file, and the file before it, such as `calls.jsonl, line 3`."""
    why: str
    """What is wrong with it, in words."""


Imported: TypeAlias = ReceivedSpans | ReceivedLogs | Conversation | Unread
"""Spans and log records come as they were sent together, and what was refused of them as `Unread`."""


class OpenedFile(io.BufferedReader):
    """A file, unpacked."""

    def __init__(self, raw: io.RawIOBase, buffer_size: int, most_bytes: int | None) -> None:
        """raw: what it holds. most_bytes: see below."""
        super().__init__(raw, buffer_size)
        self.most_bytes = most_bytes
        """For formats that are packed in themselves: bytes of what is read of it, unpacked; None for all."""


class FileFormat(Protocol):
    """What the module of a file format has."""

    def reads(self, head: bytes) -> bool:
        """Whether a file that begins so, out of its compression, is of this format."""

    def read(self, stream: io.BufferedReader) -> Iterator[Imported]:
        """What the file holds; raises TraceUnreadable where nothing more of it can be read."""

"""How the server and the process beside it talk: frames of a head and some bytes over two pipes."""

from __future__ import annotations

import struct
from typing import Literal, TypeAlias

FrameKind: TypeAlias = Literal[0, 1, 2, 3, 4]

READY: FrameKind = 0
"""From the process: the store is open."""
BEGIN: FrameKind = 1
"""A request begins; the bytes are a Delivery as JSON."""
PIECE: FrameKind = 2
"""A piece of its body."""
END: FrameKind = 3
"""The body is complete. From the process: the bytes are the Answer as MessagePack."""
ABORT: FrameKind = 4
"""The sender went away or sent too much: forget the request."""

HEAD = struct.Struct("<QBI")
"""Number of the request, kind of the frame, number of bytes that follow."""


def frame(request: int, kind: FrameKind, content: bytes = b"") -> bytes:
    """One frame, ready for the pipe."""
    return HEAD.pack(request, kind, len(content)) + content

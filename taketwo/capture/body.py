"""Request bodies and files as they were before compression, never larger than a limit."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from taketwo.errors import MissingExtra, TooLarge, TraceUnreadable

GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"

_CHUNK: Final = 64 * 1024
_ZSTD_CHUNK: Final = 256
"""Bytes of zstd read at once: its runs unpack 4 bytes to 128 KiB, so this much may give 8 MiB before it is counted."""


def decompress(body: bytes, encoding: str | None, *, limit: int) -> bytes:
    """The body without its `Content-Encoding`; unpacking stops as soon as it gives more than `limit` bytes.

    Raises TooLarge, TraceUnreadable where the body is damaged, cut off or in an encoding that is not read, and
    MissingExtra for zstd where the package for it is not installed.
    """
    name = (encoding or "identity").strip().lower()
    match name:
        case "identity" | "":
            pieces = iter((body,))
        case "gzip" | "x-gzip":
            pieces = _inflated(io.BytesIO(body), zlib.MAX_WBITS | 16, "gzip")
        case "deflate":
            pieces = _inflated(io.BytesIO(body), _deflate_window(body), "deflate")
        case "zstd":
            pieces = _unpacked_zstd(io.BytesIO(body))
        case _:
            raise TraceUnreadable(f"the content encoding is {name!r}", todo="send gzip, deflate, zstd or none")
    return _at_most(pieces, limit)


def unpacked(stream: BinaryIO) -> Iterator[bytes]:
    """The content of a file in pieces, out of gzip or zstd where it begins like one of them.

    Raises what `decompress` raises, without a limit: the reader stops where it has enough.
    """
    start = stream.read(4)
    stream.seek(0)
    if start.startswith(GZIP_MAGIC):
        return _inflated(stream, zlib.MAX_WBITS | 16, "gzip")
    if start == ZSTD_MAGIC:
        return _unpacked_zstd(stream)
    return iter(lambda: stream.read(_CHUNK), b"")


def _at_most(pieces: Iterator[bytes], limit: int) -> bytes:
    whole = bytearray()
    for piece in pieces:
        whole += piece
        if len(whole) > limit:
            raise TooLarge(f"the body is larger than {limit:,} bytes", todo="send smaller batches")
    return bytes(whole)


def _deflate_window(body: bytes) -> int:
    """HTTP's deflate is zlib's format, but some senders leave zlib's two bytes away (RFC 9110, 8.4.1.2)."""
    with_header = len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0
    return zlib.MAX_WBITS if with_header else -zlib.MAX_WBITS


def _inflated(stream: BinaryIO, window: int, name: str) -> Iterator[bytes]:
    """Every member of the stream in turn: gzip files may be glued together."""
    packed = stream.read(_CHUNK)
    while True:
        member = zlib.decompressobj(window)
        while True:
            try:
                piece = member.decompress(packed, _CHUNK)
            except zlib.error as error:
                raise TraceUnreadable(f"the {name} data is damaged: {error}") from error
            if not packed and not piece and not member.eof:
                raise TraceUnreadable(f"the {name} data is cut off", todo="send or copy it again")
            yield piece
            if member.eof:
                break
            packed = member.unconsumed_tail or stream.read(_CHUNK)
        packed = member.unused_data or stream.read(_CHUNK)
        if not packed:
            return


def _unpacked_zstd(stream: BinaryIO) -> Iterator[bytes]:
    try:
        import zstandard
    except ModuleNotFoundError as error:
        raise MissingExtra("server", needed_for="reading zstd") from error
    packed = stream.read(_ZSTD_CHUNK)
    while True:
        frame = zstandard.ZstdDecompressor().decompressobj()
        while True:
            if not packed:
                raise TraceUnreadable("the zstd data is cut off", todo="send or copy it again")
            try:
                yield frame.decompress(packed)
            except zstandard.ZstdError as error:
                raise TraceUnreadable(f"the zstd data is damaged: {error}") from error
            if frame.eof:
                break
            packed = stream.read(_ZSTD_CHUNK)
        packed = frame.unused_data or stream.read(_ZSTD_CHUNK)
        if not packed:
            return

"""Large bodies, such as recordings, each kept under the hash of its bytes: in a folder, or as objects of S3."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from taketwo.errors import MissingExtra
from taketwo.value import Value
from taketwo.value import content_hash as content_hash

S3: Final = "s3://"
"""How addresses of S3-compatible object storage begin."""
_SUFFIXES: Final = {b"RIFF": ".wav", b"OggS": ".ogg", b"fLaC": ".flac", b"ID3": ".mp3", b"\xff\xfb": ".mp3"}
_MEDIA_TYPES: Final = {".wav": "audio/wav", ".ogg": "audio/ogg", ".flac": "audio/flac", ".mp3": "audio/mpeg"}
SUFFIXES: Final = ("", *_MEDIA_TYPES)
"""Every ending that `suffix_of` gives."""


class Part(Value):
    """A stretch of a body."""

    body: bytes
    """Its bytes."""
    first: int
    """The place of the first of them in the whole."""
    size: int
    """How many bytes the whole has."""
    media_type: str
    """What the whole is, as in `audio/wav`."""


class Blobs(Protocol):
    """Keeps bodies; safe to use from several threads and processes.

    What `put` has acknowledged by returning is kept. Every method may raise StoreUnavailable.
    """

    @property
    def where(self) -> str:
        """What people are told; the same for all that keep at the same place."""

    def put(self, body: bytes) -> str:
        """Keep a body; gives its hash. The same bytes are kept once."""

    def get(self, name: str) -> bytes | None:
        """The body of that hash; None where there is none."""

    def part(self, name: str, first: int, last: int | None = None) -> Part | None:
        """The bytes from `first` to `last` and with it, or to the end; none of them where it ends before the first.

        None where there is no body of that hash.
        """

    def exists(self, name: str) -> bool:
        """Whether there is a body of that hash."""

    def delete(self, name: str) -> bool:
        """Forget a body; False where there was none."""

    def names(self) -> Iterator[str]:
        """The hashes of all bodies."""


@lru_cache(maxsize=64)
def open_blobs(address: str) -> Blobs:
    """What keeps bodies at an address: `s3://BUCKET/PREFIX`, or the path of a folder, which need not be there yet.

    The same address is opened once in a process, as a client has connections of its own. Raises BadSetting,
    MissingExtra.
    """
    if not address.startswith(S3):
        from taketwo.blobs.folder import FolderBlobs

        return FolderBlobs(Path(address).expanduser())
    try:
        from taketwo.blobs.s3 import S3Blobs
    except ModuleNotFoundError as error:
        raise MissingExtra("s3", needed_for="object storage") from error
    return S3Blobs(address)


def large_bodies_of(recordings: Blobs) -> Blobs:
    """Where the large bodies of spans are whose recordings are there: apart, as nothing else refers to them."""
    return open_blobs(f"{recordings.where}/spans")


def is_name(text: str) -> bool:
    """Whether a text is a hash, under which a body may be kept."""
    return len(text) == 64 and not set(text) - set("0123456789abcdef")


def suffix_of(body: bytes) -> str:
    """The ending that files of this kind have; empty where the kind is not known."""
    return next((suffix for magic, suffix in _SUFFIXES.items() if body.startswith(magic)), "")


def media_type_of(body: bytes) -> str:
    """What a body is, told by its first bytes."""
    return _MEDIA_TYPES.get(suffix_of(body), "application/octet-stream")

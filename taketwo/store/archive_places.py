"""Where archives lie: as files, or as objects of S3-compatible storage, each with its recordings beside it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO, Protocol

from taketwo.blobs import S3, Blobs, open_blobs
from taketwo.errors import MissingExtra, StoreUnavailable
from taketwo.store.recordings import recordings_folder


class ArchivePlace(Protocol):
    """A place for one archive."""

    where: str
    """What people are told, and what `archive_place` takes."""
    url: str
    """What `open_store` opens it with."""
    making: Path
    """The folder in which a file is written before it gets its place."""
    recordings: Blobs
    """Where its recordings are kept."""

    def exists(self) -> bool:
        """Whether there is something at that place. Raises StoreUnavailable."""

    def opened(self) -> IO[bytes]:
        """What is there, as a file that can be read from its end.

        Raises StoreUnavailable where there is nothing, or it cannot be read.
        """

    def take(self, finished: Path) -> None:
        """Put a finished file there. Raises OSError, StoreUnavailable."""


def archive_place(address: Path | str) -> ArchivePlace:
    """The place of a path, or of `s3://BUCKET/KEY`. Raises BadSetting, MissingExtra."""
    text = str(address)
    # A path that was given as one has lost a slash of an address.
    return ArchiveObject(text) if text.startswith(S3) else ArchiveFile(Path(text).expanduser().absolute())


class ArchiveFile:
    """An archive as a file; see `ArchivePlace`."""

    def __init__(self, path: Path) -> None:
        """Its folder must be there when it is written."""
        self._path = path
        self.where = str(path)
        self.url = f"archive:///{path}"
        self.making = path.parent
        self.recordings = open_blobs(str(recordings_folder(path)))

    def exists(self) -> bool:
        """See `ArchivePlace`."""
        return self._path.exists()

    def opened(self) -> IO[bytes]:
        """See `ArchivePlace`."""
        try:
            return self._path.open("rb")
        except FileNotFoundError as error:
            raise StoreUnavailable("there is no such archive", where=self.where) from error
        except OSError as error:
            raise StoreUnavailable(f"the archive cannot be read: {error.strerror}", where=self.where) from error

    def take(self, finished: Path) -> None:
        """See `ArchivePlace`."""
        finished.replace(self._path)


class ArchiveObject:
    """An archive as an object; see `ArchivePlace`."""

    def __init__(self, address: str) -> None:
        """The bucket must be there."""
        try:
            import obstore

            from taketwo.blobs.s3 import bucket, telling
        except ModuleNotFoundError as error:
            raise MissingExtra("s3", needed_for="object storage") from error
        self._obstore, self._telling = obstore, telling
        folder, _, self._key = address.rpartition("/")
        self._bucket = bucket(folder)
        self.where = address
        self.url = f"archive:{address}"
        self.making = Path(tempfile.gettempdir())
        self.recordings = open_blobs(f"{address}.audio")

    def exists(self) -> bool:
        """See `ArchivePlace`."""
        with self._telling(self.where):
            try:
                self._obstore.head(self._bucket, self._key)
            except FileNotFoundError:
                return False
        return True

    def opened(self) -> IO[bytes]:
        """See `ArchivePlace`."""
        if not self.exists():
            raise StoreUnavailable("there is no such archive", where=self.where)
        copy = tempfile.TemporaryFile()  # noqa: SIM115  # whoever asked closes it
        with self._telling(self.where):
            for piece in self._obstore.get(self._bucket, self._key).stream():
                copy.write(piece)
        copy.flush()
        return copy

    def take(self, finished: Path) -> None:
        """See `ArchivePlace`. An object is there as a whole or not at all."""
        with self._telling(self.where):
            self._obstore.put(self._bucket, self._key, finished)
        finished.unlink()

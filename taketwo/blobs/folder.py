"""Bodies as files of a folder: `HASH`, or `HASH.wav` and the like."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taketwo.blobs import SUFFIXES, Part, is_name, media_type_of, suffix_of
from taketwo.errors import StoreUnavailable
from taketwo.value import content_hash


class FolderBlobs:
    """Keeps bodies as files; see `Blobs`."""

    def __init__(self, folder: Path) -> None:
        """It need not be there yet."""
        self.folder = folder

    @property
    def where(self) -> str:
        """See `Blobs`."""
        return str(self.folder.absolute())

    def put(self, body: bytes) -> str:
        """See `Blobs`. Readable by nobody else: recordings are private."""
        name = content_hash(body)
        if self.exists(name):
            return name
        with self._telling():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Under another name first, so that nobody finds half of it.
            handle, written = tempfile.mkstemp(dir=self.folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())
                Path(written).replace(self.folder / f"{name}{suffix_of(body)}")
            finally:
                Path(written).unlink(missing_ok=True)
        return name

    def get(self, name: str) -> bytes | None:
        """See `Blobs`."""
        found = self.part(name, 0)
        return None if found is None else found.body

    def part(self, name: str, first: int, last: int | None = None) -> Part | None:
        """See `Blobs`."""
        path = self.file(name)
        if path is None:
            return None
        with self._telling():
            try:
                with path.open("rb") as file:
                    kind, size = media_type_of(file.read(4)), os.fstat(file.fileno()).st_size
                    file.seek(first)
                    body = file.read(-1 if last is None else max(0, last + 1 - first))
            except FileNotFoundError:  # somebody deleted it just now
                return None
        return Part(body=body, first=first, size=size, media_type=kind)

    def exists(self, name: str) -> bool:
        """See `Blobs`."""
        return self.file(name) is not None

    def delete(self, name: str) -> bool:
        """See `Blobs`."""
        path = self.file(name)
        if path is None:
            return False
        with self._telling():
            path.unlink(missing_ok=True)
        return True

    def names(self) -> Iterator[str]:
        """See `Blobs`."""
        if not self.folder.is_dir():
            return
        with self._telling():
            files = sorted(self.folder.iterdir())
        yield from (name for file in files if is_name(name := file.name.partition(".")[0]))

    def file(self, name: str) -> Path | None:
        """The file of that hash; None where there is none."""
        if not is_name(name):
            return None
        # Not by looking through the folder, which may hold very many.
        paths = (self.folder / f"{name}{suffix}" for suffix in SUFFIXES)
        return next((path for path in paths if path.is_file()), None)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(
                f"a recording cannot be read or written: {error.strerror}", where=self.where
            ) from error

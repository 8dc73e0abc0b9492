"""Large bodies of spans and log records: each an object beside the tables, of which the chunk keeps the hash.

An object is noted before it is written and gets its trace in the transaction that stores the chunk. So one whose chunk
never came, or was deleted, is known, and is swept. Each begins with a key of its own: no two chunks share an object,
and to delete one takes nothing from another.
"""

from __future__ import annotations

import secrets
import time
import zlib
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from taketwo.blobs import Blobs
from taketwo.errors import StoreUnavailable
from taketwo.store.chunks import COMPRESSION_LEVEL
from taketwo.store.database import Connection, Readers
from taketwo.store.statements import SQL
from taketwo.store.writer import Writer
from taketwo.value import content_hash

KEY_BYTES: Final = 16
ABANDONED_NS: Final = 86_400 * 10**9
"""Whoever noted an object so long ago and did not store its chunk has died."""
SWEPT_AT_ONCE: Final = 200


class LargeBodies:
    """The objects of a store."""

    def __init__(self, objects: Blobs, readers: Readers, writer: Writer) -> None:
        """objects: where they are."""
        self._objects = objects
        self._readers = readers
        self._writer = writer

    def keep(self, bodies: Sequence[bytes]) -> list[bytes]:
        """Write objects; gives their hashes, of which a chunk must be stored soon. Raises StoreUnavailable."""
        made = [secrets.token_bytes(KEY_BYTES) + zlib.compress(body, COMPRESSION_LEVEL) for body in bodies]
        names = [content_hash(one) for one in made]
        rows = [(bytes.fromhex(name), len(one), time.time_ns()) for name, one in zip(names, made, strict=True)]
        self._writer.do(partial(_note, rows=rows))
        for one in made:
            self._objects.put(one)
        return [bytes.fromhex(name) for name in names]

    def body(self, name: bytes) -> bytes:
        """The body of that hash. Raises StoreUnavailable where it is missing or damaged."""
        found = self._objects.get(name.hex())
        if found is None or content_hash(found) != name.hex():
            raise StoreUnavailable(
                f"the large body {name.hex()} of a span is {'missing' if found is None else 'damaged'}",
                where=self._objects.where,
                todo="restore it from the backup of the store: it lies beside the file, or in its bucket",
            )
        return zlib.decompress(found[KEY_BYTES:])

    def sweep(self) -> int:
        """Delete objects that no chunk has; gives how many. Raises StoreUnavailable."""
        swept = 0
        while names := self._orphans():
            for name in names:
                self._objects.delete(name.hex())
            # Only now: what dies in between is deleted again.
            self._writer.do(partial(_forget, rows=[(name,) for name in names]))
            swept += len(names)
        return swept

    def _orphans(self) -> list[bytes]:
        wanted = {"before": time.time_ns() - ABANDONED_NS, "limit": SWEPT_AT_ONCE}
        with self._readers.snapshot() as connection:
            return [bytes(name) for (name,) in connection.execute(SQL["large_orphans"], wanted)]


def _note(connection: Connection, *, rows: Sequence[tuple[Any, ...]]) -> None:
    connection.executemany(SQL["note_large"], rows)


def _forget(connection: Connection, *, rows: Sequence[tuple[bytes]]) -> None:
    connection.executemany(SQL["forget_large"], rows)

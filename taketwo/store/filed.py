"""Conversations as they are filed in tables, and what deleting them is told and gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from taketwo.store.grouping import Material
from taketwo.store.project import Deleted

Envelopes: TypeAlias = Callable[[bytes], bytes]
"""Finds an envelope by its hash, and a large body by the hash of its object."""


class Row(msgspec.Struct, frozen=True):
    """A conversation as it is filed."""

    id: int
    """Its key."""
    project: str
    """Its project."""
    name: str
    """Its id."""
    origin: str
    """`session`, `trace` or `import`."""
    changes: int
    """Grows with whatever arrives."""
    settled: int
    """The value of `changes` when it was last read out of its spans."""


class Doomed(msgspec.Struct, frozen=True):
    """A conversation that is to be deleted."""

    row: Row
    """As it was when it was looked at."""
    part: Material | None
    """Its own spans and log records; None where no other conversation has any of its traces."""


class Forgotten(msgspec.Struct, frozen=True):
    """What came of deleting some conversations."""

    deleted: Deleted
    """What is gone."""
    envelopes: frozenset[bytes]
    """Envelopes of spans that are gone; others may still have them."""
    changed: tuple[int, ...]
    """Keys of conversations that changed meanwhile and are still there."""

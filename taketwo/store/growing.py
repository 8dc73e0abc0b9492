"""Sessions as they were read last, so that one that goes on is not read from its beginning again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from taketwo.conversation import Conversation
from taketwo.store.database import Connection
from taketwo.store.echoes import Untold
from taketwo.store.facts import Facts
from taketwo.store.grouping import Material, groups, together
from taketwo.store.statements import SQL

if TYPE_CHECKING:
    from taketwo.capture.chaining import Talked
    from taketwo.capture.grown import Grown

MOST_BYTES: Final = 20 * 2**20
"""Of what is kept, as `Grown.size` counts it."""

Version: TypeAlias = tuple[bytes, int, int, int]
"""What tells whether anything came for a trace: its id, number of spans and of chunks, and the newest of these."""


Tails: TypeAlias = "tuple[tuple[int, Talked], ...]"


class Kept(NamedTuple):
    """A session as it was read."""

    name: str
    """Its id."""
    versions: Mapping[int, Version]
    """Its traces as they were, by key."""
    grown: Grown
    """All that was found in them."""
    changes: int
    """`changes` of the conversation then."""
    reading: Conversation
    """What they told."""
    facts: Facts
    """What that is found by."""
    tails: Tails = ()
    """Of a talk without a session, what its last traces tell of, by key; see `chains`."""
    answered: frozenset[str] = frozenset()
    """Ids of the responses that the traces before those ended with."""
    untold: Untold = {}
    """What others may tell better of its traces."""


Key: TypeAlias = tuple[int, int]
"""How much had been deleted, and the key of a conversation."""


class KeptSessions:
    """As many as fit, those that went on lately; used by several threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._deletions = 0
        self._lock = Lock()

    def since(self, connection: Connection) -> KeptSince:
        """Those that were kept since something was deleted last, as a connection sees it; all others are forgotten."""
        (deletions,) = connection.execute(SQL["deletions"]).fetchone()
        with self._lock:
            if deletions > self._deletions:
                self._deletions, self._bytes = deletions, 0
                self._kept.clear()
        return KeptSince(self, deletions)

    def take(self, key: Key) -> Kept | None:
        """Take one out, for it may be grown by one thread only; None where it is not kept."""
        with self._lock:
            kept = self._kept.pop(key, None)
            self._bytes -= kept.grown.size if kept is not None else 0
        return kept

    def look(self, key: Key) -> Kept | None:
        """Look at one, which another thread may take out at the same time; None where it is not kept."""
        with self._lock:
            return self._kept.get(key)

    def put(self, key: Key, kept: Kept) -> None:
        """Keep one, and forget those that went on longest ago where it is too much."""
        self.take(key)
        with self._lock:
            self._kept[key] = kept
            self._bytes += kept.grown.size
            while self._bytes > self._most_bytes:
                _, old = self._kept.popitem(last=False)
                self._bytes -= old.grown.size


class KeptSince(NamedTuple):
    """Those that were kept since the last deletion, whichever process deleted: a key that was free is given again."""

    every: KeptSessions
    deletions: int
    """How much had been deleted."""

    def take(self, key: int) -> Kept | None:
        """See `KeptSessions`."""
        return self.every.take((self.deletions, key))

    def look(self, key: int) -> Kept | None:
        """See `KeptSessions`."""
        return self.every.look((self.deletions, key))

    def put(self, key: int, kept: Kept) -> None:
        """See `KeptSessions`."""
        self.every.put((self.deletions, key), kept)


def versions_of(connection: Connection, key: int) -> dict[int, Version]:
    """The traces of a conversation as they are now."""
    found = connection.execute(SQL["versions_of_traces"], (key,)).fetchall()
    return {trace: (bytes(trace_id), spans, chunks, newest) for trace, trace_id, spans, chunks, newest in found}


def grow(
    kept: Kept, versions: Mapping[int, Version], material: Callable[[int, bytes], Material], project: str
) -> Conversation | None:
    """The session with what came since, in whatever order; None where all must be read together.

    What was made of traces to which more came is taken back, and what was made of those that began later.
    """
    from taketwo.capture.grown import parts
    from taketwo.capture.reconstruct import tell

    if not kept.versions.keys() <= versions.keys():
        return None
    came = {trace: version[0] for trace, version in versions.items() if kept.versions.get(trace) != version}
    if came:
        materials = {trace_id.hex(): material(trace, trace_id) for trace, trace_id in came.items()}
        gone = kept.grown.take_back(materials, min(map(_start, materials.values())))
        if gone is None:
            return None
        for trace, (trace_id, *_) in versions.items():
            if trace_id.hex() in gone - materials.keys():
                materials[trace_id.hex()] = material(trace, trace_id)
        found = groups(together(materials.values()))
        if [(one.name, one.is_session, one.trace_ids) for one in found] != [(kept.name, True, frozenset(materials))]:
            return None
        if not all(kept.grown.add(*part) for part in parts(found[0].spans, found[0].logs)):
            return None
    return tell(kept.grown, project=project, session_id=kept.name)


def _start(material: Material) -> int:
    starts = [one.start_ns for one in material.spans] + [one.at_ns for one in material.logs]
    return min(starts, default=0)

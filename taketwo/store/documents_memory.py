"""Documents in memory: gone with the process, and plain enough to hold the others against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import count
from threading import RLock

from taketwo.errors import AlreadyThere, NotFound
from taketwo.store.documents import ANY, Change, Document
from taketwo.store.listing import place


class MemoryDocuments:
    """Keeps them in a dictionary."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lock = RLock()
        self._there: dict[tuple[str, str], tuple[int, Document]] = {}
        self._numbers = count(1)

    def add(self, documents: Sequence[Document]) -> None:
        """See `Documents`."""
        with self._lock:
            before = dict(self._there)
            try:
                for document in documents:
                    if (document.kind, document.id) in self._there:
                        raise already_there(document)
                    self._put(next(self._numbers), document)
            except AlreadyThere:
                self._there = before
                raise

    def put(self, document: Document) -> None:
        """See `Documents`."""
        with self._lock:
            number, _ = self._there.get((document.kind, document.id)) or (next(self._numbers), None)
            self._put(number, document)

    def get(self, kind: str, id: str) -> Document:
        """See `Documents`."""
        return self._numbered(kind, id)[1]

    def with_key(self, kind: str, key: str, project: str | None) -> Document | None:
        """See `Documents`."""
        with self._lock:
            every = (one for _, one in self._there.values())
            return next((one for one in every if (one.kind, one.key, one.project) == (kind, key, project)), None)

    def find(
        self,
        kind: str,
        *,
        project: str | None = None,
        parent: str | None = None,
        state: str | None = None,
        outcome: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Document]:
        """See `Documents`."""
        with self._lock:
            rows = sorted(self._there.values(), key=lambda row: (row[1].position, row[0]), reverse=newest_first)
        at = place(after) if after is not None else None
        found = [
            one.but(cursor=f"{one.position}-{number}")
            for number, one in rows
            if one.kind == kind
            and project in (None, one.project)
            and parent in (None, one.parent)
            and state in (None, one.state)
            and outcome in (None, one.outcome)
            and (at is None or _is_past((one.position, number), at, newest_first))
        ]
        return found[:limit]

    def repeating(self, kind: str, source: str, project: str | None, *, limit: int) -> list[Document]:
        """See `Documents`."""
        with self._lock:
            rows = sorted(self._there.values(), key=lambda row: row[0], reverse=True)
        found = [one for _, one in rows if (one.kind, one.source) == (kind, source) and project in (None, one.project)]
        return found[:limit]

    def count(self, kind: str, parent: str) -> dict[tuple[str, str], int]:
        """See `Documents`."""
        with self._lock:
            parts = (one for _, one in self._there.values() if (one.kind, one.parent) == (kind, parent))
            return dict(Counter((one.state, one.outcome) for one in parts))

    def change(self, kind: str, id: str, how: Change) -> Document:
        """See `Documents`."""
        with self._lock:
            number, before = self._numbered(kind, id)
            after = how(before)
            self._put(number, after)
            return after

    def change_parts(self, kind: str, parent: str, how: Change, *, states: Collection[str]) -> int:
        """See `Documents`."""
        with self._lock:
            changed = [
                (number, how(one))
                for number, one in self._there.values()
                if (one.kind, one.parent) == (kind, parent) and one.state in states
            ]
            for number, document in changed:
                self._put(number, document)
            return len(changed)

    def claim(
        self, kind: str, how: Change, *, now: datetime, parent: str | None = None, limit: int = 1
    ) -> list[Document]:
        """See `Documents`."""
        with self._lock:
            due = [
                (one.due_at, one.position, number, one)
                for number, one in self._there.values()
                if one.kind == kind and parent in (None, one.parent) and one.due_at is not None and one.due_at <= now
            ]
            due.sort(key=lambda row: row[1:3] if parent is not None else row[:3])
            claimed = [(number, how(one)) for _, _, number, one in due[:limit]]
            for number, document in claimed:
                self._put(number, document)
            return [document for _, document in claimed]

    def next_due(self, kind: str) -> datetime | None:
        """See `Documents`."""
        with self._lock:
            return min((one.due_at for _, one in self._there.values() if one.kind == kind and one.due_at), default=None)

    def remove(self, kind: str, *, id: str | None = None, parent: str | None = None) -> int:
        """See `Documents`."""
        with self._lock:
            gone = [
                place
                for place, (_, one) in self._there.items()
                if one.kind == kind and (one.id == id if parent is None else one.parent == parent)
            ]
            return self._drop(gone)

    def remove_copies(self, sources: Collection[str], project: str | None) -> int:
        """See `Documents`."""
        sources = frozenset(sources)
        with self._lock:
            gone = [
                place
                for place, (_, one) in self._there.items()
                if (not sources.isdisjoint((one.source, *one.also_of)) and project in (None, one.project))
                or (one.source == ANY and (project is None or one.project in (None, project)))
            ]
            return self._drop(gone)

    def sources_of(self, users: Collection[str], project: str | None) -> set[str]:
        """See `Documents`."""
        with self._lock:
            every = [one for _, one in self._there.values() if one.user in users and project in (None, one.project)]
        return {one.source for one in every if one.source is not None}

    def _numbered(self, kind: str, id: str) -> tuple[int, Document]:
        with self._lock:
            if (kind, id) not in self._there:
                raise not_found(kind, id)
            return self._there[kind, id]

    def _put(self, number: int, document: Document) -> None:
        """Under its id, unless another one has its key."""
        if document.key is not None:
            other = self.with_key(document.kind, document.key, document.project)
            if other is not None and other.id != document.id:
                raise already_there(document)
        self._there[document.kind, document.id] = (number, document.but(cursor=""))

    def _drop(self, places: Sequence[tuple[str, str]]) -> int:
        for one in places:
            del self._there[one]
        return len(places)


def already_there(document: Document) -> AlreadyThere:
    """Another one has its id or key."""
    name, where = (document.id, None) if document.key is None else (document.key, "name")
    todo = "choose another name"
    return AlreadyThere(f"the {_in_words(document.kind)} {name!r} exists already", where=where, todo=todo)


def not_found(kind: str, id: str) -> NotFound:
    """There is none of that id."""
    return NotFound(f"there is no {_in_words(kind)} {id!r}")


def _in_words(kind: str) -> str:
    return kind.replace("_", " ")


def _is_past(row: tuple[int, int], at: tuple[int, int], newest_first: bool) -> bool:
    return row < at if newest_first else row > at

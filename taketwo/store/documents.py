"""Documents: what a server keeps besides captures and results, each of a kind that the store need not understand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final, Protocol, TypeAlias

from taketwo.value import Value


class Document(Value):
    """Something that is kept under a kind and an id, with what it is found by beside its body."""

    kind: str
    """What it is."""
    id: str
    """Unique among those of its kind."""
    body: bytes
    """The thing itself, as JSON."""
    project: str | None = None
    """Name of its project; None when it belongs to none."""
    parent: str | None = None
    """Id of the document that it is a part of; None when it stands alone."""
    key: str | None = None
    """A name that no other of its kind has in its project; None when it needs none."""
    state: str = ""
    """How far it is."""
    outcome: str = ""
    """What came of it; empty as long as nothing has."""
    position: int = 0
    """Its place among the parts of its parent."""
    due_at: datetime | None = None
    """When somebody should take it up, UTC; None when nobody need."""
    source: str | None = None
    """Id of the captured conversation that it repeats, and is deleted with; None when it repeats none, `ANY` where it
    may hold something of any of its project."""
    also_of: tuple[str, ...] = ()
    """Ids of further captured conversations that something in it comes from; it is deleted with each of them, too."""
    user: str | None = None
    """Id of the user whose conversation it repeats; None where it is nobody's alone."""
    cursor: str = ""
    """Where a listing goes on after it; empty outside a listing."""


ANY: Final = "*"
"""The source of what is kept for a short time and may hold something of any conversation: it goes with the first."""

Change: TypeAlias = Callable[[Document], Document]
"""What becomes of a document. May refuse by raising, and runs while nobody else writes, so it must be quick."""


class Documents(Protocol):
    """Keeps documents; safe to use from several threads and processes.

    What a method has acknowledged by returning is on disk. Every method may raise StoreUnavailable, and every writing
    one StoreBusy.
    """

    def add(self, documents: Sequence[Document]) -> None:
        """Keep new documents, all or none. Raises AlreadyThere where an id or a key is taken."""

    def put(self, document: Document) -> None:
        """Keep a document in place of the one of its kind and id, or as a new one. Raises AlreadyThere."""

    def get(self, kind: str, id: str) -> Document:
        """The document of that id. Raises NotFound."""

    def with_key(self, kind: str, key: str, project: str | None) -> Document | None:
        """The document of that key in that project; None when there is none."""

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
        """Documents by position, then in the order they were added; `after` is the cursor of the last one seen."""

    def repeating(self, kind: str, source: str, project: str | None, *, limit: int) -> list[Document]:
        """Documents of a kind that repeat this captured conversation, those first that were added last."""

    def count(self, kind: str, parent: str) -> dict[tuple[str, str], int]:
        """How many parts of a parent there are of each state and outcome."""

    def change(self, kind: str, id: str, how: Change) -> Document:
        """Change one document and give what became of it. Raises NotFound, AlreadyThere, and what `how` raises."""

    def change_parts(self, kind: str, parent: str, how: Change, *, states: Collection[str]) -> int:
        """Change all parts of a parent that are in one of these states, together; gives how many.

        Raises what `how` raises, and then none is changed.
        """

    def claim(
        self, kind: str, how: Change, *, now: datetime, parent: str | None = None, limit: int = 1
    ) -> list[Document]:
        """Take up to `limit` documents that are due, the first positions first; `how` must say when each is due again.

        No two callers get the same one.
        """

    def next_due(self, kind: str) -> datetime | None:
        """When the next document of a kind is due; None when none is."""

    def remove(self, kind: str, *, id: str | None = None, parent: str | None = None) -> int:
        """Delete one document, or all parts of a parent; gives how many."""

    def remove_copies(self, sources: Collection[str], project: str | None) -> int:
        """Delete whatever something of these captured conversations is in, of all kinds; gives how many."""

    def sources_of(self, users: Collection[str], project: str | None) -> set[str]:
        """Ids of the conversations of these users that documents repeat, also where they are no longer captured."""

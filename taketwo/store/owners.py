"""Whose a recording is. It is kept once, under its hash, and is there for the projects that brought it, and no others.

That a conversation names a hash proves nothing, as anybody can write it there. Who brought the sound is a document
beside it; what was kept before there were such documents is there for whoever knows its hash.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from taketwo.blobs import Blobs, Part, content_hash
from taketwo.errors import AlreadyThere, NotFound
from taketwo.store.documents import Document, Documents

KIND: Final = "recording"
UNUSED_FOR: Final = timedelta(days=1)
"""What somebody sent, and nothing refers to after so long, was of a replay that nobody reported."""
MOST_SWEPT: Final = 100
"""So many are taken up together."""


class OwnedBlobs:
    """The recordings of a store as one project has them; see `Blobs`."""

    def __init__(self, blobs: Blobs, documents: Documents, project: str | None) -> None:
        """documents: those of all projects. project: None for whoever may hear all recordings."""
        self._blobs = blobs
        self._documents = documents
        self._project = project

    @property
    def where(self) -> str:
        """See `Blobs`."""
        return self._blobs.where

    def put(self, body: bytes) -> str:
        """See `Blobs`. From now on it is this project's, too."""
        self._add(content_hash(body))
        return self._blobs.put(body)

    def note(self, name: str) -> None:
        """Say that it is this project's, where there is one of that hash; whoever says so knows it."""
        if self._blobs.exists(name):
            self._add(name)

    def receive(self, body: bytes, now: datetime) -> str:
        """The same of what somebody sent, which is forgotten where nobody says soon what it is of."""
        name = content_hash(body)
        if not self._blobs.exists(name) or self._owners(name):
            self._add(name, due_at=now + UNUSED_FOR)
        elif self._project is not None:  # it was there before, and may be needed by what nobody has noted
            self._add(name)
        return self._blobs.put(body)

    def adopt(self, names: Iterable[str], source: str | None = None, also_of: tuple[str, ...] = ()) -> None:
        """Take what was sent or made for this: it goes with the conversations that it repeats, and no sooner."""
        for name in names if self._project is not None else ():
            owners = self._owners(name)
            if any(one.project in (None, self._project) for one in owners):
                self._documents.put(_document(name, self._project).but(source=source, also_of=also_of))
                if any(one.project is None for one in owners):
                    self._documents.remove(KIND, id=_document(name, None).id)

    def get(self, name: str) -> bytes | None:
        """See `Blobs`."""
        return self._blobs.get(name) if self._has(name) else None

    def part(self, name: str, first: int, last: int | None = None) -> Part | None:
        """See `Blobs`."""
        return self._blobs.part(name, first, last) if self._has(name) else None

    def exists(self, name: str) -> bool:
        """See `Blobs`."""
        return self._has(name) and self._blobs.exists(name)

    def delete(self, name: str) -> bool:
        """See `Blobs`. For every project: it is kept once."""
        # First itself: what lies there without a word of whose it is would be there for all projects.
        is_gone = self._blobs.delete(name)
        self._documents.remove(KIND, parent=name)
        return is_gone

    def forget_unused(self, now: datetime) -> int:
        """Delete what was sent long ago, and nothing came to refer to; gives how many."""
        due = self._documents.claim(KIND, lambda one: one.but(due_at=now + UNUSED_FOR), now=now, limit=MOST_SWEPT)
        gone = 0
        for one in due:
            if one.parent is not None and [other.id for other in self._owners(one.parent)] == [one.id]:
                gone += self._blobs.delete(one.parent)
            self._documents.remove(KIND, id=one.id)
        return gone

    def names(self) -> Iterator[str]:
        """See `Blobs`."""
        return filter(self._has, self._blobs.names())

    def _has(self, name: str) -> bool:
        if self._project is None:
            return True
        owners = [one.project for one in self._owners(name) if one.project is not None]
        return not owners or self._project in owners

    def _owners(self, name: str) -> list[Document]:
        return self._documents.find(KIND, parent=name)

    def _add(self, name: str, due_at: datetime | None = None) -> None:
        """Note that it is this project's; what was not to be forgotten is not to be forgotten now either."""
        made = _document(name, self._project).but(due_at=due_at)
        try:
            self._documents.add([made])
        except AlreadyThere:
            try:
                self._documents.change(KIND, made.id, lambda one: one.but(due_at=one.due_at and due_at))
            except NotFound:  # it was deleted just now
                self._add(name, due_at)


def repeating(documents: Documents, sources: Collection[str], project: str | None) -> frozenset[str]:
    """The recordings of replays of these conversations, which go with them: the caller's voice is in them, too.

    Whose they are stays known until they are deleted, as what is nobody's is there for all projects.
    """
    found = [one for source in sources for one in documents.repeating(KIND, source, project, limit=1_000_000)]
    for id in {one.id for one in found}:
        with suppress(NotFound):  # somebody else deleted it just now
            documents.change(KIND, id, lambda one: one.but(source=None, also_of=()))
    return frozenset(one.parent for one in found if one.parent is not None)


def _document(name: str, project: str | None) -> Document:
    return Document(kind=KIND, id=f"{name} {project or ''}", body=b"{}", project=project, parent=name)

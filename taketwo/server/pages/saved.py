"""Filters that were kept under a name."""

from __future__ import annotations

from uuid import uuid4

from taketwo.store.documents import Document, Documents
from taketwo.value import Value

KIND = "saved_filter"
MOST = 50
"""Filters that a list shows."""


class SavedFilter(Value):
    """A filter under a name."""

    name: str
    """What people call it."""
    filter: str
    """The filter."""
    sort: str = ""
    """What its list is sorted by; empty for the usual."""
    id: str = ""
    """Its id; empty before it is kept."""


def saved_filters(documents: Documents, project: str | None) -> list[SavedFilter]:
    """Those of a project, in the order they were kept."""
    found = documents.find(KIND, project=project, limit=MOST)
    return [SavedFilter.from_json(one.body) for one in found if project is not None or one.project is None]


def keep(documents: Documents, kept: SavedFilter, project: str | None) -> None:
    """Keep a filter. Raises AlreadyThere where its name is taken."""
    kept = kept.but(id=str(uuid4()))
    documents.add([Document(kind=KIND, id=kept.id, body=kept.to_json(), project=project, key=kept.name)])


def forget(documents: Documents, id: str) -> None:
    """Forget a filter; one that is gone already is no error."""
    documents.remove(KIND, id=id)

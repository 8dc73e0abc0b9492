"""Things of one type as documents in the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Generic, NamedTuple, TypeVar
from uuid import uuid4

import msgspec

from taketwo.compare.severity import TABLE, Weight
from taketwo.errors import StoreUnavailable
from taketwo.server.flow.asking import WITHOUT_MODEL, Asking
from taketwo.server.flow.executor import Executor, Nobody
from taketwo.store import Store
from taketwo.store.documents import Document, Documents
from taketwo.value import Value

Thing = TypeVar("Thing", bound=Value)

PAGE = 200
"""Documents that are read together where all are wanted."""


def utc_now() -> datetime:
    """The time now, to the microsecond."""
    return datetime.now(UTC)


def new_id() -> str:
    """An id that nobody else has."""
    return str(uuid4())


class Flow(NamedTuple):
    """What every step is given."""

    store: Store
    """Where captures are, and everything is kept."""
    executor: Executor = Nobody()
    """Who carries out what outlives a request."""
    now: Callable[[], datetime] = utc_now
    """The clock."""
    new_id: Callable[[], str] = new_id
    """Makes ids."""
    severities: Mapping[str, Weight] = TABLE
    """How grave each difference is, as `severity_table` makes it."""
    asking: Asking = WITHOUT_MODEL
    """Who asks the language model, and judges by it."""

    @property
    def documents(self) -> Documents:
        """The documents of the store."""
        return self.store.documents


class Place(NamedTuple):
    """What a thing is found by, beside its id."""

    project: str | None = None
    """Its project."""
    parent: str | None = None
    """What it is a part of."""
    key: str | None = None
    """A name that no other of its kind has in its project."""
    state: str = ""
    """How far it is."""
    outcome: str = ""
    """What came of it."""
    position: int = 0
    """Its place among the parts of its parent."""
    due_at: datetime | None = None
    """When somebody should take it up."""
    source: str | None = None
    """The captured conversation that it repeats."""
    also_of: tuple[str, ...] = ()
    """Further captured conversations that something in it comes from."""
    user: str | None = None
    """The user whose conversation it repeats."""


class Listed(NamedTuple, Generic[Thing]):
    """A page of a listing."""

    things: list[Thing]
    """The things."""
    next: str | None
    """Where the next page begins; None where this one is the last."""


class Shelf(Generic[Thing]):
    """All things of one type."""

    def __init__(self, kind: str, shape: type[Thing], id: Callable[[Thing], str], place: Callable[[Thing], Place]):
        """place: what a thing is found by, made of the thing alone."""
        self.kind = kind
        self._shape = shape
        self._id = id
        self._place = place

    def document(self, thing: Thing) -> Document:
        """The thing as it is kept; things of several shelves are added together so."""
        return Document(kind=self.kind, id=self._id(thing), body=thing.to_json(), **self._place(thing)._asdict())

    def add(self, flow: Flow, *things: Thing) -> None:
        """Keep new things, all or none. Raises AlreadyThere."""
        flow.documents.add([self.document(thing) for thing in things])

    def get(self, flow: Flow, id: str) -> Thing:
        """The thing of that id. Raises NotFound."""
        return self._thing(flow.documents.get(self.kind, id))

    def with_key(self, flow: Flow, key: str, project: str | None) -> Thing | None:
        """The thing of that key; None when there is none."""
        found = flow.documents.with_key(self.kind, key, project)
        return None if found is None else self._thing(found)

    def page(
        self,
        flow: Flow,
        *,
        limit: int,
        after: str | None = None,
        project: str | None = None,
        parent: str | None = None,
        state: str | None = None,
        outcome: str | None = None,
        newest_first: bool = True,
    ) -> Listed[Thing]:
        """A page of them, the newest first; parts of a parent are better read in order."""
        found = flow.documents.find(
            self.kind,
            project=project,
            parent=parent,
            state=state,
            outcome=outcome,
            newest_first=newest_first,
            limit=limit,
            after=after,
        )
        following = found[-1].cursor if len(found) == limit else None
        return Listed([self._thing(document) for document in found], following)

    def parts(self, flow: Flow, parent: str, *, state: str | None = None) -> Iterator[Thing]:
        """All parts of a parent in order, read page by page."""
        after: str | None = None
        while True:
            page = self.page(flow, parent=parent, state=state, limit=PAGE, after=after, newest_first=False)
            yield from page.things
            if (after := page.next) is None:
                return

    def every(self, flow: Flow, *, state: str | None = None) -> Iterator[Thing]:
        """All of them, the oldest first."""
        after: str | None = None
        while True:
            page = self.page(flow, state=state, limit=PAGE, after=after, newest_first=False)
            yield from page.things
            if (after := page.next) is None:
                return

    def change(self, flow: Flow, id: str, how: Callable[[Thing], Thing]) -> Thing:
        """Change a thing while nobody else does; `how` may refuse by raising. Raises NotFound, AlreadyThere."""
        return self._thing(flow.documents.change(self.kind, id, lambda document: self._changed(document, how)))

    def change_parts(self, flow: Flow, parent: str, how: Callable[[Thing], Thing], *, states: Collection[str]) -> int:
        """Change all parts of a parent that are in one of these states, together; gives how many."""
        return flow.documents.change_parts(
            self.kind, parent, lambda document: self._changed(document, how), states=states
        )

    def claim(
        self, flow: Flow, how: Callable[[Thing], Thing], *, parent: str | None = None, limit: int = 1
    ) -> list[Thing]:
        """Take things that are due; `how` must make them due later. No two callers get the same one."""
        found = flow.documents.claim(
            self.kind, lambda document: self._changed(document, how), now=flow.now(), parent=parent, limit=limit
        )
        return [self._thing(document) for document in found]

    def counts(self, flow: Flow, parent: str) -> dict[tuple[str, str], int]:
        """How many parts of a parent there are of each state and outcome."""
        return flow.documents.count(self.kind, parent)

    def next_due(self, flow: Flow) -> datetime | None:
        """When the next one is due; None when none is."""
        return flow.documents.next_due(self.kind)

    def remove(self, flow: Flow, id: str) -> None:
        """Delete one."""
        flow.documents.remove(self.kind, id=id)

    def remove_parts(self, flow: Flow, parent: str) -> None:
        """Delete all parts of a parent."""
        flow.documents.remove(self.kind, parent=parent)

    def _changed(self, document: Document, how: Callable[[Thing], Thing]) -> Document:
        return self.document(how(self._thing(document)))

    def _thing(self, document: Document) -> Thing:
        try:
            return self._shape.from_json(document.body)
        except msgspec.DecodeError as error:
            raise StoreUnavailable(f"a stored {self.kind} is damaged: {error}", where=document.id) from error

"""A store as the holder of a key sees it: one project of it, and nothing else, whoever asks and however."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from taketwo.conversation import Conversation
from taketwo.errors import NotAllowed, NotFound
from taketwo.select.filters import Filter
from taketwo.span import RawLog, RawSpan
from taketwo.store import Merge, Store
from taketwo.store.documents import Change, Document, Documents
from taketwo.store.documents_memory import not_found
from taketwo.store.feedback import Feedback
from taketwo.store.owners import OwnedBlobs
from taketwo.store.project import Deleted, ProjectSettings
from taketwo.store.search import NEWEST_FIRST, Held, Order, Search, Stretch, UserSummary
from taketwo.store.summary import ConversationSummary, SuiteSummary, TraceSummary
from taketwo.verdict import CaseResult


class _Scope:
    """Says which project may be looked at just now."""

    def __init__(self, only: Callable[[], str | None]) -> None:
        self._only = only

    def project(self, named: str | None) -> str | None:
        """The project to look in. Raises NotAllowed where another one was named."""
        only = self._only()
        if only is not None and named not in (None, only):
            raise NotAllowed(f"this key is for project {only!r} and not for {named!r}")
        return only if only is not None else named

    def named(self, project: str) -> str:
        """A project that was named. Raises NotAllowed where it is another one."""
        self.project(project)
        return project

    def holds(self, project: str | None) -> bool:
        """Whether something of that project may be seen."""
        only = self._only()
        return only is None or project == only

    def everything(self) -> None:
        """Raises NotAllowed where not all projects may be looked at."""
        if (only := self._only()) is not None:
            raise NotAllowed(f"this concerns all projects, and this key is for project {only!r}")


class ScopedStore:
    """Gives what belongs to the project that `only` names at the time; everything where it names none."""

    def __init__(self, store: Store, only: Callable[[], str | None]) -> None:
        """Stand before that store."""
        self._store = store
        self._scope = _Scope(only)
        self.documents: Documents = ScopedDocuments(store.documents, self._scope)
        self.search: Search = ScopedSearch(store.search, self._scope)

    @property
    def url(self) -> str:
        """See `Store`."""
        return self._store.url

    def add_spans(self, project: str, spans: Sequence[RawSpan]) -> int:
        """See `Store`."""
        return self._store.add_spans(self._scope.named(project), spans)

    def add_logs(self, project: str, logs: Sequence[RawLog]) -> int:
        """See `Store`."""
        return self._store.add_logs(self._scope.named(project), logs)

    def put_conversation(self, conversation: Conversation, merge: Merge | None = None) -> bool:
        """See `Store`."""
        self._scope.named(conversation.project)
        return self._store.put_conversation(conversation, merge)

    def conversation(self, id: str, project: str | None = None) -> Conversation:
        """See `Store`."""
        return self._store.conversation(id, self._scope.project(project))

    def captured(self, ids: Collection[str], project: str) -> frozenset[str]:
        """See `Store`."""
        return self._store.captured(ids, self._scope.named(project))

    def conversations(self, project: str | None = None, *, limit: int | None = None) -> Iterator[Conversation]:
        """See `Store`."""
        return self._store.conversations(self._scope.project(project), limit=limit)

    def summaries(
        self, project: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Iterator[ConversationSummary]:
        """See `Store`."""
        return self._store.summaries(self._scope.project(project), limit=limit, after=after)

    def traces(
        self, project: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Iterator[TraceSummary]:
        """See `Store`."""
        return self._store.traces(self._scope.project(project), limit=limit, after=after)

    def add_feedback(self, id: str, given: Feedback, project: str | None = None) -> Feedback:
        """See `Store`."""
        return self._store.add_feedback(id, given, self._scope.project(project))

    def feedback(self, id: str, project: str | None = None) -> list[Feedback]:
        """See `Store`."""
        return self._store.feedback(id, self._scope.project(project))

    def raw_spans(self, conversation_id: str, project: str | None = None) -> list[RawSpan]:
        """See `Store`."""
        return self._store.raw_spans(conversation_id, self._scope.project(project))

    def raw_logs(self, conversation_id: str, project: str | None = None) -> list[RawLog]:
        """See `Store`."""
        return self._store.raw_logs(conversation_id, self._scope.project(project))

    def projects(self) -> list[str]:
        """See `Store`."""
        return [name for name in self._store.projects() if self._scope.holds(name)]

    def settle(self, limit: int | None = None) -> int:
        """See `Store`."""
        return self._store.settle(limit)

    def add_result(self, suite_id: str, result: CaseResult) -> None:
        """See `Store`. Suites belong to no project."""
        self._scope.everything()
        self._store.add_result(suite_id, result)

    def flush(self) -> None:
        """See `Store`."""
        self._store.flush()

    def results(self, suite_id: str) -> list[CaseResult]:
        """See `Store`. Suites belong to no project."""
        self._scope.everything()
        return self._store.results(suite_id)

    def result(self, run_id: str) -> CaseResult:
        """See `Store`. Suites belong to no project."""
        self._scope.everything()
        return self._store.result(run_id)

    def suites(self) -> list[SuiteSummary]:
        """See `Store`. Suites belong to no project."""
        self._scope.everything()
        return self._store.suites()

    def project(self, name: str) -> ProjectSettings:
        """See `Store`."""
        return self._store.project(self._scope.named(name))

    def set_project(self, name: str, settings: ProjectSettings) -> None:
        """See `Store`."""
        self._store.set_project(self._scope.named(name), settings)

    def stored_bytes(self, project: str) -> int:
        """See `Store`."""
        return self._store.stored_bytes(self._scope.named(project))

    def recordings(self, project: str | None) -> OwnedBlobs:
        """See `Store`."""
        return self._store.recordings(self._scope.project(project))

    def delete_session(self, id: str, project: str | None = None) -> Deleted:
        """See `Store`."""
        return self._store.delete_session(id, self._scope.project(project))

    def delete_user(self, user_id: str, project: str) -> Deleted:
        """See `Store`."""
        return self._store.delete_user(user_id, self._scope.named(project))

    def expire(self, now: datetime) -> Deleted:
        """See `Store`."""
        self._scope.everything()
        return self._store.expire(now)

    def hurry(self, within_s: float) -> None:
        """See `Store`."""
        self._store.hurry(within_s)

    def compact(self) -> None:
        """See `Store`."""
        self._scope.everything()
        self._store.compact()

    def close(self) -> None:
        """See `Store`."""
        self._store.close()


class ScopedSearch:
    """Finds within one project."""

    def __init__(self, search: Search, scope: _Scope) -> None:
        """Stand before that search."""
        self._search = search
        self._scope = scope

    def conversations(
        self,
        chosen: Filter,
        project: str | None = None,
        *,
        order: Order = NEWEST_FIRST,
        limit: int | None = None,
        after: str | None = None,
        as_read: bool = False,
    ) -> Iterator[ConversationSummary]:
        """See `Search`."""
        within = self._scope.project(project)
        return self._search.conversations(chosen, within, order=order, limit=limit, after=after, as_read=as_read)

    def traces(
        self, chosen: Filter, project: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Iterator[TraceSummary]:
        """See `Search`."""
        return self._search.traces(chosen, self._scope.project(project), limit=limit, after=after)

    def users(self, project: str, *, limit: int | None = None, after: str | None = None) -> list[UserSummary]:
        """See `Search`."""
        return self._search.users(self._scope.named(project), limit=limit, after=after)

    def timeline(
        self, chosen: Filter, project: str | None = None, *, since: datetime, until: datetime, step_s: int
    ) -> list[Stretch]:
        """See `Search`."""
        return self._search.timeline(chosen, self._scope.project(project), since=since, until=until, step_s=step_s)

    def unread(self, project: str | None = None) -> int:
        """See `Search`."""
        return self._search.unread(self._scope.project(project))

    def held(self, project: str | None = None) -> Held:
        """See `Search`."""
        return self._search.held(self._scope.project(project))


class ScopedDocuments:
    """Documents of one project. Parts carry the project of what they are part of."""

    def __init__(self, documents: Documents, scope: _Scope) -> None:
        """Stand before those documents."""
        self._documents = documents
        self._scope = scope

    def add(self, documents: Sequence[Document]) -> None:
        """See `Documents`."""
        for document in documents:
            self._seen(document)
        self._documents.add(documents)

    def put(self, document: Document) -> None:
        """See `Documents`."""
        with suppress(NotFound):
            there = self._documents.get(document.kind, document.id)
            if not self._scope.holds(there.project):
                raise NotAllowed(f"{document.kind} {document.id!r} belongs to another project")
        self._documents.put(self._seen(document))

    def get(self, kind: str, id: str) -> Document:
        """See `Documents`."""
        return self._seen(self._documents.get(kind, id))

    def with_key(self, kind: str, key: str, project: str | None) -> Document | None:
        """See `Documents`."""
        return self._documents.with_key(kind, key, self._scope.project(project))

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
        found = self._documents.find(
            kind,
            project=self._scope.project(project),
            parent=parent,
            state=state,
            outcome=outcome,
            newest_first=newest_first,
            limit=limit,
            after=after,
        )
        return [document for document in found if self._scope.holds(document.project)]

    def repeating(self, kind: str, source: str, project: str | None, *, limit: int) -> list[Document]:
        """See `Documents`."""
        return self._documents.repeating(kind, source, self._scope.project(project), limit=limit)

    def count(self, kind: str, parent: str) -> dict[tuple[str, str], int]:
        """See `Documents`."""
        for document in self._documents.find(kind, parent=parent, limit=1):
            self._seen(document)
        return self._documents.count(kind, parent)

    def change(self, kind: str, id: str, how: Change) -> Document:
        """See `Documents`."""
        return self._documents.change(kind, id, lambda document: self._seen(how(self._seen(document))))

    def change_parts(self, kind: str, parent: str, how: Change, *, states: Collection[str]) -> int:
        """See `Documents`."""
        return self._documents.change_parts(
            kind, parent, lambda document: self._seen(how(self._seen(document))), states=states
        )

    def claim(
        self, kind: str, how: Change, *, now: datetime, parent: str | None = None, limit: int = 1
    ) -> list[Document]:
        """See `Documents`."""
        return self._documents.claim(
            kind, lambda document: how(self._seen(document)), now=now, parent=parent, limit=limit
        )

    def next_due(self, kind: str) -> datetime | None:
        """See `Documents`."""
        return self._documents.next_due(kind)

    def remove(self, kind: str, *, id: str | None = None, parent: str | None = None) -> int:
        """See `Documents`."""
        if id is not None:
            try:
                there = self._documents.get(kind, id)
            except NotFound:
                return 0
            self._seen(there)
        for document in self._documents.find(kind, parent=parent, limit=1) if parent is not None else ():
            self._seen(document)
        return self._documents.remove(kind, id=id, parent=parent)

    def remove_copies(self, sources: Collection[str], project: str | None) -> int:
        """See `Documents`."""
        return self._documents.remove_copies(sources, self._scope.project(project))

    def sources_of(self, users: Collection[str], project: str | None) -> set[str]:
        """See `Documents`."""
        return self._documents.sources_of(users, self._scope.project(project))

    def _seen(self, document: Document) -> Document:
        """The document, as if there were none where it belongs to another project."""
        if not self._scope.holds(document.project):
            raise not_found(document.kind, document.id)
        return document

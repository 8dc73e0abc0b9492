"""The store in the tables of a database, which several processes may have open at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from taketwo.conversation import Conversation
from taketwo.errors import NotFound, NotUnique, StoreBusy, StoreUnavailable
from taketwo.select.filters import parse
from taketwo.span import RawLog, RawSpan
from taketwo.store import Merge, chunks
from taketwo.store.bodies import packed, unpacked
from taketwo.store.database import Connection, Database, Readers, by_column
from taketwo.store.deletion import Deletion
from taketwo.store.documents_tables import TableDocuments
from taketwo.store.feedback import Feedback, meant, with_scores
from taketwo.store.finding import SHORTEST_PREFIX, Found, only_one, only_run, trace_range
from taketwo.store.grouping import Material, groups, part_of
from taketwo.store.growing import KeptSessions
from taketwo.store.indexing import feedback_of
from taketwo.store.large import LargeBodies
from taketwo.store.listing import cursor, moment_ns, place
from taketwo.store.owners import OwnedBlobs, repeating
from taketwo.store.project import Deleted, ProjectSettings
from taketwo.store.putting import put_feedback, put_import, put_settings
from taketwo.store.redacting import Redacting
from taketwo.store.requests import Acknowledged
from taketwo.store.results import Results, suites_of
from taketwo.store.search_tables import TableSearch, trace_summary
from taketwo.store.settling import Finding, file, look, material_of, material_of_trace, row_of
from taketwo.store.statements import SQL
from taketwo.store.summary import ConversationSummary, SuiteSummary, TraceSummary, summarise
from taketwo.store.weighing import stored_bytes
from taketwo.store.writer import Writer
from taketwo.value import content_hash
from taketwo.verdict import CaseResult

PAGE = 50
"""Rows of a listing that are read together."""

MOST_SETTLED_TO_FIND = 200
"""How many new traces without a session are looked at for an id that is not found: some senders hide theirs well."""

NO_LIMIT = 2**31 - 1
"""More rows than there are."""
MOST_SETTLED_TO_LIST = 1_000
"""How many are looked at for a page of a listing; for a listing of all everything is read."""

MOST_LOOKS = 5
"""How often a conversation is read again because something of it arrives meanwhile."""

CATCH_UP_S = 5.0
"""How long what other processes have acknowledged is waited for before it is looked for."""
CATCH_UP_TO_DELETE_S = 30.0
"""The same before a deletion, which would not find it: where requests never cease they store it every few seconds."""

MOVING = "moving"
"""A table that is there as long as another store is being moved into this one, see moving.py."""

MOST_ENVELOPES = 512
"""How many envelopes are remembered; a process of an agent has one or two."""


class Mark(NamedTuple):
    """Where a conversation stands, to see whether it has changed since somebody looked."""

    key: int
    """Its key, which says when it came."""
    project: str
    """Its project."""
    id: str
    """Its id."""
    fingerprint: str | None
    """Another one as soon as anything of it has changed, scores too; None while it is not read."""


class TableStore:
    """Keeps everything in tables."""

    def __init__(self, database: Database, *, is_being_filled: bool = False) -> None:
        """Open the database. Raises StoreUnavailable, also where another one is being moved into it, unless told so."""
        self.database = database
        self._readers = Readers(database)
        self._writer = Writer(database)
        self._arrivals = Writer(database, alone=False) if database.keeps_together else self._writer
        self._results = Results(self._writer)
        self.documents = TableDocuments(self._readers, self._writer)
        self._envelopes: dict[bytes, bytes] = {}
        self._moved = 0
        self._acknowledged = Acknowledged(self, database.arrivals)
        self._sessions = KeptSessions()
        self._redacting = Redacting(self.project, database.pseudonyms_key)
        self._large = LargeBodies(database.large, self._readers, self._writer)
        self._beside = self._large.keep if database.sets_large_apart else None
        self._deletion = Deletion(
            database,
            self._readers,
            self._writer,
            self._envelope_reader,
            partial(self._read, wait=True),
            self.recordings(None).delete,
            lambda name, project: self.recordings(project).exists(name),
        )
        settle = partial(self._read, wait=True)
        self.search = TableSearch(self._readers, self._writer, self._read, settle, database.dialect)
        with self._readers.snapshot() as connection:
            is_whole = is_being_filled or not database.has_table(connection, MOVING)
        if not is_whole:
            self.close()
            raise StoreUnavailable(
                "another store is being moved here, and not all of it has come",
                where=database.where,
                todo="call `taketwo store migrate` again, which goes on, or name another store",
            )

    @property
    def url(self) -> str:
        """What `open_store` opens it with."""
        return self.database.url

    @property
    def arrivals(self) -> Path | None:
        """The folder of journals, see `Database`."""
        return self.database.arrivals

    def may_lie_as_it_came(self, project: str) -> bool:
        """Whether what comes for a project may be on disk before it is stored: not where it is redacted."""
        return not self._redacting.is_wanted(project)

    def add_spans(self, project: str, spans: Sequence[RawSpan]) -> int:
        """See `Store`. The packing is done by the calling thread, so that requests pack side by side."""
        return self._keep(project, chunks.pack_spans(self._redacting.spans(project, spans), self._beside))

    def add_logs(self, project: str, logs: Sequence[RawLog]) -> int:
        """See `Store`."""
        return self._keep(project, chunks.pack_logs(self._redacting.logs(project, logs), self._beside))

    def put_conversation(self, conversation: Conversation, merge: Merge | None = None) -> bool:
        """See `Store`."""
        kept = self._redacting.conversation(conversation)
        return self._writer.do(partial(put_import, conversation=kept, body=packed(kept), merge=merge))

    def conversation(self, id: str, project: str | None = None) -> Conversation:
        """See `Store`."""
        return self._found(id, project)[1]

    def captured(self, ids: Collection[str], project: str) -> frozenset[str]:
        """See `Store`."""
        with self._readers.snapshot() as connection:
            asked = ({"name": id, "project": project} for id in ids)
            return frozenset(one["name"] for one in asked if connection.execute(SQL["is_captured"], one).fetchone())

    def conversations(self, project: str | None = None, *, limit: int | None = None) -> Iterator[Conversation]:
        """See `Store`."""
        for row, reading in islice(self._listed(project, None, limit), limit):
            found = reading or self._read(row["id"])
            if found is not None:
                yield found

    def summaries(
        self, project: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Iterator[ConversationSummary]:
        """See `Store`."""
        if self.search.is_hurried(limit):  # by what is read: rows of what is not know next to nothing to show
            yield from self.search.conversations(parse(""), project, limit=limit, after=after)
            return
        for row, reading in islice(self._listed(project, after, limit), limit):
            summary = ConversationSummary.from_json(row["summary"]) if reading is None else summarise(reading)
            yield summary.but(cursor=cursor(row["first_ns"], row["id"]))

    def traces(
        self, project: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Iterator[TraceSummary]:
        """See `Store`."""
        self._settle_to_list(project, limit)
        pages = self._pages(partial(self._page, "page_of_traces", project), after, limit)
        return (self._trace(row) for row in islice(pages, limit))

    def add_feedback(self, id: str, given: Feedback, project: str | None = None) -> Feedback:
        """See `Store`."""
        key, conversation = self._found(id, project)
        given = meant(given, id, conversation)
        self._writer.do(partial(put_feedback, key=key, conversation=conversation, given=given))
        return given

    def feedback(self, id: str, project: str | None = None) -> list[Feedback]:
        """See `Store`."""
        _, conversation = self._found(id, project)
        with self._readers.snapshot() as connection:
            return [one for _, one in feedback_of(connection, conversation)]

    def raw_spans(self, conversation_id: str, project: str | None = None) -> list[RawSpan]:
        """See `Store`."""
        return self._material(conversation_id, project).spans

    def raw_logs(self, conversation_id: str, project: str | None = None) -> list[RawLog]:
        """See `Store`."""
        return self._material(conversation_id, project).logs

    def marks(self, after: int, limit: int) -> list[Mark]:
        """The marks of the conversations whose keys come after that one, in order."""
        with self._readers.snapshot() as connection:
            rows = by_column(connection.execute(SQL["marks"], {"after": after, "limit": limit}))
        return [Mark(row["id"], row["project"], row["name"], _fingerprint(row)) for row in rows]

    def projects(self) -> list[str]:
        """See `Store`."""
        with self._readers.snapshot() as connection:
            return [name for (name,) in connection.execute(SQL["projects"])]

    def settle(self, limit: int | None = None) -> int:
        """See `Store`."""
        return self.search.settle(-1 if limit is None else limit)

    def add_result(self, suite_id: str, result: CaseResult) -> None:
        """See `Store`."""
        self._results.add(suite_id, result)

    def flush(self) -> None:
        """See `Store`."""
        self._acknowledged.wait(CATCH_UP_S)
        self._writer.flush()

    def results(self, suite_id: str) -> list[CaseResult]:
        """See `Store`."""
        with self._readers.snapshot() as connection:
            bodies = connection.execute(SQL["results"], (suite_id,)).fetchall()
        if not bodies:
            raise NotFound(f"there is no suite {suite_id!r}", where=self.database.where)
        return [unpacked(body, CaseResult) for (body,) in bodies]

    def result(self, run_id: str) -> CaseResult:
        """See `Store`."""
        with self._readers.snapshot() as connection:
            key = only_run(run_id, connection.execute(SQL["results_by_run"], _range(run_id)).fetchall())
            (body,) = connection.execute(SQL["result"], (key,)).fetchone()
        return unpacked(body, CaseResult)

    def suites(self) -> list[SuiteSummary]:
        """See `Store`."""
        with self._readers.snapshot() as connection:
            return suites_of(connection.execute(SQL["suites"]).fetchall())

    def project(self, name: str) -> ProjectSettings:
        """See `Store`."""
        with self._readers.snapshot() as connection:
            found = connection.execute(SQL["project_settings"], (name,)).fetchone()
        return ProjectSettings.from_json(found[0]) if found and found[0] else ProjectSettings()

    def set_project(self, name: str, settings: ProjectSettings) -> None:
        """See `Store`."""
        self._writer.do(partial(put_settings, name=name, settings=settings))
        self._redacting.forget(name)

    def stored_bytes(self, project: str) -> int:
        """See `Store`."""
        return stored_bytes(self._readers, self._writer, self.database.blobs, project)

    def recordings(self, project: str | None) -> OwnedBlobs:
        """See `Store`."""
        return OwnedBlobs(self.database.blobs, self.documents, project)

    def delete_session(self, id: str, project: str | None = None) -> Deleted:
        """See `Store`."""
        with self._acknowledged.before_deleting(CATCH_UP_TO_DELETE_S):
            try:
                key, reading = self._found_in_any_spelling(id, project)
            except NotFound:
                if (deleted := self._delete({}, set(self._redacting.spellings(id)), project)) == Deleted():
                    raise
                return deleted
            self._read(key, wait=True)
            self._sort(reading.project)
            return self._delete({key: reading.id}, {reading.id}, reading.project)

    def delete_user(self, user_id: str, project: str) -> Deleted:
        """See `Store`."""
        with self._acknowledged.before_deleting(CATCH_UP_TO_DELETE_S):
            self.settle()
            self._sort(project)
            with self._readers.snapshot() as connection:
                found = {
                    key: name
                    for spelled in self._redacting.spellings(user_id)
                    for key, name in connection.execute(
                        SQL["conversations_of_user"], {"project": project, "user_id": spelled}
                    )
                }
            expired = self.documents.sources_of(self._redacting.spellings(user_id), project)
            if not found and not expired:
                what = f"there is no conversation of user {user_id!r} in project {project}"
                raise NotFound(what, where=self.database.where)
            return self._delete(found, expired.union(found.values()), project)

    def _delete(self, found: Mapping[int, str], ids: Collection[str], project: str | None) -> Deleted:
        """Delete captured conversations, by key, and whatever was made of those of these ids, captured or expired."""
        ids = {*ids, *self._trace_ids(found)}  # some of it may have been kept when it had only the id of a trace
        # Before, so that a deletion that is broken off can be asked for again; and after, for what was kept meanwhile
        # by somebody who still found the conversation. Whoever keeps something later finds it gone, see `captured`.
        replayed = repeating(self.documents, ids, project)
        deleted = Deleted(copies=self.documents.remove_copies(ids, project))
        deleted += self._deletion.conversations(list(found), ids, replayed, self.conversations())
        deleted += Deleted(copies=self.documents.remove_copies(ids, project))
        if deleted != Deleted():
            self._large.sweep()
            self.database.erase()
        return deleted

    def _trace_ids(self, keys: Collection[int]) -> set[str]:
        with self._readers.snapshot() as connection:
            rows = (row for key in keys for row in connection.execute(SQL["traces_of_conversation"], (key,)).fetchall())
            return {bytes(trace_id).hex() for _, trace_id in rows}

    def expire(self, now: datetime) -> Deleted:
        """See `Store`."""
        deleted = Deleted()
        for name in self.projects():
            if (days := self.project(name).keep_for_days) is not None:
                deleted += self._deletion.expire(name, moment_ns(now - timedelta(days=days)), self.conversations())
        self._large.sweep()
        self.recordings(None).forget_unused(now)
        return deleted

    def hurry(self, within_s: float) -> None:
        """See `Store`."""
        self.search.hurry(within_s)

    def compact(self) -> None:
        """See `Store`."""
        self.database.compact()

    def close(self) -> None:
        """See `Store`."""
        self.search.close()
        self._arrivals.close()
        self._writer.close()
        self._readers.close()

    def _keep(self, project: str, arrivals: list[chunks.Packed]) -> int:
        work = partial(self.database.keep, project=project, arrivals=arrivals)
        return self._arrivals.do(work) if arrivals else 0

    def _found(self, id: str, project: str | None) -> tuple[int, Conversation]:
        """Key and reading of a conversation; before it is said not to be, what nobody looked at yet is looked at."""
        for _ in range(MOST_LOOKS):
            found = self._look_up(id, project)
            if not found and self._settle_traces(project, MOST_SETTLED_TO_FIND):
                found = self._look_up(id, project)
            names = [] if found else self._latest_names(project)
            key = only_one(id, found, project=project, names=names).key
            # Where its spans turned out to belong elsewhere, it is found there the next time.
            if (reading := self._read(key)) is not None:
                return key, reading
        raise StoreBusy(f"what belongs to {id!r} is being sorted", todo="try again in a moment")

    def _found_in_any_spelling(self, id: str, project: str | None) -> tuple[int, Conversation]:
        """What redaction takes for personal in an id is stored otherwise than it was sent."""
        first, *others = self._redacting.spellings(id)
        try:
            return self._found(first, project)
        except NotFound:
            for other in others:
                with suppress(NotFound):
                    return self._found(other, project)
            raise

    def _latest_names(self, project: str | None) -> list[str]:
        with self._readers.snapshot() as connection:
            return [name for (name,) in connection.execute(SQL["latest_names"], {"project": project})]

    def _look_up(self, id: str, project: str | None) -> list[Found]:
        with self._readers.snapshot() as connection:
            return _find(connection, id, project)

    def _read(self, key: int, *, wait: bool = False) -> Conversation | None:
        """The conversation as it is now, with its feedback; None when it is gone: its spans belong elsewhere."""
        if (found := self._reading(key, wait=wait)) is None:
            return None
        with self._readers.snapshot() as connection:
            return with_scores(found, feedback_of(connection, found))

    def _reading(self, key: int, *, wait: bool = False) -> Conversation | None:
        """The conversation as its spans tell it.

        If it had to be read out of its spans, that is kept for the next reader: soon, or before this returns.
        """
        for number in range(MOST_LOOKS):
            found = self._look(key, goes_on=wait)
            if not isinstance(found, Finding):
                return found
            if found.row.origin == "session" and not found.moves_traces and not wait:
                self._writer.offer(partial(file, finding=found, is_first_look=number == 0))
                return found.readings[found.row.name]
            try:
                done = self._writer.do(partial(file, finding=found, is_first_look=number == 0))
            except StoreUnavailable:
                if wait:
                    raise
                # Whoever only wants to read need not wait for those who write, or for room on the disk.
                return found.readings.get(found.row.name)
            if done and not found.moves_traces:
                return found.readings[found.row.name]
            self._moved += done
        raise StoreBusy("spans of this conversation arrive faster than it is read", todo="try again in a moment")

    def _look(self, key: int, *, goes_on: bool) -> Finding | Conversation | None:
        """What its spans say, or the conversation itself where nothing came since it was last read; None when gone.

        goes_on: whether to keep what was found. Who only shows it keeps no thousands of objects for what may come.
        """
        with self._readers.snapshot() as connection:
            row = row_of(connection, key)
            if row is None:
                return None
            if row.changes == row.settled:
                return unpacked(_reading(connection, key), Conversation)
            kept = self._sessions.since(connection)
            sessions = kept if goes_on or kept.look(key) is not None else None
            return look(connection, row, self._envelope_reader(connection), self._redacting.finished, sessions)

    def _settle_traces(self, project: str | None, limit: int, *, wait: bool = True) -> int:
        for number, key in enumerate(keys := self._unsettled("trace", project, limit)):
            try:
                self._read(key, wait=wait)
            except StoreBusy:
                raise
            except StoreUnavailable:  # the disk is full: what was looked at before can be read all the same
                return number
        return len(keys)

    def _read_sessions(self, project: str | None) -> None:
        """Read the sessions that something came for; many are written together, as waiting for each takes longer."""
        keys = self._unsettled("session", project, NO_LIMIT)
        for begin in range(0, len(keys), PAGE):
            for key in keys[begin : begin + PAGE]:
                self._reading(key)
            self._writer.do(lambda connection: None)  # after all that was offered, for which there is room then

    def _unsettled(self, origin: str, project: str | None, limit: int) -> list[int]:
        wanted = {"origin": origin, "project": project, "limit": limit}
        with self._readers.snapshot() as connection:
            return [key for (key,) in connection.execute(SQL["unsettled"], wanted)]

    def _sort(self, project: str | None) -> None:
        """See which traces belong nowhere because others that were read since tell better what they tell."""
        for _ in range(MOST_LOOKS):
            if not self._settle_traces(project, NO_LIMIT):
                return

    def _settle_to_list(self, project: str | None, limit: int | None) -> None:
        """Find out which traces without a session belong together, or nowhere, also those of later pages."""
        if self.search.is_hurried(limit):
            self.search.read_first(project, limit)
        elif limit is not None:
            self._settle_traces(project, MOST_SETTLED_TO_LIST, wait=False)
        else:  # sessions, too: one on the last page may tell better what a trace on the first one tells
            with suppress(StoreBusy):  # what comes faster than it is read is listed as it is
                with suppress(StoreUnavailable):  # the disk is full: what was read before is listed all the same
                    self._read_sessions(project)
                self.search.catch_up(project, NO_LIMIT)
                self._sort(project)

    def _listed(
        self, project: str | None, after: str | None, limit: int | None
    ) -> Iterator[tuple[_Row, Conversation | None]]:
        """Conversations, the newest first, with the reading of those that had to be read for it."""
        self._settle_to_list(project, limit)
        found: dict[int, Conversation | None] = {}

        def settled_page(first_ns: int, key: int, size: int) -> list[_Row]:
            """A page that lacks nothing: what is read may turn out to belong elsewhere, which changes the page."""
            for _ in range(MOST_LOOKS):
                rows = self._page("page_of_conversations", project, first_ns, key, size)
                moved = self._moved
                found.clear()
                found.update((row["id"], self._read(row["id"])) for row in rows if row["changes"] != row["settled"])
                if moved == self._moved:
                    break
            return [row for row in rows if found.get(row["id"], row) is not None]

        for row in self._pages(settled_page, after, limit):
            reading = found.get(row["id"])
            if reading is None or reading.turns:
                yield row, reading

    def _trace(self, row: _Row) -> TraceSummary:
        with self._readers.snapshot() as connection:
            return trace_summary(connection, row)

    def _material(self, id: str, project: str | None) -> Material:
        try:
            key, reading = self._found(id, project)
        except NotUnique:
            raise
        except NotFound:
            if (material := self._material_of_run(id, project)) is None:
                raise
            return material
        with self._readers.snapshot() as connection:
            material = material_of(connection, key, self._envelope_reader(connection))
        return next((part_of(group, material) for group in groups(material) if group.name == reading.id), Material())

    def _material_of_run(self, id: str, project: str | None) -> Material | None:
        """The trace of that id which belongs to no conversation, as of a replay."""
        if len(id) < SHORTEST_PREFIX or (between := trace_range(id)) is None:
            return None
        with self._readers.snapshot() as connection:
            wanted = {"low": between[0], "high": between[1], "project": project}
            found = connection.execute(SQL["traces_of_no_conversation"], wanted).fetchall()
            if len(found) != 1:
                return None
            return material_of_trace(connection, found[0][0], bytes(found[0][1]), self._envelope_reader(connection))

    def _envelope_reader(self, connection: Connection) -> Callable[[bytes], bytes]:
        def envelope(name: bytes) -> bytes:
            if len(name) == chunks.LARGE_HASH_BYTES:
                return self._large.body(name)
            if (body := self._envelopes.get(name)) is None:
                found = connection.execute(SQL["envelope"], (name,)).fetchone()
                if found is None:
                    raise StoreUnavailable(f"envelope {name.hex()} is missing", where=self.database.where)
                if len(self._envelopes) >= MOST_ENVELOPES:
                    self._envelopes.clear()
                self._envelopes[name] = body = found[0]
            return body

        return envelope

    def _pages(
        self, page: Callable[[int, int, int], list[_Row]], after: str | None, limit: int | None
    ) -> Iterator[_Row]:
        """Rows of a listing, read page by page: it holds no snapshot while its reader thinks."""
        first_ns, key = place(after)
        size = PAGE if limit is None else max(1, min(PAGE, limit))
        while rows := page(first_ns, key, size):
            yield from rows
            first_ns, key = rows[-1]["first_ns"], rows[-1]["id"]

    def _page(self, statement: str, project: str | None, first_ns: int, key: int, size: int) -> list[_Row]:
        wanted = {"first_ns": first_ns, "id": key, "limit": size, "project": project}
        name = statement if project is None else f"{statement}_in_project"
        with self._readers.snapshot() as connection:
            return by_column(connection.execute(SQL[name], wanted))


_Row = dict[str, Any]


def _fingerprint(row: _Row) -> str | None:
    return None if row["changes"] > row["settled"] else content_hash(f"{row['changes']} {row['summary']}")[:32]


def _find(connection: Connection, id: str, project: str | None) -> list[Found]:
    """By the whole id, else by the trace's, else by the beginning of either."""
    rows = by_column(connection.execute(SQL["conversations_named"], {"name": id, "project": project}))
    if not rows and len(id) >= SHORTEST_PREFIX:
        rows = by_column(connection.execute(SQL["conversations_named_like"], {**_range(id), "project": project}))
        if traces := trace_range(id):
            between = {"low": traces[0], "high": traces[1], "project": project}
            rows += by_column(connection.execute(SQL["conversations_with_traces"], between))
    found = {row["id"]: Found(key=row["id"], project=row["project"], name=row["name"]) for row in rows}
    return list(found.values())


def _range(prefix: str) -> dict[str, str]:
    """The texts that begin with it: databases compare UTF-8, in which nothing comes after U+10FFFF."""
    return {"low": prefix, "high": prefix + "\U0010ffff"}


def _reading(connection: Connection, key: int) -> bytes:
    (body,) = connection.execute(SQL["reading"], (key,)).fetchone()
    return bytes(body)

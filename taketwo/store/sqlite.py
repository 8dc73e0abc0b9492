"""The store in one SQLite file, which several processes may have open at once."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from taketwo.conversation import Conversation
from taketwo.errors import NotFound, NotUnique, StoreUnavailable, TraceUnreadable
from taketwo.span import RawLog, RawSpan
from taketwo.store import arrivals, chunks
from taketwo.store.connections import Readers, make_file
from taketwo.store.finding import SHORTEST_PREFIX, Found, only_one, trace_range
from taketwo.store.material import Material, read
from taketwo.store.statements import SQL
from taketwo.store.summary import ConversationSummary, SuiteSummary, TraceSummary, summarise
from taketwo.store.writer import Writer
from taketwo.value import Value
from taketwo.verdict import CaseResult

PAGE = 100
"""Rows of a listing that are read together: a listing holds no snapshot while its reader thinks."""

MOST_ENVELOPES = 512
"""How many envelopes are remembered; a process of an agent has one or two."""

AnyValue = TypeVar("AnyValue", bound=Value)


class SqliteStore:
    """Keeps everything in one SQLite file."""

    def __init__(self, path: str) -> None:
        """Open the file; make it and its folder where they are missing. Raises StoreUnavailable."""
        self._path = Path(path).expanduser().absolute()
        make_file(self._path)
        self._readers = Readers(self._path)
        self._writer = Writer(self._path)
        self._envelopes: dict[bytes, bytes] = {}
        with self._readers.snapshot():
            pass

    @property
    def url(self) -> str:
        """What `open_store` opens it with."""
        return f"sqlite:///{self._path}"

    def add_spans(self, project: str, spans: Sequence[RawSpan]) -> int:
        """See `Store`. The packing is done by the calling thread, so that requests pack side by side."""
        return self._keep(project, chunks.pack_spans(spans))

    def add_logs(self, project: str, logs: Sequence[RawLog]) -> int:
        """See `Store`."""
        return self._keep(project, chunks.pack_logs(logs))

    def put_conversation(self, conversation: Conversation) -> bool:
        """See `Store`."""
        return self._writer.do(partial(_put_import, conversation=conversation, body=_packed(conversation)))

    def conversation(self, id: str, project: str | None = None) -> Conversation:
        """See `Store`."""
        return self._read(self._find(id, project).key)

    def conversations(self, project: str | None = None, *, limit: int | None = None) -> Iterator[Conversation]:
        """See `Store`."""
        for row in self._pages("page_of_conversations", project, limit, None):
            yield self._read(row["id"])

    def summaries(
        self, project: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Iterator[ConversationSummary]:
        """See `Store`."""
        for row in self._pages("page_of_conversations", project, limit, after):
            settled = row["changes"] == row["settled"]
            summary = ConversationSummary.from_json(row["summary"]) if settled else summarise(self._read(row["id"]))
            yield summary.but(cursor=_cursor(row))

    def traces(
        self, project: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Iterator[TraceSummary]:
        """See `Store`."""
        for row in self._pages("page_of_traces", project, limit, after):
            with self._readers.snapshot() as connection:
                names = connection.execute(SQL["names_of_conversations_of_trace"], (row["id"],)).fetchall()
            yield TraceSummary(
                id=row["trace_id"].hex(),
                project=row["project"],
                conversations=tuple(name for (name,) in names),
                started_at=_start(row["first_ns"]),
                ended_at=_start(row["last_ns"]),
                spans=row["spans"],
                errors=row["errors"],
                cursor=_cursor(row),
            )

    def raw_spans(self, conversation_id: str, project: str | None = None) -> list[RawSpan]:
        """See `Store`."""
        return self._material(self._find(conversation_id, project).key).spans

    def raw_logs(self, conversation_id: str, project: str | None = None) -> list[RawLog]:
        """See `Store`."""
        return self._material(self._find(conversation_id, project).key).logs

    def projects(self) -> list[str]:
        """See `Store`."""
        with self._readers.snapshot() as connection:
            return [name for (name,) in connection.execute(SQL["projects"])]

    def settle(self, limit: int | None = None) -> int:
        """See `Store`."""
        with self._readers.snapshot() as connection:
            keys = connection.execute(SQL["unsettled"], (-1 if limit is None else limit,)).fetchall()
        for (key,) in keys:
            self._read(key, wait=True)
        return len(keys)

    def add_result(self, suite_id: str, result: CaseResult) -> None:
        """See `Store`."""
        self._writer.later(partial(_add_result, suite_id=suite_id, result=result, at_ns=time.time_ns()))

    def flush(self) -> None:
        """See `Store`."""
        self._writer.flush()

    def results(self, suite_id: str) -> list[CaseResult]:
        """See `Store`."""
        with self._readers.snapshot() as connection:
            bodies = connection.execute(SQL["results"], (suite_id,)).fetchall()
        if not bodies:
            raise NotFound(f"there is no suite {suite_id!r}", where=str(self._path))
        return [_unpacked(body, CaseResult) for (body,) in bodies]

    def result(self, run_id: str) -> CaseResult:
        """See `Store`."""
        with self._readers.snapshot() as connection:
            rows = connection.execute(SQL["results_by_run"], _range(run_id)).fetchall()
        exact = [row for row in rows if row[0] == run_id] or rows
        if not exact:
            raise NotFound(f"there is no run {run_id!r}", where=str(self._path))
        if len(exact) > 1:
            names = ", ".join(sorted({name for name, _, _ in exact}))
            raise NotUnique(f"{run_id!r} fits several runs: {names}", todo="give more of the id")
        return _unpacked(exact[0][2], CaseResult)

    def suites(self) -> list[SuiteSummary]:
        """See `Store`."""
        with self._readers.snapshot() as connection:
            return _suites(connection.execute(SQL["suites"]).fetchall())

    def close(self) -> None:
        """See `Store`."""
        self._writer.close()
        self._readers.close()

    def _keep(self, project: str, packed: list[chunks.Packed]) -> int:
        return self._writer.do(partial(arrivals.keep, project=project, arrivals=packed)) if packed else 0

    def _find(self, id: str, project: str | None) -> Found:
        with self._readers.snapshot() as connection:
            found = _find(connection, id, project)
            names = [] if found else connection.execute(SQL["latest_names"], {"project": project}).fetchall()
        return only_one(id, found, project=project, names=[name for (name,) in names])

    def _read(self, key: int, *, wait: bool = False) -> Conversation:
        """The conversation as it is now; if that had to be read out of its spans, the reading is kept for the next."""
        with self._readers.snapshot() as connection:
            row = _rows(connection.execute(SQL["conversation_row"], (key,)))[0]
            if row["changes"] == row["settled"]:
                (body,) = connection.execute(SQL["reading"], (key,)).fetchone()
                return _unpacked(body, Conversation)
            material = self._load(connection, key)
        session_id = row["name"] if row["origin"] == "session" else None
        conversation = read(material, project=row["project"], session_id=session_id)
        settle = partial(_settle, key=key, changes=row["changes"], conversation=conversation)
        if wait:
            self._writer.do(settle)
        else:
            self._writer.offer(settle)
        return conversation

    def _material(self, key: int) -> Material:
        with self._readers.snapshot() as connection:
            return self._load(connection, key)

    def _load(self, connection: sqlite3.Connection, key: int) -> Material:
        envelope = self._envelope_reader(connection)
        spans: list[RawSpan] = []
        logs: list[RawLog] = []
        for trace, trace_id in connection.execute(SQL["traces_of_conversation"], (key,)).fetchall():
            bodies = connection.execute(SQL["chunks_of_trace"], (trace,)).fetchall()
            spans += chunks.unpack_spans(trace_id, [body for kind, body in bodies if kind == chunks.SPANS], envelope)
            logs += chunks.unpack_logs(trace_id, [body for kind, body in bodies if kind == chunks.LOGS], envelope)
        return Material(
            spans=sorted(spans, key=lambda span: span.start_ns), logs=sorted(logs, key=lambda log: log.at_ns)
        )

    def _envelope_reader(self, connection: sqlite3.Connection) -> Callable[[bytes], bytes]:
        def envelope(name: bytes) -> bytes:
            if (body := self._envelopes.get(name)) is None:
                found = connection.execute(SQL["envelope"], (name,)).fetchone()
                if found is None:
                    raise StoreUnavailable(f"envelope {name.hex()} is missing", where=str(self._path))
                if len(self._envelopes) >= MOST_ENVELOPES:
                    self._envelopes.clear()
                self._envelopes[name] = body = found[0]
            return body

        return envelope

    def _pages(self, statement: str, project: str | None, limit: int | None, after: str | None) -> Iterator[_Row]:
        first_ns, key = _place(after)
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            wanted = {"first_ns": first_ns, "id": key, "limit": size}
            with self._readers.snapshot() as connection:
                if project is None:
                    rows = _rows(connection.execute(SQL[statement], wanted))
                else:
                    rows = _rows(connection.execute(SQL[f"{statement}_in_project"], {**wanted, "project": project}))
            yield from rows
            if len(rows) < size:
                return
            first_ns, key = rows[-1]["first_ns"], rows[-1]["id"]
            left = None if left is None else left - len(rows)


_Row = dict[str, Any]


def _rows(cursor: sqlite3.Cursor) -> list[_Row]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _find(connection: sqlite3.Connection, id: str, project: str | None) -> list[Found]:
    """By the whole id, else by the trace's, else by the beginning of either."""
    rows = _rows(connection.execute(SQL["conversations_named"], {"name": id, "project": project}))
    if not rows and len(id) >= SHORTEST_PREFIX:
        rows = _rows(connection.execute(SQL["conversations_named_like"], {**_range(id), "project": project}))
        if traces := trace_range(id):
            between = {"low": traces[0], "high": traces[1], "project": project}
            rows += _rows(connection.execute(SQL["conversations_with_traces"], between))
    found = {row["id"]: Found(key=row["id"], project=row["project"], name=row["name"]) for row in rows}
    return list(found.values())


def _range(prefix: str) -> dict[str, str]:
    """The texts that begin with it: SQLite compares UTF-8, in which nothing comes after U+10FFFF."""
    return {"low": prefix, "high": prefix + "\U0010ffff"}


def _put_import(connection: sqlite3.Connection, *, conversation: Conversation, body: bytes) -> bool:
    project_id = arrivals.project_key(connection, conversation.project)
    place = {"name": conversation.id, "project_id": project_id}
    found = connection.execute(SQL["find_import"], place).fetchone()
    if found is not None and found[1] != "import":
        raise TraceUnreadable(
            f"conversation {conversation.id!r} was captured from spans already",
            where=f"project {conversation.project}",
            todo="import it into another project",
        )
    if found is not None and found[2] == body:
        return False
    times = {"first_ns": _ns(conversation.started_at), "last_ns": _ns(conversation.ended_at)}
    summary = summarise(conversation).to_json().decode()
    (key,) = connection.execute(SQL["put_import"], {**place, **times, "summary": summary}).fetchone()
    connection.execute(SQL["put_reading"], (key, body))
    return True


def _settle(connection: sqlite3.Connection, *, key: int, changes: int, conversation: Conversation) -> None:
    row = {"id": key, "changes": changes, "summary": summarise(conversation).to_json().decode()}
    if connection.execute(SQL["settle"], row).rowcount:
        connection.execute(SQL["put_reading"], (key, _packed(conversation)))


def _add_result(connection: sqlite3.Connection, *, suite_id: str, result: CaseResult, at_ns: int) -> None:
    connection.execute(SQL["add_suite"], (suite_id,))
    key = connection.execute(SQL["add_result"], (suite_id, at_ns, result.verdict.kind, _packed(result))).lastrowid
    connection.executemany(SQL["add_run"], [(attempt.run.id, key) for attempt in result.attempts])


def _suites(rows: Sequence[tuple[str, str, int, int, int]]) -> list[SuiteSummary]:
    found: dict[str, SuiteSummary] = {}
    for name, verdict, results, first_ns, last_ns in rows:
        first, last = _moment(first_ns), _moment(last_ns)
        there = found.get(name) or SuiteSummary(id=name, started_at=first, ended_at=last, counts={})
        found[name] = SuiteSummary(
            id=name,
            started_at=min(there.started_at, first),
            ended_at=max(there.ended_at, last),
            counts={**there.counts, verdict: results},
        )
    return sorted(found.values(), key=lambda suite: suite.started_at, reverse=True)


def _packed(value: Value) -> bytes:
    return zlib.compress(value.to_json(), chunks.COMPRESSION_LEVEL)


def _unpacked(body: bytes, shape: type[AnyValue]) -> AnyValue:
    try:
        return shape.from_json(zlib.decompress(body))
    except (zlib.error, msgspec.DecodeError) as error:
        raise StoreUnavailable(f"a stored {shape.__name__} is damaged: {error}") from error


def _cursor(row: _Row) -> str:
    return f"{row['first_ns']}-{row['id']}"


def _place(cursor: str | None) -> tuple[int, int]:
    """Where a listing goes on."""
    if cursor is None:
        return arrivals.LATEST_NS, arrivals.LATEST_NS
    first_ns, _, key = cursor.partition("-")
    try:
        return int(first_ns), int(key)
    except ValueError:
        raise NotFound(f"there is no place {cursor!r} in this listing", todo="leave the cursor out") from None


def _ns(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp() * 1_000_000) * 1_000


def _start(ns: int) -> datetime | None:
    """The moment, or None where nobody said."""
    return None if ns == 0 else _moment(ns)


def _moment(ns: int) -> datetime:
    """To the microsecond, without the rounding of floats."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1_000)

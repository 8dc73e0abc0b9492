"""Deleting out of the tables, in steps that keep nobody from writing for long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from taketwo.conversation import Conversation
from taketwo.errors import StoreBusy
from taketwo.store.bodies import unpacked
from taketwo.store.chunks import LOGS, unpack_logs
from taketwo.store.database import Connection, Database, Readers
from taketwo.store.deleting import (
    drop_envelopes,
    forget_results,
    forget_trace,
    has_shared_traces,
    look_for,
)
from taketwo.store.filed import Doomed, Envelopes, Forgotten
from taketwo.store.grouping import Material, groups, part_of
from taketwo.store.project import Deleted
from taketwo.store.recordings import recordings_of
from taketwo.store.settling import material_of, row_of, untold_in
from taketwo.store.statements import SQL
from taketwo.store.writer import Writer
from taketwo.verdict import CaseResult

AT_ONCE: Final = 100
"""Conversations that are deleted in one transaction."""
MOST_TRIES: Final = 5
"""How often a conversation is looked at again because something of it arrives meanwhile."""
MOST_CHUNKS_TO_EXPIRE: Final = 20_000
"""How many chunks are searched for envelopes of what expired; an envelope says which process sent it, not what."""


class _Gone(NamedTuple):
    """What was deleted, and what may be nobody's now."""

    deleted: Deleted
    envelopes: frozenset[bytes]
    recordings: frozenset[str]


class Deletion:
    """Deletes conversations by key."""

    def __init__(
        self,
        database: Database,
        readers: Readers,
        writer: Writer,
        envelopes: Callable[[Connection], Envelopes],
        read: Callable[[int], Conversation | None],
        remove: Callable[[str], bool],
        is_there: Callable[[str, str], bool],
    ) -> None:
        """read: brings a conversation up to date and gives it; None where it is gone.

        remove: deletes a recording. is_there: whether one is there for a project.
        """
        self._database = database
        self._readers = readers
        self._writer = writer
        self._envelopes = envelopes
        self._read = read
        self._remove_recording = remove
        self._is_there = is_there

    def conversations(
        self, keys: Sequence[int], ids: Collection[str], recordings: frozenset[str], others: Iterable[Conversation]
    ) -> Deleted:
        """Delete these conversations and the results of their replays; the database's `erase` takes the last bytes.

        recordings: what else is known to be of them. others: gives what is left, to see which recordings are still
        needed. Raises StoreBusy.
        """
        recordings |= self._recordings_of_results(ids)
        # First what is found by them alone, so that a deletion that is broken off can be asked for again.
        echoes, names = self._writer.do(partial(self._forget_echoes, keys))
        gone = self._forget(keys)
        self._drop_envelopes(gone.envelopes | names, at_most=None)
        results = self._writer.do(partial(forget_results, conversations=ids))
        removed = self._remove(recordings | gone.recordings, others)
        return gone.deleted + Deleted(spans=echoes, results=results, recordings=removed)

    def expire(self, project: str, before_ns: int, others: Iterable[Conversation]) -> Deleted:
        """Delete what ended before a moment; results of replays stay."""
        deleted, after = Deleted(), (0, 0)
        recordings = frozenset[str]()
        envelopes = self._expire_lone_logs(project, before_ns) | self._expire_lone_spans(project, before_ns)
        while keys := self._expired(project, before_ns, after):
            after = keys[-1]
            gone = self._forget([key for _, key in keys])
            deleted, envelopes = deleted + gone.deleted, envelopes | gone.envelopes
            recordings |= gone.recordings
        self._drop_envelopes(envelopes, at_most=MOST_CHUNKS_TO_EXPIRE)
        self._database.tidy()
        return deleted + Deleted(recordings=self._remove(recordings, others))

    def _forget(self, keys: Sequence[int]) -> _Gone:
        deleted, envelopes, recordings, left = Deleted(), frozenset[bytes](), frozenset[str](), list(keys)
        for _ in range(MOST_TRIES):
            doomed = self._all_doomed(left)
            # After that look: to what has changed since, as a recording was fetched, there is another one.
            recordings |= self._recordings(left)
            done = self._writer.do(partial(self._forget_in, doomed))
            deleted, envelopes, left = deleted + done.deleted, envelopes | done.envelopes, list(done.changed)
            if not left:
                return _Gone(deleted, envelopes, recordings)
        raise StoreBusy("what is to be deleted keeps growing", where=self._database.where, todo="try again in a moment")

    def _forget_echoes(self, keys: Sequence[int], connection: Connection) -> tuple[int, frozenset[bytes]]:
        """Delete the traces that tell what these tell better; gives how many spans, and their envelopes."""
        shared = defaultdict[tuple[int, bytes], set[int]](set)
        for key in keys:
            for trace, trace_id, number in connection.execute(SQL["echoes_of_conversation"], (key,)).fetchall():
                shared[trace, bytes(trace_id)].add(number)
        envelope = self._envelopes(connection)
        traces = sorted(
            trace
            for (trace, trace_id), numbers in shared.items()
            if not numbers.isdisjoint(untold_in(connection, trace, trace_id, envelope))
        )
        spans = sum(connection.execute(SQL["trace_sums"], (trace,)).fetchone()[2] for trace in traces)
        return spans, _forget_lone(traces, connection)

    def _forget_in(self, doomed: Sequence[Doomed], connection: Connection) -> Forgotten:
        return self._database.forget(connection, doomed, self._envelopes(connection))

    def _all_doomed(self, keys: Sequence[int]) -> list[Doomed]:
        """Those that are still there. Most stand alone and are read already, and then one look tells of all of them."""
        with self._readers.snapshot() as connection:
            rows = {key: row for key in keys if (row := row_of(connection, key)) is not None}
            alone = {
                key: Doomed(row, None)
                for key, row in rows.items()
                if row.changes == row.settled and not has_shared_traces(connection, key)
            }
        found = (alone[key] if key in alone else self._doomed(key) for key in rows)
        return [one for one in found if one is not None]

    def _doomed(self, key: int) -> Doomed | None:
        """The conversation with its part of what it shares with others; None where it is gone already."""
        self._read(key)
        with self._readers.snapshot() as connection:
            row = row_of(connection, key)
            if row is None or not has_shared_traces(connection, key):
                return None if row is None else Doomed(row, None)
            material = material_of(connection, key, self._envelopes(connection))
        mine = (part_of(group, material) for group in groups(material) if group.name == row.name)
        return Doomed(row, next(mine, Material()))

    def _expired(self, project: str, before_ns: int, after: tuple[int, int]) -> list[tuple[int, int]]:
        wanted = {"project": project, "before": before_ns, "after_ns": after[0], "after_id": after[1], "limit": AT_ONCE}
        with self._readers.snapshot() as connection:
            return connection.execute(SQL["expired_conversations"], wanted).fetchall()

    def _expire_lone_logs(self, project: str, before_ns: int) -> frozenset[bytes]:
        """Delete log records whose spans never came; gives their envelopes."""
        with self._readers.snapshot() as connection:
            found = connection.execute(SQL["lone_log_traces"], {"project": project, "limit": AT_ONCE}).fetchall()
            old = [trace for trace, trace_id in found if self._latest_log_ns(connection, trace, trace_id) <= before_ns]
        return self._writer.do(partial(_forget_lone, old)) if old else frozenset()

    def _expire_lone_spans(self, project: str, before_ns: int) -> frozenset[bytes]:
        """Delete spans that make no conversation; gives their envelopes."""
        envelopes, wanted = frozenset[bytes](), {"project": project, "before": before_ns, "limit": AT_ONCE}
        while gone := self._writer.do(partial(_forget_lone_spans, wanted)):
            envelopes |= gone
        return envelopes

    def _latest_log_ns(self, connection: Connection, trace: int, trace_id: bytes) -> int:
        bodies = [body for kind, body in connection.execute(SQL["chunks_of_trace"], (trace,)) if kind == LOGS]
        logs = unpack_logs(trace_id, bodies, self._envelopes(connection))
        return max((log.at_ns for log in logs), default=0)

    def _drop_envelopes(self, names: frozenset[bytes], *, at_most: int | None) -> None:
        """Delete envelopes that nothing has any more; the long look at all chunks keeps nobody from writing."""
        for _ in range(MOST_TRIES if names else 0):
            with self._readers.snapshot() as connection:
                look = look_for(connection, names, at_most=at_most)
            if look is None or self._writer.do(partial(drop_envelopes, look=look)):
                return
        if names:
            raise StoreBusy("others delete at the same time", where=self._database.where, todo="try again in a moment")

    def _recordings(self, keys: Sequence[int]) -> frozenset[str]:
        if not any(True for _ in self._database.blobs.names()):
            return frozenset()
        found = (self._read(key) for key in keys)
        return frozenset(name for one in found if one is not None for name in recordings_of(one))

    def _recordings_of_results(self, ids: Collection[str]) -> frozenset[str]:
        """The recordings of replays of these conversations: the caller's voice is in them, too."""
        if not any(True for _ in self._database.blobs.names()):
            return frozenset()
        with self._readers.snapshot() as connection:
            bodies = connection.execute(SQL["result_bodies"]).fetchall()
        results, names = (unpacked(body, CaseResult) for _, body in bodies), frozenset(ids)
        runs = (
            attempt.run
            for result in results
            if not names.isdisjoint((result.recorded_id, *result.also_of))
            for attempt in result.attempts
        )
        return frozenset(name for run in runs for name in recordings_of(run.conversation))

    def _remove(self, recordings: frozenset[str], others: Iterable[Conversation]) -> int:
        """Remove recordings that no other conversation refers to which has a right to them: anybody can name one."""
        if not recordings:
            return 0
        named = ((name, one.project) for one in others for name in recordings_of(one) & recordings)
        needed = {name for name, project in named if self._is_there(name, project)}
        return sum(self._remove_recording(name) for name in sorted(recordings - needed))


def _forget_lone(traces: Sequence[int], connection: Connection) -> frozenset[bytes]:
    return frozenset(name for trace in traces for name in forget_trace(connection, trace))


def _forget_lone_spans(wanted: Mapping[str, object], connection: Connection) -> frozenset[bytes]:
    """Looked for in the transaction that deletes, for a span that comes may make a conversation of its trace."""
    return _forget_lone([trace for (trace,) in connection.execute(SQL["lone_span_traces"], wanted)], connection)

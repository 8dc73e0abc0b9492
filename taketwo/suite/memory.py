"""What a project remembers of its suites: the last result of each case, how it went before, at which commit it was
green, and what the agent read and ran.

It lies in `.taketwo/` of the project, may be deleted at any time, and may be kept by a CI system from job to job.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from taketwo.errors import StoreUnavailable
from taketwo.store.statements import named_statements
from taketwo.suite.executed import Ran
from taketwo.value import content_hash
from taketwo.verdict import CaseResult, Past

SQL = {name: text.rstrip(";") for name, text in named_statements(Path(__file__).with_name("memory.sql")).items()}
FOLDER, FILE = ".taketwo", f"suites-{content_hash(SQL['tables'])[:12]}.sqlite3"
"""Where it lies. It is named after its tables, so that another version of Take Two never reads these."""
BUSY_TIMEOUT_S = 10.0
"""Processes of one pytest run write side by side."""
KEPT_DAYS = 120
"""What was not replayed for so long is forgotten."""
FADING = 0.8
"""So much a replay of a case counts still when the next one has come."""


class Kept(NamedTuple):
    """The last result of a case."""

    key: str
    """What it was replayed under."""
    kind: str
    """Its verdict."""
    is_sure: bool
    """Whether it would come again."""
    run: int
    """The run that it comes from."""
    at: float
    """When, in seconds since 1970."""
    body: bytes
    """The result as JSON."""


class TrackRecord(NamedTuple):
    """How a case went so far."""

    failed: float = 0.0
    """How often it failed; older replays count less."""
    passed: float = 0.0
    """How often it passed."""
    seconds: float = 0.0
    """How long a replay takes."""
    content: str = ""
    """The case as it was last, as a hash."""
    tools: tuple[str, ...] = ()
    """The tools that its agent called last."""
    run: int = 0
    """The run that it was last part of."""
    seen: Past = Past()
    """At which commit it was green, and since which it is red."""

    def with_another(self, failed: float | None, seconds: float) -> TrackRecord:
        """After one more replay. failed: the share of its attempts that failed; None for no conclusion."""
        seconds = (self.seconds + seconds) / 2 if self.seconds else seconds
        if failed is None:
            return self._replace(seconds=seconds)
        return self._replace(
            failed=self.failed * FADING + failed, passed=self.passed * FADING + 1 - failed, seconds=seconds
        )


class Memory:
    """The file, of which several processes may have one open.

    Where it fails once a run has begun, the run goes on as if nothing were known, and `trouble` says why.
    """

    def __init__(self, root: Path, *, session: str | None = None, now: Callable[[], float] = time.time) -> None:
        """Open it, and make it where it is not there yet.

        root: the project's folder. session: the name of a run in several processes; None for one that has one.
        Raises StoreUnavailable where nothing can be kept there.
        """
        self.root = root
        self._given_session = session or ""
        self._session = self._given_session
        self.trouble: str | None = None
        """Why nothing more is read or kept; None while that goes well. Results are told all the same."""
        self._now = now
        self._path = path = root / FOLDER / FILE
        try:
            path.parent.mkdir(exist_ok=True, mode=0o700)
            # Git need not be told by hand.
            ignore = path.with_name(".gitignore")
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
            self._connection = _opened(path)
        except OSError as error:
            raise StoreUnavailable(f"cannot be written: {error.strerror}", where=str(path)) from error
        except sqlite3.Error as error:
            raise self._unavailable("opened", error) from error

    def begin_run(self) -> int:
        """The number of a new run, or of this process's part of one. Raises StoreUnavailable."""
        self._session = self._given_session or secrets.token_hex(8)
        try:
            with self._connection:
                before = self._now() - KEPT_DAYS * 86_400
                for name in ("forget_results", "forget_past", "forget_runs", "forget_sources"):
                    self._connection.execute(SQL[name], (before,))
                self._connection.execute(SQL["forget_functions"])
                run = self._connection.execute(SQL["begin_run"], (self._session, self._now())).lastrowid
        except sqlite3.Error as error:
            raise self._unavailable("written", error) from error
        assert run is not None, "SQLite numbers what it inserts"
        return run

    def interrupted_runs(self) -> frozenset[int]:
        """The processes of the last run, where it has not come to its end; none where it has, or there was none."""
        found = self._rows("last_runs", self._given_session)
        return frozenset() if all(is_done for _, is_done in found) else frozenset(run for run, _ in found)

    def end_session(self) -> None:
        """All processes of the run have come to their end: there is nothing to resume."""
        self._write(("end_session", (self._session,)))

    def distrust(self, run: int) -> None:
        """None of its results is taken for one of another run."""
        self._write(("distrust", (run,)))
        if self.trouble is not None:
            # They would be taken, so that the file goes as a whole.
            with suppress(OSError):
                self._path.unlink()

    def put_files(self, run: int, files: Mapping[str, str | None]) -> None:
        """The files that the process of the run read so far, with their hashes."""
        self._write(("put_files", (json.dumps(files, sort_keys=True), run)))

    def files(self, run: int) -> dict[str, str | None]:
        """The files that the process of a run read; none where that is not known."""
        found = self._rows("files", run)
        return dict(json.loads(found[0][0])) if found else {}

    def put_functions_of_all(self, run: int, functions: Ran) -> None:
        """The functions that count for every case that the process of the run replays."""
        self._write(("put_functions_of_all", (json.dumps(functions, sort_keys=True), run)))

    def functions(self, place: str, run: int) -> Ran | None:
        """The functions that the last replay of a case ran, with those of its process; None where nobody knows."""
        own, of_all = self._rows("functions", place), self._rows("functions_of_all", run)
        if not own or not of_all or (found := json.loads(own[0][0])) is None:
            return None
        for file, names in json.loads(of_all[0][0]).items():
            found[file] = sorted({*names, *found.get(file, ())})
        return dict(found)

    def put_source(self, name: str, text: str) -> None:
        """The text of code that git has not got. name: of its content."""
        self._write(("put_source", (name, text, self._now())))

    def source(self, name: str) -> str | None:
        """The text of that content; None where it was not kept."""
        found = self._rows("source", name)
        return str(found[0][0]) if found else None

    def kept(self, place: str) -> Kept | None:
        """The last result of a case; None for none."""
        for key, kind, is_sure, run, at, body in self._rows("result", place):
            return Kept(key, kind, bool(is_sure), run, at, body)
        return None

    def put_told(self, run: int, places: Iterable[str]) -> None:
        """The run told the results of an earlier one for these cases."""
        self._write(*(("put_told", (run, place)) for place in places))

    def last_results(self) -> list[tuple[str, float, bytes]]:
        """What the last run told: of each case its place, when the run began in seconds since 1970, and the result."""
        return [(place, at, body) for place, at, body in self._rows("last_results")]

    def keep(
        self, place: str, key: str, result: CaseResult, past: TrackRecord, functions: Ran | None, *, is_sure: bool
    ) -> None:
        """Put a result in the place of the one before, and what is known of the case now.

        functions: what its replays ran; None where nobody could look.
        """
        at, kind = self._now(), result.verdict.kind
        tools = json.dumps(past.tools)
        self._write(
            ("put_result", (place, key, kind, is_sure, past.run, past.run, at, result.to_json())),
            (
                "put_past",
                (place, past.failed, past.passed, past.seconds, past.content, tools, past.run, at, past.seen.to_json()),
            ),
            ("put_functions", (place, json.dumps(functions))),
        )

    def past(self) -> dict[str, TrackRecord]:
        """How every case went so far, by its place."""
        return {
            place: TrackRecord(failed, passed, seconds, content, tuple(json.loads(tools)), run, _seen(seen))
            for place, failed, passed, seconds, content, tools, run, seen in self._rows("past")
        }

    def put_seen(self, place: str, seen: Past) -> None:
        """A case that was not replayed again is known to be green or red at another commit."""
        self._write(("put_seen", (seen.to_json(), place)))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _rows(self, statement: str, *values: object) -> list[Any]:
        """What it finds; nothing where the file cannot be read."""
        try:
            return self._connection.execute(SQL[statement], values).fetchall()
        except sqlite3.Error as error:
            self.trouble = self.trouble or str(self._unavailable("read", error))
            return []

    def _write(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        """Do all of them or none; once there was no room, nothing more is tried."""
        if self.trouble is not None:
            return
        try:
            with self._connection:
                for name, values in statements:
                    self._connection.execute(SQL[name], values)
        except sqlite3.Error as error:
            self.trouble = str(self._unavailable("written", error))

    def _unavailable(self, done: str, error: sqlite3.Error) -> StoreUnavailable:
        todo = "make room, or delete the folder: it is only a memory"
        return StoreUnavailable(f"cannot be {done}: {error}", where=str(self._path), todo=todo)


def _seen(text: str) -> Past:
    """What nobody can read any more is found out again."""
    try:
        return Past.from_json(text)
    except msgspec.DecodeError:
        return Past()


def _opened(path: Path) -> sqlite3.Connection:
    """A connection; a file that is broken is begun anew."""
    try:
        return _connection(path)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return _connection(path)


def _connection(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # After a loss of power the last results may be missing: they are replayed again.
        connection.execute("PRAGMA synchronous = OFF")
        for statement in SQL["tables"].split(";\n"):
            connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection

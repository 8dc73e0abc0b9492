"""One thread writes for all others of the process, so that what waits together shares one transaction and one fsync."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from threading import Lock, Thread
from typing import Any, TypeAlias, TypeVar

from taketwo.errors import StoreBusy
from taketwo.store.database import Connection, Database, OpenConnection

T = TypeVar("T")
Work: TypeAlias = Callable[[Connection], T]

MOST_WAITING = 1_000
"""How many pieces of work may wait."""
MOST_IN_ONE_TRANSACTION = 256
"""How many of them are written together."""
MOST_TRIES = 5
"""How often a transaction is begun again that was given up for the sake of another one."""

_Result: TypeAlias = tuple["Future[Any]", Any, BaseException | None]
_Item: TypeAlias = tuple[Work[Any], "Future[Any]"] | None


class Writer:
    """Runs pieces of work on the one connection that writes, many in one transaction."""

    def __init__(self, database: Database, *, alone: bool = True) -> None:
        """Start no thread before there is something to write. alone: whether nobody else may write meanwhile."""
        self._database = database
        self._alone = alone
        self._waiting: queue.Queue[_Item] = queue.Queue(MOST_WAITING)
        self._lock = Lock()
        self._thread: Thread | None = None
        self._failed: BaseException | None = None

    def do(self, work: Work[T]) -> T:
        """Run the work and wait until it is on disk. Raises what the work raises, StoreBusy when too much waits."""
        done: Future[T] = Future()
        self._start()
        try:
            self._waiting.put_nowait((work, done))
        except queue.Full:
            raise StoreBusy(where=self._database.where, todo="try again in a moment") from None
        return done.result()

    def later(self, work: Work[object]) -> Future[object]:
        """Run the work soon; `flush` tells whether it failed."""
        done = self._enqueue(work)
        done.add_done_callback(self._remember)
        return done

    def offer(self, work: Work[object]) -> None:
        """Run the work soon if there is room; nobody hears of it when there is none, or when it fails."""
        self._start()
        with suppress(queue.Full):
            self._waiting.put_nowait((work, Future()))

    def flush(self) -> None:
        """Wait for all that was given to `later`. Raises what the first one of it that failed raised."""
        if self._thread is not None:
            self._enqueue(lambda connection: None).result()
        with self._lock:
            failed, self._failed = self._failed, None
        if failed is not None:
            raise failed

    def close(self) -> None:
        """Write what waits and end the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()

    def _enqueue(self, work: Work[object]) -> Future[object]:
        """Put the work behind what waits, as soon as there is room."""
        done: Future[object] = Future()
        self._start()
        self._waiting.put((work, done))
        return done

    def _remember(self, done: Future[object]) -> None:
        error = done.exception()
        with self._lock:
            self._failed = self._failed or error

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="taketwo-writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        connection: OpenConnection | None = None
        ended = False
        while not ended:
            items, ended = self._next()
            if not items:
                break
            try:
                connection = self._begun(connection)
            except Exception as error:  # whatever it was, whoever waits must hear of it
                _fail(items, error)
                continue
            self._write(connection, items)
        if connection is not None:
            connection.close()

    def _begun(self, connection: OpenConnection | None) -> OpenConnection:
        """A connection with a transaction begun: that of before, unless it broke while nothing was to be written."""
        with self._database.telling():
            if connection is not None:
                try:
                    connection.begin_writing(alone=self._alone)
                    return connection
                except self._database.errors:
                    if not connection.is_broken:
                        connection.rollback()
                        raise
            made = self._database.connect()
            try:
                made.begin_writing(alone=self._alone)
            except BaseException:
                made.close()
                raise
            return made

    def _next(self) -> tuple[list[tuple[Work[Any], Future[Any]]], bool]:
        """Whatever waits, at least one piece; and whether it is the last."""
        items = []
        item = self._waiting.get()
        while item is not None:
            items.append(item)
            if len(items) == MOST_IN_ONE_TRANSACTION:
                return items, False
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return items, False
        return items, True

    def _write(self, connection: OpenConnection, items: list[tuple[Work[Any], Future[Any]]]) -> None:
        """All in the transaction that is begun; what one piece did is undone alone when it refuses."""
        try:
            with self._database.telling():
                results = self._written(connection, items)
        except Exception as error:  # whatever it was, whoever waits must hear of it
            with suppress(*self._database.errors):
                connection.rollback()
            _fail(items, error)
            return
        for done, result, refusal in results:
            done.set_exception(refusal) if refusal else done.set_result(result)

    def _written(self, connection: OpenConnection, items: list[tuple[Work[Any], Future[Any]]]) -> list[_Result]:
        for number in count(1):
            try:
                if number > 1:
                    connection.begin_writing(alone=self._alone)
                results = [(done, *self._attempt(connection, work)) for work, done in items]
                connection.commit()
                return results
            except self._database.errors as error:
                if number == MOST_TRIES or not self._database.is_worth_a_retry(error):
                    raise
                connection.rollback()
        raise AssertionError("every round returns or raises")

    def _attempt(self, connection: Connection, work: Work[Any]) -> tuple[Any, BaseException | None]:
        result: Any = None
        refused: BaseException | None = None
        connection.execute("SAVEPOINT piece")
        try:
            result = work(connection)
        except self._database.errors:
            raise
        except Exception as refusal:  # a piece that cannot be done must not take the others with it
            connection.execute("ROLLBACK TO piece")
            refused = refusal
        connection.execute("RELEASE piece")
        return result, refused


def _fail(items: list[tuple[Work[Any], Future[Any]]], error: Exception) -> None:
    for _, done in items:
        done.set_exception(error)

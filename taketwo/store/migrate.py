"""Brings a SQLite file to the newest version: numbered steps, forward only."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from taketwo.errors import StoreUnavailable
from taketwo.store.old_graphs import Execute, take_out_drawn_graphs

APPLICATION_ID = 0x74616B32
"""`tak2`: marks a SQLite file as ours, so that nobody else's database is ever changed."""

_STEPS = sorted(Path(__file__).with_name("migrations").glob("*.sql"))

BEFORE_STEPS: Final[dict[int, Callable[[Execute], None]]] = {12: take_out_drawn_graphs}
"""What a step needs that cannot be said in SQL, as it is within what is compressed."""

NEWEST = len(_STEPS)
"""The version that this code reads and writes."""


def migrate(connection: sqlite3.Connection, *, to: int = NEWEST) -> None:
    """Take the steps that the file lacks; several processes may do it at once.

    Each step is a transaction of its own, so that a large file need not hold all of them twice. A new file holds
    nothing, and takes them as one: waiting for the disk after each would take longer than the steps.

    Raises StoreUnavailable where the file is newer than this code or holds something else.
    """
    while _in_transaction(connection, "BEGIN", _version) < to:
        _in_transaction(connection, "BEGIN IMMEDIATE", partial(_take_steps, to=to))


def _in_transaction(connection: sqlite3.Connection, begin: str, work: Callable[[sqlite3.Connection], int]) -> int:
    connection.execute(begin)
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return result


def _version(connection: sqlite3.Connection) -> int:
    """The version of the file; 0 for an empty one."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (tables or version):
        raise StoreUnavailable("this SQLite file holds something else", todo="name another file")
    if version > NEWEST:
        raise StoreUnavailable(
            f"written by a newer taketwo: version {version}, and this one reads up to {NEWEST}",
            todo="upgrade with: pip install -U taketwo",
        )
    return int(version)


def _take_steps(connection: sqlite3.Connection, *, to: int) -> int:
    """The next step, or all of them in a new file, unless another process was faster; gives the version after that."""
    version = _version(connection)
    last = to if version == 0 else min(version + 1, to)
    for number in range(version + 1, last + 1):
        _take_step(connection, number)
    return max(version, last)


def _take_step(connection: sqlite3.Connection, number: int) -> None:
    if (first := BEFORE_STEPS.get(number)) is not None:
        first(connection.execute)
    for statement in _statements(_STEPS[number - 1].read_text(encoding="utf-8")):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {number}")


def _statements(script: str) -> Iterator[str]:
    """One at a time: `executescript` would end the transaction first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""

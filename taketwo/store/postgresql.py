"""PostgreSQL databases: how they are opened, how statements are told to them, and what their errors mean."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Final

from taketwo.blobs import large_bodies_of, open_blobs
from taketwo.errors import MissingExtra, StoreBusy, StoreUnavailable
from taketwo.store.addresses import PostgresAddress, unreadable
from taketwo.store.arrivals_postgresql import keep_together
from taketwo.store.chunks import Packed
from taketwo.store.database import BUSY_TIMEOUT_S, Connection, Dialect, NameOf, Rows, Values
from taketwo.store.deleting_postgresql import forget_together
from taketwo.store.documents_tables import DOCUMENTS
from taketwo.store.filed import Doomed, Envelopes, Forgotten
from taketwo.store.indexing import SEARCH
from taketwo.store.migrate_postgresql import SCHEMA, migrate
from taketwo.store.redacting import KEY_BYTES, new_key
from taketwo.store.statements import SQL, named_statements

WRITING: Final = 0x74616B32
"""The lock of the database that whoever writes holds until it is committed; those who store arrivals share it."""
IDLE_S: Final = 60
"""After so long within a transaction without a word a process is given up: it would keep all others from writing."""
MOST_PREPARED: Final = 500
"""Statements that a connection keeps ready; there are about a hundred, some with numbers of several sizes."""
STANDS_FOR_0: Final = "\U0010fffe"
"""Is no character, so that no text has it."""

_BEFORE: Final = (
    f"SET search_path = {SCHEMA}, public",
    f"SET lock_timeout = '{BUSY_TIMEOUT_S:.0f}s'",
    f"SET idle_in_transaction_session_timeout = '{IDLE_S}s'",
)
_TIDIED: Final = (
    "chunk, envelope, trace, conversation, membership, link, reading, result, facts, mark, grade, talk, feedback,"
    " document, document_source"
)


_COUNTED: Final = {name: "id" for name in "project trace chunk conversation suite result feedback".split()} | {
    "document": "seq"
}
"""Tables whose rows are numbered, each with the column of the numbers."""


def _talk_holds(name_of: NameOf, fields: Sequence[str], words: str) -> str:
    # Words hold letters and digits only, so nothing in them can be read as a pattern.
    name = name_of(f"% {words}%")
    somewhere = " OR ".join(f"(' ' || {field}) LIKE :{name}" for field in fields)
    return f"f.conversation_id IN (SELECT conversation_id FROM talk WHERE {somewhere})"


def _like(name: str) -> str:
    """The name as LIKE reads it: only the star has a meaning."""
    for sign in "\\%_":
        name = name.replace(sign, f"\\{sign}")
    return name.replace("*", "%")


DIALECT: Final = Dialect(
    talk_holds=_talk_holds,
    same=lambda column, name: f"left({column}, 256) = left(:{name}, 256) AND {column} = :{name}",
    fits="LIKE",
    pattern=_like,
    keys="string_agg(CAST(f.conversation_id AS text), ',')",
    among=lambda name: (
        f"(SELECT CAST(value AS bigint) FROM json_array_elements_text(CAST(:{name} AS json)) AS a (value))"
    ),
    latencies="CAST(json_agg(f.latency) FILTER (WHERE f.latency IS NOT NULL) AS text)",
)
"""How PostgreSQL's statements are written."""


class PostgresConnection:
    """A connection that takes statements as they are written for SQLite."""

    def __init__(self, driver: Any) -> None:
        """Stand before a connection of psycopg, which commits each statement unless told otherwise."""
        self._driver = driver
        self._only_reads = False

    @property
    def is_broken(self) -> bool:
        """See `OpenConnection`."""
        return bool(self._driver.closed)

    def execute(self, statement: str, values: Values = (), /) -> Rows:
        """See `Connection`."""
        rows: Rows = self._driver.execute(translated(statement), values or None, binary=True)
        return rows

    def executemany(self, statement: str, values: Iterable[Values], /) -> Rows:
        """See `Connection`. All of them go to the server before the first answer comes back."""
        cursor = self._driver.cursor()
        cursor.executemany(translated(statement), values)
        rows: Rows = cursor
        return rows

    def begin_reading(self) -> None:
        """See `OpenConnection`."""
        self._driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._only_reads = True

    def begin_writing(self, *, alone: bool) -> None:
        """See `OpenConnection`."""
        self._driver.execute("BEGIN")
        self._only_reads = False
        self._driver.execute(f"SELECT pg_advisory_xact_lock{'' if alone else '_shared'}(%s)", (WRITING,))

    def copy(self, statement: str, types: Sequence[str], rows: Iterable[Sequence[Any]], /) -> None:
        """Send rows to a COPY of binary form, whose columns have these types."""
        with self._driver.cursor().copy(translated(statement)) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)

    def commit(self) -> None:
        """See `OpenConnection`."""
        self._driver.execute("COMMIT")

    def rollback(self) -> None:
        """See `OpenConnection`. After a ROLLBACK the driver prepares all anew, and reading leaves nothing to undo."""
        self._driver.commit() if self._only_reads else self._driver.rollback()

    def close(self) -> None:
        """See `OpenConnection`."""
        self._driver.close()


class PostgresDatabase:
    """A database of a server; several processes on several machines may have it open at once."""

    dialect = DIALECT
    """See `Database`."""
    keeps_together = True
    """See `Database`."""

    def __init__(self, address: PostgresAddress) -> None:
        """Keep the address. Raises BadSetting, MissingExtra."""
        self._psycopg = _package("psycopg")
        self.url = address.url
        self.where = address.where
        self.blobs = open_blobs(address.blobs)
        self.large = large_bodies_of(self.blobs)
        self.sets_large_apart = address.names_blobs
        self.arrivals = address.journal
        self.errors: tuple[type[Exception], ...] = (self._psycopg.Error,)
        self._conninfo = self._understood(address)
        self._lock = Lock()
        self._is_newest = False

    def connect(self, *, only_read: bool = False) -> PostgresConnection:
        """See `Database`. Every transaction says itself whether it only reads."""
        with self.telling():
            driver = self._psycopg.connect(self._conninfo, autocommit=True)
            driver.prepared_max = MOST_PREPARED
            sent, read = _texts()
            driver.adapters.register_dumper(str, sent)
            driver.adapters.register_loader("text", read)
            try:
                with self._lock:
                    if not self._is_newest:
                        migrate(driver)
                        self._is_newest = True
                for statement in _BEFORE:
                    driver.execute(statement)
            except BaseException:
                driver.close()
                raise
            return PostgresConnection(driver)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """See `Database`."""
        errors = self._psycopg.errors
        try:
            yield
        except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
            raise StoreBusy("another process is writing", where=self.where, todo="try again in a moment") from error
        except self._psycopg.Error as error:
            # What cannot be reached, and what shuts down or starts, is there again sooner or later.
            if _is_away(error):
                raise StoreUnavailable(
                    f"the database does not answer: {_first_line(error)}",
                    where=self.where,
                    todo="see that PostgreSQL runs and takes connections",
                ) from error
            raise StoreUnavailable(_first_line(error), where=self.where) from error
        except StoreUnavailable as error:
            error.where = error.where or self.where
            raise

    def keep(self, connection: PostgresConnection, project: str, arrivals: Sequence[Packed]) -> int:
        """See `Database`."""
        return keep_together(connection, project, arrivals)

    def forget(self, connection: PostgresConnection, doomed: Sequence[Doomed], envelope: Envelopes) -> Forgotten:
        """See `Database`."""
        return forget_together(connection, doomed, envelope)

    def is_worth_a_retry(self, error: Exception) -> bool:
        """See `Database`."""
        return isinstance(error, self._psycopg.errors.DeadlockDetected)

    def pseudonyms_key(self) -> bytes:
        """See `Database`. All servers of a store must make the same pseudonyms, so it is in the database."""
        key = self._key(new_key())
        assert key is not None  # it was just made
        return key

    def kept_key(self) -> bytes | None:
        """See `Database`."""
        return self._key(None)

    def keep_key(self, key: bytes) -> None:
        """See `Database`."""
        if self._key(key) != key:
            raise StoreUnavailable("there is another key of pseudonyms", where=self.where)

    def _key(self, wanted: bytes | None) -> bytes | None:
        with self._connected() as connection:
            if wanted is not None:
                connection.execute(
                    "INSERT INTO secret (name, body) VALUES ('pseudonyms', ?) ON CONFLICT DO NOTHING", (wanted,)
                )
            found = connection.execute("SELECT body FROM secret WHERE name = 'pseudonyms'").fetchone()
        if found is not None and len(found[0]) < KEY_BYTES:
            raise StoreUnavailable("this is no key of pseudonyms", where=self.where, todo="restore it from a backup")
        return None if found is None else bytes(found[0])

    def count_on(self, connection: Connection) -> None:
        """See `Database`."""
        for table, key in _COUNTED.items():
            sequence = f"pg_get_serial_sequence('{SCHEMA}.{table}', '{key}')"
            connection.execute(f"SELECT setval({sequence}, coalesce(max({key}), 0) + 1, false) FROM {table}")

    def has_table(self, connection: Connection, name: str) -> bool:
        """See `Database`."""
        (found,) = connection.execute("SELECT to_regclass(?) IS NOT NULL", (f"{SCHEMA}.{name}",)).fetchone()
        return bool(found)

    def erase(self) -> None:
        """Make the space of deleted rows free to be written over; who reads or writes does not wait for it.

        What somebody else is tidying just now is left to them.
        """
        with self._connected() as connection:
            connection.execute(f"VACUUM (SKIP_LOCKED) {_TIDIED}")

    def tidy(self) -> None:
        """Nothing: the server does it by itself."""

    def compact(self) -> None:
        """Write the tables anew without free space; others wait meanwhile."""
        with self._connected() as connection:
            connection.execute(f"VACUUM FULL {_TIDIED}")

    @contextmanager
    def _connected(self) -> Iterator[PostgresConnection]:
        with self.telling(), closing(self.connect()) as connection:
            yield connection

    def _understood(self, address: PostgresAddress) -> str:
        """The address as the driver takes it. Its own complaint may hold the password, so it is not passed on."""
        try:
            made: str = self._psycopg.conninfo.make_conninfo(
                address.driver_url, connect_timeout=5, application_name="taketwo", client_encoding="UTF8"
            )
        except self._psycopg.Error:
            made = ""
        if not made:
            raise unreadable()
        return made


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _is_away(error: Exception) -> bool:
    """Whether the server is not there, as opposed to refusing what it was asked."""
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return str(state)[:2] in {"08", "53", "57"} or state == "25P03"
    return type(error).__name__ in {"OperationalError", "ConnectionTimeout"} and not any(
        word in str(error) for word in ("password", "does not exist", "no pg_hba.conf entry")
    )


_COMMENT: Final = re.compile(r"--[^\n]*")
_IS_NULL: Final = re.compile(r"(:\w+) IS NULL")
"""PostgreSQL wants to know of which type nothing is."""
_LIMIT: Final = re.compile(r"LIMIT (:\w+|\?)")
"""-1 is none for SQLite, and an error for PostgreSQL."""
_NAMED: Final = re.compile(r"(?<![:\w]):(\w+)")


@cache
def _different() -> dict[str, str]:
    """By the text of a statement as it stands for SQLite: the text that PostgreSQL gets."""
    usual = {**SQL, **SEARCH, **DOCUMENTS}
    own = named_statements(Path(__file__).with_name("postgresql.sql"))
    return {usual[name]: text for name, text in own.items()}


@lru_cache(maxsize=1_000)
def translated(statement: str) -> str:
    """A statement as the driver takes it."""
    text = _COMMENT.sub("", _different().get(statement, statement)).replace("%", "%%")
    text = _IS_NULL.sub(r"CAST(\1 AS text) IS NULL", _LIMIT.sub(r"LIMIT nullif(\1, -1)", text))
    return _NAMED.sub(r"%(\1)s", text.replace("?", "%s")).strip()


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra("postgres", needed_for="a PostgreSQL store") from error


@cache
def _texts() -> tuple[Any, Any]:
    """How texts are sent and read: PostgreSQL cannot hold the sign of number 0, and a session may be called so."""
    texts = _package("psycopg.types.string")

    class Sent(texts.StrDumperUnknown):  # type: ignore[misc,name-defined]  # of a package that may not be there
        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", STANDS_FOR_0))

    class Read(texts.TextBinaryLoader):  # type: ignore[misc,name-defined]  # as above
        def load(self, data: Any) -> Any:
            return super().load(data).replace(STANDS_FOR_0, "\0")

    return Sent, Read

"""A ClickHouse server as a mirror of a store: what is asked of it is there, and nothing else needs it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from taketwo.errors import BadSetting, MissingExtra, StoreUnavailable
from taketwo.store.statements import named_statements

STATEMENTS: Final = named_statements(Path(__file__).with_name("clickhouse.sql"))
"""Every statement that is sent, by name."""
KINDS: Final = {"clickhouse": (False, 8123), "clickhouses": (True, 8443)}
"""How addresses begin: whether with TLS, and the usual port of the HTTP interface."""
_CONNECT_S: Final = 5
_ANSWER_S: Final = 120


class ClickHouseAddress(NamedTuple):
    """Where a ClickHouse server is."""

    host: str
    """Its name."""
    port: int
    """The port of its HTTP interface."""
    is_secure: bool
    """Whether it is spoken with over TLS."""
    user: str
    """Who asks."""
    database: str
    """Where the tables are."""

    @property
    def where(self) -> str:
        """What people are told."""
        return f"{self.host}:{self.port}/{self.database}"


class Known(NamedTuple):
    """A conversation as the mirror has it."""

    key: int
    """Its key in the store."""
    project: str
    """Its project."""
    id: str
    """Its id."""
    fingerprint: str
    """What it was made of."""
    version: int
    """How often it was written."""
    spans: int
    """How many spans it had."""


def clickhouse_address(url: str) -> ClickHouseAddress:
    """The parts of `clickhouse://USER@HOST:PORT/DATABASE`. Raises BadSetting, also where it holds a password."""
    wrong = BadSetting(
        "this is no address of a ClickHouse server",
        where="mirror",
        todo="use clickhouse://USER@HOST:8123/DATABASE, or clickhouses:// for TLS",
    )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in KINDS or not parts.hostname or parts.query:
        raise wrong
    if parts.password is not None:
        raise BadSetting("a password is no part of the address", where="mirror", todo="set CLICKHOUSE_PASSWORD")
    is_secure, usual = KINDS[parts.scheme]
    database = unquote(parts.path.strip("/")) or "default"
    return ClickHouseAddress(parts.hostname, port or usual, is_secure, unquote(parts.username or "default"), database)


class ClickHouse:
    """The tables of the mirror. Every method raises StoreUnavailable where the server does not answer."""

    def __init__(self, address: ClickHouseAddress, password: str) -> None:
        """Make the tables where they are missing; the database must be there. Raises MissingExtra, too."""
        try:
            import clickhouse_connect
            from clickhouse_connect.driver.exceptions import Error
        except ModuleNotFoundError as error:
            raise MissingExtra("clickhouse", needed_for="taketwo mirror") from error
        self._error = Error
        self._where = address.where
        with self._telling():
            self._client: Any = clickhouse_connect.get_client(
                host=address.host,
                port=address.port,
                secure=address.is_secure,
                username=address.user,
                password=password,
                database=address.database,
                connect_timeout=_CONNECT_S,
                send_receive_timeout=_ANSWER_S,
                autogenerate_session_id=False,
            )
            for name in ("make_conversations", "make_spans", "make_hourly"):
                self._client.command(STATEMENTS[name])

    def known(self, after: int, last: int) -> dict[int, Known]:
        """The conversations whose keys come after one and not after another."""
        with self._telling():
            found = self._client.query(STATEMENTS["known"], parameters={"after": after, "last": last})
            rows = [Known(key, project, id, _text(mark), *rest) for key, project, id, mark, *rest in found.result_rows]
        return {one.key: one for one in rows}

    def put(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Write rows, which replace earlier versions of theirs."""
        if not rows:
            return
        columns = list(rows[0])
        with self._telling():
            self._client.insert(table, [[row[name] for name in columns] for row in rows], column_names=columns)

    def forget(self, gone: Collection[Known]) -> None:
        """Delete conversations with their spans."""
        self.forget_spans(gone)
        if gone:
            with self._telling():
                self._client.command(STATEMENTS["drop_conversations"], parameters={"keys": [one.key for one in gone]})

    def forget_spans(self, gone: Collection[Known]) -> None:
        """Delete the spans of conversations."""
        if gone:
            names = [(one.project, one.id) for one in gone]
            with self._telling():
                self._client.command(STATEMENTS["drop_spans"], parameters={"names": names})

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            why = str(error).strip().partition("\n")[0]
            raise StoreUnavailable(
                f"ClickHouse does not do what it is asked: {why}",
                where=self._where,
                todo="see that it runs, that the database is there, and that the user may make tables in it",
            ) from error


def _text(fixed: bytes | str) -> str:
    return fixed.decode() if isinstance(fixed, bytes) else fixed

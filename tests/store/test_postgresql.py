"""What holds for a store in PostgreSQL alone; what every store keeps is in test_store.py and beside it."""

from __future__ import annotations

import re
import traceback
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
from made_spans import chat_span, raw_spans
from postgres_cluster import Cluster

import taketwo.store
from taketwo.errors import BadSetting, StoreBusy, StoreUnavailable
from taketwo.store import Store, migrate, migrate_postgresql, open_store
from taketwo.store.arrivals_postgresql import ARRIVALS
from taketwo.store.deleting_postgresql import DELETING
from taketwo.store.documents_tables import DOCUMENTS
from taketwo.store.indexing import SEARCH
from taketwo.store.postgresql import DIALECT, translated
from taketwo.store.statements import SQL
from taketwo.store.tables import TableStore

pytestmark = pytest.mark.slow
FOLDER = Path(taketwo.store.__file__).parent
PASSWORD = "-".join(("s3cr3t", "word"))  # a traceback shows lines of this file
_numbers = count(1)


@pytest.fixture
def empty(cluster: Cluster) -> str:
    """The address of a database in which nobody has ever made a store."""
    return cluster.database(f"empty{next(_numbers)}")


def run(url: str, statement: str) -> list[tuple]:
    with psycopg.connect(url.partition("?")[0], autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_who_reads_keeps_its_statements_ready_from_one_look_to_the_next(empty: str) -> None:
    store = open_store(empty)
    assert isinstance(store, TableStore)
    connection = store.database.connect(only_read=True)
    for _ in range(10):
        connection.begin_reading()
        connection.execute(SQL["projects"]).fetchall()
        connection.rollback()
    ready = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT name FROM project%'"
    assert connection.execute(ready).fetchone() == (1,)
    connection.close()
    store.close()


@pytest.mark.parametrize("folder", ["migrations", "migrations/postgresql"])
def test_both_databases_have_the_same_newest_version(folder: str) -> None:
    newest = max(int(file.name[:4]) for file in FOLDER.joinpath(folder).glob("*.sql"))
    assert newest == migrate.NEWEST == migrate_postgresql.NEWEST


@pytest.mark.parametrize("time", range(4))
def test_several_may_open_a_new_database_at_once(empty: str, time: int) -> None:
    """One makes the tables while the others wait, who must see them then: several tries, as it is chance."""
    at_once = Barrier(8)

    def open_with_the_others(_: int) -> Store:
        at_once.wait()
        return open_store(empty)

    with ThreadPoolExecutor(8) as threads:
        opened = list(threads.map(open_with_the_others, range(8)))
    for number, store in enumerate(opened):
        store.add_spans("p", raw_spans(chat_span(number + 1, 1, session=f"s-{number}")))
    assert len(list(opened[0].conversations())) == 8
    for store in opened:
        store.close()


def test_what_else_is_in_the_database_is_left_alone(empty: str) -> None:
    run(empty, "CREATE TABLE conversation (theirs text); INSERT INTO conversation VALUES ('x')")
    open_store(empty).close()
    assert run(empty, "SELECT * FROM public.conversation") == [("x",)]


def test_a_newer_store_is_left_alone(empty: str) -> None:
    open_store(empty).close()
    run(empty, "UPDATE taketwo.version SET number = 99")
    with pytest.raises(StoreUnavailable, match="newer taketwo"):
        open_store(empty)


def test_a_database_of_another_encoding_is_refused_with_the_way_to_make_a_right_one(cluster: Cluster) -> None:
    run(cluster.url(), "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StoreUnavailable, match=r"LATIN1.*createdb --encoding=UTF8"):
        open_store(cluster.url("latin"))


def test_who_may_not_add_the_extension_is_told_who_can(cluster: Cluster, empty: str) -> None:
    run(empty, "CREATE ROLE poor LOGIN; CREATE SCHEMA taketwo AUTHORIZATION poor")
    with pytest.raises(StoreUnavailable, match="CREATE EXTENSION pg_trgm"):
        open_store(empty.replace("//taketwo@", "//poor@"))


@pytest.mark.parametrize(
    "address", ["//me:{}@127.0.0.1:x1/db", "//me:{}@[::1/db", "//me:a@{}:b@h/db", "//me@h/d?password={}&x=1"]
)
def test_an_address_that_cannot_be_read_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(BadSetting, match="cannot be read") as refused:
        open_store(f"postgresql:{address.format(PASSWORD)}")
    assert PASSWORD not in "".join(traceback.format_exception(refused.value))


def test_errors_name_the_database_and_not_the_password(cluster: Cluster) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere") as refused:
        open_store(cluster.url("nowhere", password=PASSWORD))
    assert PASSWORD not in "".join(traceback.format_exception(refused.value))
    with pytest.raises(StoreUnavailable, match="see that PostgreSQL runs") as refused:
        open_store(f"postgresql://me:{PASSWORD}@127.0.0.1:9/db")
    assert PASSWORD not in "".join(traceback.format_exception(refused.value))


def test_one_that_writes_for_too_long_is_not_waited_for(postgresql_url: str) -> None:
    store = open_store(postgresql_url)
    store.add_spans("p", raw_spans(chat_span(1, 1, session="s-1")))
    with psycopg.connect(postgresql_url.partition("?")[0]) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (0x74616B32,))
        with pytest.raises(StoreBusy, match="another process is writing"):
            store.add_spans("p", raw_spans(chat_span(2, 1, session="s-2")))
        assert [one.id for one in store.conversations()] == ["s-1"]
    assert store.add_spans("p", raw_spans(chat_span(2, 1, session="s-2"))) == 1
    store.close()


WHOLE = {"project", "suite", "result", "document_source"}
"""Tables that may be read whole: a handful of rows, or a listing of all."""
COUNTS_ALL = {"held_traces"}
"""Statements that count what a store holds; whoever asks keeps the answer for a while."""
FILLED_IN = {"value": "f.first_ns", "condition": "f.turns > 3", "beyond": "<", "way": "DESC", "chosen": "TRUE"}
FILLED_IN |= {"keys": DIALECT.keys, "latencies": DIALECT.latencies}


def asked(name: str, text: str) -> str:
    """A statement as PREPARE takes it."""
    if "{" in text:
        table = {"found_traces": "trace", "graded": "g"}.get(name, "f")
        text = text.format(**FILLED_IN, scope=f"{table}.project_id = 1")
    told = translated(text).replace("%%", "%")
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", told)))
    for number, one in enumerate(names, 1):
        told = told.replace(f"%({one})s", f"${number}")
    parts = told.split("%s")
    return parts[0] + "".join(f"${number}{part}" for number, part in enumerate(parts[1:], 1))


def test_no_statement_reads_a_large_table_from_end_to_end(postgresql_url: str) -> None:
    open_store(postgresql_url).close()
    every = {**SQL, **SEARCH, **DOCUMENTS, **ARRIVALS, **DELETING}
    for field in ("said", "replied", "argument", "result"):
        every[field] = f"SELECT 1 FROM facts AS f WHERE {DIALECT.talk_holds(lambda value: 'words', [field], 'words')}"
    for column in ('f."user"', "f.user_id"):
        every[column] = f"SELECT 1 FROM facts AS f WHERE {DIALECT.same(column, 'name')}"
    every["marked"] = f"SELECT 1 FROM mark WHERE kind = 'tool' AND {DIALECT.same('name', 'name')}"
    read_whole = {}
    with psycopg.connect(postgresql_url.partition("?")[0], autocommit=True, prepare_threshold=None) as connection:
        connection.execute("SET search_path = taketwo, public")
        # Tables are empty here: what an index can answer is answered by it, and what none can answer is not.
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET plan_cache_mode = force_generic_plan")
        for name, text in every.items():
            if name in ("add_chunks", "rewrite_words"):
                continue
            told = asked(name, text)
            connection.execute(f"PREPARE one AS {told}")
            values = ", ".join("NULL" for _ in set(re.findall(r"\$\d+", told)))
            plan = connection.execute(f"EXPLAIN EXECUTE one{f' ({values})' if values else ''}").fetchall()
            connection.execute("DEALLOCATE one")
            if whole := {match[1] for (step,) in plan if (match := re.search(r"Seq Scan on (\w+)", step))} - WHOLE:
                read_whole[name] = whole
    assert read_whole.keys() == COUNTS_ALL


def test_statements_are_told_as_the_driver_takes_them() -> None:
    told = translated("-- why? :that\nSELECT CAST(? AS text), '%', x::int FROM t WHERE :a IS NULL OR a = :a LIMIT :n")
    assert told.startswith(
        "SELECT CAST(%s AS text), '%%', x::int FROM t WHERE CAST(%(a)s AS text) IS NULL OR a = %(a)s"
    )
    assert told.endswith("LIMIT nullif(%(n)s, -1)")

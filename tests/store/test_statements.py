"""Every statement has a reason, is used, and is answered by an index where a store grows large."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

import taketwo.store
from taketwo.store.indexing import SEARCH
from taketwo.store.migrate import migrate
from taketwo.store.sqlite_database import DIALECT
from taketwo.store.statements import SQL as QUERIES

FOLDER = Path(taketwo.store.__file__).parent
FILLED_IN = {"value": "f.first_ns", "condition": "f.turns > 3", "beyond": "<", "way": "DESC", "chosen": "TRUE"}
FILLED_IN |= {"keys": DIALECT.keys, "latencies": DIALECT.latencies}
TABLES = {"found_traces": "trace", "graded": "g"}
SQL = QUERIES | {
    name: text.format(**FILLED_IN, scope=f"{TABLES.get(name, 'f')}.project_id = 1") for name, text in SEARCH.items()
}
SMALL_TABLES = {"project", "suite", "result", "counted", "linked", "json_each"}
"""Tables that may be read whole: a handful of rows, or a listing of all."""
COUNTS_ALL = {"held_traces", "held_conversations"}
"""Statements that count what a store holds; whoever asks keeps the answer for a while."""
COPIES_ALL = {"large_bodies"}
"""What a backup asks of its copy."""
OF_WHAT_JUST_CAME = "INDEX conversation_unindexed"
"""A partial index may be read whole too."""


@pytest.fixture(scope="module")
def database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    return connection


@pytest.mark.parametrize("name", SQL)
def test_a_statement_says_why_it_is_the_way_it_is(name: str) -> None:
    reason = re.match(r"-- (.{20,})", SQL[name])
    assert reason is not None


@pytest.mark.parametrize("name", SQL)
def test_a_statement_is_used(name: str) -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in FOLDER.glob("*.py"))
    assert f'"{name}"' in code or f'"{name.removesuffix("_in_project")}"' in code


@pytest.mark.parametrize("name", SQL)
def test_no_statement_reads_a_large_table_from_end_to_end(name: str, database: sqlite3.Connection) -> None:
    named = set(re.findall(r":(\w+)", SQL[name]))
    values = dict.fromkeys(named) if named else [None] * SQL[name].count("?")
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", values)]
    plan = [step for step in plan if OF_WHAT_JUST_CAME not in step]
    read_whole = {match[1] for step in plan if (match := re.match(r"SCAN (\w+)", step)) and "LIMIT" not in SQL[name]}
    assert bool(read_whole - SMALL_TABLES) == (name in COUNTS_ALL | COPIES_ALL)
    assert not any("TEMP B-TREE FOR ORDER BY" in step for step in plan if name.startswith("page_of"))

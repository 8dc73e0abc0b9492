"""Brings the tables of a PostgreSQL database to the newest version: the numbers are those of the steps of SQLite."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from taketwo.errors import StoreUnavailable
from taketwo.store.migrate import BEFORE_STEPS

SCHEMA: Final = "taketwo"
"""Where all tables are, so that the database may hold other things, too."""
MIGRATING: Final = 0x74616B31
"""The lock of the database under which a step is taken: several servers may start at once."""
EXTENSION: Final = "pg_trgm"
"""What searches words in texts; it comes with PostgreSQL."""

_STEPS: Final = {
    int(file.name.partition("_")[0]): file
    for file in sorted(Path(__file__).with_name("migrations").joinpath("postgresql").glob("*.sql"))
}

NEWEST: Final = max(_STEPS)
"""The version that this code reads and writes."""


def migrate(driver: Any, *, to: int = NEWEST) -> None:
    """Take the steps that the database lacks, each in a transaction of its own.

    Raises StoreUnavailable where the database is newer than this code or lacks what it needs.
    """
    while (version := _version(driver)) < to:
        _take_step(driver, after=version)
    if version > NEWEST:
        raise StoreUnavailable(
            f"written by a newer taketwo: version {version}, and this one reads up to {NEWEST}",
            todo="upgrade with: pip install -U taketwo",
        )


def _version(driver: Any) -> int:
    """The version of the tables; 0 where there are none."""
    # Not to_regclass: what it did not find once it may remember as missing in all of a transaction, and others
    # may have made the table while the lock was waited for.
    tables = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename = 'version'"
    if driver.execute(tables, (SCHEMA,)).fetchone() == (0,):
        return 0
    (version,) = driver.execute(f"SELECT number FROM {SCHEMA}.version").fetchone()
    return int(version)


def _take_step(driver: Any, *, after: int) -> None:
    """The next step, unless another process was faster."""
    with driver.transaction():
        driver.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATING,))
        if (version := _version(driver)) != after:
            return
        if version == 0:
            _prepare(driver)
        number = min(step for step in _STEPS if step > version)
        driver.execute(f"SET LOCAL search_path = {SCHEMA}, public")
        if (first := BEFORE_STEPS.get(number)) is not None:
            first(lambda statement, values: driver.execute(statement.replace("?", "%s"), values))
        driver.execute(_STEPS[number].read_text(encoding="utf-8"))
        driver.execute(f"UPDATE {SCHEMA}.version SET number = %s", (number,))


def _prepare(driver: Any) -> None:
    """Make the place for the tables."""
    (encoding,) = driver.execute("SHOW server_encoding").fetchone()
    if encoding != "UTF8":
        raise StoreUnavailable(
            f"this database keeps texts as {encoding}",
            todo="make one with: createdb --encoding=UTF8 --template=template0",
        )
    # An administrator may have made it for a user who may not.
    schemas = "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = %s"
    if driver.execute(schemas, (SCHEMA,)).fetchone() == (0,):
        driver.execute(f"CREATE SCHEMA {SCHEMA}")
    (there,) = driver.execute("SELECT count(*) FROM pg_extension WHERE extname = %s", (EXTENSION,)).fetchone()
    if not there:
        _add_extension(driver)
    driver.execute(f"CREATE TABLE {SCHEMA}.version (number integer NOT NULL)")
    driver.execute(f"INSERT INTO {SCHEMA}.version VALUES (0)")


def _add_extension(driver: Any) -> None:
    known = driver.execute("SELECT count(*) FROM pg_available_extensions WHERE name = %s", (EXTENSION,)).fetchone()
    (may,) = driver.execute("SELECT has_database_privilege(current_database(), 'CREATE')").fetchone()
    if known == (0,) or not may:
        raise StoreUnavailable(
            f"the extension {EXTENSION} is not there, and this user may not add it",
            todo=f"let an administrator run in this database: CREATE EXTENSION {EXTENSION}",
        )
    driver.execute(f"CREATE EXTENSION IF NOT EXISTS {EXTENSION} SCHEMA public")

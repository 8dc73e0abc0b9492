"""A PostgreSQL of the tests' own: made in a temporary folder, reached over TCP on 127.0.0.1, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

USER = "nobody" if os.geteuid() == 0 else None
"""PostgreSQL refuses to run as root."""


def program(name: str) -> str:
    """Where a program of PostgreSQL is; Debian keeps most of them off the path."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(places[-1]) if places else None)
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install postgresql")
    return found


class Cluster:
    """A server with its files."""

    def __init__(self) -> None:
        initdb = program("initdb")
        self._folder = Path(tempfile.mkdtemp(prefix="taketwo-postgresql-"))
        if USER is not None:
            shutil.chown(self._folder, USER)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._run(initdb, "-D", self._data, "-U", "taketwo", "-E", "UTF8", "--locale=C.UTF-8", "--auth=trust", "-N")
        self.start()

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def url(self, database: str = "postgres", *, password: str = "") -> str:
        name = f"taketwo:{password}" if password else "taketwo"
        return f"postgresql://{name}@127.0.0.1:{self._port}/{database}?recordings={self._folder}/{database}.audio"

    def start(self) -> None:
        """Also where it runs already."""
        asked = [program("pg_ctl"), "-D", self._data, "status"]
        if subprocess.run(asked, user=USER, cwd="/", capture_output=True, check=False).returncode == 0:
            return
        # Nothing of a test outlives the machine, so nothing waits for the disk.
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self._run(program("pg_ctl"), "-D", self._data, "-w", "-l", f"{self._folder}/log", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run(program("pg_ctl"), "-D", self._data, "-m", mode, "stop")

    def database(self, name: str) -> str:
        """A new database; gives its address."""
        self._run(program("createdb"), "-h", "127.0.0.1", "-p", str(self._port), "-U", "taketwo", name)
        return self.url(name)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def _run(self, *command: str) -> None:
        subprocess.run(
            command, check=True, user=USER, cwd="/", capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8"}
        )


def emptied(url: str) -> str:
    """The address of a database, once nothing is left in it."""
    import psycopg

    with psycopg.connect(url.partition("?")[0]) as connection:
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'taketwo' AND tablename <> 'version'"
        names = [f"taketwo.{name}" for (name,) in connection.execute(tables).fetchall()]
        if names:
            connection.execute(f"TRUNCATE {', '.join(names)} RESTART IDENTITY")
    return url

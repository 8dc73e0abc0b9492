"""A PostgreSQL of a benchmark's own, as Debian sets it up: every commit waits for the disk."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def postgresql(folder: Path) -> Iterator[tuple[str, int]]:
    """The address of a new database, and the pid of its server; its files go with the folder."""
    user = "nobody" if os.geteuid() == 0 else None
    data = folder / "postgresql"
    data.mkdir()
    if user is not None:
        folder.chmod(0o711)
        shutil.chown(data, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(name: str, *arguments: str) -> None:
        subprocess.run([_program(name), *arguments], check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)

    run("initdb", "-D", str(data), "-U", "taketwo", "-E", "UTF8", "--locale=C.UTF-8", "--auth=trust")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    run("pg_ctl", "-D", str(data), "-w", "-l", f"{data}/log", "-o", options, "start")
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        yield f"postgresql://taketwo@127.0.0.1:{port}/postgres", pid
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")


def _program(name: str) -> str:
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(places[-1]) if places else None)
    return found or sys.exit(f"{name} is not installed: apt-get install postgresql")

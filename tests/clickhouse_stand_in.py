"""Stands in for a ClickHouse server, as no package holds a current one: its engine, chdb, behind its HTTP interface.

Statements run unchanged in the engine of ClickHouse 26.9. Ours are only HTTP, the check of the password, and that what
is inserted is read from a file. As a program: `clickhouse_stand_in.py FOLDER PORT`, which makes a database `talks`.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qsl, urlsplit

USER, PASSWORD = "taketwo", "-".join(("click", "s3cr3t"))
INSERT = re.compile(rb"\s*INSERT INTO\s+(?P<into>.+?)\s+FORMAT\s+Native\s*\n", re.DOTALL | re.IGNORECASE)
QUERY = re.compile(r"\s*FORMAT\s+Native\s*$", re.IGNORECASE)


class StandIn:
    """Such a server as a process of its own; it may be killed and started again."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="taketwo-clickhouse-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"clickhouse://{USER}@127.0.0.1:{self.port}/talks"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        if self._process is None:
            self._process = subprocess.Popen([sys.executable, __file__, self._folder.name, str(self.port)])
            until = time.monotonic() + 120
            while True:
                try:
                    socket.create_connection(("127.0.0.1", self.port), 1).close()
                    return
                except OSError:
                    if time.monotonic() > until or self._process.poll() is not None:
                        raise
                    time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        self.stop()
        self._folder.cleanup()


class Engine:
    """Runs statements one after the other."""

    def __init__(self, folder: Path) -> None:
        from chdb import session

        self._inserted = folder / "insert.native"
        self._session = session.Session(str(folder / "data"))
        self._session.query("CREATE DATABASE IF NOT EXISTS talks")
        self._alone = Lock()

    def answer(self, body: bytes, asked: dict[str, str]) -> bytes:
        with self._alone:
            self._session.query(f"USE {asked.get('database', 'default')}")
            for name, value in asked.items():
                if name.startswith("param_"):
                    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
                    self._session.query(f"SET {name}='{escaped}'")
            if (insert := INSERT.match(body)) is not None:
                self._inserted.write_bytes(body[insert.end() :])
                rows = f"SELECT * FROM file('{self._inserted}', Native)"
                self._session.query(f"INSERT INTO {insert['into'].decode()} {rows}")
                return b""
            text = body.decode()
            plain = QUERY.sub("", text)
            return bytes(self._session.query(plain, "TabSeparated" if plain == text else "Native").bytes())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine

    def do_POST(self) -> None:
        import lz4.frame
        from chdb._exceptions import ChdbError

        sent = self.sent()
        if self.headers.get("authorization") != "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode():
            self.answer(403, b"Code: 516. DB::Exception: taketwo: Authentication failed", "516")
            return
        asked = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = lz4.frame.decompress(sent) if self.headers.get("content-encoding") == "lz4" else sent
        if "query" in asked:
            body = asked["query"].encode() + b"\n" + body
        try:
            self.answer(200, self.engine.answer(body, asked))
        except ChdbError as error:
            self.answer(404, str(error).encode(), "60")

    def sent(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def answer(self, status: int, body: bytes, code: str | None = None) -> None:
        self.send_response(status)
        if code is not None:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


if __name__ == "__main__":
    Handler.engine = Engine(Path(sys.argv[1]))
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()

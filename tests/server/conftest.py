"""A server on a real port: in a thread of the tests, or as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import httpx
import pytest
import uvicorn

from taketwo.replay.agents.hosts import AgentHosts
from taketwo.server.app import Means, create_app
from taketwo.server.flow.asking import WITHOUT_MODEL, Asking
from taketwo.server.limits import Limits
from taketwo.server.otlp_grpc import GrpcDoor
from taketwo.server.run import _Server
from taketwo.store import Store


@dataclass(frozen=True)
class Both:
    """A server in a thread, over HTTP and over gRPC."""

    http: httpx.Client
    grpc: str


@contextmanager
def _serving_both(
    store: Store,
    limits: Limits | None = None,
    *,
    keys_required: bool = False,
    access: Mapping[str, Any] | None = None,
    agent_hosts: AgentHosts | None = None,
    asking: Asking = WITHOUT_MODEL,
) -> Iterator[Both]:
    # Whatever a test has sent it finds in a listing, however slow the machine is.
    limits = limits or Limits(reading_s=60)
    door = GrpcDoor("127.0.0.1", 0, limits)
    app = create_app(
        store,
        limits=limits,
        grpc_door=door,
        keys_required=keys_required,
        means=Means(access=access or {}, agent_hosts=agent_hosts, asking=asking),
    )
    ready: SimpleQueue[int | None] = SimpleQueue()
    server = _Server(uvicorn.Config(app, port=0, log_level="warning"), door, ready.put)
    thread = threading.Thread(target=server.run)
    thread.start()
    grpc_port = ready.get(timeout=120)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            yield Both(http=client, grpc=f"127.0.0.1:{grpc_port}")
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _serving(store: Store, limits: Limits | None = None, **asked: Any) -> Iterator[httpx.Client]:
    with _serving_both(store, limits, **asked) as both:
        yield both.http


@pytest.fixture(scope="session")
def serving():
    """A context that serves a store in a thread and gives a client for it."""
    return _serving


@pytest.fixture(scope="session")
def serving_both():
    """The same with the address of its gRPC."""
    return _serving_both


class Process:
    """A `taketwo serve` of its own."""

    def __init__(self, store: str, port: str = "0", *options: str) -> None:
        command = [sys.executable, "-m", "taketwo", "serve", "--port", port, "--grpc-port", "0", "--store", store]
        command += options
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        said = self.process.stdout.readline().split()
        self.address, self.grpc = said[2], said[4]

    def end(self) -> int:
        """Stop it as a person would, with the exit code."""
        self.process.terminate()
        code = self.process.wait(120)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def kill(self) -> None:
        """Stop it as a power cut would."""
        self.process.kill()
        self.process.wait(120)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def server_process() -> Iterator[type[Process]]:
    """Starts servers as processes; whatever still runs at the end is killed."""
    started: list[Process] = []

    class Started(Process):
        def __init__(self, store: str, port: str = "0", *options: str) -> None:
            super().__init__(store, port, *options)
            started.append(self)

    yield Started
    for one in started:
        if one.process.poll() is None:
            one.kill()
        if one.process.stdout is not None:
            one.process.stdout.close()

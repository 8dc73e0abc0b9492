"""A client that ended is told from one that thinks, by the connections that it holds."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
import uvicorn
from made_production import conversation
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from test_simulate import with_run_test

from taketwo.sdk.api.executions import ExecuteRunTest
from taketwo.server.connections import Line, Lines, are_gone
from taketwo.server.flow.chats import Chats
from taketwo.server.flow.executions import CALLS, execute, execution_now
from taketwo.server.flow.run_tests import run_test_named
from taketwo.server.flow.shelf import Flow
from taketwo.server.run import _config
from taketwo.store import open_store

TALKS = """import sys, time, httpx
with httpx.Client() as client:
    for _ in range(int(sys.argv[2])):
        print(client.get(sys.argv[1], headers=dict(one.split("=") for one in sys.argv[3:])).text, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def held() -> Iterator[tuple[str, list[Line | None]]]:
    """A server that notes the connections of all requests."""
    lines, seen = Lines(), list[Line | None]()

    async def note(request: Request) -> PlainTextResponse:
        seen.append(lines.of(request))
        return PlainTextResponse("noted")

    config = uvicorn.Config(Starlette(routes=[Route("/", note)]), port=0, http=lines.protocol(), log_level="warning")
    config.timeout_keep_alive = 1
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/", seen
    server.should_exit = True
    thread.join()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def talk(url: str, times: int, *headers: str) -> None:
    """A client in a process of its own that talks and is then killed."""
    with subprocess.Popen([sys.executable, "-c", TALKS, url, str(times), *headers], stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        for _ in range(times):
            client.stdout.readline()
        client.kill()


def test_a_connection_that_asks_for_a_web_socket_is_forgotten_when_it_ends() -> None:
    lines = Lines()
    config = _config(Starlette(), lines)
    config.port = 0
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    upgrade = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13"}
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    with httpx.Client() as client:
        assert client.get(url, headers={**upgrade, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}).is_client_error
    try:
        until(lambda: not lines._open)
    finally:
        server.should_exit = True
        thread.join()


def test_a_client_that_was_killed_is_gone_and_one_that_thinks_is_not(held) -> None:
    url, seen = held
    talk(url, 2)
    until(lambda: are_gone(seen))
    with httpx.Client() as client:
        client.get(url)
        assert not are_gone(seen)
        time.sleep(1.5)  # meanwhile the server closes what is idle, by which nobody is gone
        assert not are_gone(seen)


def test_nothing_is_told_by_a_client_that_opens_a_connection_each_time_tidies_up_or_comes_through_a_proxy(held) -> None:
    url, seen = held
    for times, headers in ((1, []), (2, ["user-agent=aiohttp/3"]), (2, ["x-forwarded-for=10.0.0.1"])):
        seen.clear()
        talk(url, times, *headers)
        until(lambda: all(line is None or not line.is_open for line in seen))
        assert not are_gone(seen)


async def test_a_chat_whose_client_is_gone_is_failed_and_others_go_on(serving) -> None:
    store = open_store("memory:")
    for number in range(2):
        store.put_conversation(conversation(number, project="shop"))
    with serving(store) as client:
        with_run_test(client, "chatted")
    flow = Flow(store)
    left = object()
    begun = [execute(flow, run_test_named(flow, "chatted").id, ExecuteRunTest(runner="chat")) for _ in range(2)]
    ids = [next(CALLS.parts(flow, one.id)).id for one in begun]
    chats = Chats(flow, lambda ways: set(ways) == {left}, gone_s=0.0, look_every_s=0.01)
    for id, way in zip(ids, (left, None), strict=True):
        await chats.begin(id)
        chats.heard(id, way)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(chats.look_after())
        while CALLS.get(flow, ids[0]).status == "running":
            await asyncio.sleep(0.01)
        looking.cancel()
    assert CALLS.get(flow, ids[0]).ended_reason == "the client closed its connections and was not heard of for 0 s"
    assert [CALLS.get(flow, ids[1]).status, execution_now(flow, begun[1].id).counts["running"]] == ["running", 1]

"""Whom a server asks for others: no host of its own network that nobody has named, and none gets its keys."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fake_endpoint import plain, serving

from taketwo.errors import AgentUnreachable
from taketwo.replay.agents import close_agent, open_agent
from taketwo.replay.agents.hosts import AgentHosts, addresses_of, place_of, read_hosts, with_keys_kept
from taketwo.replay.agents.http_client import Guarded
from taketwo.replay.engine import replay
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import conversation, turn

NOBODY = AgentHosts(frozenset())
HELLO = conversation(turn("Hello", reply="Hi"))


async def asked(spec: str, hosts: AgentHosts | None) -> Run:
    agent = open_agent(spec, hosts=hosts)
    try:
        return await replay(Case(id="hello", recorded=HELLO), agent)
    finally:
        await close_agent(agent)


async def test_an_agent_in_this_network_is_asked_where_it_is_named_and_not_otherwise() -> None:
    with serving(plain("Hi")) as (url, fake):
        host = url.split("/")[2]
        for spec in (url, url.replace("127.0.0.1", "localhost"), url.replace("/v1/chat/completions", "/own")):
            with pytest.raises(AgentUnreachable, match=r"this server's network; allow it with TAKETWO_AGENT_HOSTS="):
                await asked(spec, NOBODY)
        assert fake.requests == []
        for named in (host, "127.0.0.1", f"localhost, {host}"):
            assert (await asked(url, read_hosts(named))).ending.reason == "completed"
        assert (await asked(url, read_hosts("*"))).ending.reason == "completed"
        by_name = await asked(url.replace("127.0.0.1", "localhost"), read_hosts("localhost"))
        assert by_name.ending.reason == "completed"
        assert fake.headers[-1]["host"].startswith("localhost:")


OWN = "127.0.0.1 localhost ::1 10.0.0.1 192.168.1.1 172.16.0.1 169.254.169.254 0.0.0.0 100.64.0.1".split()
ODDLY_SPELLED = "fd00::1 fe80::1 ::ffff:127.0.0.1 :: 2130706433 0x7f000001".split()


@pytest.mark.parametrize("host", [*OWN, *ODDLY_SPELLED])
async def test_however_an_address_of_this_network_is_spelled_it_is_refused(host: str) -> None:
    with pytest.raises(OSError, match=r"in this server's network|not known|failure|service"):
        await addresses_of(host, 80, NOBODY)


async def test_the_address_that_was_checked_is_the_one_that_is_used_under_the_name_that_was_asked_for() -> None:
    sent: list[httpx.Request] = []

    class Inner(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            sent.append(request)
            return httpx.Response(200)

    async with httpx.AsyncClient(transport=Guarded(AgentHosts(frozenset({"localhost"})), Inner())) as client:
        await client.get("https://localhost/talk")
    (request,) = sent
    assert request.url.host in ("127.0.0.1", "::1") and request.url.path == "/talk"
    assert request.headers["host"] == "localhost" and request.extensions["sni_hostname"] == "localhost"


async def test_a_redirect_into_this_network_is_not_followed() -> None:
    def away(fake: Any, handler: Any, body: Any) -> None:
        handler.send_response(307)
        handler.send_header("location", "http://127.0.0.1:9/")
        handler.send_header("content-length", "0")
        handler.end_headers()

    with serving(away) as (url, _), pytest.raises(AgentUnreachable, match="307"):
        await asked(url, read_hosts("127.0.0.1"))


async def test_voice_agents_are_held_to_the_same() -> None:
    pytest.importorskip("websockets")
    from websockets.asyncio.server import ServerConnection, serve

    from taketwo.replay.agents import Exchange
    from taketwo.voice.transports.websocket import WebSocketCall

    called = asyncio.Event()

    async def answers(socket: ServerConnection) -> None:
        called.set()

    async with serve(answers, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        exchange = Exchange.__new__(Exchange)  # a call that is refused does not look at it
        with pytest.raises(AgentUnreachable, match="this server's network"):
            await WebSocketCall(f"ws://127.0.0.1:{port}/#pcm16000", hosts=NOBODY).open(exchange)
        assert not called.is_set()


def test_keys_go_to_hosts_that_are_named_only() -> None:
    access: dict[str, Any] = {"api_key": "own", "llm_api_key": "model", "llm_base_url": "https://llm.example/v1"}
    named = {**access, "hosts": AgentHosts(frozenset({"desk.example"}))}
    kept = {
        spec: (found["api_key"], found["llm_api_key"])
        for spec in (
            "https://desk.example/talk",
            "https://stranger.example/v1/chat/completions",
            "https://llm.example/v1/chat/completions",
            "a2a:https://stranger.example",
            "wss://stranger.example/call",
            "prompt:",
            "vapi:assistant",
        )
        for found in [with_keys_kept(named, spec)]
    }
    assert kept == {
        "https://desk.example/talk": ("own", "model"),
        "https://stranger.example/v1/chat/completions": (None, None),
        "https://llm.example/v1/chat/completions": (None, "model"),
        "a2a:https://stranger.example": (None, None),
        "wss://stranger.example/call": (None, None),
        "prompt:": ("own", "model"),
        "vapi:assistant": ("own", "model"),
    }
    assert with_keys_kept({**access, "hosts": None}, "https://stranger.example") == {**access, "hosts": None}


def test_places_are_read_out_of_specs() -> None:
    assert place_of("https://a.example/x") == ("a.example", 443) and place_of("ws://a.example:81/x") == (
        "a.example",
        81,
    )
    assert place_of("a2a:http://a.example") == ("a.example", 80) and place_of("prompt:") is None
    assert place_of("http://a.example:none") is None

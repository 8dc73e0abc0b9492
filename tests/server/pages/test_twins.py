"""Every page has its JSON at the same address: the routes are walked, and a page without a twin fails here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TypeAlias

import httpx
import pytest
from made_replays import replayed
from made_shop import desk
from made_spans import chat_span, raw_spans
from starlette.routing import Match, Route

from taketwo.server.app import create_app
from taketwo.store import Store, open_store

Serving: TypeAlias = Callable[..., AbstractContextManager[httpx.Client]]

NO_PAGES = {
    "/": "the list of sessions, whose twin is /index.json",
    "/login": "a form and nothing else",
    "/health": "JSON alone",
    "/ready": "JSON alone",
    "/metrics": "for a collector of figures",
    "/audio/{name}": "a recording",
    "/keep/file": "a file",
    "/rows/{id}/file": "a file",
    "/scenarios/{id}/file": "a file",
    "/test-executions/{id}": "leads on to /executions/{id}",
}
"""Addresses that are no pages, and what they are."""
FOR_PROGRAMS = ("/api/", "/static/", "/tracer/", "/simulate/", "/v1/")
"""Under these only programs ask."""


def page_routes() -> dict[str, Route]:
    routes = [route for route in create_app(open_store("memory:")).routes if isinstance(route, Route)]
    return {
        route.path: route
        for route in routes
        if "GET" in (route.methods or ())
        and not route.path.endswith(".json")
        and not route.path.startswith(FOR_PROGRAMS)
        and route.path not in NO_PAGES
    }


@pytest.fixture(scope="module")
def store() -> Store:
    store = open_store("memory:")
    store.put_conversation(desk("one").but(project="default"))
    store.add_spans("default", raw_spans(chat_span(1, 1, session="spans")))
    return store


@pytest.fixture(scope="module")
def addresses(store: Store) -> list[str]:
    """A page of every kind."""
    of_replay = replayed(store, ["one"], lambda messages: "No.", name="desk")
    plain = [route for route in page_routes() if "{" not in route and not route.startswith("/keep")]
    kept = [f"{route}?id=one&project=default" for route in ("/keep", "/keep/preview")]
    return [*plain, *of_replay, *kept, "/sessions/one", "/sessions/one?view=feedback"]


@pytest.fixture(scope="module")
def client(serving: Serving, store: Store) -> Iterator[httpx.Client]:
    with serving(store) as client:
        yield client


@pytest.mark.parametrize("path", page_routes())
def test_a_page_has_a_route_for_its_twin(path: str) -> None:
    twins = {route.path for route in create_app(open_store("memory:")).routes if isinstance(route, Route)}
    assert f"{path}.json" in twins, f"{path} is a page without JSON: add its twin, or say in NO_PAGES what it is"


def test_a_page_of_every_kind_answers_people_and_programs(client: httpx.Client, addresses: list[str]) -> None:
    seen = set()
    for address in addresses:
        path, mark, query = address.partition("?")
        page = client.get(address, headers={"accept": "text/html"})
        asked = client.get(address, headers={"accept": "application/json"})
        named = client.get(f"{path}.json{mark}{query}", headers={"accept": "text/html"})
        assert page.status_code == asked.status_code == named.status_code == 200, address
        assert page.headers["content-type"].startswith("text/html"), address
        assert asked.headers["content-type"] == named.headers["content-type"] == "application/json", address
        assert isinstance(asked.json(), dict) and asked.json().keys() == named.json().keys(), address
        seen |= {kind for kind, route in page_routes().items() if _leads_to(route, path)}
    assert seen == set(page_routes())


def _leads_to(route: Route, path: str) -> bool:
    return route.matches({"type": "http", "method": "GET", "path": path, "headers": []})[0] is Match.FULL

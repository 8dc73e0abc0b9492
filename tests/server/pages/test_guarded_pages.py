"""What no page may let through: changes that another site asks for, recorded text that acts, a heavy load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import TypeAlias

import httpx
import pytest
from made_replays import replayed
from starlette.routing import Route

from taketwo.conversation import Agent, Call, Conversation, Outcome, Say, Turn, UserLine
from taketwo.server.app import create_app
from taketwo.server.assets import assets
from taketwo.server.pages import conversation_address
from taketwo.store import Store, open_store
from taketwo.store.feedback import Feedback

Serving: TypeAlias = Callable[..., AbstractContextManager[httpx.Client]]

EVIL = "\"'><script>owned()</script><img src=x onerror=owned()></svg></title>\x1b[31m\u202e"
FOR_PROGRAMS = ("/api/", "/v1/", "/tracer/", "/simulate/", "/runs/", "/webhooks/", "/mcp", "/v1development/")
"""Under these no browser sends a form; the same guard stands before them."""
MOST_PACKED = 150 * 1024


def changes() -> list[str]:
    """The addresses at which forms change something."""
    routes = [route for route in create_app(open_store("memory:")).routes if isinstance(route, Route)]
    paths = {route.path for route in routes if "POST" in (route.methods or ())}
    return sorted(path for path in paths if not path.startswith(FOR_PROGRAMS))


@pytest.fixture(scope="module")
def store() -> Store:
    """The same hostile words wherever a conversation, its scores, a saved filter or a replay holds any."""
    store = open_store("memory:")
    for id in (EVIL, "plain"):
        call = Call(call_id="c", tool=EVIL, arguments={EVIL: EVIL}, result=EVIL)
        turn = Turn(index=0, user=UserLine(text=f"{EVIL} {id}"), steps=(call, Say(text=EVIL)), reply=EVIL)
        store.put_conversation(
            Conversation(
                id=id,
                project="default",
                user_id=EVIL,
                started_at=datetime.now(UTC),
                agent=Agent(name=EVIL, model=EVIL, system_prompt=EVIL),
                outcome=Outcome(scores={EVIL: 3}),
                metadata={"tags": [EVIL]},
                turns=(turn,),
            )
        )
        store.add_feedback(id, Feedback(name=EVIL, value=2.5, comment=EVIL, given_by=EVIL))
    return store


@pytest.fixture(scope="module")
def client(serving: Serving, store: Store) -> Iterator[httpx.Client]:
    with serving(store) as client:
        client.headers["accept"] = "text/html"
        yield client


def test_no_change_is_made_for_a_page_of_another_site(client: httpx.Client) -> None:
    paths = changes()
    assert len(paths) > 25
    for path in paths:
        address = path.replace("{number:int}", "1").replace("{what}", "activate").replace("{id}", "x")
        for forged in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.x"}):
            assert client.post(address, data={"id": "plain"}, headers=forged).status_code == 403, (path, forged)


class Elements(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_hostile_words_are_text_in_titles_filters_tags_scores_legends_and_graphs(
    client: httpx.Client, store: Store
) -> None:
    client.post("/filters", data={"list": "sessions", "project": "default", "filter": "turns>0", "name": EVIL})
    of_replay = replayed(store, [EVIL, "plain"], lambda messages: EVIL[::-1] + EVIL, name=EVIL[:100], repeat=2)
    columns = "&".join(f"column={name}" for name in ("tags", "scores", "user", "agent", "model", "tools", "id"))
    conversation = [
        conversation_address(EVIL, "default", **more) for more in ({}, {"view": "feedback"}, {"mark": "0.0"})
    ]
    paths = [
        *(f"/sessions?project=default&{columns}", "/charts?over=day", "/users?project=default", "/agents", "/tests"),
        *("/replays", "/scenarios", "/schedules", "/tests/uncovered?project=default", *conversation, *of_replay),
        *(str(httpx.URL("/sessions", params={"filter": one})) for one in (EVIL, f"tool:{EVIL}", f"(turns>{EVIL}")),
    ]
    shown = 0
    for path in paths:
        page = Elements(client.get(path).text)
        assert "img" not in page.tags[page.tags.index("main") :] and page.tags.count("script") <= 2, path
        assert not {name for name in page.attributes if name.startswith("on")}, path
        assert "\x1b" not in page.text and "\u202e" not in page.text
        shown += "<script>owned()" in page.text
    assert shown >= len(paths) - 3


def test_script_and_style_of_all_pages_together_are_light() -> None:
    assert sum(len(asset.packed) for asset in assets().values()) < MOST_PACKED

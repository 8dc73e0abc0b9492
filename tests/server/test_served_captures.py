"""What was captured, as pages and as JSON; everything recorded is hostile."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from made_spans import chat_span, raw_spans

from taketwo.conversation import Agent, Call, Conversation, Gap, Say, Source, ToolDefinition, Turn, UserLine
from taketwo.server.limits import Limits
from taketwo.server.pages import conversation_address
from taketwo.store import Store, open_store

Serving: TypeAlias = Callable[..., AbstractContextManager[httpx.Client]]

AT = datetime(2026, 11, 17, 9, 30, tzinfo=UTC)
PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>\u202e{{ 7 * 7 }}"


def talk(id: str = "desk-1", *, word: str = "plain", project: str = "default", at: datetime = AT) -> Conversation:
    """A conversation with the same word in every place that holds text."""
    source = Source(rule=word, span_id=word)
    failed = Call(call_id=word, tool=word, arguments={word: word}, error=word, source=source)
    asked = Call(call_id=word, tool=word, arguments_text=word, result={"nested": [word]}, latency_ms=12.0)
    steps = (failed, asked, Say(text=word, source=source))
    return Conversation(
        id=id,
        project=project,
        user_id=word,
        started_at=at,
        agent=Agent(name=word, model=word, system_prompt=word, tools=(ToolDefinition(name=word, description=word),)),
        turns=(Turn(index=0, user=UserLine(text=word, source=source), steps=steps, reply=word, latency_ms=1_500.0),),
        gaps=(Gap(where=word, why=word),),
    )


@pytest.fixture(scope="module")
def served(serving: Serving) -> Iterator[tuple[httpx.Client, Store]]:
    store = open_store("memory:")
    store.put_conversation(talk())
    with serving(store) as client:
        yield client, store


@pytest.fixture
def client(served: tuple[httpx.Client, Store]) -> httpx.Client:
    return served[0]


@pytest.fixture
def store(served: tuple[httpx.Client, Store]) -> Store:
    return served[1]


class Page(HTMLParser):
    """What a browser would make of a page: its elements, their attributes, its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    @property
    def sources(self) -> list[str]:
        """What it loads, without the versions of the files."""
        return [(value or "").partition("?")[0] for name, value in self.attributes if name == "src"]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_health_is_answered(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/sessions/desk-1", {}),
        ("/api/sessions/desk-1", PAGE),
        ("/sessions/desk-1", {}),
        ("/sessions/desk-1", {"accept": "application/json"}),
        ("/sessions/desk-1.json", PAGE),
    ],
)
def test_a_conversation_is_json_for_programs(client: httpx.Client, path: str, headers: dict[str, str]) -> None:
    answer = client.get(path, headers=headers)
    assert answer.headers["content-type"] == "application/json"
    assert Conversation.from_json(answer.content) == talk()


def test_a_conversation_is_a_page_for_people(client: httpx.Client) -> None:
    answer = client.get("/sessions/desk-1", headers=PAGE)
    assert answer.headers["content-type"].startswith("text/html")
    page = Page(answer.text)
    for words in (
        "Turn 1",
        "1 gap",
        "System prompt",
        "1 tool offered",
        "failed",
        "12 ms",
        "1.5 s",
        "2026-11-17 09:30 UTC",
    ):
        assert words in page.words
    assert [call for call in re.findall(r'<details class="call', answer.text)] == ['<details class="call'] * 2
    said_once = re.findall(r'class="says agent"', answer.text)
    assert len(said_once) == 1


@pytest.mark.parametrize("path", ["/", "/index.json", "/api/sessions"])
def test_conversations_are_listed_for_programs(client: httpx.Client, path: str) -> None:
    listing = client.get(path).json()
    assert "desk-1" in [row["id"] for row in listing["sessions"]]


def test_listings_are_read_page_by_page(serving: Serving) -> None:
    store = open_store("memory:")
    for number in range(7):
        store.put_conversation(talk(f"chat-{number}", at=AT + timedelta(hours=number), project="a" if number else "b"))
    store.add_spans("a", raw_spans(*(chat_span(trace, 1, session="spans") for trace in range(1, 6))))
    with serving(store) as client:
        for path, key, total in (("/api/sessions", "sessions", 8), ("/api/traces", "traces", 5)):
            seen: list[str] = []
            after: str | None = ""
            while after is not None:
                listing = client.get(path, params={"limit": 3, "after": after}).json()
                seen += [row["id"] for row in listing[key]]
                after = listing["next"]
            assert len(seen) == len(set(seen)) == total
        assert [row["id"] for row in client.get("/api/sessions", params={"project": "b"}).json()["sessions"]] == [
            "chat-0"
        ]
        page = Page(client.get("/", params={"limit": 3}, headers=PAGE).text)
        (older,) = [value for name, value in page.attributes if name == "href" and value and "after=" in value]
        assert "chat-3" in client.get(older, headers=PAGE).text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/sessions/nothing-like-it", 404),
        ("/api/sessions?limit=0", 400),
        ("/api/sessions?limit=1e9", 400),
        ("/api/sessions?limit=501", 400),
        ("/api/traces?limit=٣", 400),
        ("/api/sessions?after=x", 404),
        ("/api/sessions?after=99999999999999999999-1", 404),
        ("/nowhere", 404),
        ("/sessions/nothing.json", 404),
        ("/static/../app.py", 404),
        ("/static/%2e%2e/app.py", 404),
    ],
)
def test_errors_are_problems_for_programs_and_pages_for_people(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert problem["status"] == status and problem["title"] and problem["detail"]
    page = client.get(path, headers=PAGE)
    assert page.status_code == status
    if not path.startswith("/api/") and not path.endswith(".json"):
        assert problem["title"] in Page(page.text).words


def test_an_id_that_several_projects_have_is_a_conflict_that_names_them(client: httpx.Client, store: Store) -> None:
    store.put_conversation(talk("shared", project="a"))
    store.put_conversation(talk("shared", project="b"))
    answer = client.get("/api/sessions/shared")
    assert answer.status_code == 409
    assert "a and b" in answer.json()["detail"]
    assert client.get("/api/sessions/shared?project=b").json()["project"] == "b"


@pytest.mark.parametrize("id", ["a/b/c", "a?b=c#d", "50% off", "日本語", "x y", EVIL, "a.json", "\x07bell"])
def test_whatever_an_id_holds_its_page_is_found(client: httpx.Client, store: Store, id: str) -> None:
    store.put_conversation(talk(id, project=EVIL))
    address = conversation_address(id, EVIL)
    if not id.endswith(".json"):
        assert client.get(address).json()["id"] == id
    assert client.get(address.replace("?", ".json?", 1)).json()["id"] == id


def test_nothing_recorded_becomes_a_part_of_a_page(client: httpx.Client, store: Store) -> None:
    store.put_conversation(talk(EVIL, word=EVIL, project=EVIL))
    for address in ("/", conversation_address(EVIL, EVIL), "/sessions/" + EVIL.replace("/", "%2f")):
        answer = client.get(address, headers=PAGE)
        page = Page(answer.text)
        assert page.tags.count("script") == len([src for src in page.sources if src.endswith("js")])
        assert all(src.startswith("/static/") for src in page.sources)
        assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]
        assert "\u202e" not in answer.text
        assert "{{ 7 * 7 }}" in page.words


def test_a_page_may_load_nothing_foreign_and_run_nothing_that_stands_in_it(client: httpx.Client) -> None:
    for path in ("/", "/sessions/desk-1", "/nowhere", "/static/pages.css"):
        answer = client.get(path, headers=PAGE)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy and "*" not in policy and ":" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "169.254.1.1", ""]
)
def test_a_strangers_name_is_not_answered(client: httpx.Client, host: str) -> None:
    answer = client.get("/api/sessions", headers={"host": host})
    assert answer.status_code in (400, 421)
    assert "desk-1" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:4318", "127.0.0.1:4318", "127.0.0.53", "[::1]:4318"])
def test_this_machines_own_names_are_answered(client: httpx.Client, host: str) -> None:
    assert client.get("/health", headers={"host": host}).status_code == 200


def test_an_empty_store_says_how_to_fill_it(serving: Serving) -> None:
    with serving(open_store("memory:")) as client:
        page = Page(client.get("/", headers=PAGE).text)
        assert f"OTEL_EXPORTER_OTLP_ENDPOINT={str(client.base_url).rstrip('/')}" in page.words


def test_a_long_result_is_cut_on_the_page_and_whole_in_json(client: httpx.Client, store: Store) -> None:
    long = talk("long").turns[0]
    result = Call(call_id="c", tool="export", result="row " * 1_000_000)
    store.put_conversation(talk("long").but(turns=(long.but(steps=(result,)),)))
    page = client.get("/sessions/long", headers=PAGE)
    assert len(page.text) < 100_000
    assert "more characters" in page.text
    assert len(client.get("/sessions/long").json()["turns"][0]["steps"][0]["result"]) == 4_000_000


# finding


@pytest.fixture
def found(serving: Serving) -> Iterator[httpx.Client]:
    store = open_store("memory:")
    for number in range(5):
        store.put_conversation(talk(f"chat-{number}", word=f"word{number % 2}", at=AT + timedelta(hours=number)))
    with serving(store) as client:
        yield client


def ids(answer: httpx.Response, kind: str = "sessions") -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()[kind]]


def test_sessions_are_filtered_and_sorted_page_by_page(found: httpx.Client) -> None:
    asked = {"filter": "tool:word0", "sort": "started", "limit": "2"}
    first = found.get("/api/sessions", params=asked)
    assert ids(first) == ["chat-0", "chat-2"]
    assert ids(found.get("/api/sessions", params={**asked, "after": first.json()["next"]})) == ["chat-4"]
    assert ids(found.get("/api/calls", params={"filter": "word0"}), "calls") == []
    assert ids(found.get("/api/traces", params={"filter": "word0"}), "traces") == []
    assert first.json()["unread"] == 0


def test_pages_say_how_much_of_what_came_they_do_not_show_yet(tmp_path: Path, serving: Serving) -> None:
    path = tmp_path / "store.sqlite3"
    store = open_store(f"sqlite:///{path}")
    for number in range(1, 11):
        store.add_spans("p", raw_spans(chat_span(number, 1, session=f"s-{number}", said=["My kettle!"])))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # from now on nothing that is read can be kept, whoever reads it
        with serving(store, Limits(reading_s=0.01)) as client:
            for address in ("/sessions?project=p", "/sessions?project=p&filter=kettle", "/traces", "/users?project=p"):
                answer = client.get(address, headers=PAGE)
                assert answer.status_code == 200
                assert "10 conversations came just now and are being read" in answer.text, address
            other.execute("ROLLBACK")
    store.close()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("sessions?filter=toool:x", "^"),
        ("sessions?sort=colour", "sorted by"),
        ("traces?filter=(", "^"),
        ("users", "project"),
        ("timeline?since=yesterday", "no moment"),
        ("timeline?step=0", "seconds"),
        ("timeline?until=0001-01-01", "year 1"),
        ("timeline?since=9999-12-31T23:59:59-14:00", "year 9999"),
    ],
)
def test_what_cannot_be_asked_is_explained(found: httpx.Client, asked: str, said: str) -> None:
    answer = found.get(f"/api/{asked}")
    assert answer.status_code == 400 and said in answer.json()["detail"]


def test_users_and_a_timeline_are_there_for_programs(found: httpx.Client) -> None:
    users = found.get("/api/users", params={"project": "default", "limit": 1}).json()
    assert [(user["id"], user["conversations"], user["errors"]) for user in users["users"]] == [("word0", 3, 3)]
    more = found.get("/api/users", params={"project": "default", "after": users["next"]}).json()
    assert [user["id"] for user in more["users"]] == ["word1"]
    times = {"since": "2026-11-17T09:00:00Z", "until": "2026-11-17T15:00:00Z", "step": "7200", "filter": "word0"}
    bars = found.get("/api/timeline", params=times).json()["timeline"]
    assert [(bar["conversations"], bar["errors"], bar["latency_ms"]) for bar in bars] == [(1, 1, 1500.0)] * 3


def test_a_score_that_is_given_is_shown_and_found(found: httpx.Client) -> None:
    given = found.post("/api/sessions/chat-1/scores", json={"name": "csat", "value": 2, "comment": "slow"})
    assert given.status_code == 201 and given.json()["given_by"] == "user"
    assert found.get("/api/sessions/chat-1").json()["outcome"]["scores"] == {"csat": 2}
    assert ids(found.get("/api/sessions", params={"filter": "score.csat<3"})) == ["chat-1"]
    assert [one["comment"] for one in found.get("/api/sessions/chat-1/scores").json()["scores"]] == ["slow"]
    turn = {"name": "csat", "value": "good", "turn": 9}
    assert found.post("/api/sessions/chat-1/scores", json=turn).status_code == 404
    for wrong in ({"value": 3}, {"name": " ", "value": 3}, {"name": "x", "value": None}, []):
        assert found.post("/api/sessions/chat-1/scores", json=wrong).status_code == 400

"""Lists as people use them: filtered, sorted, with what is new."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import httpx
import pytest

from taketwo.conversation import Call, Conversation, Turn, UserLine
from taketwo.server.pages.charts import HEIGHT, Measured, charts_of, line_through
from taketwo.store import Store, open_store
from taketwo.store.feedback import Feedback
from taketwo.store.search import Stretch

Serving: TypeAlias = Callable[..., AbstractContextManager[httpx.Client]]

NOW = datetime.now(UTC)


def talk(id: str, *tools: str, minutes_ago: int = 10, user: str = "ada", turns: int = 1) -> Conversation:
    calls = tuple(Call(call_id=tool, tool=tool, result="ok") for tool in tools)
    return Conversation(
        id=id,
        user_id=user,
        started_at=NOW - timedelta(minutes=minutes_ago),
        turns=tuple(
            Turn(index=n, user=UserLine(text=f"line {n} of {id}"), steps=calls, reply="ok") for n in range(turns)
        ),
    )


@pytest.fixture
def store() -> Store:
    store = open_store("memory:")
    store.put_conversation(talk("first", "issue_refund", turns=3))
    store.put_conversation(talk("second", "check_status", minutes_ago=5, user="ben"))
    return store


@pytest.fixture
def client(serving: Serving, store: Store) -> Iterator[httpx.Client]:
    with serving(store) as client:
        client.headers["accept"] = "text/html"
        yield client


def test_a_list_is_filtered_and_sorted_by_its_address(client: httpx.Client) -> None:
    page = client.get("/sessions", params={"filter": "tool:issue_refund"}).text
    assert "line 0 of first" in page and "line 0 of second" not in page
    longest = client.get("/sessions", params={"sort": "-turns"}).text
    assert longest.index("of first") < longest.index("of second")
    assert 'aria-sort="descending"' in longest


def test_a_mistake_in_a_filter_is_shown_under_it_and_the_filter_stays(client: httpx.Client) -> None:
    answer = client.get("/sessions", params={"filter": "said:x tool:("})
    assert answer.status_code == 400
    assert 'value="said:x tool:("' in answer.text
    assert "  said:x tool:(\n              ^" in answer.text
    program = client.get("/sessions", params={"filter": "tool:("}, headers={"accept": "application/json"})
    assert (program.status_code, program.headers["content-type"]) == (400, "application/problem+json")


def test_columns_are_chosen_by_the_address(client: httpx.Client) -> None:
    page = client.get("/sessions", params={"column": ["said", "id"]}).text
    assert ">Id</th>" in page and ">Model</th>" not in page


def test_suggestions_know_what_was_captured(client: httpx.Client) -> None:
    answer = client.get("/api/filters/suggestions", params={"text": "tool:"}).json()
    assert {one["text"] for one in answer["suggestions"]} == {"issue_refund", "check_status"}
    assert answer["from"] == 5


def test_a_filter_is_kept_found_again_and_forgotten(client: httpx.Client) -> None:
    kept = {"list": "sessions", "name": "Refunds", "filter": "tool:issue_refund", "sort": "-turns"}
    assert client.post("/filters", data=kept).status_code == 303
    page = client.get("/sessions").text
    assert ">Refunds</a>" in page and "filter=tool%3Aissue_refund&amp;sort=-turns" in page
    assert client.post("/filters", data=kept).status_code == 409
    assert client.post("/filters", data={**kept, "name": "Bad", "filter": "tool:("}).status_code == 400
    (id,) = [part.split('"')[0] for part in page.split('name="forget" value="')[1:]]
    client.post("/filters", data={"list": "sessions", "forget": id})
    assert "Refunds" not in client.get("/sessions").text


def test_what_is_new_is_counted(client: httpx.Client, store: Store) -> None:
    known = {"newest": "default/second"}
    assert "new one" not in client.get("/news", params=known).text
    store.put_conversation(talk("third", minutes_ago=1))
    store.put_conversation(talk("fourth", "issue_refund", minutes_ago=1))
    assert "2 new ones" in client.get("/news", params=known).text
    assert "1 new one:" in client.get("/news", params={"newest": "default/first", "filter": "tool:issue_refund"}).text


def test_users_are_listed_and_lead_to_their_conversations(client: httpx.Client) -> None:
    page = client.get("/users", params={"project": "default"}).text
    assert page.index(">ben<") < page.index(">ada<")
    assert "filter=user%3Aada" in page
    assert [one["id"] for one in client.get("/users.json").json()["users"]] == ["ben", "ada"]


def test_charts_cover_a_day_a_week_or_a_month(client: httpx.Client) -> None:
    page = client.get("/charts", params={"over": "day"}).text
    assert "<span>Volume</span> <b>2</b>" in page
    assert sum(one["conversations"] for one in client.get("/charts.json").json()["timeline"]) == 2
    assert client.get("/charts", params={"over": "year"}).status_code == 400


def test_scores_are_drawn_over_time_and_filtered_with_the_rest(client: httpx.Client, store: Store) -> None:
    for id, value in (("first", 2), ("second", 5)):
        store.add_feedback(id, Feedback(name="csat", value=value))
    store.add_feedback("second", Feedback(name="solved", value=True))
    page = client.get("/charts", params={"over": "day"}).text
    assert "<span>csat</span> <b>3.5</b>" in page and "<span>solved</span> <b>100 %</b>" in page
    assert "<h1>Over time" in page
    part = client.get("/charts", params={"filter": "score.csat<3"}, headers={"hx-request": "true"}).text
    assert "<span>csat</span> <b>2</b>" in part and "solved" not in part and "<h1>" not in part
    assert client.get("/charts", params={"filter": "tool:("}).status_code == 400
    # The two conversations may lie on either side of a full hour, and then in two pieces of the time.
    told = [one["scores"]["csat"] for one in client.get("/charts.json").json()["timeline"] if one["scores"]]
    assert sum(one["count"] for one in told) == 2
    assert sum(one["count"] * one["mean"] for one in told) == 7
    assert not any(one["is_flag"] for one in told)


def test_points_are_in_the_picture_whatever_they_measure() -> None:
    for values, is_share in (([0.5, 1.0, 0.0], True), ([-3.0, 4.0, 1e9], False), ([0.0], False), ([], True)):
        points = line_through([Measured(10.0 * n, value, "") for n, value in enumerate(values)], is_share=is_share)
        assert len(points) == len(values)
        assert all(0 < point.y < HEIGHT for point in points)
        heights = [-point.y for point in points]
        assert sorted(range(len(values)), key=values.__getitem__) == sorted(range(len(values)), key=heights.__getitem__)


def test_bars_are_in_the_picture_and_empty_times_have_none() -> None:
    counts = [0, 1, 1000, 0]
    stretches = [
        Stretch(at=NOW, conversations=count, errors=count // 2, turns=count, latency_ms=None) for count in counts
    ]
    conversations, failed, latency = charts_of(stretches)
    assert len(conversations.bars) == 2 and len(failed.bars) == 1 and not latency.bars
    assert failed.figure == "50 %" and latency.figure == "unknown"
    for bar in conversations.bars:
        assert bar.x >= 0 and bar.x + bar.width <= 100 and bar.height > 0
        assert bar.y >= 0 and bar.y + bar.height == pytest.approx(HEIGHT)


def test_an_address_that_is_none_says_which(client: httpx.Client) -> None:
    page = client.get("/nowhere/<b>", headers={"accept": "text/html"})
    unknown = client.get("/sessions/`<b>`?project=shop", headers={"accept": "text/html"})
    shown = unknown.text.partition("<main")[2]
    assert unknown.status_code == 404 and "<code>&lt;b&gt;</code>" in shown and "`" not in shown and "<b>" not in shown
    assert page.status_code == 404 and "There is nothing at /nowhere/&lt;b&gt;" in page.text
    problem = client.post("/health", headers={"accept": "application/json"}).json()
    assert (problem["status"], problem["detail"]) == (405, "POST is not possible at /health.")


def test_charts_without_anything_in_their_time_say_so(client: httpx.Client) -> None:
    part = client.get(
        "/charts", params={"filter": "zzabsent"}, headers={"hx-request": "true", "accept": "text/html"}
    ).text
    assert "None of them began in the last week" in part and "<svg" not in part
    page = client.get("/charts", params={"filter": "zzabsent"}, headers={"accept": "text/html"}).text
    assert "None of them began in the last week" in page and "<figure" not in page and "No scores" not in page

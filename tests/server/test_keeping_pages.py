"""A conversation is marked on its page, and kept as a file that says so."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest

from taketwo.conversation import Call, Conversation, Say, Turn, UserLine
from taketwo.freeze.files import load
from taketwo.scenario import MustCall, MustNotCall, MustNotSay, MustSay
from taketwo.server.marks import KIND, marks_of
from taketwo.store import Store, open_store

Serving: TypeAlias = Callable[..., AbstractContextManager[httpx.Client]]

PAGE = {"accept": "text/html"}
DANA = Conversation(
    id="sess-dana",
    started_at=datetime(2026, 11, 17, 9, 30, tzinfo=UTC),
    turns=(
        Turn(index=0, user=UserLine(text="Hi, I sent back the kettle."), steps=(), reply="I see."),
        Turn(
            index=1,
            user=UserLine(text="How does my refund stand?"),
            steps=(
                Call(call_id="c", tool="issue_refund", arguments={"order_id": "A-1042"}, result="R-1"),
                Say(text="Refunded."),
            ),
            reply="Refunded.",
        ),
    ),
)
ABOUT = {"id": "sess-dana", "project": "default"}
AT_THE_CALL = {**ABOUT, "turn": "1", "step": "0"}


@pytest.fixture
def store() -> Store:
    store = open_store("memory:")
    store.put_conversation(DANA)
    return store


@pytest.fixture
def client(serving: Serving, store: Store) -> Iterator[httpx.Client]:
    with serving(store) as client:
        client.headers["accept"] = "text/html"
        yield client


def marked(client: httpx.Client, **fields: str) -> httpx.Response:
    return client.post("/marks", data={**AT_THE_CALL, **fields})


def test_a_marked_step_becomes_the_expectation_of_the_case(client: httpx.Client, store: Store, tmp_path: Path) -> None:
    answer = marked(client, must_not_call="any", must_call="check_status", arguments='{"order_id": "A-1042"}')
    assert (answer.status_code, answer.headers["location"]) == (303, "/sessions/sess-dana?project=default#turn-2")
    client.post("/marks/reason", data={**ABOUT, "why": "A second refund was paid."})
    file = client.get("/keep/file", params=ABOUT)
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''sess-dana.scenario.yaml"
    (tmp_path / "kept.scenario.yaml").write_bytes(file.content)
    (case,) = load(tmp_path / "kept.scenario.yaml").cases
    assert case.expected == (
        MustNotCall(tool="issue_refund", turn=2),
        MustCall(tool="check_status", turn=2, arguments={"order_id": "A-1042"}),
    )
    assert case.why == "A second refund was paid."


def test_what_is_said_about_a_step_again_replaces_what_was_said_before(client: httpx.Client, store: Store) -> None:
    marked(client, must_not_call="any")
    marked(client, must_say="approved", must_not_say="Refunded")
    assert marks_of(store.documents, DANA).expected == (
        MustSay(text="approved", turn=2),
        MustNotSay(text="Refunded", turn=2),
    )
    marked(client)
    assert marks_of(store.documents, DANA).marks == ()


def test_a_reply_that_is_no_step_can_be_marked(client: httpx.Client, store: Store) -> None:
    assert 'href="/sessions/sess-dana?project=default&amp;mark=0."' in client.get("/sessions/sess-dana").text
    client.post("/marks", data={**ABOUT, "turn": "0", "step": "", "must_say": "arrived"})
    assert marks_of(store.documents, DANA).expected == (MustSay(text="arrived", turn=1),)


def test_the_page_shows_what_was_marked_and_the_form_says_it_again(client: httpx.Client) -> None:
    marked(client, must_not_call="so", must_call="check_status")
    page = client.get("/sessions/sess-dana").text
    assert "must call check_status in turn 2" in page and "What should have happened" in page
    form = client.get("/sessions/sess-dana", params={"mark": "1.0"}).text
    assert 'value="so" checked' in form and 'name="must_call" list="tool-names" value="check_status"' in form


def test_the_command_on_the_page_says_the_same(client: httpx.Client) -> None:
    marked(client, must_not_call="any", must_say="it's fine")
    page = client.get("/keep", params=ABOUT).text
    assert "--must-not-call issue_refund@2" in page and "--out replays/sess-dana.scenario.yaml" in page


@pytest.mark.parametrize(
    "fields",
    [
        {"turn": "7"},
        {"turn": "x"},
        {"turn": ""},
        {"step": "2"},
        {"id": "nobody"},
        {"must_call": "x", "arguments": "[1]"},
        {"must_call": "x", "arguments": "{"},
    ],
)
def test_a_bad_mark_is_refused_in_words_and_changes_nothing(
    client: httpx.Client, store: Store, fields: dict[str, str]
) -> None:
    answer = marked(client, **fields)
    assert answer.status_code in (400, 404) and "<h1>" in answer.text
    assert not store.documents.find(KIND)


def test_an_expectation_that_can_never_be_judged_is_refused(client: httpx.Client, store: Store) -> None:
    answer = marked(client, must_say="/(/")
    assert answer.status_code == 422 and "no regular expression" in answer.text
    assert not store.documents.find(KIND)


def test_long_texts_come_in_an_archive_that_loads(client: httpx.Client, store: Store, tmp_path: Path) -> None:
    long = DANA.turns[1].but(steps=(Call(call_id="c", tool="export", result="row " * 50_000),))
    store.put_conversation(DANA.but(id="long", turns=(long.but(index=0),)))
    archive = client.get("/keep/file", params={"id": "long"})
    assert archive.headers["content-type"] == "application/zip"
    zipfile.ZipFile(io.BytesIO(archive.content)).extractall(tmp_path)
    (case,) = load(tmp_path / "long.scenario.yaml").cases
    assert case.recorded.turns[0].calls[0].result == "row " * 50_000


def test_a_page_of_another_site_changes_nothing(client: httpx.Client, store: Store) -> None:
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}, {"origin": "null"}):
        answer = client.post("/marks", data={**AT_THE_CALL, "must_say": "x"}, headers=headers)
        assert answer.status_code == 403
    assert not store.documents.find(KIND)
    own = {"origin": str(client.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    assert client.post("/marks", data={**AT_THE_CALL, "must_say": "x"}, headers=own).status_code == 303


def test_marks_go_with_the_conversation(client: httpx.Client, store: Store) -> None:
    marked(client, must_say="x")
    store.delete_session("sess-dana")
    assert not store.documents.find(KIND)


def test_who_answers_for_it_and_until_when_stand_in_the_file_and_in_the_command(
    client: httpx.Client, tmp_path: Path
) -> None:
    said = {"incident": "https://tracker.example/INC-7", "owner": "refunds", "by": "Kim", "review_on": "2027-05-01"}
    client.post("/marks/reason", data={**ABOUT, **said, "why": "Paid twice.", "tags": "refund, writes,refund"})
    page = client.get("/keep", params=ABOUT).text
    assert "--tag refund --tag writes" in page
    assert "--owner refunds" in page and "--review-on 2027-05-01" in page
    (tmp_path / "kept.scenario.yaml").write_bytes(client.get("/keep/file", params=ABOUT).content)
    (case,) = load(tmp_path / "kept.scenario.yaml").cases
    assert case.tags == ("refund", "writes")
    assert (case.kept.owner, case.kept.incident, case.kept.by, str(case.kept.review_on)) == (
        "refunds",
        "https://tracker.example/INC-7",
        "Kim",
        "2027-05-01",
    )
    assert client.post("/marks/reason", data={**ABOUT, "review_on": "soon"}).status_code == 400

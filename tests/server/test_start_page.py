"""The first minutes: an empty server says what to do, and sees what comes."""

from __future__ import annotations

import html
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TypeAlias

import httpx
import pytest
from made_spans import chat_span, raw_spans

from taketwo.store import open_store
from taketwo.store.keys import create_key, keys

Serving: TypeAlias = Callable[..., AbstractContextManager[httpx.Client]]

PAGE = {"accept": "text/html"}
CHAT = '{"id": "chat-1", "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}\n'


def test_an_empty_server_shows_how_to_begin(serving: Serving) -> None:
    with serving(open_store("memory:")) as client:
        for path in ("/", "/start"):
            page = client.get(path, headers=PAGE).text
            assert f"OTEL_EXPORTER_OTLP_ENDPOINT={str(client.base_url).rstrip('/')}" in page
            assert "Waiting for the first span" in page
        assert client.get("/").json() == {"sessions": [], "next": None, "unread": 0}


def test_the_first_span_is_seen(serving: Serving) -> None:
    store = open_store("memory:")
    with serving(store) as client:
        assert "every 1s" in client.get("/start/arrived", headers=PAGE).text
        store.add_spans("default", raw_spans(chat_span(1, 1, session="one")))
        seen = client.get("/start/arrived", headers=PAGE).text
        assert "A span has been received" in seen and "hx-trigger" not in seen


def test_the_lines_that_record_an_agent_work_as_they_are_pasted(serving: Serving) -> None:
    store = open_store("memory:")
    with serving(store) as client:
        page = client.get("/start", headers=PAGE).text
        lines = html.unescape(page.split('id="decorators">')[1].split("</pre>")[0])
        subprocess.run([sys.executable, "-c", lines], check=True, timeout=60)
        recorded = store.conversation("talk-1", "my-agent")
        assert [turn.user.text for turn in recorded.turns if turn.user] == ["Where is my parcel?"]
        assert recorded.user_id == "user-1"


def test_where_nothing_could_be_read_the_page_says_so_first(serving: Serving) -> None:
    with serving(open_store("memory:")) as client:
        page = client.post("/import", files=[("file", ("bad.bin", b"\x00\x01" * 90))], headers=PAGE).text
        assert "<h1>Nothing was imported</h1>" in page and "Look at the conversations" not in page


def test_only_newer_spans_are_news_on_a_server_that_has_some(serving: Serving) -> None:
    store = open_store("memory:")
    store.add_spans("default", raw_spans(chat_span(1, 1, session="one")))
    with serving(store) as client:
        newest = client.get("/start.json").json()["newest"]
        assert "Waiting for the next span" in client.get("/start/arrived", params={"newest": newest}, headers=PAGE).text


def test_a_dropped_file_is_imported(serving: Serving) -> None:
    store = open_store("memory:")
    with serving(store) as client:
        files = [("file", ("log.jsonl", CHAT)), ("file", ("bad.jsonl", "{}\n"))]
        answer = client.post("/import", files=files, data={"project": "desk"}).json()
        good, bad = answer["files"]
        assert (good["read"], good["new"], good["error"]) == ("1 conversation", 1, None)
        assert bad["file"] == "bad.jsonl" and (bad["error"] or bad["unread"])
        assert "/tmp" not in str(bad)
        assert store.conversation("chat-1").project == "desk"
        page = client.post("/import", files=files[:1], headers=PAGE).text
        assert "1 conversation read, 1 new" in page


def test_no_file_is_an_answer_in_words(serving: Serving) -> None:
    with serving(open_store("memory:")) as client:
        answer = client.post("/import", data={"project": "desk"})
        assert answer.status_code == 400 and "no file" in answer.json()["detail"]


@pytest.mark.slow
def test_the_demo_is_loaded_by_one_press(serving: Serving) -> None:
    store = open_store("memory:")
    with serving(store) as client:
        assert client.post("/demo").status_code == 204
        assert store.conversation("sess-dana").calls()


@pytest.mark.slow
def test_the_demo_is_loaded_where_keys_are_needed_into_the_project_of_the_key(serving: Serving) -> None:
    store = open_store("memory:")
    _, secret = create_key(store.documents, name="me", roles=("replay",), project="shop", now=datetime.now(UTC))
    with serving(store, keys_required=True) as client:
        assert client.post("/demo").status_code == 401
        assert client.post("/demo", headers={"x-api-key": secret}).status_code == 204
    assert store.conversation("sess-dana", "shop").calls()
    assert [key.name for key in keys(store.documents)] == ["me"]

"""Recordings of calls are fetched behind the answer, tried again, and read out of spans."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from made_spans import PROTOBUF, chat_span, text, trace_request
from starlette.applications import Starlette
from starlette.testclient import TestClient
from test_webhooks import REPORT, SECRETS, post, until

from taketwo.capture.fetch import FetchLimits
from taketwo.capture.otlp import read_spans
from taketwo.server.app import Means, create_app
from taketwo.server.fetching import KIND, Fetching, Sources, ToFetch, ask_for
from taketwo.server.webhooks import Webhooks
from taketwo.store import Store, open_store
from taketwo.store.addresses import blobs_of
from taketwo.store.feedback import Feedback
from taketwo.testing import conversation, turn
from taketwo.value import content_hash

CALL = "0f0e9d8c-call-2"
SOUND = b"RIFF, and then what was said"
NAME = content_hash(SOUND)


@dataclass
class Platform:
    """Where a platform keeps its recordings."""

    address: str = ""
    answers: list[int] = field(default_factory=list)
    """Statuses of the next answers; 200 after the last."""
    asked: int = 0
    open: threading.Event = field(default_factory=threading.Event)
    """Nothing is answered before it is set."""


@pytest.fixture
def platform() -> Iterator[Platform]:
    found = Platform()

    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked += 1
            found.open.wait(120)
            self.send_response(found.answers.pop(0) if found.answers else 200)
            self.send_header("content-length", str(len(SOUND)))
            self.end_headers()
            self.wfile.write(SOUND)

        def log_message(self, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.address = f"http://127.0.0.1:{server.server_port}"
    yield found
    found.open.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    yield opened
    opened.close()


def report(platform: Platform) -> bytes:
    text = json.dumps(REPORT).replace("https://recordings.example/call-stereo.wav", f"{platform.address}/call.wav")
    return text.encode()


def recording(store: Store, id: str = CALL) -> str | None:
    return str(store.conversation(id).metadata.get("recording"))


def gaps(store: Store, id: str = CALL) -> list[str]:
    return [gap.why for gap in store.conversation(id).gaps if gap.where == "metadata.recording"]


def test_a_webhook_is_answered_before_the_recording_is_there_and_the_page_says_that_it_is_fetched(
    store: Store, platform: Platform
) -> None:
    app = create_app(store, means=Means(webhooks=SECRETS, sources=Sources(FetchLimits(private=True))))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert post(client, "vapi", report(platform), x_vapi_secret="hush").json()["kept"]
        until(lambda: platform.asked)
        page = client.get(f"/sessions/{CALL}", headers={"accept": "text/html"}).text
        assert "The recording is being fetched" in page
        platform.open.set()
        until(lambda: recording(store) == NAME)
        assert client.get(f"/audio/{NAME}").content == SOUND
        assert post(client, "vapi", report(platform), x_vapi_secret="hush").json()["kept"]
        assert recording(store) == NAME
    assert platform.asked == 1
    assert not store.documents.find(KIND)


def test_what_cannot_be_fetched_yet_is_tried_again_and_given_up_with_a_reason(store: Store, platform: Platform) -> None:
    platform.open.set()
    platform.answers = [404, 503]
    fetched = looking(store, platform, pauses_s=(0, 0))
    until(lambda: recording(store) == NAME)
    fetched.close()
    assert platform.asked == 3


def test_a_recording_that_is_given_up_is_a_gap_and_the_page_says_why(store: Store, platform: Platform) -> None:
    platform.open.set()
    platform.answers = [404, 403, 410]
    fetched = looking(store, platform, pauses_s=(0, 0))
    (why,) = until(lambda: gaps(store))
    fetched.close()
    assert why == "The recording could not be fetched: the answer is 410: it may have expired"
    page = TestClient(create_app(store), base_url="http://127.0.0.1").get(
        f"/sessions/{CALL}", headers={"accept": "text/html"}
    )
    assert f'<p class="notice">{why}</p>' in page.text
    assert not store.documents.find(KIND)


def test_the_reason_of_the_last_try_is_known_while_it_is_tried_again(store: Store, platform: Platform) -> None:
    platform.open.set()
    platform.answers = [404]
    fetched = looking(store, platform, pauses_s=(3600,))
    wanted = until(lambda: [one for one in asked_for(store) if one.tries])
    fetched.close()
    assert wanted[0].why == "the answer is 404: it may have expired"
    page = TestClient(create_app(store), base_url="http://127.0.0.1").get(
        f"/sessions/{CALL}", headers={"accept": "text/html"}
    )
    assert "being fetched: the answer is 404: it may have expired. Tried 1 time so far" in page.text


def test_a_call_that_is_deleted_takes_along_what_is_to_be_fetched(store: Store, platform: Platform) -> None:
    fetched = looking(store, platform)
    until(lambda: platform.asked)
    store.delete_session(CALL)
    platform.open.set()
    until(lambda: not any(one.thread.is_alive() for one in fetched._working))
    fetched.close()
    assert not store.documents.find(KIND)
    assert not list(blobs_of(store.url).names())


class DeletedBefore:
    """A store whose call is deleted just before the first writing of a kind."""

    def __init__(self, store: Store, writing: str) -> None:
        self._store = store
        self._writing: str | None = writing
        self.was_deleted = False

    def __getattr__(self, name: str) -> Any:
        if name == self._writing:
            self._writing = None
            self._store.delete_session(CALL)
            self.was_deleted = True
        return getattr(self._store, name)


@pytest.mark.parametrize("writing", ["add_spans", "put_conversation"])
def test_a_call_that_is_deleted_just_before_its_recording_is_kept_does_not_leave_it_behind(
    store: Store, platform: Platform, writing: str
) -> None:
    platform.open.set()
    address = f"{platform.address}/call.wav"
    if writing == "add_spans":
        named = chat_span(1, 1, session=CALL)
        named.attributes.append(text("gen_ai.voice.recording.stereo_url", address))
        store.add_spans("default", read_spans(trace_request(named), PROTOBUF).spans)
        store.settle()  # only what was read is looked at
    else:
        told = conversation(turn("Hi", reply="Hello!")).but(id=CALL, metadata={"recording": address})
        store.put_conversation(told)
        ask_for(store.documents, told, datetime.now(UTC))
    deleting: Any = DeletedBefore(store, writing)
    fetched = Fetching(deleting, Sources(FetchLimits(private=True)), tick_s=0.02)
    fetched.start()
    until(lambda: deleting.was_deleted and not any(one.thread.is_alive() for one in fetched._working))
    fetched.close()
    assert not list(blobs_of(store.url).names()) and not store.documents.find(KIND)
    assert not list(store.conversations())


def test_a_talk_that_became_part_of_a_session_while_its_recording_was_fetched_keeps_both(
    store: Store, platform: Platform
) -> None:
    named = chat_span(1, 1)
    named.attributes.append(text("gen_ai.voice.recording.stereo_url", f"{platform.address}/call.wav"))
    store.add_spans("default", read_spans(trace_request(named), PROTOBUF).spans)
    store.settle()
    fetched = Fetching(store, Sources(FetchLimits(private=True)), tick_s=0.02)
    fetched.start()
    until(lambda: platform.asked)
    later = chat_span(1, 2, session=CALL, said=("Thanks.",), history=(("user", "Where is my order?"),))
    store.add_spans("default", read_spans(trace_request(later), PROTOBUF).spans)
    store.settle()
    platform.open.set()
    until(lambda: not store.documents.find(KIND))
    fetched.close()
    assert recording(store) == NAME and list(blobs_of(store.url).names()) == [NAME]


def test_feedback_that_comes_while_it_is_fetched_stays_feedback(store: Store, platform: Platform) -> None:
    fetched = looking(store, platform)
    store.add_feedback(CALL, Feedback(name="helpful", value=True, comment="yes"))
    platform.open.set()
    until(lambda: recording(store) == NAME)
    fetched.close()
    assert store.conversation(CALL).outcome.scores["helpful"] is True
    store.add_feedback(CALL, Feedback(name="helpful", value=False))
    assert store.conversation(CALL).outcome.scores["helpful"] is False
    assert store.conversation(CALL).outcome.comments == ()


def attachments(sound: bytes) -> str:
    """As LangSmith's processor for Pipecat writes a recording into the span of the conversation."""
    inside = base64.b64encode(sound).decode()
    return json.dumps([{"name": "call.wav", "mime_type": "audio/wav", "content": inside}])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gen_ai.voice.recording.stereo_url", "{platform}/call.wav"),
        ("conversation.recording.mono.combined", "{platform}/call.wav"),
        ("taketwo.recording", "data:audio/wav;base64," + base64.b64encode(SOUND).decode()),
        ("langsmith.attachments", attachments(SOUND)),
        ("audio_recording_path", "{folder}/call.wav"),
        ("taketwo.recording", "file://{folder}/call.wav"),
    ],
)
def test_the_recording_that_spans_name_is_kept_as_that_of_their_call(
    tmp_path: Path, store: Store, platform: Platform, name: str, value: str
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "call.wav").write_bytes(SOUND)
    platform.open.set()
    named = chat_span(1, 1, session="call-1")
    named.attributes.append(text(name, value.replace("{platform}", platform.address).replace("{folder}", str(folder))))
    store.add_spans("default", read_spans(trace_request(named), PROTOBUF).spans)
    fetched = Fetching(store, Sources(FetchLimits(private=True), folder), tick_s=0.02)
    fetched.start()
    until(lambda: recording(store, "call-1") == NAME)
    whole = store.conversation("call-1")
    assert whole.channel == "voice" and [one.user and one.user.text for one in whole.turns] == ["Where is my order?"]
    # What comes later of the same call leaves it.
    later = chat_span(1, 2, session="call-1", said=("Thanks.",), history=(("user", "Where is my order?"),))
    store.add_spans("default", read_spans(trace_request(later), PROTOBUF).spans)
    assert recording(store, "call-1") == NAME
    until(lambda: not store.documents.find(KIND))
    fetched.close()
    deleted = store.delete_session("call-1")
    assert deleted.recordings == 1 and not list(blobs_of(store.url).names())


@pytest.mark.parametrize("path", ["/etc/hostname", "{folder}/../secret", "{folder}/link"])
def test_a_sender_cannot_have_any_other_file_read(tmp_path: Path, store: Store, path: str) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    (tmp_path / "secret").write_text("hush")
    (folder / "link").symlink_to(tmp_path / "secret")
    named = chat_span(1, 1, session="call-1")
    named.attributes.append(text("recording_path", path.replace("{folder}", str(folder))))
    store.add_spans("default", read_spans(trace_request(named), PROTOBUF).spans)
    fetched = Fetching(store, Sources(folder=folder), tick_s=0.02)
    fetched.start()
    (why,) = until(lambda: gaps(store, "call-1"))
    fetched.close()
    assert "files are read in the folder" in why
    assert not list(blobs_of(store.url).names())


@pytest.mark.slow
def test_a_server_that_is_killed_before_or_while_it_fetches_goes_on_when_it_starts_again(
    tmp_path: Path, platform: Platform, server_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAKETWO_VAPI_SECRET", "hush")
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    for number in range(2):
        killed = server_process(url, "0", "--private-addresses")
        if number == 0:
            headers = {"x-vapi-secret": "hush"}
            sent = httpx.post(f"{killed.address}/webhooks/vapi", content=report(platform), headers=headers, timeout=120)
            assert sent.json()["kept"]
        until(lambda: platform.asked > number)  # noqa: B023  # called before it changes
        killed.kill()
    platform.open.set()
    last = server_process(url, "0", "--private-addresses")
    address = f"{last.address}/sessions/{CALL}.json"
    until(lambda: httpx.get(address, timeout=120).json()["metadata"]["recording"] == NAME)
    assert last.end() == 0


def asked_for(store: Store) -> list[ToFetch]:
    return [ToFetch.from_json(one.body) for one in store.documents.find(KIND)]


def looking(store: Store, platform: Platform, **how: Any) -> Fetching:
    """Somebody who fetches, and the call that a webhook told of."""
    fetched = Fetching(store, Sources(FetchLimits(private=True)), tick_s=0.02, **how)
    door = Webhooks(store, SECRETS, fetched, body_bytes=10**6)
    client = TestClient(Starlette(routes=door.routes()), base_url="http://127.0.0.1")
    assert post(client, "vapi", report(platform), x_vapi_secret="hush").json()["kept"]
    fetched.start()
    return fetched

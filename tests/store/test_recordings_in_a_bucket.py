"""A store whose recordings are objects: what is true of a folder is true of a bucket of a real server."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner
from object_storage import ObjectStorage
from starlette.applications import Starlette
from starlette.testclient import TestClient

from taketwo.capture.fetch import FetchLimits
from taketwo.cli.about import doctor_command
from taketwo.cli.archive import archive_command
from taketwo.cli.look import sessions_command
from taketwo.conversation import Conversation, Turn, UserLine
from taketwo.errors import AlreadyThere, StoreUnavailable
from taketwo.server.app import create_app
from taketwo.server.fetching import Fetching, Sources
from taketwo.server.webhooks import Webhooks, WebhookSecrets
from taketwo.store import Store, open_store
from taketwo.store.addresses import blobs_of
from taketwo.store.archive import write_archive
from taketwo.store.backup import back_up
from taketwo.store.moving import move
from taketwo.store.project import Deleted, ProjectSettings
from taketwo.value import content_hash

pytestmark = pytest.mark.slow
NOW = datetime(2026, 11, 27, tzinfo=UTC)
LONG_AGO = datetime(2024, 2, 1, tzinfo=UTC)
_numbers = count(1)


@pytest.fixture
def url(tmp_path: Path, object_storage: ObjectStorage) -> str:
    return f"sqlite:///{tmp_path}/store.sqlite3?blobs=s3://talks/store/{next(_numbers)}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    assert opened.url == url
    yield opened
    opened.close()


def call(store: Store, id: str, sound: bytes, *, user: str = "ann", days_ago: int = 1) -> str:
    """A call with its recording; gives the recording's name."""
    name = blobs_of(store.url).put(sound)
    at = NOW - timedelta(days=days_ago)
    turns = (Turn(index=0, user=UserLine(text="Hi, it is me."), reply="Hello!"),)
    store.put_conversation(
        Conversation(
            id=id,
            project="p",
            user_id=user,
            channel="voice",
            started_at=at,
            ended_at=at,
            turns=turns,
            metadata={"recording": name},
        )
    )
    return name


def held(store: Store) -> set[str]:
    return set(blobs_of(store.url).names())


def test_deletion_of_a_session_of_a_user_and_by_age_reaches_the_objects(store: Store) -> None:
    shared = call(store, "call-1", b"RIFF shared")
    assert call(store, "call-2", b"RIFF shared") == shared
    bobs, old = call(store, "call-3", b"RIFF bob", user="bob"), call(store, "call-4", b"RIFF old", days_ago=40)
    assert store.delete_session("call-1") == Deleted(conversations=1)
    assert held(store) == {shared, bobs, old}
    store.set_project("p", ProjectSettings(keep_for_days=30))
    assert store.expire(NOW).recordings == 1 and held(store) == {shared, bobs}
    assert store.delete_user("bob", "p").recordings == 1 and held(store) == {shared}
    assert store.delete_session("call-2").recordings == 1 and held(store) == set()


def test_a_store_moves_into_a_bucket_and_back_and_within_one_without_copies(
    store: Store, tmp_path: Path, url: str
) -> None:
    names = {call(store, f"call-{number}", b"RIFF" + bytes([number]) * 9_000) for number in range(4)}
    store.close()
    home, again = f"sqlite:///{tmp_path}/home.sqlite3", f"sqlite:///{tmp_path}/again.sqlite3?blobs=s3://talks/again"
    assert move(url, home).recordings == 4
    assert set(blobs_of(home).names()) == names and len(list((tmp_path / "home.sqlite3.audio").iterdir())) == 4
    assert move(home, again).recordings == 4
    assert all(content_hash(blobs_of(again).get(name) or b"") == name for name in names)
    beside = f"sqlite:///{tmp_path}/beside.sqlite3?blobs=s3://talks/again/"
    assert move(again, beside).recordings == 4


def test_a_backup_and_an_archive_bring_the_recordings_along(store: Store, tmp_path: Path, url: str) -> None:
    name = call(store, "call-1", b"RIFF kept")
    back_up(url, tmp_path / "copy.sqlite3")
    assert blobs_of(f"sqlite:///{tmp_path}/copy.sqlite3").get(name) == b"RIFF kept"
    done = write_archive(store, tmp_path / "old.parquet", before=NOW)
    assert done is not None and done.recordings == 1
    assert blobs_of(f"archive:///{tmp_path}/old.parquet").get(name) == b"RIFF kept"


def test_an_archive_in_a_bucket_is_searched_replayed_and_put_back(store: Store, tmp_path: Path) -> None:
    name = call(store, "call-1", b"RIFF kept")
    address = f"s3://talks/archives/{next(_numbers)}/2026.parquet"
    runner = CliRunner()
    asked = ["write", address, "--older-than", "1d", "--store", store.url]
    # Longer ago than a day whatever day it is.
    store.put_conversation(store.conversation("call-1").but(started_at=LONG_AGO, ended_at=LONG_AGO))
    wrote = runner.invoke(archive_command, asked)
    assert wrote.output == f"{address}: 1 conversation, 1 recording\n"
    assert isinstance(runner.invoke(archive_command, asked).exception, AlreadyThere)
    store.delete_session("call-1")
    found = runner.invoke(sessions_command, ["--filter", 'said:"it is me"', "--json", "--store", f"archive:{address}"])
    assert '"call-1"' in found.output
    archive = open_store(f"archive:{address}")
    assert blobs_of(archive.url).get(name) == b"RIFF kept"
    (tmp_path / "my_agent.py").write_text("def answer(messages):\n    return 'Hello!'\n", encoding="utf-8")
    replayed = subprocess.run(
        [*(sys.executable, "-m", "taketwo", "replay", "call-1", "--agent", "my_agent:answer"), "--store", archive.url],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    back = runner.invoke(archive_command, ["restore", address, "--store", store.url])
    assert back.output == f"{address}: 1 conversation in the store, 1 recording\n"
    assert held(store) == {name}
    with pytest.raises(StoreUnavailable, match="no such archive"):
        open_store("archive:s3://talks/archives/none.parquet")


def test_pages_play_it_whole_and_in_part(store: Store) -> None:
    name = call(store, "call-1", b"RIFF some sound")
    client = TestClient(create_app(store), base_url="http://127.0.0.1")
    whole = client.get(f"/audio/{name}")
    assert (whole.status_code, whole.content) == (200, b"RIFF some sound")
    assert whole.headers["content-type"] == "audio/wav"
    part = client.get(f"/audio/{name}", headers={"range": "bytes=5-8"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"some", "bytes 5-8/15")
    assert client.get(f"/audio/{name}", headers={"range": "bytes=99-"}).status_code == 416


@pytest.fixture
def platform() -> Iterator[str]:
    """A voice platform from which the recording of a call is fetched, over a real socket."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"RIFF the call")

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/call.wav"
        server.shutdown()
        thread.join()


def test_a_call_that_comes_while_the_storage_is_away_is_kept_and_its_recording_once_it_is_back(
    store: Store, object_storage: ObjectStorage, platform: str
) -> None:
    clock = [NOW]
    fetching = Fetching(store, Sources(FetchLimits(private=True)), now=lambda: clock[0], tick_s=0.02)
    hooks = Webhooks(store, WebhookSecrets(vapi="hush"), fetching, body_bytes=10_000_000)
    client = TestClient(Starlette(routes=hooks.routes()))
    pages = TestClient(create_app(store), base_url="http://127.0.0.1")

    def sent(id: str) -> tuple[int, str | None]:
        said = {"role": "user", "message": "Hi", "time": 1, "secondsFromStart": 1}
        report = {
            "type": "end-of-call-report",
            "call": {"id": id, "createdAt": "2026-11-26T10:00:00Z"},
            "artifact": {"messages": [said], "recordingUrl": platform},
        }
        body = json.dumps({"message": report}).encode()
        answer = client.post("/webhooks/vapi", content=body, headers={"x-vapi-secret": "hush"})
        return answer.status_code, answer.headers.get("retry-after")

    def wait_for_recording(id: str) -> None:
        given_up = time.monotonic() + 60
        while store.conversation(id).metadata["recording"] != name:
            assert time.monotonic() < given_up
            clock[0] += timedelta(seconds=1)  # what failed is due again at some time
            time.sleep(0.02)

    name = content_hash(b"RIFF the call")
    fetching.start()
    assert sent("before") == (200, None)
    wait_for_recording("before")
    object_storage.stop()
    try:
        assert sent("meanwhile") == (200, None)
        status, back_in_s = sent("before")
        assert status == 503 and back_in_s is not None and int(back_in_s) >= 1, (
            "whether its recording is kept is unknown"
        )
        away = pages.get(f"/audio/{name}")
        assert away.status_code == 503 and int(away.headers["retry-after"]) >= 1
        with pytest.raises(StoreUnavailable, match="does not answer"):
            store.delete_session("before")
        assert {one.id for one in store.conversations()} == {"before", "meanwhile"}, "nothing is done by half"
        assert store.conversation("meanwhile").metadata["recording"] == platform
    finally:
        object_storage.start()
    wait_for_recording("meanwhile")
    fetching.close()
    assert pages.get(f"/audio/{name}").content == b"RIFF the call"


def test_the_key_is_in_no_log_and_doctor_says_whether_the_bucket_answers(
    store: Store, object_storage: ObjectStorage
) -> None:
    out, secret = io.StringIO(), object_storage.environment["AWS_SECRET_ACCESS_KEY"]
    handler = logging.StreamHandler(out)
    logging.getLogger().addHandler(handler)
    try:
        told = CliRunner().invoke(doctor_command, ["--store", store.url]).output
        assert "ok  recordings   s3://talks/store/" in told
        object_storage.stop()
        told += CliRunner().invoke(doctor_command, ["--store", store.url]).output
        assert "no  recordings" in told
    finally:
        object_storage.start()
        logging.getLogger().removeHandler(handler)
    assert secret not in told + out.getvalue()

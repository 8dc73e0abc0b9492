"""Recordings of a server, fetched from another machine: by hash, with a key, within limits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from taketwo.blobs.folder import FolderBlobs
from taketwo.capture.fetch import FetchLimits
from taketwo.errors import NotAllowed, StoreUnavailable, TooLarge, TraceUnreadable
from taketwo.sdk.server_recordings import ServerRecordings
from taketwo.store import Store, open_store
from taketwo.store.addresses import blobs_of
from taketwo.store.keys import create_key
from taketwo.testing import conversation
from taketwo.value import content_hash
from taketwo.voice.recordings import Recordings

SOUND = b"RIFF" + bytes(100_000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/served/store.db")
    yield opened
    opened.close()


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

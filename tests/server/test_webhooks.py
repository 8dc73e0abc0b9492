from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from taketwo.server.app import Means, create_app
from taketwo.server.webhooks import WebhookSecrets
from taketwo.store import open_store
from taketwo.store.addresses import blobs_of
from taketwo.store.memory import MemoryStore
from taketwo.voice.recordings import Recordings, with_recording

SAMPLES = Path(__file__).parent.parent / "data" / "imports"
MESSAGES = [json.loads(line) for line in (SAMPLES / "vapi-messages.jsonl").read_text().splitlines()]
REPORT = next(m for m in MESSAGES if m["message"]["type"] == "end-of-call-report" and m["message"]["artifact"])
RETELL = [json.loads(line) for line in (SAMPLES / "retell-webhooks.jsonl").read_text().splitlines()]
SECRETS = WebhookSecrets(vapi="hush", retell="key_1", elevenlabs="wsec_1")


def without_recording(value: Any) -> Any:
    """So that nothing is fetched."""
    match value:
        case dict():
            return {k: without_recording(v) for k, v in value.items() if "recording" not in k.lower()}
        case list():
            return [without_recording(item) for item in value]
        case _:
            return value


def signed(secret: str, text: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), text, getattr(hashlib, algorithm)).hexdigest()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def client(store: MemoryStore) -> TestClient:
    return TestClient(create_app(store, means=Means(webhooks=SECRETS)), base_url="http://127.0.0.1")


def post(client: TestClient, platform: str, body: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"/webhooks/{platform}", content=body, headers=named)


BODY = json.dumps(without_recording(REPORT)).encode()


def ways_of_vapi(now: int) -> list[dict[str, str]]:
    stamp = str(now)
    return [
        {"x_vapi_secret": "hush"},
        {"authorization": "Bearer hush"},
        {"x_signature": signed("hush", BODY)},
        {"x_signature": f"sha512={signed('hush', BODY, 'sha512')}"},
        {"x_timestamp": stamp, "x_signature": signed("hush", stamp.encode() + b"." + BODY)},
    ]


@pytest.mark.parametrize("way", range(5))
def test_an_end_of_call_report_that_shows_the_secret_is_kept_and_one_that_comes_again_is_known(
    client: TestClient, store: MemoryStore, way: int
) -> None:
    headers = ways_of_vapi(int(time.time()))[way]
    assert post(client, "vapi", BODY, **headers).json() == {"kept": True, "id": "0f0e9d8c-call-2", "new": True}
    assert post(client, "vapi", BODY, **headers).json()["new"] is False
    assert store.conversation("0f0e9d8c-call-2").channel == "voice"


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "neither X-Vapi-Secret, a Bearer token nor X-Signature"),
        ({"x_vapi_secret": "Hush"}, "the secret is not what TAKETWO_VAPI_SECRET says"),
        ({"authorization": "Bearer no"}, "the secret is not what TAKETWO_VAPI_SECRET says"),
        ({"x_signature": signed("other", BODY)}, "another key than TAKETWO_VAPI_SECRET, or the body was changed"),
        ({"x_signature": f"md5={signed('hush', BODY)}"}, "unknown algorithm"),
        ({"x_timestamp": "1", "x_signature": signed("hush", b"1." + BODY)}, "sent again, or a clock is wrong"),
        ({"x_timestamp": "soon", "x_signature": signed("hush", b"soon." + BODY)}, "has no time"),
        ({"x_timestamp": "9" * 400, "x_signature": signed("hush", b"9" * 400 + b"." + BODY)}, "has no time"),
    ],
)
def test_a_webhook_with_a_bad_secret_or_signature_or_a_replayed_one_is_refused(
    client: TestClient, store: MemoryStore, headers: dict[str, str], why: str
) -> None:
    answer = post(client, "vapi", BODY, **headers)
    assert answer.status_code == 401
    assert why in answer.json()["detail"]
    assert not list(store.conversations())


def test_the_log_tells_of_refused_webhooks_once_a_minute(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        assert post(client, "vapi", BODY, x_vapi_secret="Hush").status_code == 401
    (told,) = (one.getMessage() for one in caplog.records if "webhook" in one.getMessage())
    assert told == "a webhook at /webhooks/vapi was refused: the secret is not what TAKETWO_VAPI_SECRET says"


def test_what_was_said_so_far_is_kept_until_the_report_comes_and_other_messages_are_only_answered(
    client: TestClient, store: MemoryStore
) -> None:
    def send(kind: str) -> Any:
        message = next(m for m in MESSAGES if m["message"]["type"] == kind and m["message"]["call"]["id"].endswith("2"))
        return post(client, "vapi", json.dumps(without_recording(message)).encode(), x_vapi_secret="hush").json()

    assert send("status-update") == {"kept": False}
    assert send("conversation-update")["kept"]
    assert [gap.where for gap in store.conversation("0f0e9d8c-call-2").gaps if gap.where == "outcome"] == ["outcome"]
    assert send("end-of-call-report")["new"]
    assert not [gap for gap in store.conversation("0f0e9d8c-call-2").gaps if gap.where == "outcome"]


def test_a_message_that_comes_late_or_again_does_not_take_away_what_the_report_has_told(
    client: TestClient, store: MemoryStore
) -> None:
    update = next(m for m in MESSAGES if m["message"]["type"] == "conversation-update")
    assert update["message"]["call"]["id"] == REPORT["message"]["call"]["id"]
    assert post(client, "vapi", BODY, x_vapi_secret="hush").json()["kept"]
    whole = store.conversation("0f0e9d8c-call-2")
    late = post(client, "vapi", json.dumps(without_recording(update)).encode(), x_vapi_secret="hush")
    assert late.json() == {"kept": False, "id": "0f0e9d8c-call-2", "new": False}
    assert store.conversation("0f0e9d8c-call-2") == whole


def test_retells_webhooks_in_another_order_end_with_the_analysed_call(client: TestClient, store: MemoryStore) -> None:
    stamp = str(int(time.time() * 1000))
    for event in ("call_analyzed", "call_ended", "call_analyzed"):
        body = json.dumps(without_recording(next(one for one in RETELL if one["event"] == event))).encode()
        signature = f"v={stamp},d={signed('key_1', body + stamp.encode())}"
        assert post(client, "retell", body, x_retell_signature=signature).status_code == 200
        assert store.conversation("call_retell_1").outcome.scores


def test_a_webhook_that_comes_again_when_its_recording_has_expired_leaves_the_kept_one(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    recordings = Recordings([blobs_of(store.url)])
    body = json.dumps(REPORT).replace("https://recordings.example/call-stereo.wav", "http://127.0.0.1:9/call.wav")
    client = TestClient(create_app(store, means=Means(webhooks=SECRETS)), base_url="http://127.0.0.1")
    post(client, "vapi", body.encode(), x_vapi_secret="hush")
    came = store.conversation("0f0e9d8c-call-2")
    name = recordings.keep(b"RIFF, and what was fetched in time")
    store.put_conversation(with_recording(came, str(came.metadata["recording"]), name))
    assert post(client, "vapi", body.encode(), x_vapi_secret="hush").json()["kept"]
    assert store.conversation("0f0e9d8c-call-2").metadata["recording"] == name
    store.close()


def test_retells_webhooks_are_kept_by_the_signature_over_the_bytes_as_they_came(
    client: TestClient, store: MemoryStore
) -> None:
    stamp = str(int(time.time() * 1000))
    for event in RETELL:
        body = json.dumps(without_recording(event), indent=3).encode()
        right = f"v={stamp},d={signed('key_1', body + stamp.encode())}"
        assert post(client, "retell", body, x_retell_signature=right).status_code == 200
    assert {one.id for one in store.conversations()} == {"call_retell_1", "chat_1"}
    old = str(int(time.time() * 1000) - 400_000)
    late = f"v={old},d={signed('key_1', body + old.encode())}"
    assert post(client, "retell", body, x_retell_signature=late).status_code == 401
    wrong = f"v={stamp},d={signed('key_1', body)}"
    assert post(client, "retell", body, x_retell_signature=wrong).status_code == 401
    assert post(client, "retell", body).status_code == 401


def test_elevenlabs_webhooks_are_kept_by_their_signature(client: TestClient, store: MemoryStore) -> None:
    body = (SAMPLES / "elevenlabs-webhook.json").read_bytes()
    stamp = str(int(time.time()))
    right = f"t={stamp},v0={signed('wsec_1', stamp.encode() + b'.' + body)}"
    assert post(client, "elevenlabs", body, elevenlabs_signature=right).json()["id"] == "conv_1"
    assert post(client, "elevenlabs", body, elevenlabs_signature=f"t={stamp},v0=00").status_code == 401


def test_nothing_is_taken_where_nothing_was_agreed_and_what_is_no_webhook_is_told_so(client: TestClient) -> None:
    bare = TestClient(create_app(MemoryStore()), base_url="http://127.0.0.1")
    assert post(bare, "vapi", BODY, x_vapi_secret="hush").status_code == 403
    assert post(client, "whatsapp", BODY).status_code == 404
    assert post(client, "vapi", b"{", x_vapi_secret="hush").status_code == 400
    assert post(client, "vapi", b"[]", x_vapi_secret="hush").status_code == 400
    assert post(client, "vapi", b'{"message": {"type": "hang"}}', x_vapi_secret="hush").status_code == 400


def test_a_recording_that_may_not_be_fetched_is_a_gap_and_the_call_is_kept(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    body = json.dumps(REPORT).replace("https://recordings.example/call-stereo.wav", "http://127.0.0.1:9/call.wav")
    with TestClient(create_app(store, means=Means(webhooks=SECRETS)), base_url="http://127.0.0.1") as client:
        assert post(client, "vapi", body.encode(), x_vapi_secret="hush").json()["kept"]
        until(lambda: any("is no public address" in gap.why for gap in store.conversation("0f0e9d8c-call-2").gaps))
    store.close()


def until(holds: Callable[[], Any]) -> Any:
    """What holds at last; the limit only guards against hanging."""
    deadline = time.monotonic() + 120
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found

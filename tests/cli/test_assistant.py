"""`taketwo assistant` against a fake of Vapi's API over a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fake_platforms import KEY, FakePlatforms, fake_platforms

from taketwo.cli.main import taketwo

CALL: dict[str, Any] = json.loads((Path(__file__).parent.parent / "data/imports/vapi-call.json").read_text())


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePlatforms]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TAKETWO_STORE", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setenv("TAKETWO_VAPI_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    with fake_platforms() as made:
        now = {**CALL["assistant"], "id": "asst-1", "orgId": "org-1", "updatedAt": "2026-01-01T00:00:00Z"}
        made.assistant = json.loads(json.dumps(now))
        yield made


def asked(fake: FakePlatforms, call: dict[str, Any], *options: str) -> Result:
    Path("call.json").write_text(json.dumps(call), encoding="utf-8")
    runner = CliRunner()
    came = runner.invoke(taketwo, ["import", "call.json"])
    assert came.exit_code == 0, came.output
    return runner.invoke(taketwo, ["assistant", call["id"], "--base-url", fake.url, *options])


def test_an_assistant_that_is_as_it_was_shows_nothing(fake: FakePlatforms) -> None:
    done = asked(fake, CALL, "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, [])


def test_what_was_changed_is_shown_as_it_was_and_as_it_is_and_secrets_are_not(fake: FakePlatforms) -> None:
    model: dict[str, Any] = fake.assistant["model"]
    model["messages"][0]["content"] = "You are the phone desk of a shop. Be brief."
    model["temperature"] = 0.7
    model["tools"][0]["function"]["description"] = "Where an order is now."
    fake.assistant["voice"]["voiceId"] = "rachel"
    fake.assistant["serverUrlSecret"] = "another-secret"
    del fake.assistant["silenceTimeoutSeconds"]
    done = asked(fake, CALL)
    assert done.exit_code == 0, done.output
    changed = {one["name"]: (one["recorded"], one["present"]) for one in json.loads(asked(fake, CALL, "--json").stdout)}
    assert changed == {
        "model.temperature": (0.2, 0.7),
        "voice.voiceId": ("burt", "rachel"),
        "assistant.silenceTimeoutSeconds": (30, None),
        "system_prompt": ("You are the phone desk of a shop.", "You are the phone desk of a shop. Be brief."),
        "tools.check_status.description": ("Where an order is.", "Where an order is now."),
    }
    assert "was  burt" in done.stdout and "is   rachel" in done.stdout and "not set" in done.stdout
    assert "secret" not in done.stdout


def test_calls_that_cannot_be_compared_say_why(fake: FakePlatforms) -> None:
    bare = {key: item for key, item in CALL.items() if key != "assistant"}
    assert "does not say how its assistant was set up" in str(asked(fake, {**bare, "id": "bare-call"}).exception)
    gone = {**CALL, "id": "gone-call", "assistantId": "asst-gone"}
    assert "no such assistant any more" in str(asked(fake, gone).exception)

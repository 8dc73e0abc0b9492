"""A call in which a caller gives her name and number is kept: neither in the file nor in the sound are they left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("hibari", reason="needs the extra 'voice'")
pytest.importorskip("faster_whisper", reason="needs the extra 'voice'")

import numpy as np

from taketwo.voice.audio import HEARING_RATE, Sound, read_sound, resampled, wav_bytes
from taketwo.voice.recognise import Whisper
from taketwo.voice.speak import SPEAKING_RATE, Voice

pytestmark = pytest.mark.slow
LINES = (
    ("Agent", "Good morning, how can I help you?"),
    ("Caller", "Hello, I would like to know where my parcel is."),
    ("Agent", "Gladly. What is your name?"),
    ("Caller", "My name is Jennifer Thompson."),
    ("Agent", "Thank you. It will be there tomorrow."),
    ("Caller", "All right, thank you."),
)


def taketwo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "taketwo", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def make_call(folder: Path) -> float:
    voices = {"Caller": Voice("low"), "Agent": Voice("high")}
    channels: dict[str, list[np.ndarray]] = {party: [] for party in voices}
    for party, text in LINES:
        spoken = resampled(voices[party].speak(text), SPEAKING_RATE, HEARING_RATE)
        line = np.concatenate([spoken, np.zeros(round(0.7 * HEARING_RATE), dtype=np.float32)])
        for one, pieces in channels.items():
            pieces.append(line if one == party else np.zeros_like(line))
    sound = Sound((np.concatenate(channels["Caller"]), np.concatenate(channels["Agent"])), HEARING_RATE)
    (folder / "call.wav").write_bytes(wav_bytes(sound))
    (folder / "call.txt").write_text("".join(f"{party}: {text}\n" for party, text in LINES), encoding="utf-8")
    return sound.length_s


def test_a_name_is_taken_out_of_the_file_and_out_of_the_sound(tmp_path: Path) -> None:
    length_s = make_call(tmp_path)
    came = taketwo(tmp_path, "import", "call.wav")
    assert came.returncode == 0, came.stderr
    call_id = taketwo(tmp_path, "calls", "--json").stdout.split('"id": "')[1].split('"')[0]
    done = taketwo(tmp_path, "freeze", call_id, "--out", "kept/parcel.scenario.yaml")
    assert done.returncode == 0, done.stderr
    assert "thompson" not in (tmp_path / "kept" / "parcel.scenario.yaml").read_text(encoding="utf-8").lower()
    (kept,) = (tmp_path / "kept" / "audio").glob("*.wav")
    sound = read_sound(kept)
    assert sound.length_s == pytest.approx(length_s, abs=0.01)
    heard = " ".join(Whisper().recognise(channel).text for channel in sound.channels).lower()
    assert "thompson" not in heard and "jennifer" not in heard
    assert "where my parcel is" in heard and "my name is" in heard

"""The story of a call, told with real engines: two voices, a noisy line, an order that is misheard."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("hibari", reason="needs the extra 'voice'")
pytest.importorskip("faster_whisper", reason="needs the extra 'voice'")


@pytest.mark.slow
def test_the_misheard_order_is_found_as_the_first_divergence_with_an_empty_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TAKETWO_", "XDG_"))}
    command = [sys.executable, "-m", "taketwo", "demo", "--voice", "--folder", str(tmp_path / "demo")]
    ended = subprocess.run(command, env={**environment, "HOME": str(home)}, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-2000:]
    assert "The first thing that is different is the order in turn 2: 50 tulips." in ended.stdout
    assert "count=[-52-] → {+50+}" in ended.stdout
    sounds = {file.name for file in (tmp_path / "demo/calls/audio").iterdir()}
    assert ".gitattributes" in sounds and any(name.endswith(".wav") for name in sounds)

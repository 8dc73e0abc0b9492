"""The Tuesday story, as a newcomer runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_demo_tells_the_whole_story_with_an_empty_home(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home"), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "taketwo", "demo", "--folder", str(tmp_path / "demo")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    assert "sess-dana" in told
    assert "issue_refund" in told and "check_status" in told
    assert "1 passed" in told and "1 failed" in told
    assert "taketwo replay ID --agent" in told
    assert (tmp_path / "demo/replays/refund-status.scenario.yaml").is_file()
    assert (tmp_path / "demo/report.html").is_file()

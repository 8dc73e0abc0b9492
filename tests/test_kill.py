"""The short form of `benchmarks/kill.py`: each kind of work is killed once, and nothing acknowledged is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "kill.py"


@pytest.mark.slow
def test_what_is_killed_in_the_middle_loses_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--moments", "6", "--seed", "7"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 things wrong" in done.stdout

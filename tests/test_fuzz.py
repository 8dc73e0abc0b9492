"""The short form of `benchmarks/fuzz.py`: nonsense at every route and every import format."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"


@pytest.mark.slow
def test_no_nonsense_ends_a_process_or_is_answered_with_a_500() -> None:
    command = [sys.executable, str(SCRIPT), "--requests", "2000", "--files", "400", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]

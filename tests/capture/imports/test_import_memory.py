"""Large files of every streamed form, each read in a process of its own: memory does not grow with the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[3] / "benchmarks" / "imports.py"
FILE_MIB = 64
MEMORY_MIB = 60


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_large_files_are_read_in_less_memory_than_they_have_bytes() -> None:
    """The same benchmark reads a gigabyte; here the files are only larger than what may be in memory."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--mib", str(FILE_MIB)], capture_output=True, text=True, check=True
    )
    _, _, *lines = done.stdout.splitlines()
    assert len(lines) == 10
    for line in lines:
        name, mib, found, unread, _, _, peak_mib = line.split()
        assert int(mib) >= FILE_MIB, name
        assert int(found.replace(",", "")) > 1000, name
        assert unread == "0", name
        assert float(peak_mib) < MEMORY_MIB, name

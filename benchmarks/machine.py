"""Names the machine and what else it is doing, without which no figure means anything."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from pathlib import Path

import psutil


def describe() -> str:
    """One line: processor, cores, memory, versions, and the load as the benchmark begins."""
    load = ", ".join(f"{figure:.2f}" for figure in os.getloadavg())
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"machine: {_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}; load (1, 5, 15 minutes): {load}"
    )


def tree_memory_mib(pid: int) -> float:
    """Memory of a process and its children, shared pages counted once each, in MiB."""
    process = psutil.Process(pid)
    return sum(one.memory_full_info().pss for one in [process, *process.children(recursive=True)]) / 2**20


def cpu_seconds(pid: int) -> float:
    """Processor time that a process and its children have used."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
    return sum(time.user + time.system for time in times)


def percentile(figures: list[float], share: float) -> float:
    """The figure below which that share lies, by rank."""
    return sorted(figures)[min(len(figures) - 1, int(share * len(figures)))]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if sys.platform == "linux" else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

"""`taketwo replay --jobs`: one suite in several real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from taketwo.freeze.files import save
from taketwo.scenario import Case, MustSay, Scenario
from taketwo.testing import conversation, turn

AGENT = """
import os, time
from pathlib import Path

print("imported by", os.getpid())

def answer(messages):
    print("a line in the way")
    return "Fine." if messages[-1]["content"] != "Line 3" else "Well."

def dies(messages):
    if messages[-1]["content"] == "Line 3":
        os._exit(7)
    return "Fine."

def slow(messages):
    Path(f"began-{messages[-1]['content']}").touch()
    if messages[-1]["content"] in ("Line 0", "Line 1"):
        return "Fine."
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight cases in two files, and an agent."""
    for name, numbers in (("a", range(5)), ("b", range(5, 8))):
        talks = {number: conversation(turn(f"Line {number}", reply="Fine.")) for number in numbers}
        cases = tuple(
            Case(id=f"case-{n}", recorded=talk, expected=(MustSay(text="Fine"),)) for n, talk in talks.items()
        )
        save(Scenario(name=name, cases=cases), tmp_path / f"{name}.scenario.yaml")
    (tmp_path / "desk.py").write_text(AGENT, encoding="utf-8")
    return tmp_path


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "taketwo", "replay", ".", *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "PYTHONUTF8": "1"}
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def replay(folder: Path, agent: str, *more: str) -> tuple[int, dict[str, Any], str]:
    process = start(folder, "--agent", f"desk:{agent}", "--json", "-", *more)
    out, err = process.communicate(timeout=60)
    return process.returncode, json.loads(out), err


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {result["case_id"]: result["verdict"]["kind"] for result in report["results"]}


def test_several_processes_find_what_one_finds(folder: Path) -> None:
    code, report, _ = replay(folder, "answer")
    code_of_three, report_of_three, err = replay(folder, "answer", "--jobs", "3")
    assert (code, code_of_three) == (1, 1)
    assert verdicts(report) == verdicts(report_of_three)
    assert len(verdicts(report)) == 8
    assert report["counts"] == report_of_three["counts"]
    # The three, and the one that a person started.
    assert len({line for line in err.splitlines() if line.startswith("imported by")}) == 4


def test_a_process_that_dies_leaves_an_error_for_each_of_its_cases_and_the_others_go_on(folder: Path) -> None:
    code, report, _ = replay(folder, "dies", "--jobs", "8")
    assert code == 2
    assert len(verdicts(report)) == 7
    (error,) = report["errors"]
    assert error["name"] == "case-3"
    assert "ended with code 7" in error["error"]


def test_interrupted_it_tells_what_was_done_and_leaves_no_process_behind(folder: Path) -> None:
    process = start(folder, "--agent", "desk:slow", "--jobs", "2", "--concurrency", "8", "--junit", "report.xml")
    until = time.monotonic() + 30
    while not (folder / "began-Line 7").exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode not in (0, 1)
    assert (folder / "report.xml").read_text(encoding="utf-8").count("<testcase") >= 2, out

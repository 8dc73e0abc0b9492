"""`taketwo floor`, `accept`, `--repeat auto` and `--against` as a user meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from taketwo.freeze.files import load, save
from taketwo.scenario import Case, MustSay, Scenario
from taketwo.testing import conversation, turn

Run = Callable[..., subprocess.CompletedProcess[str]]
AGENTS = """
import itertools

count = itertools.count()

def good(messages):
    return "Hello!"

def bad(messages):
    return "Go away!"

def restless(messages):
    return "Hello!" if next(count) % 3 else "Hello, that makes $5."
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the command beside one scenario file and three agents."""
    case = Case(id="hello", recorded=conversation(turn("Hi", reply="Hello!")), expected=(MustSay(text="Hello"),))
    save(Scenario(name="greetings", cases=(case,)), tmp_path / "a.scenario.yaml")
    (tmp_path / "desk.py").write_text(AGENTS, encoding="utf-8")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home"), "PYTHONUTF8": "1"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "taketwo", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    return run


def test_a_floor_is_kept_in_the_file_and_counts_from_then_on(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.scenario.yaml"
    before = path.read_text(encoding="utf-8")
    assert run("floor", str(path), "--agent", "desk:restless", "--dry-run").returncode == 0
    assert path.read_text(encoding="utf-8") == before
    done = run("floor", str(path), "--agent", "desk:restless", "--repeat", "9")
    assert done.returncode == 0, done.stderr
    assert "passed 9 of 9 replays" in done.stdout
    (case,) = load(path).cases
    assert case.floor is not None
    assert [change.seen for change in case.floor.changes if change.turn == 1] == [3]


def test_a_floor_needs_a_file(run: Run) -> None:
    done = run("floor", "nobody", "--agent", "desk:good")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_repeats_and_the_old_agent_are_told_in_words_and_in_json(run: Run, tmp_path: Path) -> None:
    done = run(
        *("replay", "a.scenario.yaml", "--agent", "desk:bad", "--against", "desk:good"),
        *("--repeat", "auto", "--json", "r.json"),
    )
    assert done.returncode == 1, done.stderr
    assert "the old agent fails in 0 of" in done.stdout
    assert "1 newly failing" in done.stdout
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert report["contrast"]["newly_failing"] == 1
    assert report["results"][0]["verdict"]["rate"]["passed"] == 0


def test_what_only_the_old_agent_fails_is_named_with_how_sure_that_is(run: Run) -> None:
    done = run(
        *("replay", "a.scenario.yaml", "--agent", "desk:good", "--against", "desk:bad"),
        *("--repeat", "5", "--markdown", "summary.md"),
    )
    assert done.returncode == 0, done.stderr
    told = "the old agent fails in 5 of 5 runs, the new one fails in 0 of 5 runs (p = 0.004)"
    assert f"  hello: {told}\n" in done.stdout


def test_what_changed_is_accepted_into_the_file_and_passes_from_then_on(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.scenario.yaml"
    text = "# by hand\n" + path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    assert run("accept").returncode == 2
    assert run("replay", str(path), "--agent", "desk:bad").returncode == 1
    shown = run("accept", "--dry-run")
    assert "trim: must say Hello" in shown.stdout
    assert path.read_text(encoding="utf-8") == text
    assert run("accept", str(path), "--yes").returncode == 0
    assert path.read_text(encoding="utf-8").startswith("# by hand\n")
    assert load(path).cases[0].expected == ()
    assert run("replay", str(path), "--agent", "desk:good").returncode == 0


def test_how_often_is_a_number_or_a_word(run: Run) -> None:
    done = run("replay", "a.scenario.yaml", "--agent", "desk:good", "--repeat", "often")
    assert done.returncode == 2
    assert "auto" in done.stderr

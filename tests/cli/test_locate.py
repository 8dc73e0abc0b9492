"""`taketwo shrink`, `bisect` and `forks` on a real repository, with real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from taketwo.freeze.files import load, save
from taketwo.scenario import Case, MustNotSay, Scenario
from taketwo.testing import conversation, turn

Run = Callable[..., subprocess.CompletedProcess[str]]
AGENT = """
def answer(messages):
    said = [message["content"] for message in messages if message["role"] == "user"]
    if {angry} and any("angry" in line for line in said) and "refund" in said[-1]:
        return "Go away!"
    return "Fine."
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the command in a git repository whose agent goes wrong in the seventh of twelve revisions."""
    lines = ["Hi", "I am angry", "It rains", "Again", "Give me a refund", "Bye"]
    talk = conversation(*(turn(line, reply="Fine.") for line in lines))
    case = Case(id="angry", recorded=talk, expected=(MustNotSay(text="Go away"),))
    save(Scenario(name="desk", cases=(case,)), tmp_path / "desk.scenario.yaml")
    git = ["git", "-C", str(tmp_path), "-c", "user.email=a@b.c", "-c", "user.name=a"]
    subprocess.run([*git, "init", "-q"], check=True)
    for number in range(12):
        (tmp_path / "desk.py").write_text(f"# {number}" + AGENT.format(angry=number >= 6), encoding="utf-8")
        subprocess.run([*git, "add", "desk.py"], check=True)
        subprocess.run([*git, "commit", "-qm", f"revision {number}"], check=True)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home"), "PYTHONUTF8": "1"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "taketwo", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)

    return run


def test_the_shortest_conversation_that_fails_is_written_as_a_test_of_its_own(run: Run, tmp_path: Path) -> None:
    target = ("desk.scenario.yaml::angry", "--agent", "desk:answer", "--noise", "0", "--out", "short.scenario.yaml")
    done = run("shrink", *target, "--journal", "shrink.journal")
    assert done.returncode == 0, done.stderr
    assert "6 turns → 2 turns" in done.stdout
    assert "no part of it can go" in done.stdout
    (case,) = load(tmp_path / "short.scenario.yaml").cases
    assert [one.user.text for one in case.recorded.turns if one.user] == ["I am angry", "Give me a refund"]
    assert run("replay", "short.scenario.yaml", "--agent", "desk:answer").returncode == 1


def test_a_case_that_passes_cannot_be_shortened(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fine.py").write_text("def answer(messages):\n    return 'Fine.'\n", encoding="utf-8")
    done = run("shrink", "desk.scenario.yaml", "--agent", "fine:answer", "--noise", "0", "--out", "s.scenario.yaml")
    assert done.returncode == 2
    assert "does not fail" in done.stderr
    assert not (tmp_path / "s.scenario.yaml").exists()


def test_each_fork_says_what_comes_of_it(run: Run) -> None:
    done = run("forks", "desk.scenario.yaml", "--agent", "desk:answer", "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["from_turn"], row["verdict"]) for row in rows] == [
        *((number, "fail") for number in range(1, 6)),
        (6, "pass"),
    ]


def test_a_fork_map_ends_by_its_budget_and_goes_on_from_its_journal(run: Run, tmp_path: Path) -> None:
    target = ("desk.scenario.yaml", "--agent", "desk:answer", "--json", "--journal", "forks.journal")
    done = run("forks", *target, "--most-runs", "2")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert "turns 3 to 6 were not looked at" in done.stderr
    again = run("forks", *target)
    assert again.stdout.splitlines()[:2] == done.stdout.splitlines()
    assert len(again.stdout.splitlines()) == 6
    assert len((tmp_path / "forks.journal").read_text(encoding="utf-8").splitlines()) == 6
    (tmp_path / "forks.journal").write_text("nonsense", encoding="utf-8")
    broken = run("forks", *target)
    assert broken.returncode == 2
    assert "is no journal of a fork map" in broken.stderr


@pytest.mark.slow
def test_the_revision_since_which_it_fails_is_found(run: Run, tmp_path: Path) -> None:
    done = run(
        "bisect", "desk.scenario.yaml", "--agent", "desk:answer", "--good", "HEAD~11", "--noise", "0.05", "--runs", "2"
    )
    assert done.returncode == 0, done.stderr
    (found,) = [line for line in done.stdout.splitlines() if line.startswith("first bad: ")]
    assert "revision 6" in found
    worktrees = subprocess.run(
        ["git", "-C", str(tmp_path), "worktree", "list"], capture_output=True, text=True, check=True
    )
    assert len(worktrees.stdout.splitlines()) == 1


def test_bisect_needs_something_to_search_in(run: Run) -> None:
    done = run("bisect", "desk.scenario.yaml", "--agent", "desk:answer")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    done = run("bisect", "desk.scenario.yaml", "--agent", "desk:answer", "--good", "nowhere")
    assert done.returncode == 2
    assert "git says" in done.stderr

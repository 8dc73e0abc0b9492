"""The evaluator `embedding` with its real model, in a process that may not open a connection."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from taketwo.freeze.files import save
from taketwo.language.similarity import load_similarity
from taketwo.scenario import Case, Scenario
from taketwo.testing import conversation, turn

WITHOUT_NETWORK = """
import sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise OSError(f"no network here: {event}")
sys.addaudithook(refuse)
from taketwo.__main__ import main
sys.argv = ["taketwo", *sys.argv[1:]]
main()
"""
AGENT = """
def answer(messages):
    return "Your parcel was sent off yesterday." if "parcel" in messages[-1]["content"] else "Bananas are yellow."
"""


@pytest.mark.slow
def test_replies_are_held_against_the_recorded_ones_by_a_model_that_needs_no_network(tmp_path: Path) -> None:
    if load_similarity() is None:
        pytest.skip("the extra `similarity` is not installed")
    told = (turn("Where is my parcel?", reply="We shipped your package yesterday."), turn("Thanks", reply="Goodbye!"))
    cases = tuple(Case(id=f"turn-{n}", recorded=conversation(one)) for n, one in enumerate(told, 1))
    save(Scenario(name="desk", cases=cases), tmp_path / "desk.scenario.yaml")
    (tmp_path / "desk.py").write_text(AGENT, encoding="utf-8")
    command = [sys.executable, "-c", WITHOUT_NETWORK, "replay", "desk.scenario.yaml", "--agent", "desk:answer"]
    command += ["--evaluator", "embedding>=0.5", "--store", "memory:"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert "turn-2" in done.stdout and "embedding >= 0.5" in done.stdout
    assert "1 pass" in done.stdout or "1 changed" in done.stdout

"""A floor that no runs can have shown is refused where it stands: it would excuse what nobody has seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from taketwo.errors import ScenarioUnreadable
from taketwo.freeze.files import load

FILE = """\
taketwo: 1
name: desk
cases:
- id: one
  floor:
    agent: shop:good
    learned_at: 2026-11-01T00:00:00Z
    expires_at: 2026-12-01T00:00:00Z
    runs: 10
    passed: 9
    changes:
    - kind: reply_reworded
      turn: 1
      seen: 10
  turns:
  - said: Hi
    steps:
    - say: hello
"""


def test_a_floor_that_runs_can_have_shown_is_read(tmp_path: Path) -> None:
    (tmp_path / "desk.scenario.yaml").write_text(FILE)
    floor = load(tmp_path / "desk.scenario.yaml").cases[0].floor
    assert floor is not None and (floor.runs, floor.passed, floor.changes[0].seen) == (10, 9, 10)


@pytest.mark.parametrize(
    ("was", "now", "line", "said"),
    [
        ("runs: 10", "runs: -1", 9, "floor.runs should be 0 or more"),
        ("passed: 9", "passed: 11", 10, "floor.passed should be from 0 to 10, the runs"),
        ("passed: 9", "passed: -1", 10, "floor.passed should be from 0 to 10, the runs"),
        ("expires_at: 2026-12", "expires_at: 2026-10", 8, "floor.expires_at should not lie before learned_at"),
        ("kind: reply_reworded", "kind: reworded", 12, "floor.changes[0].kind is no kind of change; known are"),
        ("turn: 1", "turn: 2", 13, "floor.changes[0].turn should be from 1 to 1, the recorded turns"),
        ("seen: 10", "seen: 11", 14, "floor.changes[0].seen should be from 1 to 10, the runs"),
        ("seen: 10", "seen: 0", 14, "floor.changes[0].seen should be from 1 to 10, the runs"),
    ],
)
def test_one_that_they_cannot_is_refused_with_its_line(
    tmp_path: Path, was: str, now: str, line: int, said: str
) -> None:
    path = tmp_path / "desk.scenario.yaml"
    path.write_text(FILE.replace(was, now))
    with pytest.raises(ScenarioUnreadable) as refused:
        load(path)
    assert said in str(refused.value) and refused.value.where == f"{path}:{line}"
    assert refused.value.todo == "learn it anew with taketwo floor, or take it out"

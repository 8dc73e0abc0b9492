"""The canary: what the unchanged agent does more often than it used to, and controls of the day."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taketwo.errors import BadSetting
from taketwo.scenario import Case, Floor, FloorChange
from taketwo.suite.canary import Control, keep_control, moved, read_controls, usual_floors, with_control
from taketwo.testing import conversation, turn

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CASE = Case(id="c", recorded=conversation(turn("Hi", reply="Hello")))


def floor(passed: int, runs: int, seen: int = 0) -> Floor:
    changes = (FloorChange(kind="reply_changed", turn=1, seen=seen),) if seen else ()
    return Floor(
        agent="a", learned_at=NOW, expires_at=NOW + timedelta(days=1), runs=runs, passed=passed, changes=changes
    )


def test_more_failures_than_usual_have_moved_and_the_usual_ones_have_not() -> None:
    usual = {"f::c": floor(38, 40)}
    (found,) = moved({"f::c": floor(0, 5)}, usual)
    assert "fails in 5 of 5 replays, before in 2 of 40" in found.what
    assert moved({"f::c": floor(9, 10)}, usual) == []
    assert moved({"f::new": floor(0, 5)}, usual) == []


def test_a_change_that_came_now_and_then_and_now_always_comes_has_moved() -> None:
    (found,) = moved({"f::c": floor(8, 8, seen=8)}, {"f::c": floor(40, 40, seen=2)})
    assert "reply_changed in turn 1 in 8 of 8 replays, before in 2 of 40" in found.what


def test_where_nothing_has_moved_alarms_are_rare() -> None:
    """Two hundred nights of twenty cases that fail in one of ten replays."""
    draw, alarms = random.Random(3), 0
    for _ in range(200):
        keys = [f"f::{number}" for number in range(20)]
        usual = {key: floor(sum(draw.random() > 0.1 for _ in range(30)), 30) for key in keys}
        alarms += bool(moved({key: floor(sum(draw.random() > 0.1 for _ in range(3)), 3) for key in keys}, usual))
    assert alarms <= 0.08 * 200


def test_rounds_are_kept_pooled_and_a_broken_journal_is_named(tmp_path: Path) -> None:
    journal = tmp_path / "canary.jsonl"
    for day in range(3):
        keep_control(journal, Control(at=NOW - timedelta(days=3 - day), agent="a", floors={"f::c": floor(3, 4, 1)}))
    controls = read_controls(journal)
    (usual,) = usual_floors({"f::c": CASE}, controls, "a", NOW).values()
    assert (usual.passed, usual.runs, usual.changes[0].seen) == (9, 12, 3)
    assert usual_floors({"f::c": CASE}, controls, "another", NOW) == {}
    own = CASE.but(floor=floor(20, 20))
    assert usual_floors({"f::c": own}, controls, "a", NOW) == {"f::c": own.floor}
    journal.write_text("nonsense\n", encoding="utf-8")
    with pytest.raises(BadSetting, match=r"canary\.jsonl:1"):
        read_controls(journal)


def test_a_pull_request_is_held_against_the_control_of_its_day() -> None:
    old = Control(at=NOW - timedelta(days=2), agent="a", floors={"f::c": floor(1, 9)})
    today = Control(at=NOW - timedelta(hours=3), agent="a", floors={"f::c": floor(2, 3)})
    assert with_control(CASE, "f::c", [today, old], NOW).floor == floor(2, 3)
    assert with_control(CASE, "f::c", [old], NOW).floor is None
    assert with_control(CASE, "f::other", [today], NOW) == CASE

"""One key of one case changes, and not a letter of anything else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.errors import ScenarioUnreadable
from taketwo.freeze.edits import edit, edited
from taketwo.freeze.files import load, save
from taketwo.scenario import Case, Floor, MustCall, MustSay, Scenario
from taketwo.testing import conversation, turn

AT = datetime(2026, 11, 23, tzinfo=UTC)
FLOOR = Floor(agent="shop:good", learned_at=AT, expires_at=AT.replace(month=12), runs=10, passed=9)
TEXT = """\
# kept by hand
taketwo: 1
name: desk
cases:
  # the first
- id: one   # its name
  why: "because"
  expected:
  - must_say: hello   # politely
  # what was said
  turns:
  - said: Hi
    steps:
    - say: hello

- id: two
  turns: [{said: Hi, steps: [{say: hello}]}]

# the end
"""


def test_a_key_that_is_missing_comes_to_its_place_and_nothing_else_moves() -> None:
    made = edited(TEXT, "f", "one", "floor", FLOOR)
    added = [line for line in made.splitlines() if line not in TEXT.splitlines()]
    assert "".join(line for line in made.splitlines(keepends=True) if line.rstrip() not in added) == TEXT
    assert added[0].startswith("  floor: {agent: shop:good, ")
    assert made.index("must_say") < made.index("floor:") < made.index("# what was said")


def test_a_key_that_is_there_is_replaced_and_taken_out_again() -> None:
    twice = edited(edited(TEXT, "f", "one", "floor", FLOOR), "f", "one", "floor", FLOOR.but(passed=5))
    assert twice.count("floor:") == 1
    assert "passed: 5" in twice
    assert edited(twice, "f", "one", "floor", None) == TEXT


def test_the_last_case_is_edited_and_the_comment_after_it_stays() -> None:
    made = edited(TEXT, "f", "two", "floor", FLOOR)
    assert made.index("id: two") < made.index("floor:") < made.index("turns: [") < made.index("# the end")


def test_expectations_are_lists() -> None:
    made = edited(TEXT, "f", "one", "expected", (MustCall(tool="check_status", turn=1),))
    assert "  - must_call: check_status\n    turn: 1\n" in made
    assert "politely" not in made


def test_a_case_that_is_not_there_is_named() -> None:
    with pytest.raises(ScenarioUnreadable, match="no case 'three'"):
        edited(TEXT, "f", "three", "floor", FLOOR)


def test_a_case_on_one_line_is_refused() -> None:
    with pytest.raises(ScenarioUnreadable, match="on one line"):
        edited("taketwo: 1\nname: a\ncases:\n- {id: one, turns: []}\n", "f", "one", "floor", FLOOR)


def test_an_edit_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.scenario.yaml"
    path.write_text("taketwo: 1\nname: a\ncases:\n- {id: one, turns: []}\n", encoding="utf-8")
    with pytest.raises(ScenarioUnreadable):
        edit(path, "floor", {"one": FLOOR})
    assert "floor" not in path.read_text(encoding="utf-8")


CASES = [
    Case(id=f"case-{n}", recorded=conversation(turn("Hi", reply="Hello!")), why=why, expected=expected)
    for n, (why, expected) in enumerate([(None, ()), ("because", (MustSay(text="a: b"),)), ("x\ny", ())])
]


@given(st.sets(st.sampled_from([case.id for case in CASES]), min_size=1), st.integers(0, 10))
def test_what_is_edited_reads_back_as_it_was_meant(chosen: set[str], passed: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.scenario.yaml"
        save(Scenario(name="a", cases=tuple(CASES)), path)
        before = path.read_text(encoding="utf-8")
        wanted = FLOOR.but(passed=passed)
        edit(path, "floor", dict.fromkeys(chosen, wanted))
        assert {case.id for case in load(path).cases if case.floor == wanted} == chosen
        edit(path, "floor", dict.fromkeys(chosen))
        assert path.read_text(encoding="utf-8") == before

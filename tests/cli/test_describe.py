"""`taketwo describe`: a file of situations becomes a scenario file, and what is wrong is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from taketwo.cli.main import taketwo
from taketwo.errors import TakeTwoError
from taketwo.freeze.files import load

SHOP = """
name: refunds
description: A support desk of a shop.
personas:
- name: Kim
  manner: polite
situations:
- name: late refund
  says: [I sent back my shoes and have not got my money.]
  knows: {order number: A-1042}
  tools:
  - call: check_status
    arguments: {order_id: A-1042}
    result: {refund: paid}
  expected:
  - must_call: check_status
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP, encoding="utf-8")
    return path


def describe(*arguments: str | Path):
    return CliRunner().invoke(taketwo, ["describe", *map(str, arguments)])


def test_the_personas_of_the_file_say_the_lines_and_those_that_are_named_instead(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "refunds.scenario.yaml"
    assert describe(shop, "--out", out).exit_code == 0
    assert [case.id for case in load(out).cases] == ["late-refund-kim"]
    again = describe(shop, "--out", out)
    assert isinstance(again.exception, TakeTwoError) and "--force" in str(again.exception)
    done = describe(shop, "--out", out, "--persona", "terse", "--persona", "sloppy", "--force")
    assert done.exit_code == 0, done.output
    assert [case.id for case in load(out).cases] == ["late-refund-terse", "late-refund-sloppy"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--out", "x.yaml"), "ends in .scenario.yaml"),
        (("--out", "x.scenario.yaml", "--persona", "nobody"), "known are terse"),
        (("--out", "x.scenario.yaml", "--invent", "2"), "TAKETWO_LLM_MODEL"),
    ],
)
def test_what_is_wrong_is_one_line(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = describe(shop, *arguments)
    assert isinstance(done.exception, TakeTwoError) and told in str(done.exception)
    assert not (tmp_path / "x.scenario.yaml").exists()

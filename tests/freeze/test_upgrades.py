from __future__ import annotations

from typing import Any

import pytest

from taketwo.freeze.format import ScenarioForm
from taketwo.freeze.typed import Misplaced, typed
from taketwo.freeze.upgrades import UPGRADES, upgraded
from taketwo.freeze.yaml_reader import Scalar, line_of, parse
from taketwo.scenario import FORMAT_VERSION


def from_minus_one(document: dict[str, Any]) -> dict[str, Any]:
    document["tests"] = document.pop("samples")
    return document


def from_zero(document: dict[str, Any]) -> dict[str, Any]:
    document["cases"] = [{**case, "turns": []} for case in document.pop("tests")]
    return document


def test_a_file_of_any_older_version_is_lifted_step_by_step() -> None:
    document = parse(b"taketwo: 1\nname: old\nsamples:\n- id: a\n", "f")
    lifted = upgraded(document, {1: from_minus_one, 2: from_zero}, newest=3)
    assert lifted["taketwo"] == 3
    form = typed({**lifted, "taketwo": FORMAT_VERSION}, ScenarioForm)
    assert [case.id for case in form.cases] == ["a"]


def test_what_an_upgrade_hands_on_keeps_its_line() -> None:
    document = parse(b"taketwo: 1\nname: old\nsamples:\n- id: a\n", "f")
    lifted = upgraded(document, {1: from_minus_one, 2: from_zero}, newest=3)
    assert isinstance(lifted["cases"][0]["id"], Scalar)
    assert line_of(lifted, ["cases", 0, "id"]) == 4


def test_every_version_before_the_present_one_has_an_upgrade() -> None:
    assert sorted(UPGRADES) == list(range(1, FORMAT_VERSION))


@pytest.mark.parametrize("version", ["0", "-1", "1.0", "'1'", "one", "[1]", "true"])
def test_a_version_that_is_none_is_refused(version: str) -> None:
    with pytest.raises(Misplaced, match="a whole number from 1"):
        upgraded(parse(f"taketwo: {version}\n".encode(), "f"))

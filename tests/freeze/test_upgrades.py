"""Older forms of the scenario file.

`tests/data/scenarios/version-N` holds files as the writers of version N left them, each with the scenario that their
own reader made of it. They are never written anew: what was once read is read the same for ever.

"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from taketwo.freeze.files import load, save
from taketwo.freeze.format import CaseForm, ScenarioForm
from taketwo.freeze.typed import Misplaced, keys_of, typed
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


KEPT = Path(__file__).parents[1] / "data" / "scenarios"
FILES = sorted(KEPT.glob("version-*/*.scenario.yaml"))


def test_there_are_files_of_every_version_that_ever_was() -> None:
    assert {file.parent.name for file in FILES} == {f"version-{number}" for number in range(1, FORMAT_VERSION + 1)}
    for file in FILES:
        assert f"\ntaketwo: {file.parent.name.removeprefix('version-')}\n" in file.read_text(encoding="utf-8")


def test_every_key_of_a_case_stands_in_a_file_of_its_version() -> None:
    newest = [file for file in FILES if file.parent.name == f"version-{FORMAT_VERSION}"]
    said = {key for file in newest for case in parse(file.read_bytes(), str(file))["cases"] for key in case}
    assert set(keys_of(CaseForm)) <= said


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name.partition('.')[0]}")
def test_a_file_of_an_older_version_says_today_what_it_said_then(file: Path, tmp_path: Path) -> None:
    then = json.loads(file.with_name(file.name.replace(".scenario.yaml", ".expected.json")).read_bytes())
    scenario = load(file)
    assert not list(lost(then, scenario.to_builtins()))
    save(scenario, tmp_path / file.name)
    assert load(tmp_path / file.name) == scenario


def lost(then: Any, now: Any, place: str = "") -> list[str]:
    """What was said then and is not said now; fields that came later do not matter."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [one for key in then for one in lost(then[key], now.get(key), f"{place}.{key}")]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [one for n, pair in enumerate(zip(then, now, strict=True)) for one in lost(*pair, f"{place}[{n}]")]
    return [] if then == now and type(then) is type(now) else [f"{place}: {then!r} is now {now!r}"]

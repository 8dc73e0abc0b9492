"""What docs/scenario-files.md shows is loaded as a user would load it."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest

from taketwo.freeze.file_schema import file_schema
from taketwo.freeze.files import load, read, save
from taketwo.freeze.typed import plain
from taketwo.freeze.yaml_reader import parse
from taketwo.scenario import Expectation

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scenario-files.md"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(params=EXAMPLES, ids=lambda text: re.search(r"name: (\S+)", text).group(1))
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "example.scenario.yaml"
    path.write_text(request.param, encoding="utf-8")
    return path


def test_every_example_loads_and_fits_the_schema(example: Path) -> None:
    assert load(example).cases
    jsonschema.Draft202012Validator(file_schema()).validate(plain(parse(example.read_bytes(), "f")))


def test_every_example_is_written_as_the_tool_would_write_it(example: Path) -> None:
    before = example.read_text(encoding="utf-8")
    save(load(example), example)
    assert example.read_text(encoding="utf-8").removeprefix(
        "# yaml-language-server: $schema=scenario.schema.json\n"
    ) == (before.removeprefix("# yaml-language-server: $schema=scenario.schema.json\n"))


def test_the_first_example_says_what_the_page_says_about_it(tmp_path: Path) -> None:
    path = tmp_path / "example.scenario.yaml"
    path.write_text(EXAMPLES[0], encoding="utf-8")
    (case,) = load(path).cases
    first, second = case.recorded.turns
    assert first.user is not None and first.user.text == "Hi, I sent back order A-1001."
    assert second.calls[0].result == '{"refund": "R-7", "state": "paid"}'
    assert second.reply == "I have just refunded you 39.90."
    assert read(path).lines == {"dana-refund-status": 6}


def test_the_page_shows_and_explains_every_expectation() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for kind in Expectation.__args__:
        tag = kind.__struct_config__.tag
        assert f"- {tag}:" in EXAMPLES[1], tag
        assert f"| `{tag}: " in page, tag

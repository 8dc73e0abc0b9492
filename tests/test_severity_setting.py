from __future__ import annotations

from pathlib import Path

import pytest

from taketwo.compare.severity import Grading, severity_table
from taketwo.config import load_settings
from taketwo.errors import BadSetting
from taketwo.writes import Writes


def test_the_example_of_the_page_is_read_from_a_projects_file(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "comparison.md").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(page.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    grading = Grading(Writes(()), severity_table(load_settings({}, tmp_path).severity))
    assert (grading.of("question"), grading.of("number")) == ("major", "minor")
    assert grading.of_call("call_added", "get_order") == "wording"
    assert grading.of_call("call_added", "weather") == "critical"


def test_a_severity_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.taketwo]\nseverity = "major"\n', encoding="utf-8")
    with pytest.raises(BadSetting, match="severity"):
        load_settings({}, tmp_path)

from __future__ import annotations

from pathlib import Path

import made_results as made
import pytest

from taketwo.errors import BadSetting
from taketwo.report import open_writers
from taketwo.report.json import Report


def test_every_file_that_was_asked_for_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / name for name in ("r.json", "r.xml", "r.html")]
    writers = open_writers(json_path=str(paths[0]), junit_path=str(paths[1]), html_path=str(paths[2]))
    for event in made.suite(*made.one_of_each()):
        for writer in writers:
            writer.write(event)
    for writer in writers:
        writer.close()
    assert Report.from_json(paths[0].read_bytes()).counts["fail"] == 2
    assert paths[1].read_text().startswith("<?xml")
    assert paths[2].read_text().lstrip().startswith("<!doctype html>")
    assert "2 fail" in capsys.readouterr().out


def test_json_on_standard_output_stands_there_alone(capsys: pytest.CaptureFixture[str]) -> None:
    writers = open_writers(json_path="-")
    for event in made.suite(made.passed()):
        for writer in writers:
            writer.write(event)
    for writer in writers:
        writer.close()
    captured = capsys.readouterr()
    assert Report.from_json(captured.out).counts == {"pass": 1}
    assert "1 pass" in captured.err


def test_a_path_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="cannot be written") as caught:
        open_writers(html_path=str(tmp_path / "no" / "report.html"))
    assert "no/report.html" in str(caught.value)


def test_the_report_of_the_run_before_stays_until_this_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("the report before, which is longer than nothing\n" * 1000)
    writer = open_writers(json_path=str(path))[1]
    assert path.read_text().startswith("the report before")
    for event in made.suite(made.passed()):
        writer.write(event)
    writer.close()
    assert Report.from_json(path.read_bytes()).counts == {"pass": 1}


def test_a_suite_that_is_broken_off_leaves_reports_of_what_there_is(tmp_path: Path) -> None:
    writers = open_writers(html_path=str(tmp_path / "r.html"), junit_path=str(tmp_path / "r.xml"))[1:]
    for event in made.suite(made.failed(), made.passed())[:2]:
        for writer in writers:
            writer.write(event)
    for writer in writers:
        writer.close()
    assert "stopped before its end" in (tmp_path / "r.html").read_text()
    assert 'tests="1"' in (tmp_path / "r.xml").read_text()

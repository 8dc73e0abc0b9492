from __future__ import annotations

import json

import made_results as made
import msgspec

from taketwo.events import Event
from taketwo.report.json import Report, json_document


def written(events: list[Event], *, strict: bool = False) -> str:
    return json_document(made.gathered(events), strict=strict)


def test_the_document_can_be_read_back_as_what_was_written() -> None:
    cases = made.one_of_each()
    report = Report.from_json(written(made.suite(*cases)))
    assert {result.case_id for result in report.results} == {c.result.case_id for c in cases[:-1]}
    assert report.errors[0].error.startswith("replays/broken.scenario.yaml:7")
    assert report.counts == {"error": 1, "pass": 1, "fail": 2, "changed": 2, "flaky": 1, "inconclusive": 1}
    assert report.results[1] == made.failed().result


def test_cases_stand_in_the_order_of_the_file_however_they_finished() -> None:
    report = Report.from_json(written(made.suite(*reversed(made.one_of_each()))))
    assert [result.line for result in report.results] == [1, 3, 40, 80, 112, 150, 200]


def test_hostile_text_comes_back_letter_by_letter() -> None:
    event = made.hostile()
    document = json.loads(written(made.suite(event)))
    assert document["results"][0]["why"] == made.EVIL
    assert Report.from_json(json.dumps(document)).results[0] == event.result


def test_a_suite_that_was_broken_off_says_so() -> None:
    report = Report.from_json(written(made.suite(made.passed())[:-1]))
    assert report.cancelled
    assert report.ended_at is None
    assert report.counts == {"pass": 1}


def test_whether_the_run_was_strict_is_written_down() -> None:
    assert Report.from_json(written(made.suite(made.passed()), strict=True)).strict


def test_there_is_a_schema() -> None:
    schema = msgspec.json.schema(Report)
    assert set(schema["$defs"]["Report"]["required"]) >= {"agent", "counts", "cancelled", "strict"}

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import made_results as made
import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Log

from taketwo.events import CaseErrored, CaseFinished, Event
from taketwo.report.sarif import sarif_document
from taketwo.scenario import Kept


def written(*events: Event) -> dict[str, Any]:
    text = sarif_document(made.gathered(events))
    Log.model_validate_json(text)  # made from the schema of the standard; knows no other keys
    (run,) = json.loads(text)["runs"]
    return run  # type: ignore[no-any-return]  # JSON


def quarantined(event: CaseFinished) -> CaseFinished:
    return event.but(result=event.result.but(kept=Kept(quarantine="it is being rebuilt")))


def test_every_case_that_does_not_pass_stands_at_its_line() -> None:
    run = written(*made.suite(*made.one_of_each()))
    places = [
        (result["ruleId"].removeprefix("taketwo/"), place["artifactLocation"]["uri"], place["region"]["startLine"])
        for result in run["results"]
        for place in [one["physicalLocation"] for one in result.get("locations", ())]
    ]
    assert ("fail", made.FILE, 3) in places
    assert ("changed", made.FILE, 40) in places
    assert ("flaky", made.FILE, 80) in places
    assert {result["ruleId"].removeprefix("taketwo/") for result in run["results"]} == {
        "fail", "changed", "flaky", "inconclusive", "error",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("event", "level"),
    [(made.failed(), "error"), (made.changed(), "warning"), (made.flaky(), "warning"), (made.inconclusive(), "note")],
)
def test_only_a_regression_is_an_error(event: CaseFinished, level: str) -> None:
    (result,) = written(*made.suite(event))["results"]
    assert result["level"] == level


def test_the_message_says_what_regressed_and_how_sure_that_is() -> None:
    (result,) = written(*made.suite(made.failed()))["results"]
    assert result["message"]["text"].startswith(
        "sess-dana: turn 4: issue_refund was called instead of check_status. seen in one replay"
    )


def test_a_case_in_quarantine_is_suppressed_with_the_reason() -> None:
    (result,) = written(*made.suite(quarantined(made.failed())))["results"]
    assert result["suppressions"] == [{"kind": "external", "justification": "it is being rebuilt"}]


def test_a_finding_keeps_its_fingerprint_when_its_line_moves() -> None:
    here = made.failed()
    (one,) = written(*made.suite(here))["results"]
    (other,) = written(*made.suite(here.but(result=here.result.but(line=99))))["results"]
    (third,) = written(*made.suite(here.but(result=here.result.but(file="b.scenario.yaml"))))["results"]
    assert one["partialFingerprints"] == other["partialFingerprints"] != third["partialFingerprints"]


def test_paths_are_relative_to_the_repository_and_fit_for_a_uri(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = ["a b/ä.scenario.yaml", str(tmp_path / "x" / "c.scenario.yaml"), "/elsewhere/d.scenario.yaml"]
    run = written(*made.suite(*(CaseErrored(name="x", error="y", file=file, line=2) for file in files)))
    artifacts = [one["locations"][0]["physicalLocation"]["artifactLocation"] for one in run["results"]]
    assert [one["uri"] for one in artifacts] == [
        "a%20b/%C3%A4.scenario.yaml", "x/c.scenario.yaml", "file:///elsewhere/d.scenario.yaml",
    ]  # fmt: skip
    assert not run["invocations"][0]["executionSuccessful"]

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import junitparser
import made_results as made
import pytest

from taketwo.report.junit import junit_document


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "junit.xml"


def write(path: Path, *cases: made.CaseFinished | made.CaseErrored, strict: bool = False) -> ElementTree.Element:
    path.write_text(junit_document(made.gathered(made.suite(*cases)), strict=strict), encoding="utf-8")
    return ElementTree.parse(path).getroot()


def outcomes(root: ElementTree.Element) -> dict[str, list[str]]:
    return {case.attrib["name"]: [child.tag for child in case] for case in root.iter("testcase")}


def test_only_regressions_and_what_could_not_be_done_are_red(path: Path) -> None:
    assert outcomes(write(path, *made.one_of_each())) == {
        "sess-ada": [],
        "sess-dana": ["failure"],
        "sess-ben": ["system-out"],
        "sess-cleo": ["skipped"],
        "sess-gus": ["skipped"],
        "sess-eli": ["failure"],
        "sess-long": ["system-out"],
        "replays/broken.scenario.yaml": ["error"],
    }


def test_strict_makes_everything_red_but_a_pass(path: Path) -> None:
    red = outcomes(write(path, *made.one_of_each(), strict=True))
    assert {name for name, tags in red.items() if not tags} == {"sess-ada"}
    assert all(tags in (["failure"], ["error"]) for name, tags in red.items() if tags)


def test_the_counts_are_those_of_the_elements(path: Path) -> None:
    root = write(path, *made.one_of_each())
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8", "failures": "2", "errors": "1", "skipped": "2"
    }  # fmt: skip
    for suite in root.iter("testsuite"):
        assert suite.get("tests") == str(len(suite.findall("testcase")))


def test_a_failure_says_what_and_where_in_the_attribute_and_in_the_text(path: Path) -> None:
    case = next(case for case in write(path, made.failed()).iter("testcase"))
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == "turn 4: issue_refund was called instead of check_status"
    assert "turn 4: issue_refund was called instead of check_status" in (failure.text or "")
    assert 'check_status(order_id="A-1042")' in (failure.text or "")
    assert case.attrib == {
        "classname": "replays.refund-status",
        "name": "sess-dana",
        "time": "1.250",
        "file": "replays/refund-status.scenario.yaml",
        "line": "3",
    }


def test_no_two_cases_have_the_same_name_and_class(path: Path) -> None:
    one = made.passed()
    other = one.but(result=one.result.but(file="replays/other.scenario.yaml"))
    cases = list(write(path, one, other).iter("testcase"))
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == 2


def test_an_absolute_or_odd_path_is_a_class_name_too(path: Path) -> None:
    one = made.passed()
    classnames = []
    for file in ("/srv/replays/a.scenario.yaml", "../b.scenario.yml", "c.scenario.yaml"):
        root = write(path, one.but(result=one.result.but(file=file)))
        classnames += [case.get("classname") for case in root.iter("testcase")]
    assert classnames == ["srv.replays.a", "b", "c"]


def test_a_case_from_the_store_has_no_file(path: Path) -> None:
    one = made.passed()
    case = next(write(path, one.but(result=one.result.but(file=None, line=None))).iter("testcase"))
    assert case.get("file") is None
    assert case.get("classname") == "refund-status"


def test_hostile_text_is_xml_and_shown(path: Path) -> None:
    root = write(path, made.hostile())
    failure = next(root.iter("failure"))
    assert "\\e[31mred\\e]0;title\\x07 <script>alert(1)</script> \\u202eevil" in (failure.get("message") or "")


def test_junitparser_reads_it(path: Path) -> None:
    write(path, *made.one_of_each(), made.hostile())
    parsed = junitparser.JUnitXml.fromfile(str(path))
    assert (parsed.tests, parsed.failures, parsed.errors, parsed.skipped) == (9, 3, 1, 2)


def test_a_run_without_cases_is_a_document_too(path: Path) -> None:
    assert write(path).attrib["tests"] == "0"


def test_what_could_not_be_replayed_names_its_place_in_the_file(path: Path) -> None:
    error = made.errored().but(file="replays/a.scenario.yaml", line=7)
    (case,) = write(path, error).iter("testcase")
    assert (case.get("file"), case.get("line")) == ("replays/a.scenario.yaml", "7")

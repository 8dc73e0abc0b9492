"""The report as JUnit XML, as GitHub actions, GitLab and Jenkins show it.

| outcome | element | strict |
| --- | --- | --- |
| pass | none | none |
| fail | failure | failure |
| changed | none; what changed is in system-out | failure |
| flaky, inconclusive | skipped: shown with its reason, and the job stays green | failure |
| could not be replayed | error | error |

What must be read is in an attribute and again in the text, since GitLab and dorny/test-reporter show only the text, and
Jenkins and mikepenz/action-junit-report the attribute first.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import PurePath
from xml.etree import ElementTree as xml

from taketwo.events import CaseErrored, CaseFinished
from taketwo.report.block import case_block
from taketwo.report.gathered import Gathered
from taketwo.report.lines import Page
from taketwo.report.words import headline, outcome_in_words, plain
from taketwo.verdict import CaseResult

WIDTH = 120
"""Columns of the texts; CI systems show them in a box that scrolls."""


def junit_document(gathered: Gathered, *, strict: bool) -> str:
    """The XML. strict: whether `changed`, `flaky` and `inconclusive` count as failed."""
    root = _document(gathered, strict=strict)
    xml.indent(root)
    text = xml.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _document(gathered: Gathered, *, strict: bool) -> xml.Element:
    """`testsuites` with a `testsuite` for each scenario, and one for what could not be replayed."""
    suites: dict[str, list[xml.Element]] = {}
    for event in gathered.in_order():
        suites.setdefault(plain(event.result.scenario), []).append(_finished(event, strict=strict))
    for error in gathered.errored:
        suites.setdefault("not replayed", []).append(_errored(error))
    root = xml.Element("testsuites", {"name": "taketwo", **_totals(chain.from_iterable(suites.values()))})
    for name, cases in suites.items():
        at = gathered.started_at.strftime("%Y-%m-%dT%H:%M:%S")
        suite = xml.SubElement(root, "testsuite", {"name": name, "timestamp": at, **_totals(cases)})
        suite.extend(cases)
    return root


def _totals(cases: Iterable[xml.Element]) -> dict[str, str]:
    """The counts that readers check against the elements."""
    listed = list(cases)
    seconds = sum(float(case.get("time", "0")) for case in listed)
    return {
        "tests": str(len(listed)),
        "failures": str(sum(case.find("failure") is not None for case in listed)),
        "errors": str(sum(case.find("error") is not None for case in listed)),
        "skipped": str(sum(case.find("skipped") is not None for case in listed)),
        "time": f"{seconds:.3f}",
    }


def _finished(event: CaseFinished, *, strict: bool) -> xml.Element:
    result = event.result
    case = xml.Element(
        "testcase",
        {"classname": _classname(result), "name": plain(result.case_id), "time": f"{_seconds(result):.3f}"},
    )
    case.attrib |= _address(result.file, result.line)
    if result.cached_at is not None:
        properties = xml.SubElement(case, "properties")
        xml.SubElement(properties, "property", name="from_cache", value=result.cached_at.isoformat())
    kind = result.verdict.kind
    if kind == "pass":  # a quarantined case that passes is no longer skipped: it may come back
        return case
    text = "\n".join(case_block(event, Page(WIDTH, colour=False)))
    if result.counts_as == "quarantined":
        _add(case, "skipped", f"quarantined: {outcome_in_words(result)}", "quarantined", text)
    elif kind == "fail" or strict:
        _add(case, "failure", headline(result.verdict), kind, text)
    elif kind == "changed":
        xml.SubElement(case, "system-out").text = text
    else:
        _add(case, "skipped", f"{kind}: {headline(result.verdict)}", kind, text)
    return case


def _classname(result: CaseResult) -> str:
    """`replays.refund-status` for replays/refund-status.scenario.yaml: unique with the name, as GitLab needs it."""
    if result.file is None:
        return plain(result.scenario)
    path = PurePath(result.file)
    parts = [*path.parent.parts, path.name.split(".scenario.")[0]]
    return plain(".".join(part for part in parts if part not in (path.anchor, "..")))


def _errored(event: CaseErrored) -> xml.Element:
    case = xml.Element("testcase", classname="not replayed", name=plain(event.name), time="0.000")
    case.attrib |= _address(event.file, event.line)
    if event.quarantine is None:
        _add(case, "error", plain(event.error), "error", plain(event.error))
    else:
        _add(case, "skipped", f"quarantined: {plain(event.quarantine)}", "quarantined", plain(event.error))
    return case


def _address(file: str | None, line: int | None) -> dict[str, str]:
    """Where a CI system puts its annotation; nothing for what came from a store."""
    return {} if file is None else {"file": plain(file), "line": str(line or 1)}


def _add(case: xml.Element, tag: str, message: str, kind: str, text: str) -> None:
    xml.SubElement(case, tag, message=message, type=kind).text = text


def _seconds(result: CaseResult) -> float:
    """How long its replays took, together, in this run."""
    if result.cached_at is not None:
        return 0.0
    return sum((attempt.run.ended_at - attempt.run.started_at).total_seconds() for attempt in result.attempts)

"""SARIF 2.1.0, which code scanning of GitHub, Azure DevOps and editors show at the lines of the scenario files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from taketwo.events import CaseErrored, CaseFinished
from taketwo.report.gathered import Gathered
from taketwo.report.words import OUTCOMES, headline, past_in_words, plain, sureness_in_words
from taketwo.value import content_hash

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = "%SRCROOT%"
"""Paths are relative to the root of the repository, wherever that lies."""

Level: TypeAlias = Literal["error", "warning", "note"]
LEVELS: dict[str, Level] = {
    "fail": "error",
    "error": "error",
    "changed": "warning",
    "flaky": "warning",
    "inconclusive": "note",
}
"""Only a regression, and what could not be replayed, looks like an error."""


def sarif_document(gathered: Gathered) -> str:
    """The log, with one run."""
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(gathered)]}
    return f"{json.dumps(log, ensure_ascii=False, indent=1)}\n"


def _run(gathered: Gathered) -> dict[str, Any]:
    rules = [
        {
            "id": f"taketwo/{kind}",
            "shortDescription": {"text": OUTCOMES[kind]},
            "defaultConfiguration": {"level": level},
        }
        for kind, level in LEVELS.items()
    ]
    driver = {"name": "Take Two", "semanticVersion": version("taketwo"), "rules": rules}
    invocation = {
        "executionSuccessful": not gathered.cancelled and not gathered.counts().get("error"),
        "startTimeUtc": gathered.started_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    return {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "properties": {"agent": gathered.agent},
        "results": [*_finished(gathered), *map(_errored, gathered.errored)],
    }


def _finished(gathered: Gathered) -> Iterator[dict[str, Any]]:
    for event in gathered.in_order():
        if event.result.verdict.kind != "pass":
            yield _of_case(event)


def _of_case(event: CaseFinished) -> dict[str, Any]:
    result = event.result
    said = [f"{plain(result.case_id)}: {headline(result.verdict)}", sureness_in_words(result)]
    if result.verdict.kind == "fail" and (past := past_in_words(result.past)):
        said.append(past)
    if result.why:
        said.append(f"kept because: {plain(result.why)}")
    return _result(
        result.verdict.kind, ". ".join(said), result.case_id, result.file, result.line, result.kept.quarantine
    )


def _errored(event: CaseErrored) -> dict[str, Any]:
    return _result("error", plain(event.error), event.name, event.file, event.line, event.quarantine)


def _result(
    kind: str, text: str, name: str, file: str | None, line: int | None, quarantine: str | None
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "ruleId": f"taketwo/{kind}",
        "ruleIndex": list(LEVELS).index(kind),
        "level": LEVELS[kind],
        "message": {"text": text},
        # By this a platform knows a finding again when its line has moved.
        "partialFingerprints": {"case/v1": content_hash(f"{_uri(file)} {name} {kind}")},
    }
    if file is not None:
        place = {"artifactLocation": _artifact(file), "region": {"startLine": line or 1}}
        made["locations"] = [{"physicalLocation": place}]
    if quarantine is not None:
        made["suppressions"] = [{"kind": "external", "justification": plain(quarantine)}]
    return made


def _artifact(file: str) -> dict[str, str]:
    uri = _uri(file)
    return {"uri": uri} if uri.startswith("file:") else {"uri": uri, "uriBaseId": ROOT}


def _uri(file: str | None) -> str:
    """Relative to the working folder where it lies in there."""
    if file is None:
        return ""
    path, here = Path(file), Path.cwd()
    if path.is_absolute() and not path.is_relative_to(here):
        return path.as_uri()
    return quote((path.relative_to(here) if path.is_absolute() else path).as_posix())

"""What leaves the server as a file of a repository: by the road of `taketwo freeze`, so that both write the same."""

from __future__ import annotations

import asyncio
import io
import os
import re
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from taketwo.capture.redact import Redactor
from taketwo.config import load_settings, pseudonyms_key_file
from taketwo.evals.sense import insist_on_sense
from taketwo.freeze.freeze import freeze
from taketwo.scenario import Case, Kept, Scenario
from taketwo.sdk.api.scenarios import KeepConversations
from taketwo.server.flow.projects import project_name
from taketwo.server.flow.shelf import Flow
from taketwo.server.marks import as_marked, marks_of
from taketwo.store.redacting import store_key
from taketwo.suite.promote import files_of, keepable, promoting_redactor

DATE: Final = (2020, 1, 1, 0, 0, 0)
"""Of the files in an archive, so that the same scenario makes the same archive."""


def keep_conversations(flow: Flow, asked: KeepConversations) -> tuple[str, dict[str, bytes]]:
    """Captured conversations as a scenario file, with what is marked in them. Raises NotFound, and as `kept_files`."""
    project = project_name(flow, asked.project_id)
    conversations = [flow.store.conversation(id, project) for id in dict.fromkeys(asked.ids)]
    scenario = freeze(
        conversations,
        name="",
        at=datetime.now(UTC),
        why=asked.why,
        tags=asked.tags,
        kept=Kept(
            incident=asked.incident,
            by=asked.kept_by,
            owner=asked.owner,
            review_on=asked.review_on,
            quarantine=asked.quarantine,
        ),
        expected=asked.expected,
    )
    cases: list[Case] = [
        as_marked(case, marks_of(flow.documents, conversation))
        for case, conversation in zip(scenario.cases, conversations, strict=True)
    ]
    for case in cases:
        insist_on_sense(case)
    return kept_files(
        scenario.but(name=asked.name or cases[0].id, cases=tuple(cases)), is_redacted=asked.redact != "none"
    )


def kept_files(scenario: Scenario, *, is_redacted: bool = True) -> tuple[str, dict[str, bytes]]:
    """The name of a scenario's file, and every file by its name: redacted, proved by replays, and looked at again.

    Raises PromotionRefused where a verdict would change, LeakFound.
    """
    if not is_redacted:
        name = file_name(scenario)
        return name, files_of(scenario, name)
    allowed, _ = redaction_rules()
    done = asyncio.run(keepable(scenario, file_name, file_redactor(), allowed=allowed))
    return done.name, done.files


def file_name(scenario: Scenario) -> str:
    """A name that every file system takes: that of the case, where there is but one."""
    told = scenario.cases[0].id if len(scenario.cases) == 1 else scenario.name
    return f"{file_stem(told)}.scenario.yaml"


def file_stem(name: str) -> str:
    """A name as every file system takes it."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:80] or "scenario"


def archive(files: Mapping[str, bytes]) -> bytes:
    """Several files as one ZIP, the same for the same files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        for name, body in sorted(files.items()):
            out.writestr(zipfile.ZipInfo(name, DATE), body, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def redaction_rules() -> tuple[tuple[str, ...], dict[str, str]]:
    """What the settings here say of redaction: what stays, and a project's own patterns."""
    here = load_settings(os.environ, Path.cwd())
    return here.redact_allow, here.redact_patterns


def file_redactor() -> Redactor:
    """With the key and the settings of `taketwo freeze` here, so that both write the same pseudonyms."""
    allowed, patterns = redaction_rules()
    file = pseudonyms_key_file(os.environ)
    file.parent.mkdir(parents=True, exist_ok=True)
    return promoting_redactor(store_key(file), allowed=allowed, patterns=patterns)

"""What leaves the server as a file of a repository: by the road of `taketwo freeze`, so that both write the same."""

from __future__ import annotations

import asyncio
import io
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from taketwo.blobs import suffix_of
from taketwo.capture.redact import Redactor
from taketwo.config import load_settings, pseudonyms_key_file
from taketwo.conversation import Conversation
from taketwo.errors import BadSetting, MissingExtra
from taketwo.evals.sense import insist_on_sense
from taketwo.freeze.freeze import freeze
from taketwo.scenario import Case, Kept, Scenario
from taketwo.sdk.api.scenarios import KeepConversations
from taketwo.server.flow.projects import project_name
from taketwo.server.flow.shelf import Flow
from taketwo.server.marks import as_marked, marks_of
from taketwo.store import Store
from taketwo.store.redacting import store_key
from taketwo.suite.promote import files_of, keepable, promoting_redactor
from taketwo.value import content_hash
from taketwo.voice.beside import HINT_FILE, LARGE_FILES, Cleaning, with_sound
from taketwo.voice.recordings import AUDIO_FOLDER, Recording, Recordings

DATE: Final = (2020, 1, 1, 0, 0, 0)
"""Of the files in an archive, so that the same scenario makes the same archive."""
MOST_SOUND: Final = 200 * 1024 * 1024
"""Bytes of recordings that go into one archive: it is packed in memory, and has to be taken back in one piece."""


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
    scenario = scenario.but(name=asked.name or cases[0].id, cases=tuple(cases))
    return kept_files(scenario, flow.store, is_redacted=asked.redact != "none")


def kept_files(scenario: Scenario, store: Store, *, is_redacted: bool = True) -> tuple[str, dict[str, bytes]]:
    """The name of a scenario's file, and every file by its name: redacted, proved by replays, and looked at again.

    Of calls the recordings of the store are among them. Raises PromotionRefused where a verdict would change,
    LeakFound, BadSetting for more sound than a server packs.
    """
    after, files, originals = scenario, None, list[str]()
    if is_redacted:
        allowed, _ = redaction_rules()
        done = asyncio.run(keepable(scenario, file_name, file_redactor(), allowed=allowed))
        after, files = done.promotion.scenario, done.files
        originals = [one.original for one in done.promotion.replaced]
    sounding, sounds = _with_sound(scenario, after, originals, store)
    name = file_name(sounding)
    if files is None or sounding != after:
        files = {**(files or {}), **files_of(sounding, name)}
    return name, {**files, **sounds}


def _with_sound(
    before: Scenario, after: Scenario, originals: Sequence[str], store: Store
) -> tuple[Scenario, dict[str, bytes]]:
    sounds: dict[str, bytes] = {}

    def put(body: bytes) -> str:
        name = content_hash(body)
        sounds[f"{AUDIO_FOLDER}/{name}{suffix_of(body)}"] = body
        if sum(map(len, sounds.values())) > MOST_SOUND:
            todo = "keep fewer calls at a time, or use taketwo freeze"
            raise BadSetting(f"its recordings are larger than {MOST_SOUND:,} bytes", where=after.name, todo=todo)
        return name

    here = load_settings(os.environ, Path.cwd())
    cleaning = _AsFarAsCan(originals, here.speech_url, here.speech_key)
    scenario, _ = with_sound(before, after, Recordings([store.recordings(None)]), cleaning, put)
    if sounds:
        sounds[f"{AUDIO_FOLDER}/{HINT_FILE}"] = LARGE_FILES.encode()
    return scenario, sounds


class _AsFarAsCan(Cleaning):
    def cleaned(self, was: Conversation, now: Conversation, source: Recording) -> bytes | None:
        """See `Cleaning`. A server without engines leaves the recording out, and keeps the words."""
        try:
            return super().cleaned(was, now, source)
        except MissingExtra:
            return None


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

"""Which agent a command talks to: in words, or with the caller's voice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from taketwo.blobs import Blobs
from taketwo.blobs.folder import FolderBlobs
from taketwo.cli.settings import telephony
from taketwo.config import Settings
from taketwo.conversation import Conversation
from taketwo.errors import MissingExtra
from taketwo.replay.agents import Agent
from taketwo.scenario import Scenario
from taketwo.store.addresses import blobs_of
from taketwo.suite.runner import SuiteCase
from taketwo.voice.phone import Audio, open_for_calls
from taketwo.voice.recordings import AUDIO_FOLDER, Recording, Recordings, names_of, with_recording, without_recording

LARGE_FILES = """# Recordings are large: with `git lfs install` they are kept beside the history and not in it.
*.wav filter=lfs diff=lfs merge=lfs -text
*.mp3 filter=lfs diff=lfs merge=lfs -text
*.ogg filter=lfs diff=lfs merge=lfs -text
*.flac filter=lfs diff=lfs merge=lfs -text
"""
"""What lies beside the recordings of a scenario, for git."""

audio_option = click.option(
    "--audio",
    type=click.Choice(["original", "synthesised", "text"]),
    help="How a call is replayed: with the caller's recorded voice, with a synthetic one, or in words. "
    "[default: original for ws://… and livekit:…, else text]",
)


class Phone:
    """Opens agents for calls, and in words where no call is asked for."""

    def __init__(self, here: Settings, audio: Audio | None, store_url: str, cases: Iterable[SuiteCase]) -> None:
        """cases: whose scenario files may have recordings beside them."""
        self._usual_s = here.turn_timeout_s
        self._telephony = telephony(here, audio)
        self._places = _places(store_url, cases)
        self.recordings = Recordings(self._places)
        """Of the calls that are replayed, and of the new ones."""

    def speaks_with(self, spec: str) -> bool:
        """Whether the agent is called. Raises BadSetting where it cannot be spoken with otherwise."""
        return self._telephony.speaks_with(spec)

    def turn_timeout_s(self, spec: str) -> float:
        """How long a turn may take if nobody says otherwise."""
        return self._telephony.turn_timeout_s(spec, self._usual_s)

    def open(self, spec: str, **how: Any) -> Agent:
        """The agent that a SPEC names; see `open_for_calls`."""
        return open_for_calls(spec, self._telephony, self._places, **how)


class KeptAudio(NamedTuple):
    """What became of the recordings of a scenario's calls."""

    scenario: Scenario
    """The scenario with the recordings under their new names."""
    written: list[Path]
    """What was written."""
    left_out: list[str]
    """Why recordings were left out, each in words."""


def keep_audio(
    before: Scenario, after: Scenario, file: Path, store_url: str, originals: Sequence[str], here: Settings
) -> KeptAudio:
    """Keep the recordings of a scenario's calls beside its file, without what was taken out of their transcripts.

    before, after: the scenario as it was captured, and as it is kept. originals: what was taken out.
    """
    kept, beside = Recordings([blobs_of(store_url)]), FolderBlobs(file.parent / AUDIO_FOLDER)
    written, left_out, cases = list[Path](), list[str](), []
    for was, case in zip(before.cases, after.cases, strict=True):
        recorded = case.recorded
        for name in names_of(recorded):
            source = kept.find(name)
            if source is None:
                continue
            body = source.body if not originals else _redacted(was.recorded, recorded, source, originals, here)
            if body is None:
                left_out.append(f"{case.id}: nobody can say where its recording has what was taken out of its words")
                recorded = without_recording(recorded, name)
                continue
            new = beside.put(body)
            recorded = with_recording(recorded, name, new)
            written += [found for found in (beside.file(new),) if found is not None]
        cases.append(case.but(recorded=recorded))
    hint = file.parent / AUDIO_FOLDER / ".gitattributes"
    if hint.parent.is_dir() and not hint.exists():
        hint.write_text(LARGE_FILES, encoding="utf-8")
        written.append(hint)
    return KeptAudio(after.but(cases=tuple(cases)), list(dict.fromkeys(written)), left_out)


def _redacted(
    was: Conversation, now: Conversation, source: Recording, originals: Sequence[str], here: Settings
) -> bytes | None:
    """The recording without what was taken out of the words; None where it must be left out."""
    try:
        from taketwo.voice.audio import read_sound, wav_bytes
        from taketwo.voice.opening import engines_at_hand
        from taketwo.voice.parties import apart
        from taketwo.voice.redacting import changed_lines, without_personal_sound
    except ModuleNotFoundError as error:
        raise MissingExtra("voice", needed_for="taking personal data out of a recording") from error
    if not any(changed_lines(was, now)):
        return source.body
    recogniser, speaker = engines_at_hand(here.speech_url, here.speech_key)
    sound = without_personal_sound(
        was, now, apart(read_sound(source.body), was), originals=originals, speaker=speaker, recogniser=recogniser
    )
    return None if sound is None else wav_bytes(sound)


def _places(store_url: str, cases: Iterable[SuiteCase]) -> Sequence[Blobs]:
    beside = dict.fromkeys(Path(case.file).parent / AUDIO_FOLDER for case in cases if case.file is not None)
    return [blobs_of(store_url), *map(FolderBlobs, beside)]

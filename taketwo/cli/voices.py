"""Which agent a command talks to: in words, or with the caller's voice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from taketwo.blobs import Blobs
from taketwo.blobs.folder import FolderBlobs
from taketwo.config import Settings
from taketwo.replay.agents import Agent
from taketwo.scenario import Scenario
from taketwo.sdk.telephony import telephony
from taketwo.store.addresses import blobs_of
from taketwo.suite.suite_case import SuiteCase
from taketwo.voice.beside import HINT_FILE, LARGE_FILES, Cleaning, with_sound
from taketwo.voice.calling import Audio
from taketwo.voice.phone import open_for_calls
from taketwo.voice.recordings import AUDIO_FOLDER, Recordings, Server, names_of

audio_option = click.option(
    "--audio",
    type=click.Choice(["original", "synthesised", "text"]),
    help="How a call is replayed: with the caller's recorded voice, with a synthetic one, or in words. "
    "[default: original for ws://… and livekit:…, else text]",
)


class Phone:
    """Opens agents for calls, and in words where no call is asked for."""

    def __init__(
        self,
        here: Settings,
        audio: Audio | None,
        store_url: str,
        cases: Iterable[SuiteCase],
        servers: Sequence[Server] = (),
    ) -> None:
        """cases: whose scenario files may have recordings beside them. servers: where others are, and new ones go."""
        self._usual_s = here.turn_timeout_s
        self._telephony = telephony(here, audio)
        self.recordings = Recordings(_places(store_url, cases), servers)
        """Of the calls that are replayed, and of the new ones."""

    def speaks_with(self, spec: str) -> bool:
        """Whether the agent is called. Raises BadSetting where it cannot be spoken with otherwise."""
        return self._telephony.speaks_with(spec)

    def turn_timeout_s(self, spec: str) -> float:
        """How long a turn may take if nobody says otherwise."""
        return self._telephony.turn_timeout_s(spec, self._usual_s)

    def open(self, spec: str, **how: Any) -> Agent:
        """The agent that a SPEC names; see `open_for_calls`."""
        return open_for_calls(spec, self._telephony, self.recordings, **how)


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
    beside = FolderBlobs(file.parent / AUDIO_FOLDER)
    clean = Cleaning(originals, here.speech_url, here.speech_key)
    scenario, left_out = with_sound(before, after, Recordings([blobs_of(store_url)]), clean, beside.put)
    names = dict.fromkeys(name for case in scenario.cases for name in names_of(case.recorded))
    written = [found for found in map(beside.file, names) if found is not None]
    hint = file.parent / AUDIO_FOLDER / HINT_FILE
    if hint.parent.is_dir() and not hint.exists():
        hint.write_text(LARGE_FILES, encoding="utf-8")
        written.append(hint)
    return KeptAudio(scenario, written, left_out)


def _places(store_url: str, cases: Iterable[SuiteCase]) -> Sequence[Blobs]:
    beside = dict.fromkeys(Path(case.file).parent / AUDIO_FOLDER for case in cases if case.file is not None)
    return [blobs_of(store_url), *map(FolderBlobs, beside)]

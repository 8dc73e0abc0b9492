"""A recording without what its transcript no longer says: such words are spoken anew or silenced, and it stays as long.

What is personal is found in the texts; where it is heard is told by the times of the words, else the line goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final, NamedTuple

import numpy as np

from taketwo.conversation import Audio, Conversation, Say
from taketwo.voice.audio import HEARING_RATE, Samples, Sound, loudness, resampled
from taketwo.voice.caller import noise_bed, trimmed
from taketwo.voice.parties import Parties, shifted
from taketwo.voice.recognise import Recogniser
from taketwo.voice.speak import SPEAKING_RATE, Speaker
from taketwo.voice.stretches import Stretch
from taketwo.voice.understanding import plain_words

_PAD_S: Final = 0.08
"""Cut with a word on either side: times of words are not exact."""
_FADE: Final = 80
_HASTE: Final = 1.3
"""How much faster or slower a new voice may be played to be as long as what it replaces."""
SHORTEST_ORIGINAL: Final = 4
"""Letters and digits; shorter ones are heard in too many other words."""


class Span(NamedTuple):
    """A stretch of one party that may not be heard any more."""

    party: int
    """0 for the caller, 1 for the agent."""
    start_s: float
    end_s: float
    says: str
    """What is said there instead."""


class Line(NamedTuple):
    """What one party said, before and after."""

    party: int
    was: str
    now: str
    audio: Audio | None


def changed_lines(before: Conversation, after: Conversation) -> Iterator[Line]:
    """The lines of a conversation that say something else in the other."""
    for old, new in zip(before.turns, after.turns, strict=True):
        if old.user is not None and new.user is not None and old.user.text != new.user.text:
            yield Line(0, old.user.text, new.user.text, old.user.audio)
        for was, now in zip(old.steps, new.steps, strict=True):
            if isinstance(was, Say) and isinstance(now, Say) and was.text != now.text:
                yield Line(1, was.text, now.text, was.audio)


def spans_of(lines: Iterable[Line], parties: Parties, *, whole: bool = False) -> list[Span] | None:
    """Where these lines are heard; None where that is not known of one of them.

    whole: lines go as a whole, even where the times of their words are known.
    """
    if not parties.belongs:
        return None
    found: list[Span] = []
    for line in lines:
        audio = None if line.audio is None else shifted(line.audio, parties.late_s)
        if audio is None or audio.start_s is None or audio.end_s is None:
            return None
        by_word = [] if whole else list(_by_words(line, audio))
        found += by_word or [_as_a_whole(line, Stretch(audio.start_s, audio.end_s), parties)]
    return found


def _by_words(line: Line, audio: Audio) -> Iterator[Span]:
    """The words that differ, where each has its times; nothing where the transcript has other words than the text."""
    were, are = line.was.split(), line.now.split()
    if [plain_words(word.text) for word in audio.words] != [plain_words(word) for word in were]:
        return
    for kind, first, last, new_first, new_last in SequenceMatcher(None, were, are, autojunk=False).get_opcodes():
        if kind != "equal" and last > first:
            start_s, end_s = audio.words[first].start_s, audio.words[last - 1].end_s
            yield Span(line.party, start_s - _PAD_S, end_s + _PAD_S, " ".join(are[new_first:new_last]))


def _as_a_whole(line: Line, told: Stretch, parties: Parties) -> Span:
    """The line with all speech of its party that is heard in its time."""
    speech = parties.agent_speech if line.party else parties.caller_speech
    heard = [one for one in speech if one.end_s > told.start_s and one.start_s < told.end_s]
    start_s = min([told.start_s, *(one.start_s for one in heard)])
    end_s = max([told.end_s, *(one.end_s for one in heard)])
    return Span(line.party, start_s - _PAD_S, end_s + _PAD_S, line.now)


def redacted(parties: Parties, spans: Iterable[Span], speaker: Speaker | None) -> Sound:
    """The recording, 16,000 samples a second, with other words in these spans; silence where nobody speaks them.

    The caller is on the first channel, the agent on the second; a mono recording stays mono.
    """
    channels = [parties.caller.copy(), *([] if parties.agent is None else [parties.agent.copy()])]
    speech = (parties.caller_speech, parties.agent_speech)
    for span in spans:
        channel = channels[min(span.party, len(channels) - 1)]
        first = max(0, round(span.start_s * HEARING_RATE))
        last = min(len(channel), round(span.end_s * HEARING_RATE))
        if last > first:
            bed = noise_bed(parties.caller if channel is channels[0] else channels[1], speech[span.party])
            channel[first:last] = _instead(span.says, channel[first:last], bed, speaker)
    return Sound(tuple(channels), HEARING_RATE)


def _instead(text: str, was: Samples, bed: Samples, speaker: Speaker | None) -> Samples:
    """What stands in a span: the line's noise, and other words that are as loud and not longer."""
    made: Samples = np.resize(bed, len(was)).astype(np.float32)
    if speaker is None or not text.strip():
        return made
    spoken = trimmed(resampled(speaker.speak(text), SPEAKING_RATE, HEARING_RATE))
    if not len(spoken):
        return made
    haste = min(max(len(spoken) / len(was), 1 / _HASTE), _HASTE)
    said = resampled(spoken, round(HEARING_RATE * haste), HEARING_RATE)[: len(was)]
    fade = min(_FADE, len(said))
    said[len(said) - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    made[: len(said)] += said * np.float32(loudness(was) / max(loudness(said), 1e-6))
    return made


def still_heard(sound: Sound, originals: Iterable[str], recogniser: Recogniser) -> list[str]:
    """Which originals are still understood in a recording, however they are spelt."""
    heard = ["".join(plain_words(recogniser.recognise(channel).text)) for channel in sound.at(HEARING_RATE).channels]
    spelt = {original: "".join(plain_words(original)) for original in originals}
    return [
        original
        for original, letters in spelt.items()
        if len(letters) >= SHORTEST_ORIGINAL and any(letters in text for text in heard)
    ]


def without_personal_sound(
    before: Conversation,
    after: Conversation,
    parties: Parties,
    *,
    originals: Sequence[str],
    speaker: Speaker | None,
    recogniser: Recogniser | None,
) -> Sound | None:
    """The recording of `before` as it may stay with `after`; None where it must be left out.

    It is listened to again: where an original is still understood, the lines go as a whole, and where that does not
    help, the recording goes. recogniser: listens; None for nobody.
    """
    lines = list(changed_lines(before, after))
    for whole in (False, True):
        spans = spans_of(lines, parties, whole=whole)
        if spans is None:
            return None
        sound = redacted(parties, spans, speaker)
        if recogniser is None or not still_heard(sound, originals, recogniser):
            return sound
    return None

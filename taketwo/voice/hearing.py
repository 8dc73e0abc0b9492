"""A recording of two parties becomes a conversation: who spoke when, what was said, which keys were pressed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from taketwo.conversation import Audio, Conversation, Gap, Say, Source, Turn, UserLine, Word
from taketwo.errors import TraceUnreadable
from taketwo.voice.audio import HEARING_RATE, Samples, Sound
from taketwo.voice.parties import Parties, apart
from taketwo.voice.recognise import Recogniser, Transcript
from taketwo.voice.timing import Spoken, speaking_turns

RULE: Final = "recording"
_PAD_S: Final = 0.15
_ROWS: Final = (697, 770, 852, 941)
_COLUMNS: Final = (1209, 1336, 1477, 1633)
_KEYS: Final = ("123A", "456B", "789C", "*0#D")
_TONE_S: Final = 0.04


class Pressed(NamedTuple):
    """A key that the caller pressed."""

    key: str
    at_s: float


def hear(
    sound: Sound, name: str, recogniser: Recogniser, *, id: str, transcript: Sequence[tuple[str, str]] = ()
) -> Conversation:
    """The conversation of a stereo recording, the caller on the first channel.

    name: what the recording is called from now on. transcript: `caller` or `agent` and what was said, where
    somebody has written it down; it is laid over what is heard when both have as many turns of each party.
    Raises TraceUnreadable for a mono recording and for one in which nobody speaks, MissingExtra.
    """
    parties = apart(sound)
    if parties.agent is None:
        raise TraceUnreadable(
            "the recording is mono, so who speaks cannot be told",
            todo="export it with each party on a channel, or import the provider's record of the call",
        )
    spoken = speaking_turns(parties.caller_speech, parties.agent_speech)
    if not spoken:
        raise TraceUnreadable("nobody speaks in the recording")
    known = _laid_over(spoken, transcript)
    gaps = [] if known or not transcript else [_UNLIKE]
    heard = [_heard(one, parties, recogniser, known.get(place)) for place, one in enumerate(spoken)]
    turns = _turns(spoken, heard, name)
    keys = list(pressed(parties.caller))
    return Conversation(
        id=id,
        channel="voice",
        turns=tuple(turns),
        gaps=(*gaps, Gap(where="turns", why="a recording holds no tool calls"), *parties.gaps),
        metadata={"recording": name, **({"keys_pressed": [one._asdict() for one in keys]} if keys else {})},
    )


_UNLIKE: Final = Gap(
    where="turns", why="the transcript has other turns than the recording: what was heard is shown, not what it says"
)


def pressed(samples: Samples) -> Iterator[Pressed]:
    """The keys of a telephone that are heard, each once, of one channel at 16,000 samples a second."""
    step = round(_TONE_S * HEARING_RATE)
    last: str | None = None
    bins = [round(tone * _TONE_S) for tone in (*_ROWS, *_COLUMNS)]
    window = np.hanning(step)
    for at in range(0, len(samples) - step + 1, step):
        spectrum = np.abs(np.fft.rfft(samples[at : at + step] * window)) ** 2
        key = _key(spectrum, bins)
        if key is not None and key != last:
            yield Pressed(key, round(at / HEARING_RATE, 3))
        last = key


def _key(spectrum: Samples, bins: Sequence[int]) -> str | None:
    """The key whose two tones are nearly all that is heard; None where that is not so."""
    whole = float(spectrum.sum())
    if whole < 1e-2:
        return None
    strength = [float(spectrum[max(0, one - 1) : one + 2].sum()) for one in bins]
    row, column = int(np.argmax(strength[:4])), int(np.argmax(strength[4:]))
    both = strength[row] + strength[4 + column]
    balanced = 0.1 < strength[row] / max(strength[4 + column], 1e-12) < 10
    return _KEYS[row][column] if both > 0.8 * whole and balanced else None


def _laid_over(spoken: Sequence[Spoken], transcript: Sequence[tuple[str, str]]) -> dict[int, str]:
    """The text of each turn of speaking; nothing where the transcript has other turns."""
    found: dict[int, str] = {}
    for party in ("caller", "agent"):
        places = [place for place, one in enumerate(spoken) if one.party == party]
        lines = [text for speaker, text in transcript if speaker == party]
        if len(places) != len(lines):
            return {}
        found |= dict(zip(places, lines, strict=True))
    return found


def _heard(one: Spoken, parties: Parties, recogniser: Recogniser, known: str | None) -> Transcript:
    """What was said in a turn of speaking, with times inside the whole recording."""
    if known is not None:
        return Transcript(text=known)
    channel = parties.agent if one.party == "agent" and parties.agent is not None else parties.caller
    start_s = max(0.0, one.start_s - _PAD_S)
    found = recogniser.recognise(channel[round(start_s * HEARING_RATE) : round((one.end_s + _PAD_S) * HEARING_RATE)])
    words = [
        Word(text=word.text, start_s=round(word.start_s + start_s, 3), end_s=round(word.end_s + start_s, 3))
        for word in found.words
    ]
    return found.but(words=tuple(words))


def _turns(spoken: Sequence[Spoken], heard: Sequence[Transcript], name: str) -> list[Turn]:
    """A turn for each line of the caller, with what the agent said until the next."""
    turns: list[Turn] = []
    for place, (one, said) in enumerate(zip(spoken, heard, strict=True)):
        channel = 1 if one.party == "agent" else 0
        audio = Audio(
            file=name, start_s=round(one.start_s, 3), end_s=round(one.end_s, 3), channel=channel, words=said.words
        )
        source = Source(rule=RULE, place=f"{one.start_s:.2f} s")
        if one.party == "caller":
            user = UserLine(text=said.text, audio=audio, source=source)
            turns.append(Turn(index=len(turns), user=user))
            continue
        if not turns:
            turns.append(Turn(index=0))
        step = Say(text=said.text, audio=audio, source=source, message=len(turns[-1].steps))
        waited = None if place == 0 or turns[-1].steps else one.start_s - spoken[place - 1].end_s
        turns[-1] = turns[-1].but(
            steps=(*turns[-1].steps, step),
            reply=said.text,
            latency_ms=turns[-1].latency_ms if waited is None or waited < 0 else round(waited * 1000, 1),
        )
    return turns

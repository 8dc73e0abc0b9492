"""A recording of two parties becomes a conversation: who spoke when, what was said, which keys were pressed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from taketwo.conversation import Audio, Conversation, Gap, Say, Source, Turn, UserLine, Word
from taketwo.errors import TraceUnreadable
from taketwo.voice.audio import HEARING_RATE, Samples, Sound
from taketwo.voice.parties import Parties, apart
from taketwo.voice.recognise import Recogniser, Transcript
from taketwo.voice.timing import Spoken, speaking_turns
from taketwo.voice.understanding import plain_words

RULE: Final = "recording"
ALIKE: Final = 0.3
"""Share of a written transcript's words that must be heard in their turns for it to be of this recording."""
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
    sound: Sound,
    name: str,
    recogniser: Recogniser,
    *,
    id: str,
    transcript: Sequence[tuple[str, str]] = (),
    caller_channel: int = 0,
) -> Conversation:
    """The conversation of a stereo recording.

    name: what the recording is called from now on. transcript: `caller` or `agent` and what was said, where
    somebody has written it down; it is laid over what is heard when both have as many turns of each party, and tells
    when the channels are swapped. caller_channel: the caller's otherwise, from 0.
    Raises TraceUnreadable for a mono recording and for one in which nobody speaks, MissingExtra.
    """
    parties = apart(sound if caller_channel == 0 else Sound(sound.channels[1::-1], sound.rate))
    if parties.agent is None:
        raise TraceUnreadable(
            "the recording is mono, so who speaks cannot be told",
            todo="export it with each party on a channel, or import the provider's record of the call",
        )
    spoken = speaking_turns(parties.caller_speech, parties.agent_speech)
    if not spoken:
        raise TraceUnreadable("nobody speaks in the recording")
    heard = [_heard(one, parties, recogniser) for one in spoken]
    written = _laid_over(spoken, heard, transcript)
    gaps = list(_doubts(written)) if transcript else []
    if written.is_swapped:
        spoken = _crossed(spoken)
    said = [_as_written(each, written.lines.get(place)) for place, each in enumerate(heard)]
    keys = list(pressed(parties.agent if written.is_swapped else parties.caller))
    crossed = written.is_swapped != bool(caller_channel)
    return Conversation(
        id=id,
        channel="voice",
        turns=tuple(_turns(spoken, said, name, crossed=crossed)),
        gaps=(*gaps, Gap(where="turns", why="a recording holds no tool calls"), *parties.gaps),
        metadata={"recording": name, **({"keys_pressed": [one._asdict() for one in keys]} if keys else {})},
    )


class _Written(NamedTuple):
    """A transcript that somebody has written down, beside what is heard."""

    lines: dict[int, str]
    """The text of each turn of speaking; empty where the transcript has other turns."""
    alike: float = 0.0
    """Share of its words that are heard in their turns, from 0 to 1."""
    is_swapped: bool = False
    """Whether it fits when the parties are taken for each other."""


def _laid_over(
    spoken: Sequence[Spoken], heard: Sequence[Transcript], transcript: Sequence[tuple[str, str]]
) -> _Written:
    straight, crossed = (
        _Written(lines, _alike(lines, heard), is_swapped)
        for is_swapped in (False, True)
        for lines in (_by_turn(_crossed(spoken) if is_swapped else spoken, transcript),)
    )
    return crossed if crossed.alike >= ALIKE and crossed.alike > 2 * straight.alike else straight


def _by_turn(spoken: Sequence[Spoken], transcript: Sequence[tuple[str, str]]) -> dict[int, str]:
    """The text of each turn of speaking; nothing where the transcript has other turns."""
    found: dict[int, str] = {}
    for party in ("caller", "agent"):
        places = [place for place, one in enumerate(spoken) if one.party == party]
        lines = [text for speaker, text in transcript if speaker == party]
        if len(places) != len(lines):
            return {}
        found |= dict(zip(places, lines, strict=True))
    return found


def _alike(lines: Mapping[int, str], heard: Sequence[Transcript]) -> float:
    """Share of the written words that are heard in their turns."""
    counts = [(Counter(plain_words(text)), Counter(plain_words(heard[place].text))) for place, text in lines.items()]
    words = sum(were.total() for were, _ in counts)
    return sum((were & are).total() for were, are in counts) / words if words else 0.0


def _crossed(spoken: Iterable[Spoken]) -> list[Spoken]:
    return [one._replace(party="agent" if one.party == "caller" else "caller") for one in spoken]


def _as_written(heard: Transcript, text: str | None) -> Transcript:
    """What is written down instead of what was heard, with the times of its words where these are the same."""
    if text is None:
        return heard
    same = [plain_words(word.text) for word in heard.words] == [plain_words(word) for word in text.split()]
    return Transcript(text=text, words=heard.words if same else ())


def _doubts(written: _Written) -> Iterator[Gap]:
    if not written.lines:
        why = "the transcript has other turns than the recording: what was heard is shown, not what it says"
        yield Gap(where="turns", why=why)
    elif written.alike < ALIKE:
        why = f"the transcript may not belong to this recording: {written.alike:.0%} of its words are heard there"
        yield Gap(where="turns", why=why)
    if written.is_swapped:
        yield Gap(where="metadata.recording", why="the channels are swapped: the caller is on the second one")


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


def _heard(one: Spoken, parties: Parties, recogniser: Recogniser) -> Transcript:
    """What was said in a turn of speaking, with times inside the whole recording."""
    channel = parties.agent if one.party == "agent" and parties.agent is not None else parties.caller
    start_s = max(0.0, one.start_s - _PAD_S)
    found = recogniser.recognise(channel[round(start_s * HEARING_RATE) : round((one.end_s + _PAD_S) * HEARING_RATE)])
    words = [
        Word(text=word.text, start_s=round(word.start_s + start_s, 3), end_s=round(word.end_s + start_s, 3))
        for word in found.words
    ]
    return found.but(words=tuple(words))


def _turns(spoken: Sequence[Spoken], heard: Sequence[Transcript], name: str, *, crossed: bool) -> list[Turn]:
    """A turn for each line of the caller, with what the agent said until the next."""
    turns: list[Turn] = []
    for place, (one, said) in enumerate(zip(spoken, heard, strict=True)):
        channel = int((one.party == "agent") != crossed)
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

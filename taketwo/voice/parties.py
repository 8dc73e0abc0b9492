"""Who speaks when in a recording of two parties, and whether that fits what its transcript says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from taketwo.conversation import Audio, Conversation, Gap, Say
from taketwo.voice.activity import speech
from taketwo.voice.audio import HEARING_RATE, Samples, Sound
from taketwo.voice.stretches import Stretch, joined
from taketwo.voice.timing import TURN_GAP_S

FITS: Final = 0.65
"""Share of a transcript's times in which the right party must speak for it to be of this recording: of calls about the
same things, one in twenty fits another one's recording so well."""
_FITS_WELL: Final = 0.85
"""From this share on no shift is looked for, and below it none is believed."""
_MOST_LATE_S: Final = 3.0
"""How far a transcript may be shifted against its recording: some platforms count from when it rang."""
_SHIFT_S: Final = 0.25
"""Steps in which that is looked for; one alone is no more than what times of transcripts are off by anyway."""
CLEARLY: Final = 0.15
"""By how much the other channel must fit better for the channels to be swapped."""


class Parties(NamedTuple):
    """A recording with its parties apart, at 16,000 samples a second."""

    caller: Samples
    """The caller's channel; of a mono recording the only one."""
    agent: Samples | None
    """The agent's channel; None in a mono recording."""
    caller_speech: tuple[Stretch, ...]
    """When the caller speaks; of a mono recording by the times of the transcript."""
    agent_speech: tuple[Stretch, ...]
    """When the agent speaks; of a mono recording by the times of the transcript."""
    gaps: tuple[Gap, ...]
    """What is wrong with it."""
    belongs: bool = True
    """Whether the transcript is of this recording."""
    late_s: float = 0.0
    """How much later than its transcript says everything is heard, in seconds."""


class _Fit(NamedTuple):
    """How well a transcript fits."""

    share: float
    """Of its times in which the right party speaks, from 0 to 1."""
    late_s: float
    """If they are taken so many seconds later."""


def apart(sound: Sound, conversation: Conversation | None = None) -> Parties:
    """The parties of a recording: the caller on the first channel, unless the times of the transcript say otherwise.

    Raises MissingExtra.
    """
    heard = sound.at(HEARING_RATE)
    said = ([], []) if conversation is None else (list(said_by_caller(conversation)), list(said_by_agent(conversation)))
    if len(heard.channels) == 1:
        gap = Gap(
            where="metadata.recording", why="the recording is mono: who speaks is known from the transcript alone"
        )
        return Parties(heard.channels[0], None, tuple(said[0]), tuple(said[1]), (gap,))
    voices = [tuple(speech(channel)) for channel in heard.channels[:2]]
    straight, crossed = (_fit(said, voices[at], voices[1 - at]) for at in (0, 1))
    swapped = crossed.share > straight.share + CLEARLY and crossed.share >= FITS
    caller, agent = (1, 0) if swapped else (0, 1)
    fit = crossed if swapped else straight
    belongs = not any(said) or fit.share >= FITS
    return Parties(
        heard.channels[caller],
        heard.channels[agent],
        voices[caller],
        voices[agent],
        tuple(_gaps(fit, belongs=belongs, swapped=swapped)),
        belongs,
        fit.late_s if belongs else 0.0,
    )


def _fit(
    said: tuple[Sequence[Stretch], Sequence[Stretch]], caller: Sequence[Stretch], agent: Sequence[Stretch]
) -> _Fit:
    """How well the transcript fits if these are caller and agent, at the shift at which it does so best."""
    # A line of a transcript goes on while its speaker takes breath.
    spoken = [joined(voice, TURN_GAP_S) for voice in (caller, agent)]
    at_once = _Fit(_share(said, spoken, 0.0), 0.0)
    if at_once.share >= _FITS_WELL or not any(said):
        return at_once
    steps = round(_MOST_LATE_S / _SHIFT_S)
    shifts = (place * _SHIFT_S for place in range(-steps, steps + 1) if abs(place) > 1)
    best = max((_Fit(_share(said, spoken, late_s), late_s) for late_s in shifts), key=lambda fit: fit.share)
    return best if best.share >= _FITS_WELL else at_once


def _share(said: Sequence[Sequence[Stretch]], spoken: Sequence[Sequence[Stretch]], late_s: float) -> float:
    both = [
        share_within([Stretch(each.start_s + late_s, each.end_s + late_s) for each in one], voice)
        for one, voice in zip(said, spoken, strict=True)
        if one
    ]
    return sum(both) / len(both) if both else 0.0


def share_within(said: Sequence[Stretch], spoken: Sequence[Stretch]) -> float:
    """How much of the one is within the other, from 0 to 1; 0 where there is nothing."""
    whole = sum(each.length_s for each in said)
    inside = sum(
        max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s)) for one in said for other in spoken
    )
    return inside / whole if whole else 0.0


def _gaps(fit: _Fit, *, belongs: bool, swapped: bool) -> Iterator[Gap]:
    where = "metadata.recording"
    if swapped:
        yield Gap(where=where, why="the channels are swapped: the caller is on the second one")
    if not belongs:
        yield Gap(
            where=where,
            why=f"the transcript does not belong to this recording: its speaker is heard in {fit.share:.0%} of the "
            "times of its lines",
        )
    elif fit.late_s:
        early = "early" if fit.late_s > 0 else "late"
        yield Gap(where=where, why=f"the times of the transcript are {abs(fit.late_s):g} s {early}: they were shifted")


def shifted(audio: Audio, by_s: float) -> Audio:
    """The same words so much later."""
    return audio.but(
        start_s=None if audio.start_s is None else audio.start_s + by_s,
        end_s=None if audio.end_s is None else audio.end_s + by_s,
        words=tuple(word.but(start_s=word.start_s + by_s, end_s=word.end_s + by_s) for word in audio.words),
    )


def said_by_caller(conversation: Conversation) -> Iterator[Stretch]:
    """When the caller spoke, as far as the conversation says."""
    for turn in conversation.turns:
        audio = turn.user.audio if turn.user else None
        if audio is not None and audio.start_s is not None and audio.end_s is not None:
            yield Stretch(audio.start_s, audio.end_s)


def said_by_agent(conversation: Conversation) -> Iterator[Stretch]:
    """When the agent spoke, as far as the conversation says."""
    for turn in conversation.turns:
        for step in turn.steps:
            audio = step.audio if isinstance(step, Say) else None
            if audio is not None and audio.start_s is not None and audio.end_s is not None:
                yield Stretch(audio.start_s, audio.end_s)

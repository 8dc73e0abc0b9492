"""Who speaks when in a recording of two parties, and whether that fits what its transcript says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from taketwo.conversation import Conversation, Gap, Say
from taketwo.voice.activity import speech
from taketwo.voice.audio import HEARING_RATE, Samples, Sound
from taketwo.voice.stretches import Stretch

FITS: Final = 0.4
"""Share of a transcript's times in which somebody must speak for it to be of this recording."""
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
    swapped = crossed > straight + CLEARLY and crossed >= FITS
    caller, agent = (1, 0) if swapped else (0, 1)
    fits = max(straight, crossed) if swapped else straight
    return Parties(
        heard.channels[caller],
        heard.channels[agent],
        voices[caller],
        voices[agent],
        tuple(_gaps(said[0], fits, swapped)),
        not said[0] or fits >= FITS,
    )


def _fit(
    said: tuple[Sequence[Stretch], Sequence[Stretch]], caller: Sequence[Stretch], agent: Sequence[Stretch]
) -> float:
    """How well the transcript fits if these are caller and agent, from 0 to 1."""
    both = [share_within(one, voice) for one, voice in zip(said, (caller, agent), strict=True) if one]
    return sum(both) / len(both) if both else 0.0


def share_within(said: Sequence[Stretch], spoken: Sequence[Stretch]) -> float:
    """How much of the one is within the other, from 0 to 1; 0 where there is nothing."""
    whole = sum(each.length_s for each in said)
    inside = sum(
        max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s)) for one in said for other in spoken
    )
    return inside / whole if whole else 0.0


def _gaps(said: Sequence[Stretch], fits: float, swapped: bool) -> Iterator[Gap]:
    if swapped:
        yield Gap(where="metadata.recording", why="the channels are swapped: the caller is on the second one")
    if said and fits < FITS:
        yield Gap(
            where="metadata.recording",
            why=f"the transcript does not belong to this recording: somebody speaks in {fits:.0%} of its lines' times",
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

"""Calls in the forms of voice platforms, told as chats whose lines can be heard: what these forms have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from taketwo.capture.dialects.loose_json import decimal_of
from taketwo.capture.imports.retelling import Told, told_conversation
from taketwo.conversation import Agent, Audio, Conversation, Gap, Outcome, Say, Source, Step, Turn, UserLine, Word
from taketwo.value import JSON

RECORDING: Final = "recording"
"""Key of a call's metadata under which its recording stands: a URL, or a hash once it is kept."""
CONFIGURATION: Final = "configuration"
"""Key of a call's metadata under which the platform's configuration of the agent stands, without secrets."""

USER_CHANNEL: Final = 0
AGENT_CHANNEL: Final = 1

_SECRET: Final = re.compile(
    r"secret|api_?key|passw|credential|authorization|private_?key|bearer|access_?token|auth_?token|^token$",
    re.IGNORECASE,
)


class Stretch(NamedTuple):
    """When one line was spoken, in seconds from the beginning of the recording."""

    start_s: float
    end_s: float | None
    words: tuple[Word, ...] = ()


class Recording(NamedTuple):
    """The recording of a call, as its platform names it."""

    url: str
    """Where it is."""
    is_stereo: bool
    """Whether each party has a channel."""


def spoken_conversation(
    told: Sequence[Told],
    stretches: Mapping[str, Stretch],
    recording: Recording | None,
    *,
    rule: str,
    id: str,
    agent: Agent | None = None,
    outcome: Outcome | None = None,
    gaps: Sequence[Gap] = (),
    metadata: dict[str, JSON] | None = None,
) -> Conversation:
    """The conversation of these lines; `stretches` says by a line's place when it was spoken."""
    stretches = dict(stretches)
    named = {RECORDING: recording.url} if recording else {}
    conversation = told_conversation(
        list(_utterances(told, stretches)),
        rule=rule,
        id=id,
        agent=agent,
        outcome=outcome,
        gaps=(*gaps, *_recording_gaps(recording)),
        metadata={**(metadata or {}), **named},
    )
    turns = tuple(_heard(turn, stretches, recording) for turn in conversation.turns)
    known = conversation.agent.but(system_prompt=conversation.agent.system_prompt or (agent and agent.system_prompt))
    return conversation.but(channel="voice", turns=turns, agent=known)


def seconds(value: JSON) -> float | None:
    """A number of seconds; None for anything else."""
    number = None if isinstance(value, str) else decimal_of(value)
    return number if number is not None and number >= 0 else None


def without_secrets(value: JSON) -> JSON:
    """The value without anything that its key says is secret."""
    match value:
        case dict():
            return {key: without_secrets(item) for key, item in value.items() if not _SECRET.search(key)}
        case list():
            return [without_secrets(item) for item in value]
        case _:
            return value


def lines_of_transcript(text: str, user_names: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Role and words of a transcript of the form `AI: …`, `User: …`, one line each."""
    for line in text.splitlines():
        name, colon, words = line.partition(":")
        if colon and words.strip():
            yield "user" if name.strip().lower() in user_names else "assistant", words.strip()


def _utterances(told: Sequence[Told], stretches: dict[str, Stretch]) -> Iterable[Told]:
    """The lines, those of the user that follow each other as one: platforms cut them where the caller takes breath."""
    waiting: Told | None = None
    for each in told:
        if waiting is not None and each.message.get("role") == "user":
            waiting = _joined(waiting, each, stretches)
            continue
        if waiting is not None:
            yield waiting
        waiting = each if each.message.get("role") == "user" else None
        if waiting is None:
            yield each
    if waiting is not None:
        yield waiting


def _joined(one: Told, other: Told, stretches: dict[str, Stretch]) -> Told:
    first, second = stretches.get(one.place), stretches.get(other.place)
    if first is not None and second is not None:
        stretches[one.place] = Stretch(first.start_s, second.end_s, first.words + second.words)
    text = f"{one.message.get('content')} {other.message.get('content')}"
    return one._replace(message={**one.message, "content": text})


def _recording_gaps(recording: Recording | None) -> Iterable[Gap]:
    if recording is None:
        yield Gap(where=f"metadata.{RECORDING}", why="the record names no recording")
    elif not recording.is_stereo:
        yield Gap(where=f"metadata.{RECORDING}", why="the recording is mono: both parties are on one channel")


def _heard(turn: Turn, stretches: Mapping[str, Stretch], recording: Recording | None) -> Turn:
    user, steps = turn.user, tuple(_step(step, stretches, recording) for step in turn.steps)
    asked = _stretch(user.source if user else None, stretches)
    if user is not None and asked is not None:
        user = user.but(audio=_audio(asked, recording, USER_CHANNEL))
    return turn.but(user=user, steps=steps, latency_ms=_latency_ms(user, steps))


def _step(step: Step, stretches: Mapping[str, Stretch], recording: Recording | None) -> Step:
    found = _stretch(step.source, stretches)
    return step.but(audio=_audio(found, recording, AGENT_CHANNEL)) if isinstance(step, Say) and found else step


def _stretch(source: Source | None, stretches: Mapping[str, Stretch]) -> Stretch | None:
    return stretches.get(source.place) if source is not None and source.place is not None else None


def _audio(stretch: Stretch, recording: Recording | None, channel: int) -> Audio:
    return Audio(
        file=recording.url if recording else None,
        start_s=stretch.start_s,
        end_s=stretch.end_s,
        channel=channel if recording and recording.is_stereo else None,
        words=stretch.words,
    )


def _latency_ms(user: UserLine | None, steps: Sequence[Step]) -> float | None:
    """From the end of the caller's words to the beginning of the agent's; None where they overlap or one is unknown."""
    spoken = [step.audio for step in steps if isinstance(step, Say) and step.audio is not None]
    if user is None or user.audio is None or user.audio.end_s is None or not spoken or spoken[0].start_s is None:
        return None
    waited = spoken[0].start_s - user.audio.end_s
    return round(waited * 1000, 3) if waited >= 0 else None

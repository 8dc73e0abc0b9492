"""Calls made of recorded clips: two voices that were synthesised once, so that tests need no engine to speak."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from taketwo.compare.compare import compare
from taketwo.conversation import Audio, Conversation
from taketwo.events import CaseFinished, SuiteFinished, SuiteStarted
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.clock import utc_now
from taketwo.replay.engine import replay
from taketwo.report.gathered import Gathered
from taketwo.scenario import Case
from taketwo.testing import conversation, turn
from taketwo.verdict import Attempt, CaseResult, Verdict
from taketwo.voice.agent import VoiceAgent
from taketwo.voice.audio import HEARING_RATE, Samples, Sound, read_sound, resampled, wav_bytes
from taketwo.voice.recognise import Transcript
from taketwo.voice.recordings import Recordings
from taketwo.voice.speak import SPEAKING_RATE
from taketwo.voice.transports import Transport
from taketwo.voice.transports.spoken import Manners, SpokenAgent

CLIPS = Path(__file__).parent / "data" / "voice"

CALLER = (
    "Hi, I would like to order fifty tulips.",
    "For Thursday, please.",
    "No, wait. Stop, please.",
    "Thank you, goodbye.",
)
AGENT = (
    "Green Flowers, good morning. How can I help you?",
    "Gladly. For which day do you need them?",
    "That comes to ninety dollars, and we deliver before noon on every day of the week but Sunday.",
    "Thank you for calling. Goodbye.",
)
FILES = {text: f"caller-{at}" for at, text in enumerate(CALLER, 1)} | {
    text: f"agent-{at}" for at, text in enumerate(AGENT, 1)
}


@cache
def clip(text: str) -> Samples:
    """How a line sounds, 16,000 samples a second, from its first sound to its last."""
    return read_sound(CLIPS / f"{FILES[text]}.ogg").channels[0]


class Clips:
    """Says the lines that there are clips of."""

    def speak(self, text: str) -> Samples:
        return resampled(clip(text), HEARING_RATE, SPEAKING_RATE)


class Remembers:
    """Understands a clip by its likeness: the one that is found in the sound with most of itself."""

    def recognise(self, samples: Samples) -> Transcript:
        return Transcript(text=max(FILES, key=lambda text: _likeness(samples, clip(text))))


def _likeness(samples: Samples, known: Samples) -> float:
    """The highest correlation at any shift; what is cut off counts as missing."""
    size = len(samples) + len(known)
    found = np.fft.irfft(np.fft.rfft(samples, size) * np.conj(np.fft.rfft(known, size)), size)
    return float(found.max() / (np.linalg.norm(known) * max(float(np.linalg.norm(samples)), 1e-9)))


def desk(messages: list[dict[str, Any]]) -> str:
    """A flower shop that answers each of the caller's lines with the next of its own."""
    return AGENT[min(sum(message["role"] == "user" for message in messages), len(AGENT) - 1)]


def laid_out(*lines: tuple[str, float]) -> tuple[Sound, list[tuple[str, float, float]]]:
    """A stereo recording in which each line begins at its second, and when each is spoken."""
    spans = [(text, at, at + len(clip(text)) / HEARING_RATE) for text, at in lines]
    count = round((max(end for _, _, end in spans) + 1.0) * HEARING_RATE)
    channels = [np.zeros(count, dtype=np.float32) for _ in range(2)]
    for text, start, _ in spans:
        at = round(start * HEARING_RATE)
        channels[text in AGENT][at : at + len(clip(text))] += clip(text)
    return Sound((channels[0], channels[1]), HEARING_RATE), spans


def recorded_call(recordings: Recordings, *lines: tuple[str, float], shift_s: float = 0.0) -> Conversation:
    """The conversation of such a recording, kept there. shift_s: by how much its transcript is off."""
    sound, spans = laid_out(*lines)
    name = recordings.keep(wav_bytes(sound))
    turns = []
    for text, start, end in spans:
        audio = Audio(file=name, start_s=start + shift_s, end_s=end + shift_s, channel=int(text in AGENT))
        if text in CALLER:
            made = turn(text)
            turns.append(made.but(user=made.user and made.user.but(audio=audio)))
            continue
        if not turns or turns[-1].steps:
            turns.append(turn(None))
        said = turn(None, reply=text)
        turns[-1] = turns[-1].but(steps=(said.steps[0].but(audio=audio),), reply=text)
    return conversation(*turns).but(channel="voice", metadata={"recording": name})


def usual_call(recordings: Recordings) -> Conversation:
    """Greeting, order, question, day, price, thanks: eleven seconds or so."""
    at, lines = 0.5, []
    for text, pause in zip(
        (AGENT[0], CALLER[0], AGENT[1], CALLER[1], AGENT[2], CALLER[3], AGENT[3]), _PAUSES, strict=True
    ):
        lines.append((text, at))
        at += len(clip(text)) / HEARING_RATE + pause
    return recorded_call(recordings, *lines)


_PAUSES = (0.6, 0.9, 0.4, 0.8, 0.7, 0.9, 0.0)


def spoken_desk(answer: Callable[..., Any] = desk, **manners: float) -> Transport:
    """The flower shop with ears and a mouth."""
    return SpokenAgent(CallableAgent(answer), Remembers(), Clips(), manners=Manners(**manners))


def voice_agent(recordings: Recordings, dial: Callable[[], Transport] = spoken_desk, **how: Any) -> VoiceAgent:
    """Calls the flower shop."""
    return VoiceAgent("desk", dial, recordings, recogniser=Remembers(), speaker=Clips(), **how)


def texts(conversation: Conversation) -> Sequence[tuple[str | None, str | None]]:
    """What was said, turn by turn."""
    return [(one.user.text if one.user else None, one.reply) for one in conversation.turns]


async def called_again(recorded: Conversation, recordings: Recordings) -> Gathered:
    """What a report is told of a suite of this one call."""
    case = Case(id="call", recorded=recorded)
    run = await replay(case, voice_agent(recordings))
    attempt = Attempt(run=run, comparison=compare(case.recorded, run.conversation), scores=())
    result = CaseResult(
        scenario="s", case_id="call", recorded_id="call", verdict=Verdict(kind="pass"), attempts=(attempt,)
    )
    gathered = Gathered()
    gathered.add(SuiteStarted(agent="desk", cases=1, at=utc_now()))
    gathered.add(CaseFinished(case=case, result=result))
    gathered.add(SuiteFinished(at=utc_now(), duration_s=1.0, counts={"pass": 1}, cancelled=False))
    return gathered

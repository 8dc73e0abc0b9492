"""How well calls are heard and how exactly they are played: seeded synthetic calls of which the truth is known.

python benchmarks/voice.py             all of it: ten minutes
python benchmarks/voice.py metrics     figures of calls against the truth, and turns found, over all kinds of lines
python benchmarks/voice.py events      when the caller of a replay speaks, against the truth, over all kinds of lines
python benchmarks/voice.py loop        a call against an embedded agent: real-time factor
python benchmarks/voice.py sockets     20 calls at a time over WebSockets: jitter and underruns
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from machine import describe
from websockets.asyncio.server import ServerConnection, serve

from taketwo.blobs.folder import FolderBlobs
from taketwo.conversation import Audio, Conversation
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import How, Limits, replay
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import conversation, turn
from taketwo.voice.agent import VoiceAgent
from taketwo.voice.audio import HEARING_RATE, Samples, Sound, loudness, pcm16, read_sound, resampled, wav_bytes
from taketwo.voice.caller import trimmed
from taketwo.voice.parties import apart
from taketwo.voice.recognise import Recogniser, Transcript, Whisper
from taketwo.voice.recordings import Recordings
from taketwo.voice.speak import SPEAKING_RATE, Voice
from taketwo.voice.telephone import Telephone
from taketwo.voice.timing import CallMetrics, Spoken, measure, percentile, speaking_turns
from taketwo.voice.transports.spoken import SpokenAgent
from taketwo.voice.transports.websocket import WebSocketCall

CALLER_LINES = (
    "Hi, I would like to know where my parcel is.",
    "The number is four one seven.",
    "Can it come on Friday instead?",
    "I will be at home after five.",
    "How much does that cost?",
    "All right, please do that.",
    "And can you send me a message when it is on its way?",
    "No, that is all, thank you.",
)
AGENT_LINES = (
    "Thank you for calling the parcel service. How can I help you?",
    "I can look that up for you. What is the number of the parcel?",
    "I found it. It is on its way and will arrive tomorrow before noon.",
    "Yes, I can move the delivery to Friday. At what time are you at home?",
    "That is free of charge for you.",
    "I have changed the delivery to Friday evening between six and eight.",
    "Of course, you will get a message in the morning.",
    "Thank you for calling, and have a nice day.",
)
CALLS = 10
AT_A_TIME = 20
PITCHES = {"caller": ("low", "deep", "plain", "high"), "agent": ("high", "plain", "low", "deep")}
PACES = (0.9, 1.0, 1.15)
LINES = (("silent", None), ("hiss", 20.0), *((kind, 10.0) for kind in ("hiss", "street", "hum", "rumble", "telephone")))
"""Lines that calls go over, and how many dB a voice is above their noise."""
_NEXT_WITHIN_S = 10.0
"""A line begins so soon after the last one of its party."""
Line = tuple[str, str, float, float]
"""Party, text, start and end in seconds."""


class Voices(NamedTuple):
    """Who speaks in a call, and how."""

    caller: str = "low"
    agent: str = "high"
    pace: float = 1.0
    caller_level: float = 1.0
    agent_level: float = 1.0
    is_narrow: bool = False
    """Whether what a telephone does not carry counts as not spoken."""

    def line(self, party: str, text: str) -> Samples:
        """A line from its first sound to its last."""
        pitch, level = (self.caller, self.caller_level) if party == "caller" else (self.agent, self.agent_level)
        return spoken(text, pitch, self.pace, self.is_narrow) * np.float32(level)


USUAL: Final = Voices()


def some_voices(seed: int, *, is_narrow: bool = False) -> Voices:
    """Two voices that differ in pitch, pace and loudness from call to call."""
    dice = random.Random(seed * 31 + 7)
    caller, agent = (dice.choice(PITCHES[party]) for party in ("caller", "agent"))
    loud = [10 ** (dice.uniform(-14, 0) / 20) for _ in range(2)]
    return Voices(caller, agent, dice.choice(PACES), loud[0], loud[1], is_narrow)


@cache
def spoken(text: str, pitch: str, pace: float = 1.0, is_narrow: bool = False) -> Samples:
    """A line from its first sound to its last."""
    sound = resampled(Voice(pitch, pace=pace).speak(text), SPEAKING_RATE, HEARING_RATE)
    return trimmed(resampled(resampled(sound, HEARING_RATE, 8000), 8000, HEARING_RATE) if is_narrow else sound)


def made_call(seed: int, voices: Voices = USUAL, *, interruptions: bool = True) -> list[Line]:
    """A call of sixteen lines with pauses of all lengths; some of the caller's lines break into the agent's."""
    dice, at, lines = random.Random(seed), 0.5, []
    for asked, answered in zip(CALLER_LINES, AGENT_LINES, strict=True):
        length = len(voices.line("agent", answered)) / HEARING_RATE
        start, end = at, at + length
        after = end + dice.uniform(0.3, 1.5)
        if interruptions and dice.random() < 0.25 and length > 2.5:
            after = start + dice.uniform(1.2, length - 1.0)
            cut = voices.line("agent", answered)[: round((after + dice.uniform(0.3, 0.7) - start) * HEARING_RATE)]
            end = start + _audible(cut)  # the agent stops
        lines.append(("agent", answered, start, end))
        said = after + len(voices.line("caller", asked)) / HEARING_RATE
        lines.append(("caller", asked, after, said))
        at = said + dice.uniform(0.4, 2.5)
    return lines


def _audible(cut: Samples) -> float:
    """Where the last sound is of a line that is cut off: it may be cut off while it takes breath."""
    return float(np.flatnonzero(np.abs(cut) > 0.02 * float(np.abs(cut).max()))[-1] + 1) / HEARING_RATE


def sound_of(
    lines: Sequence[Line], seed: int, noise_db: float | None, voices: Voices = USUAL, kind: str = "hiss"
) -> Sound:
    """The recording of such a call, with noise so many dB below each voice."""
    count = round((max(end for *_, end in lines) + 1) * HEARING_RATE)
    channels: dict[str, Samples] = {party: np.zeros(count, dtype=np.float32) for party in ("caller", "agent")}
    said: dict[str, list[Samples]] = {party: [] for party in channels}
    for party, text, start, end in lines:
        samples = voices.line(party, text)[: round((end - start) * HEARING_RATE)]
        at = round(start * HEARING_RATE)
        channels[party][at : at + len(samples)] += samples
        said[party].append(samples)
    if noise_db is not None:
        dice, line = np.random.default_rng(seed), Telephone(60)
        for party, channel in channels.items():
            level = loudness(np.concatenate(said[party])) / 10 ** (noise_db / 20)
            noisy = channel + noise(kind, count, dice) * np.float32(level)
            channels[party] = line.through(noisy) if kind == "telephone" else noisy
    return Sound((channels["caller"], channels["agent"]), HEARING_RATE)


def noise(kind: str, count: int, dice: np.random.Generator) -> Samples:
    """Noise of loudness 1: hiss is equally loud at all pitches, the street's is lower, a rumble's lower still."""
    hiss = dice.normal(0, 1, count).astype(np.float32)
    if kind in ("hiss", "telephone"):
        return hiss
    if kind == "hum":
        at = np.arange(count) / HEARING_RATE * 2 * np.pi * 50
        mixed = np.sin(at) + 0.5 * np.sin(3 * at) + 0.3 * np.sin(5 * at) + 0.5 * hiss
    else:
        spectrum = np.fft.rfft(hiss)
        pitch = np.arange(len(spectrum)) * HEARING_RATE / count
        falls = np.maximum(pitch, 30.0) ** (-0.5 if kind == "street" else -1.0) * (pitch > 30)
        mixed = np.fft.irfft(spectrum * falls, count)
    return (mixed / loudness(mixed)).astype(np.float32)


def true_metrics(lines: Sequence[Line]) -> tuple[CallMetrics, list[Spoken]]:
    """The figures by the truth, and the turns of speaking."""
    of = {party: [(start, end) for one, _, start, end in lines if one == party] for party in ("caller", "agent")}
    words = {party: sum(len(text.split()) for one, text, *_ in lines if one == party) for party in of}
    figures = measure(of["caller"], of["agent"], caller_words=words["caller"], agent_words=words["agent"])
    return figures, speaking_turns(of["caller"], of["agent"])


class Wrong(NamedTuple):
    """By how much the figures of one call were off; None where the call has nothing to measure them by."""

    latency_ms: float
    talk_points: float
    user_wpm_percent: float
    stop_ms: float | None
    interruptions_exact: bool
    turns: tuple[int, int, int]
    """Found, of those right, and how many there are."""


def metrics() -> None:
    """Figures against the truth, over silent and noisy lines."""
    for kind, noise_db in LINES:
        wrong = [_wrong(seed, kind, noise_db) for seed in range(CALLS)]
        found, right, there = (sum(one.turns[at] for one in wrong) for at in range(3))
        stops = [one.stop_ms for one in wrong if one.stop_ms is not None]
        print(
            f"{_named(kind, noise_db):>15}: mean latency off by "
            f"{statistics.median(one.latency_ms for one in wrong):.0f} ms (p95 "
            f"{percentile([one.latency_ms for one in wrong], 0.95):.0f}), talk ratio "
            f"{percentile([one.talk_points for one in wrong], 0.95):.1f} points (p95), user WPM "
            f"{statistics.median(one.user_wpm_percent for one in wrong):.1f} % (p95 "
            f"{percentile([one.user_wpm_percent for one in wrong], 0.95):.1f}), time to stop "
            f"{statistics.median(stops):.0f} ms (p95 {percentile(stops, 0.95):.0f}), interruptions exact in "
            f"{sum(one.interruptions_exact for one in wrong) / CALLS:.0%}, turns F1 {2 * right / (found + there):.3f}",
            flush=True,
        )


def _wrong(seed: int, kind: str, noise_db: float | None) -> Wrong:
    voices = some_voices(seed, is_narrow=kind == "telephone")
    lines = made_call(seed, voices)
    truth, true_turns = true_metrics(lines)
    parties = apart(sound_of(lines, seed, noise_db, voices, kind))
    words = [sum(len(t.split()) for p, t, *_ in lines if p == party) for party in ("caller", "agent")]
    heard = measure(parties.caller_speech, parties.agent_speech, caller_words=words[0], agent_words=words[1])
    turns = speaking_turns(parties.caller_speech, parties.agent_speech)
    stops = (
        None if truth.mean_stop_ms is None or heard.mean_stop_ms is None else heard.mean_stop_ms - truth.mean_stop_ms
    )
    return Wrong(
        latency_ms=abs((heard.mean_latency_ms or 0) - (truth.mean_latency_ms or 0)),
        talk_points=abs((heard.talk_ratio or 0) - (truth.talk_ratio or 0)) * 100,
        user_wpm_percent=abs((heard.user_wpm or 0) / (truth.user_wpm or 1) - 1) * 100,
        stop_ms=None if stops is None else abs(stops),
        interruptions_exact=heard.user_interruptions == truth.user_interruptions,
        turns=(len(turns), sum(any(_same(one, other) for other in true_turns) for one in turns), len(true_turns)),
    )


def _same(one: Spoken, other: Spoken) -> bool:
    """Whether a turn was found: of that party, its edges within 200 ms."""
    return one.party == other.party and abs(one.start_s - other.start_s) < 0.2 and abs(one.end_s - other.end_s) < 0.2


def recorded(
    lines: Sequence[Line],
    recordings: Recordings,
    seed: int = 1,
    kind: str = "hiss",
    noise_db: float | None = 30.0,
    voices: Voices = USUAL,
) -> Conversation:
    """The call as it was captured, with its recording."""
    name = recordings.keep(wav_bytes(sound_of(lines, seed, noise_db, voices, kind)))
    turns: list[Any] = []
    for party, text, start, end in lines:
        audio = Audio(file=name, start_s=start, end_s=end, channel=int(party == "agent"))
        if party == "agent":
            said = turn(None, reply=text)
            last = turns.pop() if turns and not turns[-1].steps else turn(None)
            turns.append(last.but(steps=(said.steps[0].but(audio=audio),), reply=text))
        else:
            asked = turn(text)
            turns.append(asked.but(user=asked.user and asked.user.but(audio=audio)))
    return conversation(*turns).but(channel="voice", metadata={"recording": name})


def parcel_service(messages: list[dict[str, Any]]) -> str:
    """Answers each line of the caller with its next one."""
    return AGENT_LINES[min(sum(one["role"] == "user" for one in messages), len(AGENT_LINES) - 1)]


def loop() -> None:
    """Whole replays against an embedded agent: hear, recognise, answer, speak, measure."""
    ears = Whisper()
    ears.recognise(np.zeros(HEARING_RATE, dtype=np.float32))
    factors: list[float] = []
    for seed in range(4):
        began = time.perf_counter()
        heard = _replayed(made_call(seed, interruptions=False), ears, seed, "hiss", 30.0, USUAL)
        took = time.perf_counter() - began
        factors.append(took / heard.length_s)
        print(f"  call of {heard.length_s:.0f} s replayed in {took:.1f} s", flush=True)
    print(f"real-time factor {statistics.median(factors):.2f} (worst {max(factors):.2f})")


class Inattentive:
    """Hears that something was said: which words makes no difference to when they are answered."""

    def recognise(self, samples: Samples) -> Transcript:
        """The same words each time."""
        return Transcript(text="something")


def events() -> None:
    """When the caller of a replay speaks after the agent's true end, against the recorded call, over all lines."""
    for kind, noise_db in LINES:
        errors: list[float] = []
        for seed in range(CALLS):
            voices = some_voices(seed, is_narrow=kind == "telephone")
            lines = made_call(seed, voices, interruptions=False)
            heard = _replayed(lines, Inattentive(), seed, kind, noise_db, voices)
            errors += [abs(one - other) * 1000 for one, other in _waits(lines, heard, voices)]
        print(
            f"{_named(kind, noise_db):>15}: the caller's beginnings off by {statistics.median(errors):.0f} ms, p95 "
            f"{percentile(errors, 0.95):.0f} ms, worst {max(errors):.0f} ms, of {len(errors)}",
            flush=True,
        )


def _named(kind: str, noise_db: float | None) -> str:
    return kind + ("" if noise_db is None else f" {noise_db:.0f} dB")


def _replayed(
    lines: Sequence[Line], ears: Recogniser, seed: int, kind: str, noise_db: float | None, voices: Voices
) -> Sound:
    """The recording of the call replayed against an agent in this process."""
    with tempfile.TemporaryDirectory() as folder:
        recordings = Recordings([FolderBlobs(Path(folder))])
        case = Case(id="call", recorded=recorded(lines, recordings, seed, kind, noise_db, voices))
        agent = VoiceAgent(
            "embedded",
            lambda: SpokenAgent(CallableAgent(parcel_service), ears, Voice("high")),
            recordings,
            recogniser=ears,
            speaker=Voice("low"),
        )
        run = asyncio.run(replay(case, agent, How(users="verbatim", limits=Limits(turn_timeout_s=600))))
        found = recordings.of(run.conversation)
        assert found is not None and run.ending.reason == "completed", run.ending
        return read_sound(found.body)


def _waits(lines: Sequence[Line], replayed: Sound, voices: Voices) -> list[tuple[float, float]]:
    """From the agent's true end to the caller's true beginning, recorded and replayed, of each of the caller's lines.

    In the new call a line is where its sound is most like what was spoken, whatever noise there is.
    """
    found, since = list[tuple[str, float, float]](), {"caller": 0, "agent": 0}
    for party, text, *_ in lines:
        sound = voices.line(party, text) if party == "caller" else spoken(text, "high")
        channel = replayed.channels[party == "agent"]
        near = channel[since[party] :][: round(_NEXT_WITHIN_S * HEARING_RATE) + len(sound)]
        at = since[party] + _most_alike(near, sound)
        since[party] = at + len(sound)
        found.append((party, at / HEARING_RATE, since[party] / HEARING_RATE))
    return [
        (was[2] - before[3], now[1] - ended[2])
        for (before, was), (ended, now) in zip(pairwise(lines), pairwise(found), strict=True)
        if was[0] == "caller"
    ]


def _most_alike(channel: Samples, sound: Samples) -> int:
    """The first sample from which on the channel is as like the sound as anywhere: a line may be said twice."""
    size = len(channel) + len(sound)
    alike = np.fft.irfft(np.fft.rfft(channel, size) * np.conj(np.fft.rfft(sound, size)), size)[: len(channel)]
    first = int(np.flatnonzero(alike > 0.9 * alike.max())[0])
    return first + int(np.argmax(alike[first : first + round(0.1 * HEARING_RATE)]))


async def _answer_calls(port: Any, late: Any, answers: list[bytes]) -> None:
    """Hears callers in real time and answers at once; what comes is held against a buffer of 60 ms."""

    async def handle(socket: ServerConnection) -> None:
        began, frames, underruns = 0.0, 0, 0
        await socket.send(answers[0])
        loud = quiet = said = 0
        async for message in socket:
            now = time.perf_counter()
            began = began or now
            underruns += now > began + frames * 0.02 + 0.06
            frames += 1
            level = loudness(np.frombuffer(message, dtype="<i2").astype(np.float32) / 32767)
            loud, quiet = (loud + 1, 0) if level > 0.02 else (loud, quiet + 1)
            if loud > 20 and quiet > 25 and said < 2:
                said, loud = said + 1, 0
                await socket.send(answers[said])
        late.put(underruns)

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        port.put(next(iter(server.sockets)).getsockname()[1])
        await server.serve_forever()


def _agent_server(port: Any, late: Any, answers: list[bytes]) -> None:
    asyncio.run(_answer_calls(port, late, answers))


async def _sockets(port: int) -> list[Run]:
    """Calls in real time, all at once."""
    recordings = Recordings([FolderBlobs(Path(tempfile.mkdtemp()))])
    case = Case(id="call", recorded=recorded(made_call(1, interruptions=False)[:6], recordings))
    agent = VoiceAgent(
        "sockets", lambda: WebSocketCall(f"ws://127.0.0.1:{port}"), recordings, recogniser=None, speaker=None
    )
    async with asyncio.TaskGroup() as group:
        runs = [
            group.create_task(replay(case, agent, How(users="verbatim", limits=Limits(turn_timeout_s=600))))
            for _ in range(AT_A_TIME)
        ]
    return [run.result() for run in runs]


def sockets() -> None:
    """Calls over WebSockets in real time; the agent is another process, as it is in earnest."""
    spawn = multiprocessing.get_context("spawn")
    port, late = spawn.Queue(), spawn.Queue()
    answers = [pcm16(spoken(text, "high")) for text in AGENT_LINES[:3]]
    server = spawn.Process(target=_agent_server, args=(port, late, answers), daemon=True)
    server.start()
    try:
        before = time.process_time()
        runs = asyncio.run(_sockets(port.get(timeout=60)))
        used = time.process_time() - before
        underruns = [late.get(timeout=60) for _ in range(AT_A_TIME)]
    finally:
        server.terminate()
        server.join()
    lateness = [run.conversation.metadata["frame_lateness_p99_ms"] for run in runs]
    spoken_s = sum(
        (talk.ended_at - talk.started_at).total_seconds()
        for talk in (run.conversation for run in runs)
        if talk.ended_at and talk.started_at
    )
    print(
        f"{AT_A_TIME} calls at a time: ended { ({run.ending.reason for run in runs}) }, frames late by p99 "
        f"{statistics.median(lateness):.1f} ms (worst call {max(lateness):.1f}), calls with an underrun at 60 ms of "
        f"buffer: {sum(map(bool, underruns))}; {used / spoken_s * 1000:.0f} ms of processor a second of call"
    )


PARTS = {"metrics": metrics, "events": events, "loop": loop, "sockets": sockets}


def main() -> None:
    """Measure what was asked for, or everything."""
    for name in sys.argv[1:] or PARTS:
        print(f"\n{name}; {describe()}")
        PARTS[name]()


if __name__ == "__main__":
    main()

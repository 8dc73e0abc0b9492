"""Learns how much of a voice noise hides, from calls of which the truth is known: taketwo/voice/edge_weights.npz.

python benchmarks/learn_edges.py 400         what is shipped, the same each time: 3 minutes of a processor
python benchmarks/learn_edges.py check       how far edges are off with other lines and other voices than those

It needs espeak-ng and flite. What is learnt from: words at the end of a frame and talk of all kinds, sixty-odd voices,
telephone and seven kinds of noise from 5 to 40 dB below the voice, a fifth of the lines cut off. Left out of it, for
the check: the sentences there, and two voices; and the sentences of `voice.py`.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import soundfile
from machine import describe
from voice import LINES, noise

from taketwo.voice import edges
from taketwo.voice.activity import speech
from taketwo.voice.audio import HEARING_RATE, Samples, loudness, resampled
from taketwo.voice.caller import trimmed
from taketwo.voice.edges import SIDES
from taketwo.voice.speak import SPEAKING_RATE, _hibari
from taketwo.voice.stretches import Stretch, joined
from taketwo.voice.telephone import Telephone
from taketwo.voice.timing import TURN_GAP_S, percentile

FRAMES: Final = (
    *("It is {}.", "We have the {}.", "I will check the {}.", "That was about {}."),
    *("So you would like {}?", "There is no {}.", "Please tell me the {}.", "Then I need {}."),
)
ENDS: Final = (
    "lake trip list status game text six booked patient eight us alex both eleven moment past stop quick left paths "
    "this that cash watch page five safe leave breathe mouth lamp bank think sing song come sun men small call fill "
    "bear four where free two go now boy buy law spa idea sofa water dollar minutes tickets boxes lunches roses houses "
    "changed asked wished loved needed started street west east lost must first second third fifth sixth help shelf "
    "self milk silk film belt salt old cold child world word bird girl term learn church birth earth verse nurse "
    "course horse north south month tenth length strength months clothes lips cups books weeks facts sense once prince "
    "orange village message package garage beach catch such much match edge bridge judge large charge mess miss boss "
    "class glass fish dish rush push map cap tap soup shop shape type hope keep deep seat meet late great note vote "
    "cut but put foot bit sit night right light site fruit suit route boot road code side ride red bed said bad had "
    "dad food good could job club web tube cab big bag dog league egg log time name room home farm arm phone line "
    "nine ten fine sign ring long young evening morning"
).split()
BEGINNINGS: Final = (
    "I think | Well, | Could you tell me whether | Let me see if | They said | She told me | Do you know if | We hope "
    "| Maybe | You can see that | He asked if | Please write down that | It seems | My friend said | Now I remember,"
).split(" | ")
TAILS: Final = (
    "this is where they are | I know what it was | that is who he is | we saw how it went | that is what we did | it "
    "was when she was here | that is why they do it | we know which of them it is | it was for me | nobody was with "
    "us | I want to talk to her | it is not for them | he does not know it | there is more of it | nothing came of it "
    "| we can wait for you | I will write to him | it will be done by then | all of it is too much | she lives in "
    "London | my mother paid for it | the doctor has seen us | we leave in August | the garden is closed | it is "
    "broken again | the meeting was moved | there are only nineteen left | the price has fallen | the paper was "
    "signed on Tuesday | the flowers are for Monday | the office is in Berlin | the colour is wrong | the window is "
    "open | the oven does not work | they forgot the sauce | it was a Sunday evening | the parking is behind the "
    "building | it costs a pound | the number ends with seventy | nobody answered | the letter never arrived | it is "
    "the second door on the left | the manager is at lunch | it begins at half past ten | we have eleven rooms | the "
    "bank has frozen my card | I lost my ticket | the invoice is from last month | my name is on it | I said so twice "
    "| everything is fine | we would love to | I have no idea | it is raining | the tap is dripping | nobody is "
    "coming | the shop sells rings | the coffee is strong | the cable is too short | they were all gone | the couple "
    "sat at the middle table | the hotel is in the middle of the town | it is a simple example | the bottle is half "
    "full | the pool was cool | it was a terrible journey | we need a new bicycle | the final level is small | the "
    "spoon fell on the stone | the moon was seen at noon | the afternoon train was on time | the phone was on the "
    "lawn | the soup was done too soon | I would rather pay | he is away today | they may delay | we will obey | the "
    "tray is grey | I will do this | please say it slowly | I need to see you | they heard from you | what can we do "
    "for you | how are you | who are they | what is it | where was it | is it yours | please let me in | do it for us "
    "| they want both of those | the train is late | I cannot wait | at seven or at eight | please state the date | "
    "the client has paid the rate | the gate is straight | that is great | it is ours | it is theirs | he hears us | "
    "please use his | they have fixed this | it must rest | the guest was the first | they lost most | she kept it "
    "locked | it has stopped | we walked and talked | they have asked | he is in debt | the left one | try the other "
    "one | at the station | by the ocean | a good option | the wrong question | a decision | a mountain | a lesson | "
    "a cotton curtain | in the kitchen | the chicken | the kitten | a ribbon | I am driving | you were listening | a "
    "lovely evening | a wedding | nothing | a warning | the morning after | they were laughing"
).split(" | ")
OTHERS: Final = (
    *("Welcome to the clinic, this is Emma.", "I am happy to assist.", "The train was late because of the storm."),
    *("Please enter your pin and press the hash key.", "Your refund takes three days.", "That flight is full."),
    *("We only have the large size in stock.", "The bill was sent to your old address.", "Of course."),
    *("You need to bring your passport.", "It is a quarter past nine.", "I will put you through to the team."),
    *("The blue one is cheaper than the red one.", "Did you try to switch it off and on?", "He works until six."),
    *("Your seat is twenty two F.", "Nothing was charged so far.", "Let me repeat the list."),
    *("How many guests will there be?", "I see two open invoices.", "The warranty lasts a year."),
    *("Sure, no problem at all.", "You have reached the front desk.", "That would be fantastic."),
    *("We are open till late.", "Her appointment is on the twelfth.", "Anything else?"),
)
MANNERS: Final = ("", "+m1", "+m2", "+m3", "+m5", "+m7", "+f1", "+f2", "+f4", "+f5")
VOICES: Final = (
    *(f"own {pitch / 100:.2f}" for pitch in range(76, 121) if pitch != 114),
    *(f"espeak {accent}{manner}" for accent in ("en-us", "en-gb") for manner in MANNERS),
    *("flite slt", "flite kal16", "flite awb"),
)
OTHER_VOICES: Final = ("own 1.14", "flite rms")
PACES: Final = (0.85, 0.9, 1.0, 1.0, 1.1, 1.15, 1.2)
KINDS: Final = (
    *("none", "hiss", "hiss", "street", "street", "hum", "hum"),
    *("rumble", "rumble", "telephone", "telephone", "telephone", "tilt", "tilt"),
)
ONE_THREAD: Final = "OPENBLAS_NUM_THREADS"
OVER_LINES: Final = 6
"""How many lines the same voice is sent over: speaking costs more than noise."""
MODELS: Final = 3
"""So many are learnt from the same calls, and averaged: each is off elsewhere."""
_WEIGHTS: Final = Path(edges.__file__).with_name("edge_weights.npz")
_UNIT_S: Final = 0.05


class Party(NamedTuple):
    """One channel of a call."""

    samples: Samples
    lines: tuple[Stretch, ...]
    """When somebody speaks in truth."""


@cache
def said(text: str, voice: str, pace: float) -> Samples:
    """A line by one of the voices."""
    engine, _, name = voice.partition(" ")
    if engine == "own":
        hibari, lock = _hibari()
        with lock:
            spoken: Samples = hibari(text, speed=pace / float(name), seed=7).astype(np.float32)
        return resampled(
            resampled(spoken, round(SPEAKING_RATE * float(name)), SPEAKING_RATE), SPEAKING_RATE, HEARING_RATE
        )
    if engine == "espeak":
        command = ["espeak-ng", "-v", name, "-s", str(round(165 * pace)), "--stdout", text]
        body = subprocess.run(command, capture_output=True, check=True).stdout
        # What it writes to a pipe claims to be endless.
        body = (
            body[:4]
            + (len(body) - 8).to_bytes(4, "little")
            + body[8:40]
            + (len(body) - 44).to_bytes(4, "little")
            + body[44:]
        )
    else:
        command = ["flite", "-voice", name, "--setf", f"duration_stretch={1 / pace}", "-t", text, "-o", "/dev/stdout"]
        body = subprocess.run(command, capture_output=True, check=True).stdout
    samples, rate = soundfile.read(io.BytesIO(body), dtype="float32")
    return resampled(samples * np.float32(0.5), rate, HEARING_RATE)


def spoken(dice: random.Random, texts: Sequence[str], voices: Sequence[str], count: int) -> list[Samples]:
    """Some lines by one voice."""
    voice, pace = dice.choice(voices), dice.choice(PACES)
    return [said(text, voice, pace) for text in dice.sample(texts, count)]


def party(dice: random.Random, sounds: Sequence[Samples], kind: str, noise_db: float) -> Party:
    """The lines with pauses, loud or not, over that line."""
    level = np.float32(10 ** (dice.uniform(-20, 0) / 20))
    at, placed = round(HEARING_RATE * dice.uniform(0.7, 1.5)), list[tuple[int, Samples]]()
    for sound in sounds:
        if kind == "telephone":
            sound = resampled(resampled(sound, HEARING_RATE, 8000), 8000, HEARING_RATE)
        sound = trimmed(sound) * level
        if dice.random() < 0.2:  # somebody is cut off
            sound = sound[: round(len(sound) * dice.uniform(0.3, 0.95))]
            sound = sound[: np.flatnonzero(np.abs(sound) > 0.02 * np.abs(sound).max())[-1] + 1]
        placed.append((at, sound))
        at += len(sound) + round(HEARING_RATE * dice.uniform(1.2, 3.0))
    samples: Samples = np.zeros(at, dtype=np.float32)
    for first, sound in placed:
        samples[first : first + len(sound)] += sound
    if kind != "none":
        loud = loudness(np.concatenate([sound for _, sound in placed]))
        samples = samples + _noise(kind, at, dice) * np.float32(loud / 10 ** (noise_db / 20))
    lines = tuple(Stretch(first / HEARING_RATE, (first + len(sound)) / HEARING_RATE) for first, sound in placed)
    return Party(Telephone(60).through(samples) if kind == "telephone" else samples, lines)


def _noise(kind: str, count: int, dice: random.Random) -> Samples:
    """Noise of that kind of loudness 1; hum and tilt sound otherwise each time."""
    random_numbers = np.random.default_rng(dice.randrange(2**31))
    if kind not in ("hum", "tilt"):
        return noise(kind, count, random_numbers)
    mixed: Any = random_numbers.normal(0, 1, count)
    if kind == "hum":
        at = np.arange(count) / HEARING_RATE * 2 * np.pi * dice.choice((50, 60))
        mixed *= dice.uniform(0.2, 1)
        for harmonic in (1, 2, 3, 4, 5, 7):
            mixed += dice.uniform(0, 1) / harmonic**0.5 * np.sin(harmonic * at + dice.uniform(0, 6))
    else:
        spectrum, pitch = np.fft.rfft(mixed), np.arange(count // 2 + 1) * HEARING_RATE / count
        mixed = np.fft.irfft(spectrum * np.maximum(pitch, 30) ** dice.uniform(-1.5, 0.2) * (pitch > 30), count)
    return (mixed / loudness(mixed.astype(np.float32))).astype(np.float32)


def texts() -> Iterator[list[str]]:
    """What is said in the calls that are learnt from: single words at the end of a frame, and talk of all kinds."""
    yield [frame.format(end) for frame in FRAMES for end in ENDS]
    yield [f"{beginning} {tail}." for beginning in BEGINNINGS for tail in TAILS]


def examples(seed: int) -> list[tuple[str, Samples, float]]:
    """Side, features, and how far the edge is beyond what is heard, in seconds, of both ends of four lines."""
    dice = random.Random(seed)
    sounds = spoken(dice, dice.choice(list(texts())), VOICES, 4)
    found: list[tuple[str, Samples, float]] = []
    for kind in dice.sample(KINDS, OVER_LINES):
        made = party(dice, sounds, kind, dice.choice((dice.uniform(5, 40), dice.uniform(7, 16), dice.uniform(7, 16))))
        rough = [
            Stretch(min(one.start_s + dice.uniform(-0.1, 0.1), one.end_s - 0.1), one.end_s + dice.uniform(-0.05, 0.15))
            for one in made.lines
        ]
        truth = [at for line in made.lines for at in line]
        found += [
            (edge.side, edge.features, at - edge.at_s if edge.side == "end" else edge.at_s - at)
            for edge, at in zip(edges.edges(made.samples, rough), truth, strict=True)
        ]
    return found


def learn(calls: int) -> None:
    """Make the calls, learn from them, and write what was learnt."""
    found: dict[str, tuple[list[Samples], list[float]]] = {side: ([], []) for side in SIDES}
    with multiprocessing.Pool(2) as pool:
        for made in pool.imap(examples, range(calls), chunksize=20):  # in their order, so that it comes out the same
            for side, features, beyond in made:
                found[side][0].append(features)
                found[side][1].append(beyond)
    keep(found)


def keep(found: Mapping[str, tuple[Sequence[Samples], Sequence[float]]]) -> None:
    """Learn from examples of each side, and write what was learnt."""
    weights = {}
    for side, (seen, hidden) in found.items():
        features, beyond = np.array(seen), np.array(hidden, dtype=np.float32)
        for at, array in enumerate(_averaged([_fitted(features, beyond, seed) for seed in range(MODELS)])):
            weights[f"{side}{at}"] = array.astype(np.float16)
    np.savez_compressed(_WEIGHTS, **weights)


def _averaged(models: Sequence[Sequence[Any]]) -> list[Any]:
    """One model that gives the mean of several, which lie side by side in its layers."""
    inner, hidden, outer = ([one[at] for one in models] for at in (0, 2, 4))
    second = np.zeros((sum(len(one) for one in hidden), sum(one.shape[1] for one in hidden)))
    at = 0
    for one in hidden:
        second[at : at + len(one), at : at + len(one)] = one
        at += len(one)
    biases = [np.concatenate([one[at] for one in models]) for at in (1, 3)]
    last = np.mean([one[5] for one in models], axis=0)
    return [np.hstack(inner), biases[0], second, biases[1], np.vstack(outer) / len(models), last]


def _fitted(
    features: Any, beyond: Any, seed: int, *, hidden: int = 40, epochs: int = 20, batch: int = 128
) -> list[Any]:
    """Weights and biases of three layers, by Adam with decay and drop-out; a far outlier counts as a near one."""
    dice = np.random.default_rng(seed)
    usable = np.abs(beyond) < 0.35  # else another line was found
    features, beyond = features[usable], beyond[usable, None] / _UNIT_S
    sizes = [features.shape[1], hidden, hidden, 1]
    weights: list[Any] = []
    for size, following in pairwise(sizes):
        weights += [dice.normal(0, size**-0.5, (size, following)), np.zeros(following)]
    means, squares = [np.zeros_like(one) for one in weights], [np.zeros_like(one) for one in weights]
    steps, step = epochs * (len(features) // batch), 0
    for _ in range(epochs):
        order = dice.permutation(len(features))
        for first in range(0, len(order) - batch + 1, batch):
            step += 1
            some = order[first : first + batch]
            given = features[some] * (dice.random((batch, sizes[0])) > 0.2) / 0.8
            rate = 1e-3 * (1 + np.cos(np.pi * step / steps))
            for at, slope in enumerate(_slopes(weights, given, beyond[some])):
                means[at] = 0.9 * means[at] + 0.1 * slope
                squares[at] = 0.999 * squares[at] + 0.001 * slope**2
                change = means[at] / (1 - 0.9**step) / (np.sqrt(squares[at] / (1 - 0.999**step)) + 1e-8)
                weights[at] = weights[at] - rate * (change + 6e-3 * weights[at] * (weights[at].ndim == 2))
    return weights


def _slopes(weights: Sequence[Any], given: Any, wanted: Any) -> list[Any]:
    first = np.maximum(given @ weights[0] + weights[1], 0)
    second = np.maximum(first @ weights[2] + weights[3], 0)
    off = np.clip(second @ weights[4] + weights[5] - wanted, -4, 4) / len(given)
    of_second = (off @ weights[4].T) * (second > 0)
    of_first = (of_second @ weights[2].T) * (first > 0)
    return [
        *(given.T @ of_first, of_first.sum(axis=0), first.T @ of_second, of_second.sum(axis=0)),
        *(second.T @ off, off.sum(axis=0)),
    ]


def check(calls: int = 12) -> None:
    """How far ends and beginnings are off, with lines and voices that nothing was learnt from."""
    for kind, noise_db in LINES:
        off: dict[str, list[float]] = {side: [] for side in SIDES}
        for seed in range(calls):
            dice = random.Random(10**6 + seed)
            made = party(dice, spoken(dice, OTHERS, OTHER_VOICES, 8), _kind(noise_db, kind), noise_db or 0.0)
            for side, one in _errors(made):
                off[side].append(abs(one) * 1000)
        told = ", ".join(
            f"{side} off by {percentile(one, 0.5):.0f} ms (p95 {percentile(one, 0.95):.0f})"
            for side, one in off.items()
        )
        print(f"{kind} {noise_db or ''}: {told}, of {len(off['end'])}", flush=True)


def _kind(noise_db: float | None, kind: str) -> str:
    return "none" if noise_db is None else kind


def _errors(made: Party) -> Iterator[tuple[str, float]]:
    found = joined(speech(made.samples), TURN_GAP_S)
    for line in made.lines:
        here = [one for one in found if one.end_s > line.start_s and one.start_s < line.end_s]
        if here:
            yield "start", here[0].start_s - line.start_s
            yield "end", here[-1].end_s - line.end_s


def main() -> None:
    """Learn, or check what was learnt."""
    if os.environ.get(ONE_THREAD) != "1":  # of several, with matrices so small, each waits for the others all the time
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, ONE_THREAD: "1"})
    print(describe())
    began = time.perf_counter()
    if sys.argv[1:] == ["check"]:
        check()
    else:
        learn(int(sys.argv[1]))
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()

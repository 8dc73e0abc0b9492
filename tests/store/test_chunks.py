"""Spans and log records come out of a chunk as they went in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.errors import StoreUnavailable
from taketwo.span import RawLog, RawSpan
from taketwo.store.chunks import more_complete, pack_logs, pack_spans, read_keys, unpack_logs, unpack_spans

ids = st.binary(min_size=8, max_size=8).map(bytes.hex)
times = st.integers(0, 2**63 - 1)
names = st.none() | st.text(min_size=1)
spans = st.builds(
    RawSpan,
    trace_id=st.sampled_from(["0" * 31 + "1", "f" * 32]),
    span_id=ids,
    parent_id=st.none() | ids,
    start_ns=times,
    end_ns=times,
    session_id=names,
    is_error=st.booleans(),
    body=st.binary(),
    envelope=st.sampled_from([b"", b"resource"]),
)
logs = st.builds(
    RawLog,
    trace_id=st.sampled_from(["", "0" * 31 + "1"]),
    span_id=st.just("") | ids,
    at_ns=times,
    session_id=names,
    body=st.binary(),
    envelope=st.sampled_from([b"", b"resource"]),
)


@given(st.lists(spans, unique_by=lambda span: (span.trace_id, span.span_id)))
def test_spans_come_out_of_chunks_as_they_went_in(given: list[RawSpan]) -> None:
    out = []
    for packed in pack_spans(given):
        out += unpack_spans(packed.trace_id, [packed.body], packed.envelopes.__getitem__)
        assert dict(read_keys(packed.keys)) == packed.weights
    assert sorted(out, key=repr) == sorted(given, key=repr)


@given(st.lists(logs, unique_by=lambda log: (log.span_id, log.at_ns, log.body)))
def test_log_records_of_a_trace_come_out_of_chunks_as_they_went_in(given: list[RawLog]) -> None:
    out = []
    for packed in pack_logs(given):
        out += unpack_logs(packed.trace_id, [packed.body], packed.envelopes.__getitem__)
    assert sorted(out, key=repr) == sorted((log for log in given if log.trace_id), key=repr)


@given(spans, spans)
def test_of_two_copies_of_a_span_one_stands_whichever_came_first(one: RawSpan, other: RawSpan) -> None:
    other = other.but(trace_id=one.trace_id, span_id=one.span_id)
    (first,), (second,) = pack_spans([one]), pack_spans([other])
    both = unpack_spans(first.trace_id, [first.body, second.body], lambda name: b"")
    turned = unpack_spans(first.trace_id, [second.body, first.body], lambda name: b"")
    assert len(both) == len(turned) == 1
    (weight,), (other_weight,) = first.weights.values(), second.weights.values()
    if more_complete(weight, other_weight) or more_complete(other_weight, weight):
        assert both == turned


def test_twenty_spans_of_a_trace_take_less_than_half_of_what_they_take_alone() -> None:
    body = b"The agent looked up order A-1042 and told the user that it arrives on Thursday. " * 20
    some = [
        RawSpan(
            trace_id="1" * 32,
            span_id=f"{number:016x}",
            parent_id=None,
            start_ns=number,
            end_ns=number,
            session_id=None,
            is_error=False,
            body=body + bytes([number]),
            envelope=b"",
        )
        for number in range(20)
    ]
    together = sum(len(packed.body) for packed in pack_spans(some))
    alone = sum(len(packed.body) for span in some for packed in pack_spans([span]))
    assert together < alone / 2


@pytest.mark.parametrize("damage", [b"", b"no zlib", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_a_damaged_chunk_is_named(damage: bytes) -> None:
    with pytest.raises(StoreUnavailable, match="damaged"):
        unpack_spans(b"1" * 16, [damage], lambda name: b"")

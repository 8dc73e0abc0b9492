"""What is remembered of talks without a session, to find which belong together."""

from __future__ import annotations

import tracemalloc

from made_spans import chat_span, raw_spans

from taketwo.capture.chaining import talked
from taketwo.capture.otlp import decode_span
from taketwo.store.links import links

PASTED = 200_000


def test_what_is_remembered_of_talks_does_not_grow_with_how_long_their_messages_are() -> None:
    tracemalloc.start()
    try:
        for number in range(1, 101):
            (raw,) = raw_spans(chat_span(number, 1, said=[f"{number} " + "x" * PASTED], answered=f"{number}" * PASTED))
            links(talked([decode_span(raw)]))
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 100 * PASTED, f"{grown:,} bytes of 100 talks"

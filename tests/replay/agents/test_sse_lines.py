from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from taketwo.replay.agents.sse import lines_of


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_lines_of_a_stream_are_the_same_wherever_it_was_cut(size: int) -> None:
    stream = "data: {}\r\n\n: Å\u2028\ndata: [DONE]".encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(stream), size):
            yield stream[start : start + size]

    assert [line async for line in lines_of(pieces())] == ["data: {}", "", ": Å\u2028", "data: [DONE]"]

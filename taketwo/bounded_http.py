"""Answers of platforms and endpoints, read no further than they may be long: what stands there is none of ours."""

from __future__ import annotations

from typing import Any, Final

import httpx

from taketwo.errors import TooLarge

MOST_BYTES: Final = 64 * 1024 * 1024
"""Of one answer, unpacked. A page of a hundred calls with all their messages has some five million."""


def asked(client: httpx.Client, method: str, url: str, *, most: int = MOST_BYTES, **how: Any) -> httpx.Response:
    """The whole answer. Raises httpx.HTTPError, TooLarge."""
    with client.stream(method, url, **how) as answer:
        body = bytearray()
        for piece in answer.iter_bytes():
            _add(body, piece, most, answer)
        return _whole(answer, body)


async def asked_async(
    client: httpx.AsyncClient, method: str, url: str, *, most: int = MOST_BYTES, **how: Any
) -> httpx.Response:
    """The same for a program with an event loop."""
    async with client.stream(method, url, **how) as answer:
        body = bytearray()
        async for piece in answer.aiter_bytes():
            _add(body, piece, most, answer)
        return _whole(answer, body)


def _add(body: bytearray, piece: bytes, most: int, answer: httpx.Response) -> None:
    body += piece
    if len(body) > most:
        raise TooLarge(f"the answer has more than {most:,} bytes", where=str(answer.url.copy_with(query=None)))


def _whole(answer: httpx.Response, body: bytearray) -> httpx.Response:
    # Without the headers: they say how it was packed, and it is unpacked by now.
    return httpx.Response(answer.status_code, content=bytes(body), request=answer.request)

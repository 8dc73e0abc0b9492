"""A URL that answers JSON with JSON: asked again where another try may better it, until the turn's time is over."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, Literal, TypeVar

import httpx
import msgspec

from taketwo.errors import AgentUnreachable
from taketwo.llm.providers import WRONG_REQUEST
from taketwo.replay.agents import AgentFailed
from taketwo.replay.agents.hosts import AgentHosts
from taketwo.replay.agents.http_client import http_client
from taketwo.value import JSON, clean_text, cut_to, one_line

Answer = TypeVar("Answer")
Body = Mapping[str, Any]
"""The request."""

NO_ACCESS = {401: "refuses the key", 403: "refuses access", 404: "does not exist", 405: "takes no POST"}
"""Answers from which nothing is learnt about the agent."""
TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Answers that another try may better."""
TRIES = 5
"""How often a request is sent before its answer counts."""
LONGEST_QUOTE = 200
"""How much of an error answer is shown."""
LARGEST_ANSWER = 64 << 20
"""Bytes of an answer, unpacked; no agent says so much in a turn."""
LARGEST_REFUSAL = 1 << 20
"""Bytes that are read of an answer that says no."""


class RequestRefused(AgentUnreachable):
    """The endpoint does not take the request as it is."""

    def __init__(self, what: str, *, where: str, answer: str) -> None:
        """answer: all that the endpoint says to it."""
        super().__init__(what, where=where)
        self.answer = answer


class Endpoint:
    """Where an agent answers over HTTP."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        key_setting: str = "TAKETWO_AGENT_KEY",
        first_pause_s: float = 0.5,
        failures: Collection[int] = (),
        hosts: AgentHosts | None = None,
    ) -> None:
        """Keep where the agent is.

        api_key: sent as bearer. key_setting: where that is set, for whoever is refused.
        first_pause_s: pause before the second try, in seconds; it doubles for each further one.
        failures: statuses with which the agent itself says that it failed, a finding about it.
        hosts: those of this network that may be asked; None for any.
        """
        self.url = url
        self._key_setting = key_setting
        self._first_pause_s = first_pause_s
        self._failures = frozenset(failures)
        self._client = http_client(api_key=api_key, hosts=hosts)

    async def post(
        self,
        body: Body,
        read: Callable[[httpx.Response], Awaitable[Answer]],
        *,
        headers: Mapping[str, str],
        until: float,
        method: Literal["POST", "GET"] = "POST",
    ) -> Answer:
        """Send a request and read its answer; a GET has no body.

        until: when to try no more, in seconds of the event loop's clock.
        Raises AgentFailed when the agent says that it failed, AgentUnreachable when it cannot be asked, RequestRefused
        among that where it says that the request is wrong.
        """
        pause_s = self._first_pause_s
        for tries_left in reversed(range(TRIES)):
            asked_to_wait_s, problem = 0.0, ""
            try:
                async with self._client.stream(method, self.url, json=body or None, headers=dict(headers)) as response:
                    if response.is_success:
                        return await read(response)
                    problem = self._refusal(response.status_code, await _beginning(response))
                    asked_to_wait_s = _retry_after_s(response)
                    tries_left = tries_left if response.status_code in TRY_AGAIN else 0
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
                raise AgentUnreachable(f"cannot connect: {words_of(error)}", where=self.url) from error
            except httpx.TransportError as error:
                problem = f"the connection broke: {words_of(error)}"
            wait_s = max(pause_s * random.uniform(0.75, 1.25), asked_to_wait_s)
            if not tries_left or asyncio.get_running_loop().time() + wait_s >= until:
                # The endpoint's trouble says nothing about the agent, so it must not look like a regression.
                raise AgentUnreachable(problem, where=self.url)
            await asyncio.sleep(wait_s)
            pause_s *= 2
        raise AssertionError("the last try either returns or raises")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _refusal(self, status: int, raw: bytes) -> str:
        """What an answer other than 200 says. Raises where it needs no other try."""
        quote = _quote(raw)
        if why := NO_ACCESS.get(status):
            todo = f"set {self._key_setting}" if status == 401 else None
            raise AgentUnreachable(f"the endpoint {why} ({status}): {quote}", where=self.url, todo=todo)
        said = f"the endpoint answered {status}: {quote}" if quote else f"the endpoint answered {status}"
        if status in self._failures:
            raise AgentFailed(said)
        if status in WRONG_REQUEST:
            raise RequestRefused(said, where=self.url, answer=raw.decode(errors="replace"))
        return said


async def json_of(response: httpx.Response) -> JSON:
    """The JSON value in an answer. Raises AgentFailed when there is none."""
    raw = b"".join([piece async for piece in pieces_of(response)])
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise AgentFailed(f"the answer is no JSON: {quoted(raw.decode(errors='replace'))}") from error


async def pieces_of(response: httpx.Response) -> AsyncIterator[bytes]:
    """An answer as it comes, unpacked. Raises AgentFailed where it has no end, or cannot be unpacked."""
    size = 0
    try:
        async for piece in response.aiter_bytes():
            size += len(piece)
            if size > LARGEST_ANSWER:
                raise AgentFailed(f"the answer is larger than {LARGEST_ANSWER >> 20} MiB")
            yield piece
    except httpx.DecodingError as error:
        raise AgentFailed(f"the answer cannot be unpacked: {words_of(error)}") from error


async def _beginning(response: httpx.Response) -> bytes:
    body = b""
    with suppress(httpx.DecodingError):
        async for piece in response.aiter_bytes():
            body += piece[: LARGEST_REFUSAL - len(body)]
            if len(body) >= LARGEST_REFUSAL:
                break
    return body


def words_of(error: Exception) -> str:
    """What an error says, in one line."""
    return quoted(str(error) or type(error).__name__)


def quoted(text: str) -> str:
    """A text on one line, cut to what can be quoted."""
    return cut_to(one_line(clean_text(text)), LONGEST_QUOTE)


def _quote(raw: bytes) -> str:
    """The message inside an error answer, else its beginning."""
    try:
        error = msgspec.json.decode(raw)["error"]
        return quoted(str(error["message"] if isinstance(error, dict) else error))
    except (msgspec.DecodeError, KeyError, TypeError):
        return quoted(raw.decode(errors="replace"))


def _retry_after_s(response: httpx.Response) -> float:
    """Seconds that the endpoint asks to wait; 0 when it asks for nothing, or for a date."""
    try:
        return max(0.0, float(response.headers.get("retry-after", "0")))
    except ValueError:
        return 0.0

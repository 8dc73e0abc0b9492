"""Recordings that a server keeps: fetched and sent by whoever replays its calls on another machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeVar

import httpx

from taketwo.blobs import is_name
from taketwo.capture.fetch import FetchLimits
from taketwo.errors import NotAllowed, StoreUnavailable, TooLarge, TraceUnreadable
from taketwo.value import content_hash

PAUSES_S: Final = (1.0, 5.0)
"""How long a server that has too much to do is left alone before each further try."""
Result = TypeVar("Result")


class ServerRecordings:
    """Fetches and sends recordings. What is fetched is not kept: what the server deletes is not left behind here."""

    def __init__(self, url: str, key: str | None, limits: FetchLimits = FetchLimits()) -> None:  # noqa: B008  # a value, never changed
        """key: a key of the server, where it needs one. limits: what one recording may take."""
        self._url = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._limits = limits

    def get(self, name: str) -> bytes | None:
        """The recording of that hash; None where the server has none.

        Raises TooLarge, TraceUnreadable where something else came, NotAllowed, StoreUnavailable.
        """
        return self._tried("fetched", lambda: self._fetched(name)) if is_name(name) else None

    def put(self, body: bytes) -> str:
        """Send a recording; gives its hash. Raises NotAllowed, StoreUnavailable where the server does not take it."""
        name = content_hash(body)
        self._tried("sent", lambda: self._sent(name, body))
        return name

    def _tried(self, done: str, what: Callable[[], Result]) -> Result:
        why = ""
        for pause_s in (*PAUSES_S, 0.0):
            try:
                return what()
            except httpx.HTTPError as error:
                why = str(error) or type(error).__name__
                if _is_busy(error):
                    time.sleep(pause_s)
        raise StoreUnavailable(f"the recording cannot be {done}: {why}", where=self._url)

    def _client(self) -> httpx.Client:
        # The server is named on purpose; a proxy of the environment is for the rest of the world.
        return httpx.Client(headers=self._headers, timeout=self._limits.timeout_s, trust_env=False)

    def _sent(self, name: str, body: bytes) -> None:
        with self._client() as client:
            answer = client.put(f"{self._url}/api/recordings/{name}", content=body)
        self._insist_on_leave(answer, "send recordings", "replay")
        answer.raise_for_status()

    def _insist_on_leave(self, answer: httpx.Response, what: str, role: str) -> None:
        if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise NotAllowed(f"this key may not {what}", where=self._url, todo=f"use one with the role {role}")

    def _fetched(self, name: str) -> bytes | None:
        address = f"{self._url}/api/recordings/{name}"
        with self._client() as client, client.stream("GET", address) as answer:
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return None
            self._insist_on_leave(answer, "fetch recordings", "read")
            answer.raise_for_status()
            body = bytearray()
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > self._limits.bytes:
                    raise TooLarge(f"the recording is larger than {self._limits.bytes:,} bytes", where=address)
        if content_hash(bytes(body)) != name:
            raise TraceUnreadable("the server gives another recording than that of this hash", where=address)
        return bytes(body)


def _is_busy(error: httpx.HTTPError) -> bool:
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code == HTTPStatus.SERVICE_UNAVAILABLE

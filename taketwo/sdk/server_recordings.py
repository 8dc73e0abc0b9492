"""Recordings that a server keeps, for whoever replays its calls on another machine."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import httpx

from taketwo.blobs import is_name
from taketwo.capture.fetch import FetchLimits
from taketwo.errors import NotAllowed, StoreUnavailable, TooLarge, TraceUnreadable
from taketwo.value import content_hash

TRIES: Final = 3


class ServerRecordings:
    """Fetches recordings by their hash. Nothing is kept: what the server deletes is not left behind here."""

    def __init__(self, url: str, key: str | None, limits: FetchLimits = FetchLimits()) -> None:  # noqa: B008  # a value, never changed
        """key: a key of the server, where it needs one. limits: what one recording may take."""
        self._url = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._limits = limits

    def get(self, name: str) -> bytes | None:
        """The recording of that hash; None where the server has none.

        Raises TooLarge, TraceUnreadable where something else came, NotAllowed, StoreUnavailable.
        """
        if not is_name(name):
            return None
        why = ""
        for _ in range(TRIES):
            try:
                return self._fetched(name)
            except httpx.HTTPError as error:
                why = str(error) or type(error).__name__
        raise StoreUnavailable(f"the recording cannot be fetched: {why}", where=self._url)

    def _fetched(self, name: str) -> bytes | None:
        address = f"{self._url}/api/recordings/{name}"
        # The server is named on purpose; a proxy of the environment is for the rest of the world.
        with (
            httpx.Client(headers=self._headers, timeout=self._limits.timeout_s, trust_env=False) as client,
            client.stream("GET", address) as answer,
        ):
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return None
            if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise NotAllowed("this key may not fetch recordings", where=self._url, todo="use one that may read")
            answer.raise_for_status()
            body = bytearray()
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > self._limits.bytes:
                    raise TooLarge(f"the recording is larger than {self._limits.bytes:,} bytes", where=address)
        if content_hash(bytes(body)) != name:
            raise TraceUnreadable("the server gives another recording than that of this hash", where=address)
        return bytes(body)

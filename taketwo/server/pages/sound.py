"""Recordings of calls for pages: `/audio/HASH`, and how pages reach them."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.blobs import Part
from taketwo.conversation import Conversation
from taketwo.report.call_view import CallView, Played, call_view
from taketwo.store import Store
from taketwo.voice.recordings import Recording, Recordings

if TYPE_CHECKING:
    from taketwo.voice.audio import Sound

_ONE_RANGE: Final = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")
"""What players ask for. Any other range may be answered with the whole, says HTTP."""


class SoundOfCalls:
    """Serves the recordings of a store, which are named by what is in them, so that browsers may keep them."""

    def __init__(self, store: Store) -> None:
        """Those of that store."""
        self._store = store

    @property
    def recordings(self) -> Recordings:
        """What the request that is being answered may hear."""
        return Recordings([self._store.recordings(None)])

    def routes(self) -> list[Route]:
        """The address of all of them."""
        return [Route("/audio/{name}", self.audio)]

    def audio(self, request: Request) -> Response:
        """GET /audio/HASH, whole or a range of it."""
        name = request.path_params["name"]
        asked = _ONE_RANGE.fullmatch(request.headers.get("range", ""))
        first = int(asked[1]) if asked else 0
        part = self._store.recordings(None).part(name, first, int(asked[2]) if asked and asked[2] else None)
        if part is None:
            raise HTTPException(404, "there is no such recording")
        headers = {"accept-ranges": "bytes", "cache-control": "private, max-age=31536000, immutable"}
        if asked is None:
            return Response(part.body, headers=headers, media_type=part.media_type)
        if not part.body:
            raise HTTPException(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                f"it has {part.size:,} bytes",
                {"content-range": f"bytes */{part.size}"},
            )
        headers["content-range"] = _content_range(part)
        return Response(part.body, HTTPStatus.PARTIAL_CONTENT, headers, part.media_type)

    def of(self, conversation: Conversation) -> CallView | None:
        """How a call is heard; None where it is none, or has no recording here."""
        if conversation.channel != "voice":
            return None
        return call_view((("The call", conversation),), None, self.recordings.of, served)


def served(recording: Recording, sound: Sound) -> Played:
    """The recording by its address; a stretch of it by the fragment that browsers understand."""
    address = f"/audio/{recording.name}"
    return Played(whole=address, stretch=lambda start, end: f"{address}#t={start:.2f},{end:.2f}")


def _content_range(part: Part) -> str:
    return f"bytes {part.first}-{part.first + len(part.body) - 1}/{part.size}"

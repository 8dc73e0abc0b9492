"""Recordings of calls for pages: `/audio/HASH`, and how pages reach them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from taketwo.conversation import Conversation
from taketwo.report.call_view import CallView, Played, call_view
from taketwo.store import Store
from taketwo.store.addresses import folder_of
from taketwo.voice.recordings import Recordings

if TYPE_CHECKING:
    from taketwo.voice.audio import Sound


class SoundOfCalls:
    """Serves the recordings of a store, which are named by what is in them, so that browsers may keep them."""

    def __init__(self, store: Store) -> None:
        """Beside that store."""
        self.recordings = Recordings([folder_of(store.url)])

    def routes(self) -> list[Route]:
        """The address of all of them."""
        return [Route("/audio/{name}", self.audio)]

    def audio(self, request: Request) -> Response:
        """GET /audio/HASH, whole or a range of it."""
        file = self.recordings.find(request.path_params["name"])
        if file is None:
            raise HTTPException(404, "there is no such recording")
        return FileResponse(file, headers={"cache-control": "private, max-age=31536000, immutable"})

    def of(self, conversation: Conversation) -> CallView | None:
        """How a call is heard; None where it is none, or has no recording here."""
        if conversation.channel != "voice":
            return None
        return call_view((("The call", conversation),), None, self.recordings.of, served)


def served(file: Path, sound: Sound) -> Played:
    """The recording by its address; a stretch of it by the fragment that browsers understand."""
    address = f"/audio/{file.name.partition('.')[0]}"
    return Played(whole=address, stretch=lambda start, end: f"{address}#t={start:.2f},{end:.2f}")

"""One conversation: what was said and done, where each step was read from, and the spans as they came."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.capture.otlp import decode_span
from taketwo.server.pages.drawing import page, twin, wants_page
from taketwo.server.pages.shell import Shell
from taketwo.server.pages.waterfall import MOST_SPANS, waterfall
from taketwo.store import Store


class Conversations:
    """Draws conversations. The methods block; the application runs them in threads."""

    def __init__(self, store: Store) -> None:
        """Read from that store."""
        self._store = store

    def routes(self) -> list[Route]:
        """The addresses; what is looked at of a conversation stands in `view`, because ids may hold slashes."""
        return [Route("/sessions/{id:path}.json", self.session), Route("/sessions/{id:path}", self.session)]

    def session(self, request: Request) -> Response:
        """One conversation, by session id, trace id or the beginning of one; `view=spans` for its spans."""
        asked = request.query_params
        conversation = self._store.conversation(request.path_params["id"], asked.get("project"))
        shell = Shell(
            section="calls" if conversation.channel == "voice" else "sessions",
            project=asked.get("project"),
            projects=tuple(self._store.projects()),
        )
        if asked.get("view") == "spans":
            raw = self._store.raw_spans(conversation.id, conversation.project)
            spans = [decode_span(span) for span in raw[:MOST_SPANS]]
            bars = waterfall(spans)
            drawn = {"conversation": conversation, "bars": bars, "left_out": len(raw) - len(spans)}
            return twin(request, "spans.html", shell, {"spans": spans}, **drawn)
        if wants_page(request):
            return page("conversation.html", shell, headers={"vary": "accept"}, conversation=conversation)
        return Response(msgspec.json.encode(conversation), media_type="application/json", headers={"vary": "accept"})

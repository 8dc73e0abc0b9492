"""One conversation: what was said and done, where each step was read from, and the spans as they came."""

from __future__ import annotations

from contextlib import suppress

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.capture.otlp import decode_span
from taketwo.conversation import Conversation
from taketwo.errors import NotFound
from taketwo.sdk.api.executions import CallExecution
from taketwo.server.flow.executions import CALLS
from taketwo.server.flow.judging import RESULTS
from taketwo.server.flow.shelf import Flow
from taketwo.server.marks import marks_of
from taketwo.server.pages.drawing import in_words, page, twin, wants_page
from taketwo.server.pages.shell import Shell
from taketwo.server.pages.sound import SoundOfCalls
from taketwo.server.pages.waterfall import MOST_SPANS, waterfall
from taketwo.store import Store

REPLAYS = 10
"""Replays that a conversation names."""


class Conversations:
    """Draws conversations. The methods block; the application runs them in threads."""

    def __init__(self, store: Store) -> None:
        """Read from that store."""
        self._store = store
        self._sound = SoundOfCalls(store)

    def routes(self) -> list[Route]:
        """The addresses; what is looked at of a conversation stands in `view`, because ids may hold slashes."""
        return [
            Route("/sessions/{id:path}.json", self.session),
            Route("/sessions/{id:path}", self.session),
            *self._sound.routes(),
        ]

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
            return self._talk(shell, conversation, asked.get("mark"))
        return Response(msgspec.json.encode(conversation), media_type="application/json", headers={"vary": "accept"})

    def _talk(self, shell: Shell, conversation: Conversation, mark: str | None) -> Response:
        marks = marks_of(self._store.documents, conversation)
        return page(
            "conversation.html",
            shell,
            headers={"vary": "accept"},
            conversation=conversation,
            call=self._sound.of(conversation),
            marked={(one.turn_index, one.step_index): one for one in marks.marks},
            marking=_place(mark),
            expected=[in_words(one) for one in marks.expected],
            tools=_tools(conversation),
            replays=self._replays(conversation),
        )

    def _replays(self, conversation: Conversation) -> list[CallExecution]:
        """The last rows that replayed it."""
        kept = self._store.documents.repeating(RESULTS.kind, conversation.id, conversation.project, limit=REPLAYS)
        flow, found = Flow(self._store), []
        for one in kept:
            with suppress(NotFound):  # the execution was deleted since
                found.append(CALLS.get(flow, one.id))
        return found


def _place(mark: str | None) -> tuple[int, int | None] | None:
    """The step that is being marked, from `3.0`, or `3.` for a reply that is no step; None for none."""
    turn, dot, step = (mark or "").partition(".")
    if not (dot and turn.isdecimal() and (step.isdecimal() or not step)):
        return None
    return int(turn[:9]), int(step[:9]) if step else None


def _tools(conversation: Conversation) -> list[str]:
    """The tools that the agent had, those that it called first."""
    called = [call.tool for _, _, call in conversation.calls()]
    return list(dict.fromkeys([*called, *(tool.name for tool in conversation.agent.tools)]))

"""One conversation: what was said and done, where each step was read from, and the spans as they came."""

from __future__ import annotations

import re
from contextlib import suppress

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.capture.otlp import decode_span
from taketwo.conversation import Conversation
from taketwo.errors import NotFound
from taketwo.sdk.api.executions import CallExecution
from taketwo.server.fetching import NOT_FETCHED, being_fetched
from taketwo.server.flow.executions import CALLS
from taketwo.server.flow.judging import RESULTS
from taketwo.server.flow.shelf import Flow
from taketwo.server.marks import marks_of
from taketwo.server.pages.drawing import in_words, page, twin, wants_page
from taketwo.server.pages.feedback import name_of_person
from taketwo.server.pages.shell import Shell
from taketwo.server.pages.sound import SoundOfCalls
from taketwo.server.pages.waterfall import MOST_SPANS, waterfall
from taketwo.store import Store
from taketwo.value import JSON
from taketwo.voice.costs import told_cost_usd, told_costs_usd

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
        if asked.get("view") == "feedback":
            given = self._store.feedback(conversation.id, conversation.project)
            names = {one.name if one.turn is None else f"turns[{one.turn}].{one.name}" for one in given}
            others = {name: value for name, value in conversation.outcome.scores.items() if name not in names}
            body = {"feedback": given, "scores": conversation.outcome.scores}
            drawn = {"conversation": conversation, "others": others, "person": name_of_person(request)}
            return twin(request, "feedback.html", shell, body, **drawn)
        if wants_page(request):
            return self._talk(request, shell, conversation)
        return Response(msgspec.json.encode(conversation), media_type="application/json", headers={"vary": "accept"})

    def _talk(self, request: Request, shell: Shell, conversation: Conversation) -> Response:
        asked = request.query_params
        marks = marks_of(self._store.documents, conversation)
        return page(
            "conversation.html",
            shell,
            headers={"vary": "accept"},
            conversation=conversation,
            call=self._sound.of(conversation),
            fetching=being_fetched(self._store.documents, conversation),
            not_fetched=NOT_FETCHED,
            cost=told_cost_usd(conversation),
            costs=told_costs_usd(conversation),
            marked={(one.turn_index, one.step_index): one for one in marks.marks},
            marking=_place(asked.get("mark")),
            judging=asked.get("feedback"),
            person=name_of_person(request),
            turn_scores=_scores_of_turns(conversation),
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


def _scores_of_turns(conversation: Conversation) -> dict[int, dict[str, JSON]]:
    """The scores of single turns, by turn and name."""
    found: dict[int, dict[str, JSON]] = {}
    for name, value in conversation.outcome.scores.items():
        if (of_turn := _OF_A_TURN.fullmatch(name)) is not None:
            found.setdefault(int(of_turn[1]), {})[of_turn[2]] = value
    return found


_OF_A_TURN = re.compile(r"turns\[(\d{1,8})\]\.(.+)", re.DOTALL)


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

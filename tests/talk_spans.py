"""Spans written by hand, in semconv's form, for the tests of what a transcript must bear."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from taketwo.span import Span, SpanEvent
from taketwo.value import JSON

START = 1_800_000_000 * 10**9
SYSTEM = "You are a support agent."
TOOLS = [{"type": "function", "name": "look_up", "description": "Look.", "parameters": {"type": "object"}}]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"type": "text", "content": text}]}


def says(text: str) -> dict[str, Any]:
    return {"role": "assistant", "parts": [{"type": "text", "content": text}]}


def calls(*asked: tuple[str, str, dict[str, JSON]], text: str = "") -> dict[str, Any]:
    """A message that asks for tools, each given as (id, name, arguments)."""
    words = [{"type": "text", "content": text}] if text else []
    parts = [{"type": "tool_call", "id": i, "name": n, "arguments": a} for i, n, a in asked]
    return {"role": "assistant", "parts": [*words, *parts]}


def result(identity: str | None, value: JSON, **more: JSON) -> dict[str, Any]:
    part = {"type": "tool_call_response", "response": value, **more}
    return {"role": "tool", "parts": [part | ({"id": identity} if identity else {})]}


class Recorder:
    """Makes spans one after the other, 100 ms apart unless told otherwise."""

    def __init__(self, session: str | None = "s-1", **attributes: JSON) -> None:
        self.spans: list[Span] = []
        self._session = session
        self._attributes = attributes
        self._now = 0

    def add(
        self,
        name: str,
        attributes: dict[str, JSON],
        *,
        trace: int = 1,
        parent: Span | None = None,
        at: int | None = None,
        lasts: int = 50,
        error: str | None = None,
        **more: Any,
    ) -> Span:
        self._now = self._now + 100 if at is None else at
        number = len(self.spans) + 1
        named = {"gen_ai.conversation.id": self._session} if self._session else {}
        events = (SpanEvent(name="exception", at_ns=1, attributes={"exception.message": error}),) if error else ()
        span = Span(
            trace_id=f"{trace:032x}",
            span_id=f"{number:016x}",
            parent_id=parent.span_id if parent is not None else None,
            name=name,
            start_ns=START + self._now * 10**6,
            end_ns=START + (self._now + lasts) * 10**6,
            status="error" if error else "unset",
            status_message=error or "",
            attributes={**self._attributes, **named, **attributes},
            events=events,
            **more,
        )
        self.spans.append(span)
        return span

    def chat(
        self,
        request: Sequence[dict[str, Any]] | None,
        response: Sequence[dict[str, Any]] | dict[str, Any] | None,
        *,
        system: str | None = SYSTEM,
        tools: bool = True,
        attributes: dict[str, JSON] | None = None,
        **more: Any,
    ) -> Span:
        said: dict[str, JSON] = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
        if request is not None:
            said["gen_ai.input.messages"] = json.dumps(list(request))
        if response is not None:
            listed = [response] if isinstance(response, dict) else list(response)
            said["gen_ai.output.messages"] = json.dumps(listed)
        if system is not None:
            said["gen_ai.system_instructions"] = json.dumps([{"type": "text", "content": system}])
        if tools:
            said["gen_ai.tool.definitions"] = json.dumps(TOOLS)
        return self.add("chat m", said | (attributes or {}), **more)

    def tool(
        self, name: str, arguments: dict[str, JSON] | None, gave: JSON, *, call_id: str | None = None, **more: Any
    ) -> Span:
        said: dict[str, JSON] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
        if arguments is not None:
            said["gen_ai.tool.call.arguments"] = json.dumps(arguments)
        if gave is not None:
            said["gen_ai.tool.call.result"] = gave if isinstance(gave, str) else json.dumps(gave)
        if call_id is not None:
            said["gen_ai.tool.call.id"] = call_id
        return self.add(f"execute_tool {name}", said, **more)

    def agent(self, asked: str | None = None, answered: str | None = None, *, name: str = "desk", **more: Any) -> Span:
        said: dict[str, JSON] = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
        if asked is not None:
            said["gen_ai.input.messages"] = json.dumps([user(asked)])
        if answered is not None:
            said["gen_ai.output.messages"] = json.dumps([says(answered)])
        more.setdefault("lasts", 1000)
        return self.add(f"invoke_agent {name}", said, **more)

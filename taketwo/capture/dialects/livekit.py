"""LiveKit Agents: `lk.*`. One trace is the whole session; `.pii.` stands in the keys of content since 2026."""

from __future__ import annotations

from collections.abc import Mapping

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.loose_json import as_object, loosely, text_of
from taketwo.capture.dialects.messages import read_messages, told
from taketwo.capture.dialects.tool_spans import execution, failure
from taketwo.capture.reading import Message, Reading
from taketwo.span import Span
from taketwo.value import JSON

VOICE_SPANS = {"user_speaking", "user_turn", "tts_node", "tts_request", "eou_detection", "stt_node"}
"""Spans that only a spoken session has."""

_MARKS = (
    "lk.chat_ctx",
    "lk.pii.chat_ctx",
    "lk.speech_id",
    "lk.function_tool.name",
    "lk.close_reason",
    "lk.agent_label",
)


def reads(span: Span) -> bool:
    """Whether LiveKit made the span."""
    return span.scope.startswith("livekit") or any(mark in span.attributes for mark in _MARKS)


def read(span: Span) -> Reading:
    """The span by its name."""
    attributes = span.attributes
    reading = Reading(rule="livekit", error=failure(span), voice=span.name in VOICE_SPANS)
    match span.name:
        case "llm_node":
            return _model(attributes, reading)
        case "function_tool":
            return _tool(span, reading)
        case "agent_turn":
            return reading.but(
                kind="agent",
                agent=text_of(attributes.get("gen_ai.agent.name")) or text_of(attributes.get("lk.agent_label")),
                input=_own(attributes, "user_input"),
                output=_own(attributes, "response.text"),
                cut_short=attributes.get("lk.interrupted") is True,
            )
        case "session_close":
            ended = text_of(attributes.get("lk.close_reason"))
            return reading.but(metadata={"ended_reason": ended} if ended else {})
        case "agent_session" | "session_start" | "start_agent_activity":
            return reading.but(kind="session")
        case _:
            return reading


def _own(attributes: Mapping[str, JSON], name: str) -> JSON:
    """The value of an attribute of content, by its newer or older key."""
    return attributes.get(f"lk.pii.{name}", attributes.get(f"lk.{name}"))


def _model(attributes: Mapping[str, JSON], reading: Reading) -> Reading:
    """A model call by the session's own history, where tool results are letter by letter what the model read."""
    given = loosely(_own(attributes, "chat_ctx"))
    request = read_messages(given) if given is not None else None
    response = _response(attributes)
    return reading.but(
        kind="model",
        **told(request, "lk.chat_ctx", response, "lk.response", rich="messages"),
        hidden=marks.LEFT_OUT,
    )


def _response(attributes: Mapping[str, JSON]) -> tuple[Message, ...] | None:
    text = _own(attributes, "response.text")
    calls = loosely(_own(attributes, "response.function_calls"))
    if text is None and not isinstance(calls, list):
        return None
    return read_messages(
        {"role": "assistant", "content": text, "tool_calls": calls if isinstance(calls, list) else None}
    )


def _tool(span: Span, reading: Reading) -> Reading:
    attributes = span.attributes
    name = text_of(attributes.get("lk.function_tool.name"))
    if name is None:
        return reading
    ran = execution(
        span,
        name=name,
        call_id=text_of(attributes.get("lk.function_tool.id")),
        arguments=as_object(_own(attributes, "function_tool.arguments")),
        result=_own(attributes, "function_tool.output"),
        failed=attributes.get("lk.function_tool.is_error") is True,
    )
    return reading.but(kind="tool", execution=ran)

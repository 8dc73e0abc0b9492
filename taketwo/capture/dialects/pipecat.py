"""Pipecat: `input` and `output` of its llm spans. There are no tool spans, and calls show only in the next input."""

from __future__ import annotations

from collections.abc import Mapping

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.loose_json import loosely, text_of
from taketwo.capture.dialects.messages import instructions, read_messages, without_system
from taketwo.capture.dialects.otel_genai import SYSTEM, read_settings, usage
from taketwo.capture.dialects.tool_spans import failure
from taketwo.capture.reading import Message, Reading
from taketwo.span import Span
from taketwo.value import JSON


def reads(span: Span) -> bool:
    """Whether Pipecat made the span."""
    return span.scope in ("pipecat", "pipecat.turn") or "turn.was_interrupted" in span.attributes


def read(span: Span) -> Reading:
    """The span by its name and attributes."""
    attributes = span.attributes
    reading = Reading(rule="pipecat", error=failure(span))
    if "turn.number" in attributes:
        return reading.but(kind="agent")
    if "conversation.type" in attributes:
        return reading.but(voice=attributes["conversation.type"] == "voice")
    if "input" in attributes or "tool_count" in attributes or span.name == "llm":
        return _model(attributes, reading)
    return reading.but(voice=span.name in ("stt", "tts"))


def _model(attributes: Mapping[str, JSON], reading: Reading) -> Reading:
    given = loosely(attributes.get("input", attributes.get("messages")))
    request = read_messages(given) if given is not None else None
    talk, system = without_system(request)
    return usage(attributes, reading).but(
        kind="model",
        evidence="messages" if request is not None else "nothing",
        request=talk,
        request_rule="input",
        response=_response(attributes),
        response_rule="output",
        response_lacks_calls=True,
        system=system or instructions(attributes.get(SYSTEM)) or text_of(attributes.get("system")),
        tools=read_definitions(attributes.get("tools")),
        settings=read_settings(attributes),
        hidden=marks.LEFT_OUT,
    )


def _response(attributes: Mapping[str, JSON]) -> tuple[Message, ...] | None:
    """The text; a response of nothing but calls leaves no output at all."""
    text = text_of(attributes.get("output"))
    return read_messages({"role": "assistant", "content": text}) if text is not None else ()

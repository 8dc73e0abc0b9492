"""Pydantic AI, formats 1 to 6: agent runs that hold the whole talk, and messages as a list of events in format 1."""

from __future__ import annotations

from collections.abc import Mapping

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.loose_json import as_object, loosely, number_of, text_of
from taketwo.capture.dialects.messages import instructions, told
from taketwo.capture.dialects.otel_genai import SYSTEM, from_event_items, read_settings, usage
from taketwo.capture.dialects.tool_spans import execution, failure
from taketwo.capture.reading import Reading
from taketwo.span import Span
from taketwo.value import JSON

_MARKS = ("model_request_parameters", "pydantic_ai.all_messages", "all_messages_events", "tool_arguments")
_RETRY = "pydantic_ai.tool.retry.cause"


def reads(span: Span) -> bool:
    """Whether the span has attributes of Pydantic AI's own; most of what the newer formats say is semconv's."""
    return any(mark in span.attributes for mark in _MARKS) or span.scope == "pydantic-ai"


def read(span: Span) -> Reading:
    """A run, a model call in a format's own attributes, or a tool."""
    attributes = span.attributes
    reading = Reading(rule="pydantic_ai", error=failure(span), agent=text_of(attributes.get("agent_name")))
    if "gen_ai.tool.name" in attributes:
        return _tool(span, reading)
    if "final_result" in attributes or "agent_name" in attributes or "all_messages_events" in attributes:
        return _run(attributes, reading)
    return _model(attributes, reading) if "model_request_parameters" in attributes else reading


def _run(attributes: Mapping[str, JSON], reading: Reading) -> Reading:
    """A run. Its messages begin with those of earlier runs; what is new begins at an index."""
    said = loosely(attributes.get("pydantic_ai.all_messages"))
    begin = number_of(attributes.get("pydantic_ai.new_message_index")) or 0
    if not isinstance(said, list):
        request, _ = from_event_items(attributes.get("all_messages_events"))
        lines = [message.text for message in request or () if message.role == "user" and message.text]
        return reading.but(kind="agent", input=lines[-1] if lines else None, output=attributes.get("final_result"))
    return reading.but(
        kind="agent",
        input=said[begin:][:1] if 0 <= begin < len(said) else None,
        output=said,
        system=instructions(attributes.get(SYSTEM)),
    )


def _model(attributes: Mapping[str, JSON], reading: Reading) -> Reading:
    """What semconv's attributes do not have: the events of format 1, and the tools."""
    request, response = from_event_items(attributes.get("events"))
    parameters = as_object(attributes.get("model_request_parameters")) or {}
    tools = [*_listed(parameters.get("function_tools")), *_listed(parameters.get("output_tools"))]
    return usage(attributes, reading).but(
        kind="model",
        **told(request, "events", response or None, "events", rich="raw"),
        tools=read_definitions(attributes.get("gen_ai.tool.definitions")) or read_definitions(tools),
        settings=read_settings(attributes),
        hidden=marks.LEFT_OUT,
    )


def _listed(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []


def _tool(span: Span, reading: Reading) -> Reading:
    """A tool. A retry's text is what the tool raised; what the model reads of it has advice after it."""
    attributes = span.attributes
    given = attributes.get("tool_arguments", attributes.get("gen_ai.tool.call.arguments"))
    gave = attributes.get("tool_response", attributes.get("gen_ai.tool.call.result"))
    retried = (
        span.status == "error" and isinstance(gave, str) and (_RETRY in attributes or "tool_response" in attributes)
    )
    ran = execution(
        span,
        name=text_of(attributes["gen_ai.tool.name"]) or span.name,
        call_id=text_of(attributes.get("gen_ai.tool.call.id")),
        arguments=as_object(given),
        result=gave,
        error=text_of(gave) if retried else None,
    )
    return reading.but(kind="tool", execution=ran)

"""Strands Agents: semconv with Bedrock's blocks in its events, and tools whose call and result are events."""

from __future__ import annotations

from taketwo.capture.dialects import otel_genai
from taketwo.capture.dialects.definitions import named_tools
from taketwo.capture.dialects.loose_json import as_object, text_of
from taketwo.capture.dialects.tool_spans import execution, failure, in_one_block
from taketwo.capture.reading import Reading
from taketwo.conversation import ToolDefinition
from taketwo.span import Span

SCOPE = "strands.telemetry.tracer"


def reads(span: Span) -> bool:
    """Whether Strands made the span."""
    return span.scope == SCOPE


def read(span: Span) -> Reading:
    """A tool by its events or attributes, an agent with the names of its tools, anything else as semconv."""
    attributes = span.attributes
    operation = attributes.get("gen_ai.operation.name")
    if operation == "execute_tool" and isinstance(name := attributes.get("gen_ai.tool.name"), str):
        return _tool(span, name)
    reading = otel_genai.read(span).but(rule="strands")
    provider = None if reading.provider == "strands-agents" else reading.provider
    return reading.but(provider=provider, tools=reading.tools or named_tools(attributes.get("gen_ai.agent.tools")))


def _tool(span: Span, name: str) -> Reading:
    attributes = span.attributes
    given, gave = attributes.get("gen_ai.tool.call.arguments"), attributes.get("gen_ai.tool.call.result")
    for event in span.events:
        if event.name == "gen_ai.tool.message" and given is None:
            given = event.attributes.get("content")
        elif event.name == "gen_ai.choice" and gave is None:
            gave = event.attributes.get("message")
    schema = as_object(attributes.get("gen_ai.tool.json_schema"))
    description = text_of(attributes.get("gen_ai.tool.description"))
    ran = execution(
        span,
        name=name,
        call_id=text_of(attributes.get("gen_ai.tool.call.id")),
        arguments=as_object(given),
        result=in_one_block(gave),
        failed=attributes.get("gen_ai.tool.status") == "error",
    )
    tool = ToolDefinition(name=name, description=description, parameters=schema)
    return Reading(kind="tool", rule="strands", error=failure(span), execution=ran, tools=(tool,) if schema else ())

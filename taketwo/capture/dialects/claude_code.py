"""Claude Code and the Claude Agent SDK by their own telemetry: runs with the user's line, tools, calls without words.

The words of the calls are in log records, in the raw request and response, which are told apart from those of other
calls of the run only by `request_body_id`; they reach this module as spans of their own.
"""

from __future__ import annotations

from taketwo.capture.dialects import otel_genai
from taketwo.capture.dialects.loose_json import as_object, text_of
from taketwo.capture.dialects.tool_spans import execution, failure
from taketwo.capture.reading import Reading
from taketwo.span import Span

SCOPE = "com.anthropic.claude_code"
"""How the names of its instrumentation scopes begin."""


def reads(span: Span) -> bool:
    """Whether Claude Code made the span."""
    return span.scope.startswith(SCOPE)


def read(span: Span) -> Reading:
    """A run, a tool, a part of one, or a model call, which is as semconv has it."""
    attributes = span.attributes
    match attributes.get("span.type"):
        case "interaction":
            return Reading(kind="agent", rule="claude_code", error=failure(span), input=attributes.get("user_prompt"))
        case "tool":
            return _tool(span)
        case str(word) if word.startswith("tool."):
            return Reading(kind="part", rule="claude_code")
        case _:
            return otel_genai.read(span).but(rule="claude_code")


def _tool(span: Span) -> Reading:
    """A tool under the name that the model knows it by; what it gave back is an event."""
    attributes = span.attributes
    gave = next((event.attributes.get("output") for event in span.events if event.name == "tool.output"), None)
    ran = execution(
        span,
        name=text_of(attributes.get("tool_name")) or text_of(attributes.get("gen_ai.tool.name")) or "",
        call_id=text_of(attributes.get("tool_use_id")),
        arguments=as_object(attributes.get("tool_input")),
        result=gave,
    )
    return Reading(kind="tool", rule="claude_code", error=failure(span), execution=ran)

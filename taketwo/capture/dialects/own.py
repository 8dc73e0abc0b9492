"""The spans of our own SDK: the GenAI conventions, in which a run says all that its agent was given and gave."""

from __future__ import annotations

from taketwo.capture.dialects import otel_genai
from taketwo.capture.reading import Reading
from taketwo.span import Span

RULE = "taketwo"
"""Name of this dialect."""

SCOPE = "taketwo"
"""Name of the SDK's instrumentation scope."""

INPUT_KIND = "taketwo.input"
"""Attribute that is `line` where the agent was given the user's line alone, and knows the past by itself."""


def reads(span: Span) -> bool:
    """Whether our SDK wrote it around a call of an agent."""
    return span.scope == SCOPE and span.attributes.get("gen_ai.operation.name") == "invoke_agent"


def read(span: Span) -> Reading:
    """The run with its messages."""
    reading = otel_genai.read(span)
    request, lacks = otel_genai.message_list(span.attributes.get(otel_genai.INPUT))
    response, _ = otel_genai.message_list(span.attributes.get(otel_genai.OUTPUT), response=True)
    return reading.but(
        rule=RULE,
        request=request,
        request_lacks=lacks,
        response=response,
        request_is_line=span.attributes.get(INPUT_KIND) == "line",
    )

"""Pydantic Logfire: wrappers around model clients, older ones with the raw request, and spans written by hand."""

from __future__ import annotations

from collections.abc import Mapping

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.loose_json import as_object, first_number, loosely, text_of
from taketwo.capture.dialects.messages import read_messages, told
from taketwo.capture.dialects.openinference import NO_SETTINGS, raw_messages
from taketwo.capture.dialects.otel_genai import from_event_items, provider
from taketwo.capture.dialects.tool_spans import execution, failure
from taketwo.capture.reading import Execution, Message, Reading
from taketwo.span import Span
from taketwo.value import JSON

RUNS = ("OpenAI Agents trace", "agent run", "Agent run", "invoke_agent")
"""Beginnings of the names of spans around a run."""


def reads(span: Span) -> bool:
    """Whether Logfire's SDK wrote the span; other libraries use its attributes, too, and have their own dialect."""
    return "logfire.msg" in span.attributes and span.scope != "pydantic-ai"


def read(span: Span) -> Reading:
    """A model call, a tool, a run, or a span that somebody wrote by hand."""
    attributes = span.attributes
    reading = Reading(rule="logfire", error=failure(span))
    if "request_data" in attributes or ("events" in attributes and "response" in attributes):
        return _model(attributes, reading)
    if (ran := _tool(span)) is not None:
        return reading.but(kind="tool", execution=ran)
    message = str(attributes.get("logfire.msg"))
    if message.startswith(RUNS) or (span.parent_id is None and "message" in attributes):
        return reading.but(
            kind="agent",
            agent=text_of(attributes.get("name")) or text_of(attributes.get("agent_name")),
            input=attributes.get("message", attributes.get("input")),
            output=attributes.get("answer", attributes.get("output")),
        )
    return reading


def _model(attributes: Mapping[str, JSON], reading: Reading) -> Reading:
    """A model call by its raw request and response, or by a list of events."""
    given, gave = as_object(attributes.get("request_data")) or {}, as_object(attributes.get("response_data")) or {}
    request, response = from_event_items(attributes.get("events"))
    if request is None and (whole := raw_messages(given)) is not None and any(name in given for name in _TALK):
        request = whole
    response = response or _response(gave)
    usage = as_object(gave.get("usage")) or {}
    asked, answered = ("events", "events") if "events" in attributes else ("request_data", "response_data")
    return reading.but(
        kind="model",
        **told(request, asked, response, answered, rich="raw"),
        tools=read_definitions(given.get("tools")),
        model=text_of(attributes.get("gen_ai.response.model")) or text_of(given.get("model")),
        provider=provider(attributes),
        settings={name: value for name, value in given.items() if name not in NO_SETTINGS | _NO_SETTING},
        input_tokens=first_number(usage, "prompt_tokens", "input_tokens"),
        output_tokens=first_number(usage, "completion_tokens", "output_tokens"),
        hidden=marks.LEFT_OUT,
    )


_TALK = ("messages", "input", "contents", "prompt")
_NO_SETTING = {
    "max_retries",
    "timeout",
    "extra_headers",
    "extra_body",
    "extra_query",
    "tool_choice",
    "prompt",
    "contents",
}


def _response(gave: Mapping[str, JSON]) -> tuple[Message, ...] | None:
    """The response: a message, or, on the second span of a stream, the text put together."""
    whole = gave.get("message", gave.get("combined_chunk_content"))
    if whole is None or whole == "":
        return None
    return read_messages(loosely(whole), "assistant")


def _tool(span: Span) -> Execution | None:
    """A tool: by the id of its call, or as the OpenAI Agents integration writes functions."""
    attributes = span.attributes
    identity = text_of(attributes.get("tool_call_id")) or text_of(attributes.get("call_id"))
    is_function = str(attributes.get("logfire.msg_template", "")).startswith("Function: ")
    name = text_of(attributes.get("gen_ai.tool.name")) or text_of(attributes.get("name"))
    if name is None or not (identity or is_function):
        return None
    return execution(
        span,
        name=name,
        call_id=identity,
        arguments=as_object(attributes.get("arguments", attributes.get("input"))),
        result=attributes.get("result", attributes.get("output")),
    )

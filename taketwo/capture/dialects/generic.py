"""What is left: spans of no convention known here that still hold a model's messages or a run's input and output.

Genkit, Haystack, Laminar, Braintrust, VoltAgent, Flue, OpenRouter and others differ in the names of two attributes,
input and output. A span counts as a model call only if it says so, or if its input is a list of messages with roles;
as a tool only if it says so. Anything else with an input at the top of a trace is a run.
"""

from __future__ import annotations

from collections.abc import Mapping

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.loose_json import as_object, first_number, loosely, text_of
from taketwo.capture.dialects.messages import told
from taketwo.capture.dialects.openinference import raw_messages
from taketwo.capture.dialects.otel_genai import read_settings, usage
from taketwo.capture.dialects.tool_spans import called_with, execution, failure
from taketwo.capture.reading import Kind, Reading
from taketwo.span import Span
from taketwo.value import JSON

PAIRS = (
    ("genkit:input", "genkit:output"),
    ("lmnr.span.input", "lmnr.span.output"),
    ("braintrust.input_json", "braintrust.output_json"),
    ("braintrust.input", "braintrust.output"),
    ("haystack.agent.step.llm.input", "haystack.agent.step.llm.output"),
    ("haystack.agent.step.tool.input", "haystack.agent.step.tool.output"),
    ("haystack.agent.input", "haystack.agent.output"),
    ("haystack.component.input", "haystack.component.output"),
    ("haystack.pipeline.input_data", "haystack.pipeline.output_data"),
    ("flue.turn.input", "flue.turn.output"),
    ("llm.messages", "output"),
    ("agent.messages", "output"),
    ("gen_ai.prompt", "gen_ai.completion"),
    ("llm.prompts", "llm.completions"),
    ("llm.request", "llm.response"),
    ("input.value", "output.value"),
    ("input", "output"),
    ("prompt", "response"),
    ("prompt", "completion"),
)
"""Attributes that hold input and output, those that one sender alone uses first."""

KIND_KEYS = (
    *("genkit:metadata:subtype", "lmnr.span.type", "haystack.component.type"),
    *("span.type", "span.kind", "type", "traceloop.span.kind"),
)
"""Attributes that may say what a span stands for; the name of the input may, too, as in `agent.step.tool.input`."""

WORDS: dict[str, Kind] = {
    "model": "model",
    "llm": "model",
    "llm_request": "model",
    "generation": "model",
    "chat": "model",
    "tool": "tool",
    "function": "tool",
    "flow": "agent",
    "agent": "agent",
    "interaction": "agent",
    "workflow": "agent",
}
"""What their values stand for."""

READ = ("inputTokens", "prompt_tokens", "input_tokens")
WRITTEN = ("outputTokens", "completion_tokens", "output_tokens")
"""Names of the tokens that were read and written."""

_INPUTS = tuple(pair[0] for pair in PAIRS)


def reads(span: Span) -> bool:
    """Whether the span has an input under any of the known names."""
    return any(name in span.attributes for name in _INPUTS)


def read(span: Span) -> Reading:
    """The span by what it says it is, else by what it holds."""
    attributes = span.attributes
    name, given, gave = _pair(attributes)
    reading = Reading(rule="generic", error=failure(span))
    kind = _kind(attributes, name)
    if kind == "tool":
        failed = attributes.get("haystack.tool.error") is True
        ran = execution(span, name=_tool_name(span), arguments=called_with(given), result=gave, failed=failed)
        return reading.but(kind="tool", execution=ran)
    request = raw_messages(given)
    if kind == "model" or (kind is None and request is not None and _has_roles(given) and span.parent_id is not None):
        return _model(attributes, reading, name, given, gave)
    if kind == "agent" or span.parent_id is None:
        return reading.but(kind="agent", input=given, output=gave)
    return reading


def _pair(attributes: Mapping[str, JSON]) -> tuple[str, JSON, JSON]:
    for name, answer in PAIRS:
        if name in attributes:
            return name, attributes[name], attributes.get(answer)
    return "", None, None


def _kind(attributes: Mapping[str, JSON], name: str) -> Kind | None:
    for key in KIND_KEYS:
        if isinstance(word := attributes.get(key), str) and (kind := WORDS.get(word.lower())):
            return kind
    if isinstance(about := as_object(attributes.get("braintrust.span_attributes")), dict):
        return WORDS.get(str(about.get("type")).lower())
    if kind := WORDS.get(name.rpartition(".")[0].rpartition(".")[2]):
        return kind
    return "model" if "gen_ai.request.model" in attributes else None


def _tool_name(span: Span) -> str:
    names = ("genkit:name", "haystack.tool.name", "tool.name", "tool_name", "gen_ai.tool.name")
    return next((name for key in names if (name := text_of(span.attributes.get(key)))), span.name)


def _has_roles(given: JSON) -> bool:
    found = loosely(given)
    listed = found.get("messages", found.get("contents")) if isinstance(found, dict) else found
    return isinstance(listed, list) and any(isinstance(item, dict) and "role" in item for item in listed)


def _model(attributes: Mapping[str, JSON], reading: Reading, name: str, given: JSON, gave: JSON) -> Reading:
    request, response = raw_messages(given), raw_messages(gave, response=True)
    if response is None and (text := text_of(gave)) is not None and not marks.why_hidden(text):
        response = raw_messages([{"role": "assistant", "content": text}])
    fields = as_object(given) or {}
    reading = _told_in_output(usage(attributes, reading), as_object(gave) or {})
    if name == "genkit:input" and (model := text_of(attributes.get("genkit:name"))) != "generate":
        reading = reading.but(model=model)
    return reading.but(
        kind="model",
        **told(request, name, response, "output", rich="raw"),
        tools=read_definitions(fields.get("tools")),
        settings=read_settings(attributes),
        hidden=marks.LEFT_OUT,
    )


def _told_in_output(reading: Reading, gave: Mapping[str, JSON]) -> Reading:
    """Model, tokens and the response's id as Genkit and Haystack have them: in what the model gave."""
    replies, raw = gave.get("replies"), gave.get("raw")
    if isinstance(replies, list) and replies and isinstance(replies[0], dict):
        gave = as_object(replies[0].get("meta")) or {}
    counted = as_object(gave.get("usage")) or {}
    return reading.but(
        model=reading.model or text_of(gave.get("model")),
        input_tokens=first_number(counted, *READ) or reading.input_tokens,
        output_tokens=first_number(counted, *WRITTEN) or reading.output_tokens,
        response_id=reading.response_id or text_of((raw if isinstance(raw, dict) else gave).get("id")),
        finish=reading.finish or text_of(gave.get("finish_reason")),
    )

"""How spans are written, one module a convention, and which of them is believed where several are on one span.

A dialect is a module with `reads(span) -> bool`, which looks at keys and never at more, and `read(span) -> Reading`.
Dialects know nothing of conversations: what a span says is theirs, what follows from it is `reconstruct`'s.
"""

from __future__ import annotations

from types import ModuleType

from taketwo.capture.dialects import (
    adk,
    claude_code,
    generic,
    langfuse,
    langsmith,
    litellm,
    livekit,
    logfire,
    mastra,
    mlflow,
    openinference,
    otel_genai,
    own,
    pipecat,
    pydantic_ai,
    strands,
    traceai,
    traceloop,
    vercel,
)
from taketwo.capture.reading import EVIDENCE, Reading
from taketwo.span import Span

DIALECTS: dict[str, ModuleType] = {
    "taketwo": own,
    "livekit": livekit,
    "pipecat": pipecat,
    "vercel": vercel,
    "mastra": mastra,
    "adk": adk,
    "claude_code": claude_code,
    "strands": strands,
    "pydantic_ai": pydantic_ai,
    "langsmith": langsmith,
    "langfuse": langfuse,
    "mlflow": mlflow,
    "litellm": litellm,
    "traceloop": traceloop,
    "traceai": traceai,
    "openinference": openinference,
    "logfire": logfire,
    "otel_genai": otel_genai,
    "generic": generic,
}
"""Every convention, the special ones before the general ones they build on."""

_REQUEST = ("request", "request_rule", "request_lacks")
_RESPONSE = ("response", "response_rule", "response_lacks_calls", "alternatives")
_MESSAGES = (*_REQUEST, *_RESPONSE, "evidence", "hidden")


def read(span: Span) -> Reading:
    """What a span says.

    Where several conventions are on one span, the special one says what the span is, the one with the richest
    messages brings the messages, and each fills in what the ones before it do not know.
    """
    special = {name: dialect for name, dialect in DIALECTS.items() if dialect is not generic}
    found = [_read_by(name, dialect, span) for name, dialect in special.items() if dialect.reads(span)]
    if not found:
        return _read_by("generic", generic, span) if generic.reads(span) else Reading()
    reading: Reading = found[0]
    for other in found[1:]:
        reading = combined(reading, other)
    if reading.kind == "model" and reading.evidence == "nothing" and generic.reads(span):
        reading = combined(reading, _read_by("generic", generic, span))
    return reading


def _read_by(name: str, dialect: ModuleType, span: Span) -> Reading:
    """What one dialect reads; whatever a sender wrote, one span must not cost the conversation."""
    try:
        reading: Reading = dialect.read(span)
    except Exception as error:
        return Reading(rule=name, unread=f"{name} cannot read it: {type(error).__name__}: {error}")
    return reading


def combined(first: Reading, other: Reading) -> Reading:
    """Two readings of the same thing as one: the first wins, except where the other has the richer messages.

    What the richer one leaves out of request and response, the other one brings.
    """
    richer = EVIDENCE.index(other.evidence) > EVIDENCE.index(first.evidence)
    changes = {name: getattr(other, name) for name in _MESSAGES} if richer else {}
    rich, poor = (other, first) if richer else (first, other)
    for half in (_REQUEST, _RESPONSE):
        if getattr(rich, half[0]) is None and getattr(poor, half[0]) is not None:
            changes |= {name: getattr(poor, name) for name in half}
    for name in Reading.__struct_fields__:
        if name not in changes and name not in ("kind", "rule", *_MESSAGES):
            mine, theirs = getattr(first, name), getattr(other, name)
            if mine in (None, (), {}, "", False) and theirs not in (None, (), {}, "", False):
                changes[name] = theirs
    if first.kind == "other" and other.kind != "other":
        changes["kind"] = other.kind
    if richer:
        changes["rule"] = other.rule
    return first.but(**changes) if changes else first

"""A Reading: what one span says, whatever convention it was written in."""

from __future__ import annotations

from typing import Literal, TypeAlias

from taketwo.conversation import Attachment, ToolDefinition
from taketwo.value import JSON, Value

Kind: TypeAlias = Literal["model", "tool", "agent", "session", "retrieval", "part", "other"]
"""A call of a model, a tool, an agent or another wrapper of one run, a whole session, a search, a part of what another
span tells as a whole, something else."""

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]

Evidence: TypeAlias = Literal["nothing", "text", "wrapper", "raw", "flat", "messages"]
"""What a convention found messages in, from the poorest: bare text, a wrapper's input and output, the raw request and
response, a flattened family of attributes, structured messages."""

Lacks: TypeAlias = Literal["nothing", "head", "tail"]
"""Which end of a request was lost on the way."""

EVIDENCE: tuple[Evidence, ...] = ("nothing", "text", "wrapper", "raw", "flat", "messages")
"""All of them, poorest first."""


class ToolCall(Value):
    """A call as the model asked for it."""

    name: str = ""
    """Name of the tool."""
    id: str | None = None
    """The id the model gave it; None when the span has none."""
    arguments: dict[str, JSON] | None = None
    """The arguments; None when they are unknown or no JSON object."""
    text: str | None = None
    """The arguments letter by letter, only where they are no JSON object."""
    flaw: str | None = None
    """Why the arguments are not all there; None when they are."""


class ToolResult(Value):
    """A result as the model read it."""

    id: str | None = None
    """The id of the call that it answers; None when the span has none."""
    name: str | None = None
    """Name of the tool; None when the span does not say."""
    value: JSON = None
    """What the model read: text, or a JSON value where the span has no text."""
    failed: bool | None = None
    """Whether the span marks it as an error; None when it does not say."""
    flaw: str | None = None
    """Why the value is not all there; None when it is."""


class Message(Value):
    """One message of a request or a response."""

    role: Role
    """Who speaks, in the house's words."""
    text: str = ""
    """The words; with a flaw, their beginning as far as it is known."""
    calls: tuple[ToolCall, ...] = ()
    """The tool calls that it asks for."""
    results: tuple[ToolResult, ...] = ()
    """The tool results that it brings."""
    attachments: tuple[Attachment, ...] = ()
    """Images and files in it."""
    reasoning: str = ""
    """The model's thinking, which is no part of the talk."""
    flaw: str | None = None
    """Why the words are not all there; None when they are."""


class Execution(Value):
    """A tool that ran."""

    name: str
    """Name of the tool."""
    call_id: str | None = None
    """The id of the model's call; None when the span has none."""
    arguments: dict[str, JSON] | None = None
    """The arguments; None when the span does not have them."""
    result: JSON = None
    """What it gave back; None when the span does not say."""
    has_result: bool = False
    """Whether the span says what it gave back."""
    error: str | None = None
    """The error that it raised; None when it raised none or the span does not say."""
    failed: bool = False
    """Whether it failed."""
    flaw: str | None = None
    """Why arguments or result are not all there; None when they are."""


class Reading(Value):
    """One span, normalised. What the span does not say is None or empty."""

    kind: Kind = "other"
    """What the span stands for."""
    rule: str = ""
    """The convention that read it, such as `openinference`."""
    evidence: Evidence = "nothing"
    """What the messages were found in."""
    request: tuple[Message, ...] | None = None
    """The messages that the model was given; None when the span does not say."""
    request_rule: str = ""
    """The attribute that the request was found in."""
    request_lacks: Lacks = "nothing"
    """Which end of the request was lost on the way."""
    request_is_line: bool = False
    """Whether the request is the user's new line alone, to an agent that knows by itself what was said before."""
    response: tuple[Message, ...] | None = None
    """The messages that the model gave; None when the span does not say."""
    response_rule: str = ""
    """The attribute that the response was found in."""
    response_lacks_calls: bool = False
    """Whether this kind of span is known to leave tool calls out of the response."""
    alternatives: tuple[tuple[Message, ...], ...] = ()
    """Further responses to choose from, where more than one was asked for."""
    system: str | None = None
    """The instructions, where they stand apart from the messages."""
    tools: tuple[ToolDefinition, ...] = ()
    """The tools that the model was offered."""
    model: str | None = None
    """The model that answered, else the one that was asked for."""
    provider: str | None = None
    """Who serves it."""
    settings: dict[str, JSON] = {}
    """Settings of the call."""
    input_tokens: int | None = None
    """Tokens read."""
    output_tokens: int | None = None
    """Tokens written."""
    cost_usd: float | None = None
    """Cost in US dollars."""
    response_id: str | None = None
    """The provider's id of the response."""
    previous_response_id: str | None = None
    """The id of the response that this request continues without repeating it."""
    finish: str | None = None
    """Why the model stopped, in the provider's word."""
    agent: str | None = None
    """Name of the agent."""
    execution: Execution | None = None
    """The tool that ran."""
    error: str | None = None
    """Why the call failed."""
    hidden: str | None = None
    """Why content is missing where content should be."""
    input: JSON = None
    """What an agent was given, as the span has it."""
    output: JSON = None
    """What an agent gave back, as the span has it."""
    cut_short: bool = False
    """Whether the answer was interrupted, so that `output` is the part that the user heard."""
    aside: bool = False
    """Whether it is a guard's or a judge's, which are no part of the talk."""
    voice: bool = False
    """Whether it belongs to a spoken conversation."""
    unread: str | None = None
    """Why the span could not be read at all."""
    metadata: dict[str, JSON] = {}
    """Whatever else is worth keeping, under the sender's names."""

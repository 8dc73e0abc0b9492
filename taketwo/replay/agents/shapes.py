"""What a callable agent is given, and what it may give back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from taketwo.conversation import Tokens
from taketwo.replay.agents import AgentFailed, Message
from taketwo.replay.current import AskedCall
from taketwo.replay.matching import read_arguments
from taketwo.value import JSON, clean_json, clean_text, cut_to


@dataclass(frozen=True, kw_only=True)
class AgentInput:
    """What a callable agent is given for one turn."""

    thread_id: str
    """The conversation; the same in each of its turns."""
    messages: list[Message]
    """Everything so far in OpenAI's form, the new message last: user lines, the agent's own replies, its tool calls."""
    new_message: Message | None = None
    """The message to answer; None when the agent speaks first."""
    execution_id: str | None = None
    """The run."""


@dataclass(frozen=True)
class AgentResponse:
    """What a callable agent may give back instead of a text."""

    content: str | None
    """What the user is told; blank when the turn consists of tool calls."""
    tool_calls: list[Message] | None = None
    """Tool calls in OpenAI's form."""
    tool_responses: list[Message] | None = None
    """Their results as messages of role `tool`; without them the calls are answered from the recording."""
    metadata: dict[str, Any] | None = None
    """Anything else; `usage` is read as OpenAI's token counts."""


class Said(NamedTuple):
    """One message of the model, read from whatever shape it came in."""

    text: str | None
    """Its words; None when there are none."""
    calls: tuple[AskedCall, ...] = ()
    """The tools that it asks for, together."""
    results: Mapping[int, JSON] = MappingProxyType({})
    """The results that came with them, by position of the call."""
    tokens: Tokens = Tokens()
    """Its tokens."""


def read_said(given: object) -> Said:
    """A message from a text, an AgentResponse, an OpenAI message or an OpenAI answer with `choices`.

    Raises AgentFailed for anything else.
    """
    match given:
        case None:
            return Said(None)
        case str():
            return Said(clean_text(given))
        case Mapping():
            return _from_parts(given)
    if choices := getattr(given, "choices", None):
        said = read_said(getattr(choices[0], "message", None))
        return Said(said.text, said.calls, said.results, read_tokens(getattr(given, "usage", None)))
    if hasattr(given, "content"):
        return _from_parts(_fields(given, "content", "tool_calls", "tool_responses", "metadata", "usage"))
    raise AgentFailed(f"the agent returned {_named(given)}, not a text, an AgentResponse or a chat message")


def read_tokens(usage: object) -> Tokens:
    """Tokens from a usage block, in either of the two namings in use."""
    if usage is None:
        return Tokens()
    counts = usage if isinstance(usage, Mapping) else _fields(usage, *_INPUT_NAMES, *_OUTPUT_NAMES)
    return Tokens(input=_count(counts, _INPUT_NAMES), output=_count(counts, _OUTPUT_NAMES))


_INPUT_NAMES = ("prompt_tokens", "input_tokens")
_OUTPUT_NAMES = ("completion_tokens", "output_tokens")


def _count(counts: Mapping[str, Any], names: Sequence[str]) -> int | None:
    found = (counts[name] for name in names if isinstance(counts.get(name), int))
    return next(found, None)


def _from_parts(message: Mapping[str, Any]) -> Said:
    """A message by its fields."""
    if "choices" in message:
        return _from_answer(message)
    if not {"content", "tool_calls", "function_call"} & set(message):
        raise AgentFailed(f"the agent returned an object with {_keys(message)}: there is no `content` in it")
    calls = tuple(_call(call) for call in message.get("tool_calls") or ())
    if old := message.get("function_call"):
        calls += (_call({"function": old}),)
    metadata = message.get("metadata")
    usage = message.get("usage") or (metadata.get("usage") if isinstance(metadata, Mapping) else None)
    results = _results(calls, message.get("tool_responses") or ())
    return Said(_words(message), calls, results, read_tokens(usage))


def _from_answer(answer: Mapping[str, Any]) -> Said:
    """The body of an OpenAI answer."""
    choices = answer["choices"]
    message = (
        choices[0].get("message") if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    )
    if not isinstance(message, Mapping):
        raise AgentFailed("the agent's answer has no message in its `choices`")
    said = _from_parts(message)
    return Said(said.text, said.calls, said.results, read_tokens(answer.get("usage")))


def _words(message: Mapping[str, Any]) -> str | None:
    """The text of `content`: a string or a list of parts; a refusal counts as one."""
    match message.get("content"):
        case None:
            refusal = message.get("refusal")
            return clean_text(refusal) if isinstance(refusal, str) else None
        case str(text):
            return clean_text(text)
        case list(parts):
            texts = [part if isinstance(part, str) else _fields(part, "text").get("text") for part in parts]
            return clean_text("".join(text for text in texts if isinstance(text, str)))
        case other:
            raise AgentFailed(f"the agent's `content` is {_named(other)}, not a text")


def _call(call: object) -> AskedCall:
    """A tool call in OpenAI's form, or flat with `name` and `args` as some libraries have it."""
    fields = _fields(call, "id", "function", "name", "args", "arguments")
    function = _fields(fields["function"], "name", "arguments") if fields.get("function") else fields
    name = function.get("name")
    if not isinstance(name, str) or not name:
        raise AgentFailed(f"a tool call of the agent names no tool: {_short(call)}")
    given = function["arguments"] if function.get("arguments") is not None else function.get("args")
    arguments, text = _arguments(given)
    call_id = fields.get("id")
    return AskedCall(clean_text(name), arguments, call_id if isinstance(call_id, str) and call_id else None, text)


def _arguments(given: object) -> tuple[dict[str, JSON], str | None]:
    match given:
        case None:
            return {}, None
        case str():
            return read_arguments(given)
        case Mapping():
            arguments: dict[str, JSON] = clean_json(dict(given))
            return arguments, None
        case _:
            return {}, _short(given)


def _results(calls: Sequence[AskedCall], responses: Sequence[object]) -> dict[int, JSON]:
    """The result of each call that has one: by id, or by position where the response has none."""
    positions = {call.call_id: position for position, call in enumerate(calls)}
    results: dict[int, JSON] = {}
    for place, response in enumerate(responses):
        fields = _fields(response, "tool_call_id", "id", "content", "result", "output")
        call_id = fields.get("tool_call_id") or fields.get("id")
        position = positions.get(call_id) if call_id else place
        if position is not None and position < len(calls):
            results[position] = _result(fields)
    return results


def _result(fields: Mapping[str, Any]) -> JSON:
    named = [fields[name] for name in ("content", "result", "output") if fields.get(name) is not None]
    return clean_json(named[0]) if named else None


def _fields(given: object, *names: str) -> dict[str, Any]:
    """Some fields of a mapping or an object; those that it has."""
    if isinstance(given, Mapping):
        return {name: given[name] for name in names if name in given}
    return {name: getattr(given, name) for name in names if hasattr(given, name)}


def _named(given: object) -> str:
    return f"{type(given).__name__} ({_short(given)})"


def _keys(message: Mapping[str, Any]) -> str:
    return ", ".join(repr(str(key)) for key in list(message)[:5]) or "no keys"


def _short(given: object) -> str:
    return cut_to(json.dumps(clean_json(given), ensure_ascii=False), 120)

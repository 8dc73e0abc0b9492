"""ShareGPT: `conversations` of turns with `from` and `value`, as training sets have them.

Tool calls come as JSON in a turn of their own (LLaMA-Factory's form) or in `<tool_call>` tags within what the model
says (Hermes'), results likewise.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Final

from taketwo.capture.chat_messages import usual_spelling
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.loose_json import loosely, python_literal, text_of
from taketwo.capture.imports.chat_facts import Ids, open_questions
from taketwo.capture.imports.imported import Imported
from taketwo.capture.imports.json_elements import json_elements
from taketwo.capture.imports.json_records import read_each, record_keys
from taketwo.capture.imports.retelling import Told, told_conversation
from taketwo.conversation import Agent, Conversation, ToolDefinition
from taketwo.errors import TraceUnreadable
from taketwo.value import JSON

RULE: Final = "sharegpt"

_ROLES: Final = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "model", "bot", "bing", "bard"), "assistant"),
    **dict.fromkeys(("function_call", "tool_call"), "call"),
    **dict.fromkeys(("observation", "tool", "function_response", "tool_response", "function"), "tool"),
    **dict.fromkeys(("system", "developer"), "system"),
}
_SPEAKS: Final = re.compile(rb'"(?:from|role)"\s*:')
_CALL: Final = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_RESPONSE: Final = re.compile(r"<tool_response>(.*?)(?:</tool_response>|\Z)", re.DOTALL)
_TOOLS: Final = re.compile(r"<tools>(.*?)</tools>", re.DOTALL)
_READ_KEYS: Final = frozenset({"id", "conversations", "system", "tools", "model"})


def reads(head: bytes) -> bool:
    """Whether a file that begins so holds conversations in ShareGPT's form."""
    return "conversations" in record_keys(head) and bool(_SPEAKS.search(head))


def read(stream: io.BufferedReader) -> Iterator[Imported]:
    """The conversations of the file."""
    ids = Ids("sharegpt")
    return read_each(json_elements(stream), lambda record: _conversation(record.value, ids))


def _conversation(record: JSON, ids: Ids) -> Conversation:
    turns = record.get("conversations") if isinstance(record, dict) else None
    if not isinstance(turns, list) or not any(_role(turn) for turn in turns):
        raise TraceUnreadable("this is no conversation: it has no turns with 'from' and 'value'")
    system = record.get("system")
    told = list(_merged(each for position, turn in enumerate(turns) for each in _told(position, turn)))
    if isinstance(system, str) and system:
        told.insert(0, Told({"role": "system", "content": system}, "system"))
    conversation = told_conversation(
        told,
        rule=RULE,
        id=ids.of(record.get("id"), record),
        agent=Agent(model=text_of(record.get("model")), tools=_tools(record, told)),
        metadata={key: value for key, value in record.items() if key not in _READ_KEYS},
    )
    return conversation.but(gaps=(*open_questions(conversation), *conversation.gaps))


def _role(turn: JSON) -> str | None:
    name = turn.get("from", turn.get("role")) if isinstance(turn, dict) else None
    return _ROLES.get(name.lower()) if isinstance(name, str) else None


def _told(position: int, turn: JSON) -> Iterator[Told]:
    place = f"conversations[{position}]"
    value = turn.get("value", turn.get("content")) if isinstance(turn, dict) else None
    match _role(turn), value:
        case "user" | "system" as role, str():
            yield Told({"role": role, "content": value}, place)
        case "assistant", str():
            yield Told(_spoken(value), place)
        case "call", _ if calls := _calls(value):
            yield Told({"role": "assistant", "content": None, "tool_calls": calls}, place)
        case "tool", _ if value is not None:
            for result in _results(value):
                yield Told({"role": "tool", "content": result}, place)
        case _:
            # What is none of these is kept as it is, with a gap.
            yield Told({"role": "unknown", "turn": turn}, place)


def _spoken(value: str) -> dict[str, JSON]:
    """What the model says, with the calls in it apart from the words around them."""
    calls = [call for found in _CALL.finditer(value) for call in _calls(found[1])]
    if not calls:
        return {"role": "assistant", "content": value}
    return {"role": "assistant", "content": _CALL.sub("", value).strip() or None, "tool_calls": calls}


def _calls(value: JSON) -> list[JSON]:
    """The calls in a text of JSON, or of Python, as some models were taught it: one or a list."""
    found = loosely(value)
    if isinstance(found, str):
        found = python_literal(found.strip())
    return [call for item in (found if isinstance(found, list) else [found]) if (call := _call(item))]


def _call(item: JSON) -> JSON:
    match item:
        case {"function": dict() as function}:
            item = function
    match item:
        case {"name": str(name)} if name:
            given = next((item[key] for key in ("arguments", "parameters", "args") if key in item), None)
            arguments = given if isinstance(given, str) else usual_spelling({} if given is None else given)
            return {"type": "function", "function": {"name": name, "arguments": arguments}}
        case _:
            return None


def _results(value: JSON) -> list[JSON]:
    """The results in a turn: one in every tag, the whole where there is no tag."""
    if not isinstance(value, str):
        return [usual_spelling(value)]
    return [found[1].strip() for found in _RESPONSE.finditer(value)] or [value]


def _merged(told: Iterator[Told]) -> Iterator[Told]:
    """The messages, with calls that follow each other or the words before them as one message of the model's."""
    last: Told | None = None
    for each in told:
        if last is not None and _goes_on(last, each):
            calls = [*last.message.get("tool_calls", []), *each.message["tool_calls"]]
            last = last._replace(message={**last.message, "tool_calls": calls})
            continue
        if last is not None:
            yield last
        last = each
    if last is not None:
        yield last


def _goes_on(last: Told, each: Told) -> bool:
    is_call_alone = each.message.get("content") is None and "tool_calls" in each.message
    return last.message["role"] == "assistant" and is_call_alone


def _tools(record: dict[str, JSON], told: list[Told]) -> tuple[ToolDefinition, ...]:
    """The tools of the record's own column, else those that a prompt in Hermes' form lists."""
    if found := read_definitions(record.get("tools")):
        return found
    prompt = told[0].message.get("content") if told and told[0].message["role"] == "system" else None
    listed = _TOOLS.search(prompt) if isinstance(prompt, str) else None
    if listed is None:
        return ()
    text = listed[1].strip()
    return read_definitions(text.splitlines() if text.startswith("{") and "}\n{" in text else text)

"""Calls of OpenAI's Responses API, one a record: the request with its response, or a response that holds its input.

Calls that continue each other become one conversation, see `response_chains`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.loose_json import as_object, number_of, text_of
from taketwo.capture.imports.chat_facts import open_questions
from taketwo.capture.imports.imported import Imported, Unread
from taketwo.capture.imports.json_elements import json_elements
from taketwo.capture.imports.json_records import Record, read_each, record_keys
from taketwo.capture.imports.response_chains import Chain, Exchange, chains
from taketwo.capture.imports.response_items import ItemMessage, item_messages
from taketwo.capture.imports.retelling import Told, moment_of, told_conversation
from taketwo.conversation import Agent, Conversation, Gap, Outcome, Tokens
from taketwo.errors import TraceUnreadable
from taketwo.value import JSON

RULE: Final = "openai-responses"

_RESPONSE: Final = re.compile(rb'"object"\s*:\s*"response"')
_ITEM: Final = re.compile(
    rb'"type"\s*:\s*"(?:message|input_text|output_text|function_call|function_call_output|reasoning)"'
)
_SETTINGS: Final = ("temperature", "top_p", "max_output_tokens", "reasoning", "tool_choice", "parallel_tool_calls")
_SESSION_KEYS: Final = ("session_id", "thread_id", "conversation_id")


def reads(head: bytes) -> bool:
    """Whether a file that begins so holds calls of the Responses API."""
    keys = record_keys(head)
    pair = {"request", "response"} <= keys or {"input", "output"} <= keys
    return bool(keys) and (bool(_RESPONSE.search(head)) or (pair and bool(_ITEM.search(head))))


def read(stream: io.BufferedReader) -> Iterator[Imported]:
    """The conversations of the file, one a chain of calls, in the order in which the chains end."""
    for found in chains(read_each(json_elements(stream), _exchange)):
        yield found if isinstance(found, Unread) else _conversation(found)


def _exchange(record: Record) -> Exchange:
    call = record.value
    if not isinstance(call, dict):
        raise TraceUnreadable("this is no call of the Responses API")
    response = _body(call.get("response", call))
    request = _body(call.get("request", call))
    given, gave = request.get("input", response.get("input")), response.get("output")
    if gave is None and isinstance(text := response.get("output_text"), str):
        gave = [{"role": "assistant", "content": text}]
    if given is None and gave is None:
        raise TraceUnreadable("this is no call of the Responses API: it has neither input nor output")
    if given is None:
        raise TraceUnreadable("the response does not say what it answers: keep the request's input with it")
    about = _about(request, response)
    return Exchange(
        where=record.where,
        id=text_of(response.get("id")),
        previous=text_of(response.get("previous_response_id")) or text_of(request.get("previous_response_id")),
        conversation=_conversation_id(response) or _conversation_id(request),
        created=_seconds(response.get("created_at")),
        whose=f"{_user(about)} {_session(about)}",
        input=_items(given),
        output=_items(gave),
        about=about,
    )


def _seconds(value: JSON) -> int:
    seconds = number_of(value) or 0
    return seconds if abs(seconds) < 2**40 else 0


def _body(value: JSON) -> dict[str, JSON]:
    """The request or response, out of the envelope that batches put around it."""
    found = as_object(value) or {}
    return inner if isinstance(inner := found.get("body"), dict) else found


def _conversation_id(found: Mapping[str, JSON]) -> str | None:
    named = found.get("conversation")
    return text_of(named.get("id")) if isinstance(named, dict) else text_of(named)


def _items(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else [] if value is None else [value]


_ABOUT: Final = (
    *("instructions", "tools", "model", "usage", "created_at", "completed_at", "status", "error"),
    *("incomplete_details", "metadata", "user", "safety_identifier", *_SETTINGS),
)


def _about(request: Mapping[str, JSON], response: Mapping[str, JSON]) -> dict[str, JSON]:
    """What is known of the call besides its items: as the response has it, else as it was asked for."""
    known = {key: request.get(key) if response.get(key) is None else response[key] for key in _ABOUT}
    return {key: value for key, value in known.items() if value is not None}


def _conversation(chain: Chain) -> Conversation:
    last = chain.calls[-1].about
    messages = item_messages([item for item, _ in chain.items])
    told = [Told({"role": "system", "content": prompt}, "instructions")] if (prompt := _instructions(chain)) else []
    conversation = told_conversation(
        [*told, *_told(chain, messages)],
        rule=RULE,
        id=chain.id,
        agent=Agent(
            model=text_of(last.get("model")),
            tools=read_definitions(last.get("tools")),
            settings={key: last[key] for key in _SETTINGS if key in last},
        ),
        outcome=Outcome(ended_reason=_ended(last)),
        gaps=list(_gaps(chain)),
        metadata=as_object(last.get("metadata")) or {},
    ).but(session_id=chain.conversation or _session(last), user_id=_user(last))
    return conversation.but(gaps=(*open_questions(conversation), *conversation.gaps))


def _user(about: Mapping[str, JSON]) -> str | None:
    return text_of(about.get("safety_identifier")) or text_of(about.get("user"))


def _session(about: Mapping[str, JSON]) -> str | None:
    metadata = as_object(about.get("metadata")) or {}
    return next((name for key in _SESSION_KEYS if (name := text_of(metadata.get(key)))), None)


def _instructions(chain: Chain) -> str | None:
    """The instructions of the first call, which stand apart from the items."""
    given = chain.calls[0].about.get("instructions")
    if isinstance(given, list):
        texts = [each.message.get("content") for each in item_messages(given)]
        return "\n".join(text for text in texts if isinstance(text, str)) or None
    return text_of(given)


def _told(chain: Chain, messages: Sequence[ItemMessage]) -> Iterator[Told]:
    """The messages with the time, and once for each call with the tokens, of the call they came in with."""
    counted: set[int] = set()
    for each in messages:
        place = chain.items[each.item_index][1]
        number = chain.call_of(each.item_index)
        about = chain.calls[number].about if number is not None else {}
        is_output = number is not None and each.item_index in chain.calls[number].answers
        tokens = Tokens()
        if is_output and number is not None and number not in counted:
            counted.add(number)
            usage = as_object(about.get("usage")) or {}
            tokens = Tokens(input=number_of(usage.get("input_tokens")), output=number_of(usage.get("output_tokens")))
        yield Told(
            each.message,
            place,
            _at(about, is_output, each.message),
            each.failed,
            tokens,
            calls={
                call_id: (chain.items[index][1], _at(about, is_output, each.message))
                for call_id, index in each.calls.items()
            },
        )


def _at(about: Mapping[str, JSON], is_output: bool, message: Mapping[str, JSON]) -> datetime | None:
    """A user's line came when its call was made, an answer when its call was complete; of the rest nobody says."""
    if is_output:
        return moment_of(about.get("completed_at"))
    return moment_of(about.get("created_at")) if message["role"] == "user" else None


def _ended(last: Mapping[str, JSON]) -> str | None:
    """How the last call ended where it did not complete."""
    status = text_of(last.get("status"))
    if status in {None, "completed"}:
        return None
    details = as_object(last.get("error")) or as_object(last.get("incomplete_details")) or {}
    why = text_of(details.get("message")) or text_of(details.get("reason")) or text_of(details.get("code"))
    return f"{status}: {why}" if why else status


def _gaps(chain: Chain) -> Iterator[Gap]:
    if chain.missing is not None:
        yield Gap(where="turns[0]", why=f"what was said before, up to {chain.missing}, is not in the file")
    if len({text_of(call.about.get("instructions")) for call in chain.calls}) > 1:
        yield Gap(
            where="agent.system_prompt", why="the instructions changed between the calls; the first ones are shown"
        )

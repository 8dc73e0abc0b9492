"""Vapi: calls as its API gives them, lists of calls, server messages as its webhooks send them, and chats."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from taketwo.capture.dialects.loose_json import text_of
from taketwo.capture.imports.chat_facts import Ids, open_questions
from taketwo.capture.imports.imported import Imported, Unread
from taketwo.capture.imports.json_elements import json_elements
from taketwo.capture.imports.json_records import record_keys
from taketwo.capture.imports.retelling import Told, moment_of, told_conversation
from taketwo.capture.imports.spoken import (
    CONFIGURATION,
    Recording,
    Stretch,
    lines_of_transcript,
    seconds,
    spoken_conversation,
    without_secrets,
)
from taketwo.conversation import Agent, Conversation, Gap, Outcome, ToolDefinition, Word
from taketwo.errors import TraceUnreadable
from taketwo.value import JSON, canonical_json, clean_json

RULE: Final = "vapi"
REPORT: Final = "end-of-call-report"
NO_RESULT: Final = "No result returned."
"""What Vapi writes as the result of a tool that failed or timed out."""

_ENVELOPE: Final = re.compile(rb'"message"\s*:\s*\{.{0,4000}?"type"\s*:\s*"[a-z-]+"', re.DOTALL)
_CALL_KEYS: Final = ("endedReason", "costBreakdown", "artifact", "artifactPlan", "assistantOverrides", "squadId")
_ROLES: Final = {"bot": "assistant", "assistant": "assistant", "user": "user", "system": "system"}
_CALLS: Final = ("tool_calls", "function_call")
_RESULTS: Final = ("tool_call_result", "function_call_result", "function_result", "tool")
_USER_NAMES: Final = ("user", "customer", "human")
_LONGEST_SECONDS: Final = 60
"""A line of more seconds is one of milliseconds: the unit of `duration` changed at the end of 2024."""
_KEPT: Final = (
    "type",
    "name",
    "cost",
    "costs",
    "costBreakdown",
    "analysis",
    "phoneCallProvider",
    "customer",
    "compliance",
)


def reads(head: bytes) -> bool:
    """Whether a file that begins so holds calls or server messages of Vapi's."""
    keys = record_keys(head)
    of_call = "orgId" in keys and bool(keys & {"assistantId", "assistant", *_CALL_KEYS, "type"})
    return of_call or ("endedReason" in keys and "artifact" in keys) or _is_message(keys, head)


def _is_message(keys: frozenset[str], head: bytes) -> bool:
    return keys == {"message"} and bool(_ENVELOPE.search(head))


def read(stream: io.BufferedReader) -> Iterator[Imported]:
    """The conversations of the file, one a call. Of several server messages of a call the one that says most counts."""
    ids = Ids("vapi")
    waiting: dict[str, Message] = {}
    for record in json_elements(stream):
        if isinstance(record, Unread):
            yield record
            continue
        for value in _calls_in(clean_json(record.value)):
            try:
                if (message := server_message(value)) is None:
                    yield conversation_of(value, ids)
                elif message.rank >= (waiting[message.call_id].rank if message.call_id in waiting else 0):
                    waiting[message.call_id] = message
            except TraceUnreadable as error:
                yield Unread(where=record.where, why=error.what)
    for message in waiting.values():
        if message.call is not None:
            yield conversation_of(message.call, ids, message.rank)


class Message(NamedTuple):
    """A server message, as far as it tells of a call."""

    call_id: str
    """The call it is about."""
    rank: int
    """How much it says: 2 the whole call, 1 what was said so far, 0 nothing that is kept."""
    call: dict[str, JSON] | None
    """The call in the form of the API; None where it says nothing of it."""


def server_message(value: JSON) -> Message | None:
    """The server message that this is; None when it is none. Raises TraceUnreadable when it names no call."""
    message = value.get("message") if isinstance(value, dict) else None
    if not isinstance(message, dict) or not isinstance(kind := message.get("type"), str):
        return None
    call = _object(message.get("call")) or _object(message.get("chat"))
    call_id = text_of(call.get("id")) or text_of(message.get("callId"))
    if call_id is None:
        raise TraceUnreadable(f"the server message {kind!r} names no call")
    # The call inside is how it was at its creation: its status, its messages and its end are those of the message.
    said = {key: item for key, item in message.items() if key not in ("type", "call", "timestamp")}
    merged = {**{key: item for key, item in call.items() if key != "status"}, **said, "id": call_id}
    if kind == REPORT:
        return Message(call_id, 2, merged)
    told = kind == "conversation-update" and (message.get("messages") or message.get("messagesOpenAIFormatted"))
    return Message(call_id, 1, merged) if told else Message(call_id, 0, None)


def conversation_of(call: JSON, ids: Ids, rank: int = 2) -> Conversation:
    """The conversation of a call. Raises TraceUnreadable for what is none."""
    if not isinstance(call, dict) or not (call.get("id") or call.get("endedReason")):
        raise TraceUnreadable("this is no call of Vapi's: it has neither an id nor an ended reason")
    if isinstance(call.get("output"), list):
        return _chat(call, ids)
    told, stretches, gaps = _lines(call)
    recording = _recording(call)
    conversation = spoken_conversation(
        told,
        stretches,
        recording,
        rule=RULE,
        id=ids.of(call.get("id"), call),
        agent=agent_of(call),
        outcome=_outcome(call),
        gaps=[*gaps, *_open_end(call, rank)],
        metadata=_metadata(call),
    )
    began, ended = moment_of(call.get("startedAt")), moment_of(call.get("endedAt"))
    conversation = conversation.but(
        user_id=text_of(_object(call.get("customer")).get("number")),
        started_at=began or conversation.started_at,
        ended_at=ended or conversation.ended_at,
    )
    return conversation.but(gaps=(*open_questions(conversation), *conversation.gaps))


def agent_of(call: Mapping[str, JSON]) -> Agent:
    """The agent, with what the assistant's configuration says of it."""
    assistant = _assistant(call)
    model = _object(assistant.get("model"))
    settings = {name: model[key] for key, name in _MODEL_SETTINGS.items() if model.get(key) is not None}
    return Agent(
        name=text_of(assistant.get("name")) or text_of(call.get("assistantId")),
        model=text_of(model.get("model")),
        provider=text_of(model.get("provider")),
        system_prompt=_prompt(model) or _first_system(call),
        tools=tuple(_tools(model)),
        settings=settings,
    )


_MODEL_SETTINGS: Final = {"temperature": "temperature", "maxTokens": "max_tokens", "topP": "top_p"}


def configuration_of(call: Mapping[str, JSON]) -> dict[str, JSON]:
    """How the platform was told to run the agent: voice, transcriber, first message and the rest, without secrets."""
    assistant = _assistant(call)
    model = {key: item for key, item in _object(assistant.get("model")).items() if key not in ("messages", "tools")}
    rest = {
        key: item for key, item in assistant.items() if key not in ("model", "voice", "transcriber", "firstMessage")
    }
    found: dict[str, JSON] = {
        "platform": "vapi",
        "assistant_id": call.get("assistantId") or assistant.get("id"),
        "assistant_version": call.get("assistantVersion"),
        "first_message": assistant.get("firstMessage"),
        "model": model,
        "voice": assistant.get("voice"),
        "transcriber": assistant.get("transcriber"),
        "assistant": rest,
        "phone_number": _object(call.get("phoneNumber")).get("number") or call.get("phoneNumberId"),
        "provider": call.get("phoneCallProvider"),
    }
    kept: dict[str, JSON] = without_secrets({key: item for key, item in found.items() if item not in (None, {}, "")})
    return kept


def _calls_in(value: JSON) -> Sequence[JSON]:
    """The calls of an answer of the API that has them in a list, else the value itself."""
    if isinstance(value, dict) and not value.get("id"):
        for key in ("results", "calls", "data"):
            if isinstance(found := value.get(key), list):
                return found
    return [value]


def _object(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}


def _assistant(call: Mapping[str, JSON]) -> dict[str, JSON]:
    """The assistant as it was for this call, its overrides included."""
    return {**_object(call.get("assistant")), **_object(call.get("assistantOverrides"))}


def _prompt(model: Mapping[str, JSON]) -> str | None:
    messages = model.get("messages")
    if isinstance(messages, list):
        texts = [text_of(_object(one).get("content")) for one in messages if _object(one).get("role") == "system"]
        return "\n\n".join(text for text in texts if text) or None
    return text_of(model.get("systemPrompt"))


def _first_system(call: Mapping[str, JSON]) -> str | None:
    for message in _messages(call)[0]:
        if message.get("role") == "system":
            return text_of(message.get("message")) or text_of(message.get("content"))
    return None


def _tools(model: Mapping[str, JSON]) -> Iterator[ToolDefinition]:
    given = model.get("tools") or model.get("functions")
    for tool in given if isinstance(given, list) else ():
        function = _object(_object(tool).get("function")) or _object(tool)
        if name := text_of(function.get("name")):
            yield ToolDefinition(
                name=name, description=text_of(function.get("description")), parameters=function.get("parameters")
            )


def _messages(call: Mapping[str, JSON]) -> tuple[list[dict[str, JSON]], str]:
    """The richest messages that there are, and where they stand."""
    artifact = _object(call.get("artifact"))
    for holder, place in ((artifact, "artifact."), (call, "")):
        for key in ("messages", "messagesOpenAIFormatted"):
            if isinstance(found := holder.get(key), list) and found:
                return [_object(message) for message in found], f"{place}{key}"
    return [], ""


def _lines(call: Mapping[str, JSON]) -> tuple[list[Told], dict[str, Stretch], list[Gap]]:
    """The lines in the order of their time, when each was spoken, and what is not known of them."""
    messages, where = _messages(call)
    if not messages:
        return _lines_of_transcript(call)
    began = _epoch_ms(call.get("startedAt"))
    placed = [(_time(message, at), at, message) for at, message in enumerate(messages)]
    known = 0.0
    for position, (time, at, message) in enumerate(placed):
        known = max(known, time) if time is not None else known
        placed[position] = (time if time is not None else known, at, message)
    told, stretches = [], {}
    for _, at, message in sorted(placed, key=lambda each: (each[0] or 0.0, each[1])):
        place = f"{where}[{at}]"
        if (line := _told(message, place)) is not None:
            told.append(line)
            if (stretch := _stretch(message, began)) is not None:
                stretches[place] = stretch
    return told, stretches, []


def _lines_of_transcript(call: Mapping[str, JSON]) -> tuple[list[Told], dict[str, Stretch], list[Gap]]:
    text = text_of(_object(call.get("artifact")).get("transcript")) or text_of(call.get("transcript")) or ""
    told = [
        Told({"role": role, "content": words}, f"transcript, line {number}")
        for number, (role, words) in enumerate(lines_of_transcript(text, _USER_NAMES), start=1)
    ]
    why = (
        "the call has a transcript and no messages: times and tool calls are not known" if told else "nothing was said"
    )
    return told, {}, [Gap(where="turns", why=why)]


def _time(message: Mapping[str, JSON], position: int) -> float | None:
    time = seconds(message.get("time"))
    return time or (0.0 if position == 0 else None)


def _told(message: Mapping[str, JSON], place: str) -> Told | None:
    """A message in OpenAI form; None for one that is no part of the talk."""
    role, at = text_of(message.get("role")), moment_of(message.get("time"))
    text = text_of(message.get("message")) or text_of(message.get("content")) or ""
    if role in _CALLS or message.get("toolCalls") or message.get("tool_calls"):
        return Told({"role": "assistant", "content": text or None, "tool_calls": list(_calls(message))}, place, at)
    if role in _RESULTS:
        result = message.get("result", message.get("content"))
        failed = result == NO_RESULT or bool(message.get("error"))
        shown = message.get("error") or result
        call_id = message.get("toolCallId") or message.get("tool_call_id")
        return Told({"role": "tool", "tool_call_id": call_id, "content": _as_text(shown)}, place, at, failed)
    if role not in _ROLES or not text or role == "system":
        return None
    return Told({"role": _ROLES[role], "content": text}, place, at)


def _calls(message: Mapping[str, JSON]) -> Iterator[dict[str, JSON]]:
    given = message.get("toolCalls") or message.get("tool_calls") or [message.get("functionCall") or message]
    for call in given if isinstance(given, list) else ():
        function = _object(_object(call).get("function")) or _object(call)
        arguments = function.get("arguments", function.get("parameters"))
        yield {
            "id": _object(call).get("id"),
            "type": "function",
            "function": {"name": text_of(function.get("name")) or "", "arguments": _as_text(arguments)},
        }


def _as_text(value: JSON) -> str:

    return value if isinstance(value, str) else "" if value is None else canonical_json(value)


def _stretch(message: Mapping[str, JSON], began_ms: float | None) -> Stretch | None:
    """When a line was spoken. `endTime - time` is its length; `duration` was in seconds once, and is in ms now."""
    time, end = seconds(message.get("time")), seconds(message.get("endTime"))
    start = seconds(message.get("secondsFromStart"))
    if start is None and time and began_ms is not None:
        start = max(0.0, (time - began_ms) / 1000)
    if start is None or text_of(message.get("role")) not in ("bot", "assistant", "user"):
        return None
    length = (end - time) / 1000 if end and time and end >= time else None
    if length is None and (duration := seconds(message.get("duration"))) is not None:
        length = duration / 1000 if duration > _LONGEST_SECONDS else duration
    finish = None if length is None else start + length
    return Stretch(start, finish, tuple(_words(message, start, finish)))


def _words(message: Mapping[str, JSON], start: float, end: float | None) -> Iterator[Word]:
    given = _object(message.get("metadata")).get("wordLevelConfidence")
    for word in given if isinstance(given, list) else ():
        said = _object(word)
        begins, ends = seconds(said.get("start")), seconds(said.get("end"))
        inside = begins is not None and start - 1 <= begins and (end is None or begins <= end + 1)
        if inside and begins is not None and ends is not None and (text := text_of(said.get("word"))):
            yield Word(text=text, start_s=begins, end_s=max(begins, ends))


def _epoch_ms(value: JSON) -> float | None:
    at = moment_of(value)
    return at.timestamp() * 1000 if at else None


def _recording(call: Mapping[str, JSON]) -> Recording | None:
    """The stereo recording where there is one, wherever this generation of the API puts it."""
    artifact = _object(call.get("artifact"))
    recording = _object(artifact.get("recording"))
    mono = _object(recording.get("mono"))
    stereo = (
        *(artifact.get("presignedStereoUrl"), recording.get("stereoUrl"), artifact.get("stereoRecordingUrl")),
        call.get("stereoRecordingUrl"),
    )
    single = (
        *(artifact.get("presignedMonoUrl"), mono.get("combinedUrl"), artifact.get("recordingUrl")),
        *(call.get("recordingUrl"), recording.get("url")),
    )
    for urls, is_stereo in ((stereo, True), (single, False)):
        if found := next((url for url in map(text_of, urls) if url), None):
            return Recording(found, is_stereo)
    return None


def _outcome(call: Mapping[str, JSON]) -> Outcome:
    analysis = _object(call.get("analysis"))
    scores = {
        "success_evaluation": analysis.get("successEvaluation"),
        "structured_data": analysis.get("structuredData"),
        "summary": analysis.get("summary") or call.get("summary"),
    }
    return Outcome(
        ended_reason=text_of(call.get("endedReason")),
        scores={key: item for key, item in scores.items() if item not in (None, {}, "")},
    )


def _open_end(call: Mapping[str, JSON], rank: int) -> Iterator[Gap]:
    if rank < 2:
        yield Gap(where="outcome", why="there is no end-of-call report: this is what was said until the last update")
    elif call.get("endedReason") is None and call.get("endedAt") is None:
        yield Gap(where="outcome", why="the call had not ended when it was asked for")


def _metadata(call: Mapping[str, JSON]) -> dict[str, JSON]:
    artifact = _object(call.get("artifact"))
    kept = {key: call[key] for key in _KEPT if call.get(key) not in (None, [], {}, "")}
    for key in ("performanceMetrics", "variableValues", "transfers", "structuredOutputs"):
        if artifact.get(key):
            kept[key] = artifact[key]
    return {**without_secrets(kept), CONFIGURATION: configuration_of(call)}


def _chat(call: Mapping[str, JSON], ids: Ids) -> Conversation:
    """A text chat of the same assistant."""
    before, output = call.get("messages"), call.get("output")
    given = call.get("input")
    asked = [{"role": "user", "content": given}] if isinstance(given, str) else given
    messages = [*_list(before), *_list(asked), *_list(output)]
    told = [line for at, one in enumerate(messages) if (line := _told(_object(one), f"messages[{at}]")) is not None]
    conversation = told_conversation(
        told,
        rule=RULE,
        id=ids.of(call.get("id"), call),
        agent=agent_of(call),
        metadata={CONFIGURATION: configuration_of(call)},
    )
    conversation = conversation.but(session_id=text_of(call.get("sessionId")))
    return conversation.but(gaps=(*open_questions(conversation), *conversation.gaps))


def _list(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []

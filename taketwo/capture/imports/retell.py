"""Retell: calls and chats as its API gives them, lists of them, and webhooks."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

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
from taketwo.conversation import Agent, Conversation, Gap, Outcome, Word
from taketwo.errors import TraceUnreadable
from taketwo.value import JSON, canonical_json, clean_json

RULE: Final = "retell"

_RANKS: Final = {"call_analyzed": 3, "chat_analyzed": 3, "call_ended": 2, "chat_ended": 2}
"""How much a webhook says of its call; the others say nothing that is kept."""
_LINES: Final = (
    *("transcript_with_tool_calls", "scrubbed_transcript_with_tool_calls"),
    *("message_with_tool_calls", "transcript_object", "scrubbed_transcript_object"),
)
_ROLES: Final = {"agent": "assistant", "user": "user"}
_KEPT: Final = (
    *("call_type", "direction", "from_number", "to_number", "agent_version", "latency", "call_cost", "chat_cost"),
    *(
        "llm_token_usage",
        "metadata",
        "retell_llm_dynamic_variables",
        "collected_dynamic_variables",
        "data_storage_setting",
    ),
)


def reads(head: bytes) -> bool:
    """Whether a file that begins so holds calls, chats or webhooks of Retell's."""
    keys = record_keys(head)
    of_call = bool(keys & {"call_id", "chat_id"}) and bool(
        keys & {"call_status", "chat_status", "disconnection_reason", "transcript_object", "call_type"}
    )
    return of_call or ("event" in keys and bool(keys & {"call", "chat"}))


def read(stream: io.BufferedReader) -> Iterator[Imported]:
    """The conversations of the file, one a call or chat. Of several webhooks of a call the fullest counts."""
    ids = Ids("retell")
    waiting: dict[str, tuple[int, dict[str, JSON]]] = {}
    for record in json_elements(stream):
        if isinstance(record, Unread):
            yield record
            continue
        for value in _calls_in(clean_json(record.value)):
            try:
                if not (isinstance(value, dict) and "event" in value):
                    yield conversation_of(value, ids)
                elif (found := webhook(value)) and found[0] >= waiting.get(found[1], (0, {}))[0]:
                    waiting[found[1]] = found[0], found[2]
            except TraceUnreadable as error:
                yield Unread(where=record.where, why=error.what)
    yield from (conversation_of(call, ids) for _, call in waiting.values())


def webhook(value: Mapping[str, JSON]) -> tuple[int, str, dict[str, JSON]] | None:
    """How much it says, the id of its call, and the call; None for one that says nothing that is kept.

    Raises TraceUnreadable for what is no webhook.
    """
    call = value.get("call") or value.get("chat")
    call_id = text_of(call.get("call_id") or call.get("chat_id")) if isinstance(call, dict) else None
    if not isinstance(call, dict) or call_id is None:
        raise TraceUnreadable("this is no webhook of Retell's: it has no call with an id")
    rank = _RANKS.get(str(value.get("event")), 0)
    return (rank, call_id, call) if rank else None


def conversation_of(call: JSON, ids: Ids) -> Conversation:
    """The conversation of a call or chat. Raises TraceUnreadable for what is neither."""
    if not isinstance(call, dict) or not (call.get("call_id") or call.get("chat_id")):
        raise TraceUnreadable("this is no call of Retell's: it has no call_id")
    told, stretches, gaps = _lines(call)
    about: dict[str, Any] = {
        "rule": RULE,
        "id": ids.of(call.get("call_id") or call.get("chat_id"), call),
        "agent": Agent(name=text_of(call.get("agent_name")) or text_of(call.get("agent_id"))),
        "outcome": _outcome(call),
        "gaps": [*gaps, Gap(where="agent.system_prompt", why="Retell's calls do not hold the instructions")],
        "metadata": _metadata(call),
    }
    if call.get("call_id"):
        conversation = spoken_conversation(told, stretches, _recording(call), **about)
    else:
        conversation = told_conversation(told, **about)
    conversation = conversation.but(
        user_id=_user(call),
        started_at=moment_of(call.get("start_timestamp")) or conversation.started_at,
        ended_at=moment_of(call.get("end_timestamp")) or conversation.ended_at,
    )
    return conversation.but(gaps=(*open_questions(conversation), *conversation.gaps))


def _calls_in(value: JSON) -> Sequence[JSON]:
    if isinstance(value, dict) and not (value.get("call_id") or value.get("chat_id")):
        for key in ("items", "calls", "results", "data"):
            if isinstance(found := value.get(key), list):
                return found
    return [value]


def _lines(call: Mapping[str, JSON]) -> tuple[list[Told], dict[str, Stretch], list[Gap]]:
    began_ms = seconds(call.get("start_timestamp"))
    for key in _LINES:
        if isinstance(entries := call.get(key), list) and entries:
            return _lines_of(entries, key, began_ms)
    text = text_of(call.get("transcript")) or text_of(call.get("scrubbed_transcript")) or ""
    told = [
        Told({"role": role, "content": words}, f"transcript, line {number}")
        for number, (role, words) in enumerate(lines_of_transcript(text, ("user",)), start=1)
    ]
    why = "only the transcript is there: times and tool calls are not known" if told else "nothing was said"
    return told, {}, [Gap(where="turns", why=why)]


def _lines_of(
    entries: Sequence[JSON], key: str, began_ms: float | None
) -> tuple[list[Told], dict[str, Stretch], list[Gap]]:
    told: list[Told] = []
    stretches: dict[str, Stretch] = {}
    gaps: list[Gap] = []
    untimed = 0
    for at, given in enumerate(entries):
        entry, place = given if isinstance(given, dict) else {}, f"{key}[{at}]"
        stretch = _stretch(entry)
        if stretch is not None and stretch.end_s == stretch.start_s:
            gaps.append(Gap(where="turns", why=f"{place} was never spoken: its words take no time"))
            continue
        if (line := _told(entry, place, _at(entry, stretch, began_ms))) is not None:
            told.append(line)
            if stretch is not None:
                stretches[place] = stretch
            untimed += stretch is None and entry.get("role") in _ROLES
    if untimed:
        lines = "one line has" if untimed == 1 else f"{untimed} lines have"
        gaps.append(Gap(where="turns", why=f"{lines} no times of words: when that was spoken is not known"))
    if key.endswith("transcript_object"):
        gaps.append(Gap(where="turns", why="the transcript holds no tool calls"))
    return told, stretches, gaps


def _at(entry: Mapping[str, JSON], stretch: Stretch | None, began_ms: float | None) -> JSON:
    if created := seconds(entry.get("created_timestamp")):
        return created
    since = stretch.start_s if stretch is not None else seconds(entry.get("time_sec"))
    return began_ms + since * 1000 if began_ms is not None and since is not None else None


def _told(entry: Mapping[str, JSON], place: str, at_ms: JSON) -> Told | None:
    role, at = text_of(entry.get("role")), moment_of(at_ms)
    content = entry.get("content")
    if role in _ROLES and isinstance(content, str) and content.strip():
        return Told({"role": _ROLES[role], "content": content}, place, at)
    if role == "tool_call_invocation":
        arguments = entry.get("arguments")
        function = {
            "name": text_of(entry.get("name")) or "",
            "arguments": arguments if isinstance(arguments, str) else canonical_json(arguments or {}),
        }
        call = {"id": entry.get("tool_call_id"), "type": "function", "function": function}
        return Told({"role": "assistant", "content": None, "tool_calls": [call]}, place, at)
    if role == "tool_call_result":
        text = content if isinstance(content, str) else canonical_json(content)
        failed = entry.get("successful") is False
        return Told({"role": "tool", "tool_call_id": entry.get("tool_call_id"), "content": text}, place, at, failed)
    if role == "dtmf" and entry.get("digit") is not None:
        return Told({"role": "user", "content": f"[pressed {entry['digit']}]"}, place, at)
    return None


def _stretch(entry: Mapping[str, JSON]) -> Stretch | None:
    words = [word for each in _list(entry.get("words")) if (word := _word(each)) is not None]
    return Stretch(words[0].start_s, words[-1].end_s, tuple(words)) if words else None


def _word(value: JSON) -> Word | None:
    if not isinstance(value, dict):
        return None
    text, start, end = value.get("word"), seconds(value.get("start")), seconds(value.get("end"))
    if not isinstance(text, str) or start is None or end is None:
        return None
    return Word(text=text.strip(), start_s=start, end_s=max(start, end))


def _recording(call: Mapping[str, JSON]) -> Recording | None:
    for key, is_stereo in (
        ("scrubbed_recording_multi_channel_url", True),
        ("recording_multi_channel_url", True),
        ("scrubbed_recording_url", False),
        ("recording_url", False),
    ):
        if url := text_of(call.get(key)):
            return Recording(url, is_stereo)
    return None


def _outcome(call: Mapping[str, JSON]) -> Outcome:
    analysis = call.get("call_analysis") or call.get("chat_analysis")
    scores = without_secrets(analysis) if isinstance(analysis, dict) else {}
    reason = text_of(call.get("disconnection_reason")) or text_of(call.get("chat_status"))
    return Outcome(ended_reason=reason, scores=scores)


def _metadata(call: Mapping[str, JSON]) -> dict[str, JSON]:
    kept = {key: call[key] for key in _KEPT if call.get(key) not in (None, [], {}, "")}
    configuration = {"platform": "retell", "agent_id": call.get("agent_id"), "agent_version": call.get("agent_version")}
    return {**without_secrets(kept), CONFIGURATION: configuration}


def _user(call: Mapping[str, JSON]) -> str | None:
    """The number at the customer's end of the line."""
    return text_of(call.get("to_number" if call.get("direction") == "outbound" else "from_number"))


def _list(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []

"""ElevenLabs agents: conversations as the API and its post-call webhooks give them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Final

from taketwo.capture.dialects.loose_json import text_of
from taketwo.capture.imports.chat_facts import Ids, open_questions
from taketwo.capture.imports.imported import Imported
from taketwo.capture.imports.json_elements import json_elements
from taketwo.capture.imports.json_records import read_each, record_keys
from taketwo.capture.imports.retelling import Told, moment_of
from taketwo.capture.imports.spoken import CONFIGURATION, Stretch, seconds, spoken_conversation, without_secrets
from taketwo.conversation import Agent, Conversation, Gap, Outcome
from taketwo.errors import TraceUnreadable
from taketwo.value import JSON, canonical_json

RULE: Final = "elevenlabs"

_ROLES: Final = {"agent": "assistant", "user": "user"}


def reads(head: bytes) -> bool:
    """Whether a file that begins so holds conversations of ElevenLabs agents."""
    keys = record_keys(head)
    return {"conversation_id", "agent_id", "transcript"} <= keys or (
        {"type", "data"} <= keys and b'"post_call_transcription"' in head
    )


def read(stream: io.BufferedReader) -> Iterator[Imported]:
    """The conversations of the file."""
    ids = Ids("elevenlabs")
    return read_each(json_elements(stream), lambda record: conversation_of(record.value, ids))


def conversation_of(value: JSON, ids: Ids) -> Conversation:
    """The conversation of a record or of a post-call webhook. Raises TraceUnreadable for what is neither."""
    record = _object(value.get("data")) or value if isinstance(value, dict) else {}
    entries = record.get("transcript")
    if not isinstance(entries, list):
        raise TraceUnreadable("this is no conversation of ElevenLabs: it has no transcript")
    about = _object(record.get("metadata"))
    began = seconds(about.get("start_time_unix_secs"))
    told = list(_told(entries, began))
    stretches = {
        f"transcript[{at}]": Stretch(start, None)
        for at, entry in enumerate(map(_object, entries))
        if (start := seconds(entry.get("time_in_call_secs"))) is not None
    }
    conversation = spoken_conversation(
        told,
        stretches,
        None,
        rule=RULE,
        id=ids.of(record.get("conversation_id"), record),
        agent=_agent(record),
        outcome=_outcome(record, about),
        gaps=[Gap(where="turns", why="the record says when each line began in whole seconds, not when it ended")],
        metadata=_metadata(record, about),
    )
    length = seconds(about.get("call_duration_secs"))
    conversation = conversation.but(
        user_id=text_of(record.get("user_id")) or text_of(_object(about.get("phone_call")).get("external_number")),
        started_at=moment_of(began) or conversation.started_at,
        ended_at=moment_of(began + length) if began and length is not None else conversation.ended_at,
    )
    return conversation.but(gaps=(*open_questions(conversation), *conversation.gaps))


def _told(entries: list[JSON], began: float | None) -> Iterator[Told]:
    for number, entry in enumerate(map(_object, entries)):
        place, since = f"transcript[{number}]", seconds(entry.get("time_in_call_secs"))
        at = moment_of(began + since) if began is not None and since is not None else None
        text = text_of(entry.get("message"))
        role = _ROLES.get(str(entry.get("role")))
        calls = [_call(_object(call)) for call in _list(entry.get("tool_calls"))]
        if role == "user" and text:
            yield Told({"role": "user", "content": text}, place, at)
        elif role == "assistant" and (text or calls):
            message: dict[str, JSON] = {"role": "assistant", "content": text}
            yield Told({**message, "tool_calls": calls} if calls else message, place, at)
        for result in map(_object, _list(entry.get("tool_results"))):
            shown = result.get("result_value")
            content = shown if isinstance(shown, str) else canonical_json(shown)
            message = {"role": "tool", "tool_call_id": result.get("request_id"), "content": content}
            took = seconds(result.get("tool_latency_secs"))
            ended = moment_of(began + since + took) if began and since is not None and took is not None else at
            yield Told(message, place, ended, result.get("is_error") is True)


def _call(call: Mapping[str, JSON]) -> dict[str, JSON]:
    function = {"name": text_of(call.get("tool_name")) or "", "arguments": text_of(call.get("params_as_json")) or "{}"}
    return {"id": call.get("request_id"), "type": "function", "function": function}


def _agent(record: Mapping[str, JSON]) -> Agent:
    override = _object(_object(record.get("conversation_initiation_client_data")).get("conversation_config_override"))
    prompt = _object(_object(override.get("agent")).get("prompt"))
    return Agent(
        name=text_of(record.get("agent_name")) or text_of(record.get("agent_id")),
        model=text_of(prompt.get("llm")),
        system_prompt=text_of(prompt.get("prompt")),
    )


def _outcome(record: Mapping[str, JSON], about: Mapping[str, JSON]) -> Outcome:
    analysis = _object(record.get("analysis"))
    feedback = _object(about.get("feedback"))
    scores = {key: item for key, item in analysis.items() if item not in (None, {}, [], "")}
    if feedback.get("overall_score") is not None:
        scores["feedback"] = feedback["overall_score"]
    return Outcome(ended_reason=text_of(about.get("termination_reason")), scores=scores)


def _metadata(record: Mapping[str, JSON], about: Mapping[str, JSON]) -> dict[str, JSON]:
    kept = {key: about[key] for key in ("cost", "charging", "main_language", "phone_call", "error") if about.get(key)}
    data = _object(record.get("conversation_initiation_client_data"))
    if variables := data.get("dynamic_variables"):
        kept["dynamic_variables"] = variables
    configuration = {"platform": "elevenlabs", "agent_id": record.get("agent_id"), **_version(record)}
    return {**without_secrets(kept), CONFIGURATION: configuration}


def _version(record: Mapping[str, JSON]) -> dict[str, JSON]:
    return {"agent_version": record["version_id"]} if record.get("version_id") else {}


def _object(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}


def _list(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []

"""Sessions of LiveKit Agents: the session report, or `session.history` alone, as JSON."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from taketwo.capture.dialects.loose_json import decimal_of, text_of
from taketwo.capture.imports.chat_facts import Ids, open_questions
from taketwo.capture.imports.imported import Imported
from taketwo.capture.imports.json_elements import json_elements
from taketwo.capture.imports.json_records import read_each, record_keys
from taketwo.capture.imports.response_items import item_messages
from taketwo.capture.imports.retelling import Told, moment_of, told_conversation
from taketwo.conversation import Agent, Audio, Conversation, Gap, Source, ToolDefinition, Turn
from taketwo.errors import TraceUnreadable
from taketwo.value import JSON

RULE: Final = "livekit-session"

_HISTORY: Final = re.compile(rb'"type"\s*:\s*"(?:message|function_call|agent_handoff|agent_config_update)"')
_READ_KEYS: Final = frozenset({"chat_history", "items", "job_id", "events"})
_NO_MESSAGES: Final = ("agent_handoff", "agent_config_update")


def reads(head: bytes) -> bool:
    """Whether a file that begins so holds sessions of LiveKit's."""
    keys = record_keys(head)
    is_report = {"job_id", "room"} <= keys or "chat_history" in keys
    return is_report or (keys <= {"items"} and "items" in keys and bool(_HISTORY.search(head)))


def read(stream: io.BufferedReader) -> Iterator[Imported]:
    """The conversations of the file, one a session."""
    ids = Ids("livekit")
    return read_each(json_elements(stream), lambda record: _conversation(record.value, ids))


def _conversation(record: JSON, ids: Ids) -> Conversation:
    history = record.get("chat_history", record) if isinstance(record, dict) else None
    given = history.get("items") if isinstance(history, dict) else None
    if not isinstance(given, list) or not given:
        raise TraceUnreadable("this is no session: it has no history with items")
    items = [item if isinstance(item, dict) else {} for item in given]
    told = list(_told(items))
    session = text_of(record.get("job_id"))
    conversation = told_conversation(
        told,
        rule=RULE,
        id=ids.of(session, record),
        agent=_agent(items, record),
        gaps=_gaps(items),
        metadata={
            **{key: value for key, value in record.items() if key not in _READ_KEYS and value is not None},
            **_interrupted(items),
        },
    )
    conversation = conversation.but(
        session_id=session,
        channel="voice" if _is_spoken(record, items) else "text",
        turns=tuple(_heard(turn, items, record) for turn in conversation.turns),
        agent=conversation.agent.but(system_prompt=conversation.agent.system_prompt or _instructions(items)),
    )
    return conversation.but(gaps=(*open_questions(conversation), *conversation.gaps))


def _told(items: Sequence[Mapping[str, JSON]]) -> Iterator[Told]:
    positions = [at for at, item in enumerate(items) if item.get("type") not in _NO_MESSAGES]

    def origin(index: int) -> tuple[str, datetime | None]:
        at = positions[index]
        return f"items[{at}]", moment_of(items[at].get("created_at"))

    for each in item_messages([items[at] for at in positions]):
        place, at = origin(each.item_index)
        calls = {call_id: origin(index) for call_id, index in each.calls.items()}
        yield Told(each.message, place, at, each.failed, calls=calls)


def _agent(items: Sequence[Mapping[str, JSON]], record: Mapping[str, JSON]) -> Agent:
    """Who answered, by the metrics of its answers or the usage of the session; tools are known only by name."""
    about = next((found for item in items if (found := _metrics(item).get("llm_metadata"))), None)
    usage = record.get("usage")
    used = [each for each in usage if isinstance(each, dict)] if isinstance(usage, list) else []
    llm = next((each for each in used if "llm" in str(each.get("type"))), {})
    named = about if isinstance(about, dict) else {}
    added = [name for item in items for name in _names(item.get("tools_added"))]
    return Agent(
        model=text_of(named.get("model_name")) or text_of(llm.get("model")),
        provider=text_of(named.get("model_provider")) or text_of(llm.get("provider")),
        tools=tuple(ToolDefinition(name=name) for name in dict.fromkeys(added)),
    )


def _names(value: JSON) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _instructions(items: Sequence[Mapping[str, JSON]]) -> str | None:
    """The first instructions that a change of the agent's configuration brought."""
    for item in items:
        given = item.get("instructions") if item.get("type") == "agent_config_update" else None
        if isinstance(given, dict):
            given = given.get("audio")
        if text := text_of(given):
            return text
    return None


def _gaps(items: Sequence[Mapping[str, JSON]]) -> list[Gap]:
    handoffs = [item.get("new_agent_id") for item in items if item.get("type") == "agent_handoff"]
    named = [name for name in handoffs if isinstance(name, str)]
    prompts = sum(1 for item in items if item.get("type") == "agent_config_update" and item.get("instructions"))
    gaps = (
        [Gap(where="agent", why=f"the talk was handed over between agents: {', '.join(named)}")]
        if len(named) > 1
        else []
    )
    if prompts > 1:
        gaps.append(Gap(where="agent.system_prompt", why="the instructions changed; the first ones are shown"))
    if not prompts and not any(item.get("role") in ("system", "developer") for item in items):
        gaps.append(Gap(where="agent.system_prompt", why="the history does not hold the instructions"))
    if any(item.get("tools_added") for item in items):
        gaps.append(Gap(where="agent.tools", why="the history holds no more than the names of the tools"))
    return gaps


def _interrupted(items: Sequence[Mapping[str, JSON]]) -> dict[str, JSON]:
    """The places of answers that the user interrupted, of which the history has what was spoken."""
    places = [f"items[{at}]" for at, item in enumerate(items) if item.get("interrupted") is True]
    return {"interrupted": places} if places else {}


def _is_spoken(record: Mapping[str, JSON], items: Sequence[Mapping[str, JSON]]) -> bool:
    spoken = ("started_speaking_at", "transcription_delay", "tts_node_ttfb", "stt_metadata")
    heard = any(item.get("transcript_confidence") is not None for item in items)
    timed = any(name in _metrics(item) for item in items for name in spoken)
    return bool(record.get("audio_recording_path")) or heard or timed


def _heard(turn: Turn, items: Sequence[Mapping[str, JSON]], record: Mapping[str, JSON]) -> Turn:
    """The turn with what the metrics of its messages say: where to hear the user, how long the answer took."""
    asked = _metrics(_item(items, turn.user.source if turn.user else None))
    if turn.user is not None and (audio := _audio(asked, record)):
        turn = turn.but(user=turn.user.but(audio=audio))
    for step in turn.steps:
        waited = decimal_of(_metrics(_item(items, step.source)).get("e2e_latency"))
        if waited is not None:
            return turn.but(latency_ms=waited * 1000)
    # The moment of an answer is the one when it was complete in the history, not the one when it began.
    return turn.but(latency_ms=None)


def _audio(metrics: Mapping[str, JSON], record: Mapping[str, JSON]) -> Audio | None:
    file, since = text_of(record.get("audio_recording_path")), decimal_of(record.get("audio_recording_started_at"))
    begun, ended = decimal_of(metrics.get("started_speaking_at")), decimal_of(metrics.get("stopped_speaking_at"))
    if file is None or since is None or begun is None or begun < since:
        return None
    until = ended - since if ended is not None and ended >= begun else None
    return Audio(file=file, start_s=begun - since, end_s=until)


def _item(items: Sequence[Mapping[str, JSON]], source: Source | None) -> Mapping[str, JSON]:
    place = source.place if source is not None else None
    return items[int(place[len("items[") : -1])] if place is not None else {}


def _metrics(item: Mapping[str, JSON]) -> Mapping[str, JSON]:
    found = item.get("metrics")
    return found if isinstance(found, dict) else {}

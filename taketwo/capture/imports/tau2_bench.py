"""Results of tau2-bench: simulations with the messages of agent, user and both their tools.

The user of some domains has tools too; what it does with them is no step of the agent. Runs that were spoken in both
directions at once have ticks instead of messages and are not read.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from taketwo.capture.chat_messages import usual_spelling
from taketwo.capture.dialects.loose_json import as_object, decimal_of, number_of, text_of
from taketwo.capture.imports.chat_facts import Ids, open_questions
from taketwo.capture.imports.imported import Imported, Unread
from taketwo.capture.imports.json_elements import json_elements
from taketwo.capture.imports.json_records import record_keys
from taketwo.capture.imports.retelling import Told, moment_of, told_conversation
from taketwo.conversation import Agent, Conversation, Gap, Outcome, Tokens, ToolDefinition
from taketwo.errors import TraceUnreadable
from taketwo.value import JSON, clean_json

RULE: Final = "tau2-bench"

_READ_KEYS: Final = frozenset({"id", "messages", "termination_reason", "reward_info", "ticks", "policy"})


def reads(head: bytes) -> bool:
    """Whether a file that begins so holds results of tau2-bench, all in one or a simulation alone."""
    keys = record_keys(head)
    is_all = {"info", "simulations"} <= keys or {"timestamp", "info", "tasks"} <= keys
    return is_all or {"task_id", "termination_reason"} <= keys


def read(stream: io.BufferedReader) -> Iterator[Imported]:
    """The conversations of the file, one a simulation."""
    ids = Ids(RULE)
    for record in json_elements(stream):
        if isinstance(record, Unread):
            yield record
            continue
        value = clean_json(record.value)
        if isinstance(value, dict) and "info" in value and ("simulations" in value or "tasks" in value):
            about, listed = as_object(value["info"]) or {}, value.get("simulations")
            # Without a list, the simulations lie in files of their own beside this one.
            for number, simulation in enumerate(listed if isinstance(listed, list) else [], start=1):
                where = f"{record.where}, simulation {number}" if record.where else f"simulation {number}"
                yield _read(where, simulation, about, ids)
        else:
            yield _read(record.where, value, {}, ids)


def _read(where: str, simulation: JSON, about: Mapping[str, JSON], ids: Ids) -> Conversation | Unread:
    try:
        return _conversation(simulation, about, ids)
    except TraceUnreadable as error:
        return Unread(where=where, why=error.what)


def _conversation(simulation: JSON, about: Mapping[str, JSON], ids: Ids) -> Conversation:
    messages = simulation.get("messages") if isinstance(simulation, dict) else None
    if isinstance(simulation, dict) and not messages and simulation.get("ticks"):
        raise TraceUnreadable("the simulation was spoken in both directions at once: it has ticks, which are not read")
    if not isinstance(messages, list) or not any(isinstance(message, dict) for message in messages):
        raise TraceUnreadable("this is no simulation: it has no messages")
    environment = as_object(about.get("environment_info")) or {}
    conversation = told_conversation(
        [told for position, message in enumerate(messages) for told in _told(position, message)],
        rule=RULE,
        id=ids.of(simulation.get("id"), simulation),
        agent=_agent(as_object(about.get("agent_info")) or {}, environment),
        outcome=_outcome(simulation),
        metadata={
            **{key: value for key, value in simulation.items() if key not in _READ_KEYS and value is not None},
            **{key: environment[key] for key in ("domain_name",) if key in environment},
            **_user_calls(messages),
        },
    )
    policy = text_of(simulation.get("policy")) or text_of(environment.get("policy"))
    return _with_policy(conversation, policy)


def _with_policy(conversation: Conversation, policy: str | None) -> Conversation:
    """The conversation with the policy for instructions, unless a message has them."""
    gaps = [*open_questions(conversation)]
    if conversation.agent.system_prompt is None:
        conversation = conversation.but(agent=conversation.agent.but(system_prompt=policy))
        only = (
            "this is the policy alone, without the agent's own words around it" if policy else "it is not recorded here"
        )
        gaps.append(Gap(where="agent.system_prompt", why=only))
    return conversation.but(gaps=(*gaps, *conversation.gaps))


def _told(position: int, message: JSON) -> Iterator[Told]:
    """The messages that the agent took part in."""
    place = f"messages[{position}]"
    if not isinstance(message, dict):
        yield Told({"role": "unknown", "item": message}, place)
        return
    at = moment_of(message.get("timestamp"))
    match message:
        case {"role": "tool", "tool_messages": list() as several}:
            for number, each in enumerate(several):
                for told in _told(position, each):
                    yield told._replace(place=f"{place}.tool_messages[{number}]")
        case {"role": "tool", "requestor": "user"}:
            return
        case {"role": "tool"}:
            result = {"role": "tool", "tool_call_id": message.get("id"), "content": message.get("content")}
            yield Told(result, place, at, failed=message.get("error") is True)
        case {"role": "assistant"}:
            usage = as_object(message.get("usage")) or {}
            tokens = Tokens(
                input=number_of(usage.get("prompt_tokens")), output=number_of(usage.get("completion_tokens"))
            )
            yield Told(_said(message), place, at, tokens=tokens, cost_usd=decimal_of(message.get("cost")))
        case {"role": "user", "tool_calls": list()} if message.get("content") is None:
            return
        case {"role": "user" | "system" as role}:
            yield Told({"role": role, "content": message.get("content")}, place, at)
        case _:
            yield Told({"role": "unknown", "item": message}, place, at)


def _said(message: Mapping[str, JSON]) -> dict[str, JSON]:
    given = message.get("tool_calls")
    calls = [_call(call) for call in given if isinstance(call, dict)] if isinstance(given, list) else []
    said = {"role": "assistant", "content": message.get("content") or (None if calls else "")}
    return {**said, "tool_calls": calls} if calls else said


def _call(call: Mapping[str, JSON]) -> JSON:
    arguments = call.get("arguments")
    spelled = arguments if isinstance(arguments, str) else usual_spelling({} if arguments is None else arguments)
    return {"id": call.get("id"), "type": "function", "function": {"name": call.get("name"), "arguments": spelled}}


def _agent(about: Mapping[str, JSON], environment: Mapping[str, JSON]) -> Agent:
    return Agent(
        name=text_of(about.get("implementation")),
        model=text_of(about.get("llm")),
        tools=tuple(_tools(environment.get("tool_defs"))),
        settings=as_object(about.get("llm_args")) or {},
    )


def _tools(given: JSON) -> Iterator[ToolDefinition]:
    listed: Sequence[JSON] = (
        list(given.values()) if isinstance(given, dict) else given if isinstance(given, list) else []
    )
    for item in listed:
        if isinstance(item, dict) and (name := text_of(item.get("name"))):
            about = text_of(item.get("doc")) or text_of(item.get("description"))
            yield ToolDefinition(name=name, description=about, parameters=as_object(item.get("params")))


def _outcome(simulation: Mapping[str, JSON]) -> Outcome:
    info = as_object(simulation.get("reward_info")) or {}
    parts = as_object(info.get("reward_breakdown")) or {}
    scores = {"reward": info["reward"]} if info.get("reward") is not None else {}
    return Outcome(
        ended_reason=text_of(simulation.get("termination_reason")),
        scores={**scores, **{f"reward.{name}": value for name, value in parts.items()}},
    )


def _user_calls(messages: Sequence[JSON]) -> dict[str, JSON]:
    """What the user did with tools of its own."""
    found = [
        {"place": f"messages[{position}]", "tool": call.get("name"), "arguments": call.get("arguments")}
        for position, message in enumerate(messages)
        if isinstance(message, dict) and message.get("role") == "user" and isinstance(message.get("tool_calls"), list)
        for call in message["tool_calls"]
        if isinstance(call, dict)
    ]
    return {"user_tool_calls": found} if found else {}

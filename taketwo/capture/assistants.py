"""How an assistant on a platform is set up now, beside how it was in a captured call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import httpx

from taketwo.bounded_http import asked
from taketwo.capture.imports.spoken import CONFIGURATION
from taketwo.capture.imports.vapi import agent_of, configuration_of
from taketwo.conversation import Agent, Conversation
from taketwo.errors import BadSetting, TraceUnreadable
from taketwo.value import JSON, Value, clean_json

VAPI: Final = "https://api.vapi.ai"
TIMEOUT_S: Final = 60.0
_OF_THE_CALL: Final = ("platform", "assistant_id", "assistant_version", "phone_number", "provider")
_OF_THE_RECORD: Final = ("id", "orgId", "createdAt", "updatedAt", "isServerUrlSecretSet", "name")


class Setting(Value):
    """One thing that is set up in another way now."""

    name: str
    """Where it is, as in `voice.voiceId`."""
    recorded: JSON
    """How it was in the call; None where it was not set."""
    present: JSON
    """How it is now; None where it is not set any more."""


def changed_settings(call: Conversation, key: str, *, base_url: str | None = None) -> list[Setting]:
    """What of a captured call's assistant is set up in another way now, asked of Vapi's API.

    Raises BadSetting for a call of which that cannot be asked and for a key that is refused, TraceUnreadable where the
    API does not answer.
    """
    recorded = call.metadata.get(CONFIGURATION)
    recorded = recorded if isinstance(recorded, dict) else {}
    assistant_id = recorded.get("assistant_id")
    if recorded.get("platform") != "vapi" or not isinstance(assistant_id, str):
        raise BadSetting("this call names no assistant of Vapi's, so none can be asked for", where=call.id)
    if not (set(recorded) - set(_OF_THE_CALL)):
        todo = "take calls by the webhook, which tells it"
        raise BadSetting("the call does not say how its assistant was set up", where=call.id, todo=todo)
    now = _asked(assistant_id, key, base_url or VAPI)
    was = _settings(call.agent, recorded)
    return list(_different("", was, _settings(agent_of({"assistant": now}), configuration_of({"assistant": now}))))


def _asked(assistant_id: str, key: str, base_url: str) -> dict[str, JSON]:
    """`GET /assistant/{id}`."""
    where = f"{base_url.rstrip('/')}/assistant/{assistant_id}"
    try:
        with httpx.Client(headers={"authorization": f"Bearer {key}"}, timeout=TIMEOUT_S) as client:
            answer = asked(client, "GET", where)
        if answer.status_code in (401, 403):
            raise BadSetting("the key is refused", where=where, todo="use a private key of the platform")
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise BadSetting("there is no such assistant any more", where=where)
        answer.raise_for_status()
        found = clean_json(answer.json())
    except (httpx.HTTPError, ValueError) as error:
        raise TraceUnreadable(f"the platform does not answer with an assistant: {error}", where=where) from error
    if not isinstance(found, dict):
        raise TraceUnreadable("the answer is no assistant", where=where)
    return found


def _settings(agent: Agent, configuration: dict[str, JSON]) -> dict[str, JSON]:
    """All that is set up, as one object: what an agent is asked with, and what the platform does with it."""
    rest: dict[str, JSON] = {key: item for key, item in configuration.items() if key not in _OF_THE_CALL}
    assistant = rest.get("assistant")
    if isinstance(assistant, dict):
        rest["assistant"] = {key: item for key, item in assistant.items() if key not in _OF_THE_RECORD}
    tools: dict[str, JSON] = {
        one.name: {"description": one.description, "parameters": one.parameters} for one in agent.tools
    }
    return {**rest, "system_prompt": agent.system_prompt, "tools": tools}


def _different(name: str, was: JSON, now: JSON) -> Iterator[Setting]:
    """What differs, each at its place; lists as a whole."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*was, *now]):
            yield from _different(f"{name}.{key}" if name else key, was.get(key), now.get(key))
    elif was != now and (was or now):
        yield Setting(name=name, recorded=was, present=now)

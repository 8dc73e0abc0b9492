"""Situations that a language model thinks of, from a description of an agent and the people who come to it.

A model's situation is not trusted: it may ask for tools that the agent has and nothing else, and whatever the agent is
expected to be given must be something that its user says or knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from taketwo.conversation import Agent
from taketwo.freeze.situations import Answer, Situation
from taketwo.llm import LanguageModel, Prompt
from taketwo.scenario import Expectation, MustCall, MustNotCall
from taketwo.value import JSON, Value

AT_ONCE = 10
"""Situations that are asked for in one prompt."""
PROMPT_VERSION = "1"
SYSTEM = """You write test situations for an agent that talks to customers. Each is one customer with one concern.

Write what the customer says in the customer's own words, what the customer knows and tells only when asked, what the
tools answer in this situation, and which tools the agent must and must not call. Use only the tools that are listed.
Every argument that the agent must give to a tool has to be something that the customer says or knows. Make the
situations different from each other and from those that are there already: other concerns, other outcomes, things that
go wrong, requests that must be refused."""

_PAIR: dict[str, JSON] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
    "required": ["name", "value"],
    "additionalProperties": False,
}


def _object(**properties: JSON) -> dict[str, JSON]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(of: JSON) -> JSON:
    return {"type": "array", "items": of}


_TEXT: JSON = {"type": "string"}
SCHEMA = _object(
    situations=_list(
        _object(
            name=_TEXT,
            says=_list(_TEXT),
            knows=_list(_PAIR),
            tools=_list(_object(tool=_TEXT, arguments=_list(_PAIR), answer=_TEXT)),
            must_call=_list(_object(tool=_TEXT, arguments=_list(_PAIR))),
            must_not_call=_list(_TEXT),
            outcome=_TEXT,
        )
    )
)
"""Lists of pairs and no free keys: some providers take no others."""


class _Pair(Value):
    name: str
    value: str


class _Answer(Value):
    tool: str
    arguments: tuple[_Pair, ...]
    answer: str


class _Wanted(Value):
    tool: str
    arguments: tuple[_Pair, ...]


class _Told(Value):
    name: str
    says: tuple[str, ...]
    knows: tuple[_Pair, ...]
    tools: tuple[_Answer, ...]
    must_call: tuple[_Wanted, ...]
    must_not_call: tuple[str, ...]
    outcome: str


class _Situations(Value):
    situations: tuple[_Told, ...]


class Invented(NamedTuple):
    """What a model thought of."""

    situations: list[Situation]
    """Those that hold together."""
    refused: list[str]
    """Why others were not taken, one line each."""


async def invent(
    description: str, agent: Agent, count: int, model: LanguageModel, *, there: Sequence[Situation] = ()
) -> Invented:
    """Up to `count` situations. there: those that are there already. Raises ModelUnavailable, BudgetSpent."""
    found = Invented([], [])
    for sample in range(1, -(-count // AT_ONCE) + 1):
        wanted = min(AT_ONCE, count - len(found.situations))
        names = [one.name for one in (*there, *found.situations)]
        answer = await model.ask(_prompt(description, agent, wanted, names, sample))
        for told in msgspec.convert(answer.value, _Situations).situations[:wanted]:
            if (why := _refusal(told, agent)) is None:
                found.situations.append(_situation(told))
            else:
                found.refused.append(f"{told.name!r}: {why}")
    return found


def _prompt(description: str, agent: Agent, count: int, names: Sequence[str], sample: int) -> Prompt:
    tools = [
        {"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in agent.tools
    ]
    parts = [
        f"What it is about:\n{description or '(not said)'}",
        f"The agent's instructions:\n{agent.system_prompt or '(not known)'}",
        f"Its tools:\n{json.dumps(tools, ensure_ascii=False)}",
        f"Situations that are there already: {', '.join(names) or 'none'}",
        f"Write {count} more.",
    ]
    return Prompt(
        name="situations",
        version=PROMPT_VERSION,
        system=SYSTEM,
        user="\n\n".join(parts),
        json_schema=SCHEMA,
        sample=sample,
    )


def _refusal(told: _Told, agent: Agent) -> str | None:
    """Why a situation is none; None where it holds together."""
    if not any(line.strip() for line in told.says):
        return "its user says nothing"
    if not told.must_call and not told.must_not_call:
        return "nothing is expected of the agent"
    known = {tool.name for tool in agent.tools}
    named = [*(one.tool for one in told.must_call), *told.must_not_call, *(one.tool for one in told.tools)]
    if known and (strange := next((tool for tool in named if tool not in known), None)) is not None:
        return f"the agent has no tool {strange!r}"
    said = " ".join([*told.says, *(pair.value for pair in told.knows)]).casefold()
    for pair in (pair for one in told.must_call for pair in one.arguments):
        if pair.value.casefold() not in said:
            return f"the agent is to give {pair.value!r}, which its user neither says nor knows"
    answered = {one.tool for one in told.tools}
    if lacking := next((one.tool for one in told.must_call if one.tool not in answered), None):
        return f"nothing says what {lacking} answers"
    return None


def _situation(told: _Told) -> Situation:
    return Situation(
        name=told.name[:200] or "situation",
        says=tuple(line for line in told.says if line.strip()),
        knows={pair.name: pair.value for pair in told.knows if pair.value},
        tools=tuple(Answer(call=one.tool, arguments=_given(one.arguments), result=one.answer) for one in told.tools),
        expected=tuple(_expected(told)),
        why=told.outcome or None,
    )


def _expected(told: _Told) -> Iterator[Expectation]:
    for one in told.must_call:
        yield MustCall(tool=one.tool, arguments=_given(one.arguments) or None)
    for tool in told.must_not_call:
        yield MustNotCall(tool=tool)


def _given(pairs: Sequence[_Pair]) -> dict[str, JSON]:
    return {pair.name: pair.value for pair in pairs}

"""Shipped doubles: conversations built in a few words, and an agent that says and does what it was given to say and do.

talk = conversation(
    turn("Hi", reply="Hello! Which order is it about?"),
    turn("A-1042", call("check_status", {"order_id": "A-1042"}, result="delivered"), reply="It was delivered."),
)
run = await replay(Case(id="status", recorded=talk), CallableAgent(ScriptedAgent(talk)))
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from taketwo.conversation import Agent, Call, Conversation, Gap, Say, Step, ToolDefinition, Turn, UserLine
from taketwo.value import JSON


def conversation(
    *turns: Turn,
    id: str = "recorded",
    writes: tuple[str, ...] = (),
    system_prompt: str | None = "You are a support desk.",
    model: str | None = "gpt-4o-mini",
    settings: dict[str, JSON] | None = None,
    gaps: tuple[Gap, ...] = (),
) -> Conversation:
    """A conversation of these turns, numbered; the agent has the tools that are called. writes: those that write."""
    numbered = tuple(one.but(index=index) for index, one in enumerate(turns))
    named = dict.fromkeys(call.tool for one in numbered for call in one.calls)
    tools = tuple(
        ToolDefinition(
            name=name,
            description=f"The tool {name}.",
            parameters={"type": "object", "properties": {}},
            writes=name in writes,
        )
        for name in named
    )
    agent = Agent(name="desk", model=model, system_prompt=system_prompt, tools=tools, settings=settings or {})
    return Conversation(id=id, agent=agent, turns=numbered, gaps=gaps)


def turn(user: str | None, *steps: Step, reply: str | None = None) -> Turn:
    """A turn: the user's words (None: the agent speaks first), the steps, and the reply, which is said last.

    Each call stands in a message of its own, with the words before it, unless calls come from `together`.
    """
    return Turn(
        index=0,
        user=None if user is None else UserLine(text=user),
        steps=tuple(_numbered((*steps, Say(text=reply)) if reply is not None else steps)),
        reply=reply,
    )


def call(tool: str, arguments: dict[str, JSON] | None = None, *, result: JSON = None, error: str | None = None) -> Call:
    """A tool call with what came back."""
    return Call(call_id=None, tool=tool, arguments=arguments or {}, result=result, error=error)


def together(*calls: Call) -> tuple[Call, ...]:
    """Calls that the model asks for in one message: `turn("Hi", *together(call(…), call(…)))`."""
    return tuple(one.but(message=0 if position == 0 else SAME_MESSAGE) for position, one in enumerate(calls))


SAME_MESSAGE = -1
"""Marks a step that stands in the message of the step before, until `turn` numbers them."""


def _numbered(steps: tuple[Step, ...]) -> Iterator[Step]:
    message, spoke = -1, False
    for step in steps:
        message += not (step.message == SAME_MESSAGE or (spoke and isinstance(step, Call)))
        spoke = isinstance(step, Say)
        yield step.but(message=message)


class ScriptedAgent:
    """Says and does, turn by turn, what the agent of a conversation said and did, whatever its tools give back.

    It reads its place from the messages alone, so one of it may serve any number of replays at a time. Given the
    recorded conversation it is the unchanged agent; given another one it is the change.
    """

    def __init__(self, script: Conversation) -> None:
        """script: whose agent to play."""
        self._turns = script.turns

    async def __call__(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """The next message: the tool calls that the script asks for together, or the reply."""
        last_user = max((place for place, message in enumerate(messages) if message["role"] == "user"), default=-1)
        since = messages[last_user + 1 :]
        turn = self._turn(messages, since)
        asked = sum(bool(message.get("tool_calls")) for message in _since_last_reply(since))
        numbers = sorted({call.message for call in turn.calls})
        if asked == len(numbers):
            return {"role": "assistant", "content": turn.reply or ""}
        return _asking([step for step in turn.steps if step.message == numbers[asked]])

    def _turn(self, messages: list[dict[str, Any]], since: list[dict[str, Any]]) -> Turn:
        """The turn that is going on: that of the last user line, or one further for each reply since."""
        heard = sum(message["role"] == "user" for message in messages)
        with_user = [one.index for one in self._turns if one.user is not None]
        begun = with_user[heard - 1] if heard else 0
        return self._turns[begun + sum(_is_reply(message) for message in since)]


def _since_last_reply(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    last = max((place for place, message in enumerate(messages) if _is_reply(message)), default=-1)
    return messages[last + 1 :]


def _is_reply(message: dict[str, Any]) -> bool:
    return message["role"] == "assistant" and not message.get("tool_calls")


def _asking(steps: list[Step]) -> dict[str, Any]:
    """The message of the script that asks for tools, in OpenAI's form."""
    words = "".join(step.text for step in steps if isinstance(step, Say))
    calls = [
        {
            "id": step.call_id or f"call_{step.message}_{position}",
            "type": "function",
            "function": {"name": step.tool, "arguments": step.arguments_text or json.dumps(step.arguments)},
        }
        for position, step in enumerate(steps)
        if isinstance(step, Call)
    ]
    return {"role": "assistant", "content": words or None, "tool_calls": calls}

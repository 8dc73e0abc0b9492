from __future__ import annotations

from typing import Any

from taketwo.conversation import Say
from taketwo.testing import ScriptedAgent, call, conversation, together, turn

TALK = conversation(
    turn(None, reply="Hello."),
    turn(
        "Where are they?",
        Say(text="One moment."),
        *together(call("status", {"id": 1}, result="a"), call("status", {"id": 2}, result="b")),
        call("note", result="c"),
        reply="There.",
    ),
    turn("Anybody?"),
    writes=("note",),
)


def test_steps_are_numbered_by_the_message_they_stand_in() -> None:
    assert [step.message for step in TALK.turns[1].steps] == [0, 0, 0, 1, 2]
    assert [one.index for one in TALK.turns] == [0, 1, 2]
    assert [(tool.name, tool.writes) for tool in TALK.agent.tools] == [("status", False), ("note", True)]


async def test_the_scripted_agent_plays_its_part_from_the_messages_alone() -> None:
    agent = ScriptedAgent(TALK)
    messages: list[dict[str, Any]] = []

    async def next_message() -> dict[str, Any]:
        messages.append(await agent(list(messages)))
        return messages[-1]

    def come_back(*results: str) -> None:
        messages.extend({"role": "tool", "content": result} for result in results)

    assert (await next_message())["content"] == "Hello."
    messages.append({"role": "user", "content": "Where are they?"})
    asked = await next_message()
    assert asked["content"] == "One moment."
    assert [asking["function"]["arguments"] for asking in asked["tool_calls"]] == ['{"id": 1}', '{"id": 2}']
    come_back("a", "b")
    assert (await next_message())["tool_calls"][0]["function"]["name"] == "note"
    come_back("c")
    assert (await next_message())["content"] == "There."
    messages.append({"role": "user", "content": "Anybody?"})
    assert (await next_message())["content"] == ""

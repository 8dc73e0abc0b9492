"""Vapi's and Retell's agents in words, over real sockets to a fake that has their paths and shapes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_platforms import KEY, FakePlatforms, fake_platforms

from taketwo.conversation import Call
from taketwo.errors import AgentUnreachable, BadSetting
from taketwo.replay.agents import closing_agents, open_agent
from taketwo.replay.agents.platforms import named
from taketwo.replay.engine import How, replay
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import call, conversation, turn

RECORDED = conversation(
    turn(None, reply="Green Flowers, good morning."),
    turn("Where is A1?", call("get_order", {"id": "A1"}, result="on its way"), reply="It is on its way."),
    turn("And when does it come?", reply="Tomorrow."),
)


@pytest.fixture
def fake() -> Iterator[FakePlatforms]:
    with fake_platforms() as made:
        yield made


async def replayed(spec: str, key: str | None = KEY) -> Run:
    agent = open_agent(spec, api_key=key)
    async with closing_agents(agent):
        return await replay(Case(id="a", recorded=RECORDED), agent, How(users="verbatim"))


@pytest.mark.parametrize(
    ("platform", "agent", "greeting"),
    [("vapi", "asst-1", "Green Flowers, good morning."), ("retell", "agent-1", "Good morning.")],
)
async def test_a_call_is_replayed_as_a_chat_with_the_tools_that_the_platform_called(
    fake: FakePlatforms, platform: str, agent: str, greeting: str
) -> None:
    run = await replayed(f"{platform}:{fake.url}/{agent}")
    assert run.ending.reason == "completed", run.ending
    replies = [one.reply for one in run.conversation.turns]
    assert replies == [greeting, "You said: Where is A1?", "You said: And when does it come?"]
    asked = run.conversation.turns[1].steps[0]
    assert isinstance(asked, Call) and (asked.tool, asked.arguments, asked.result) == (
        "get_order",
        {"id": "A1"},
        "on its way",
    )


async def test_a_chat_of_vapi_follows_the_one_before(fake: FakePlatforms) -> None:
    await replayed(f"vapi:{fake.url}/asst-1")
    chats = [body for _, path, body in fake.asked if path == "/chat"]
    assert [one.get("previousChatId") for one in chats] == [None, "chat-1"]
    assert all(one["assistantId"] == "asst-1" for one in chats)


async def test_a_refused_key_is_told_with_what_to_set(fake: FakePlatforms) -> None:
    with pytest.raises(AgentUnreachable, match="TAKETWO_AGENT_KEY"):
        await replayed(f"retell:{fake.url}/agent-1", key="another")


def test_an_agent_of_a_platform_is_named_by_its_id_and_where_its_api_is() -> None:
    assert named("vapi:abc").url("/chat") == "https://api.vapi.ai/chat"
    assert named("retell:http://127.0.0.1:9/x").url("/create-chat") == "http://127.0.0.1:9/create-chat"
    for wrong in ("vapi:", "retell:ftp://h/x", "vapi:http://host/"):
        with pytest.raises(BadSetting, match="names no agent"):
            named(wrong)

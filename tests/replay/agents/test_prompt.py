"""The agent rebuilt from the recording, its model played by a fake endpoint."""

from __future__ import annotations

import json

import pytest
from fake_endpoint import asking, plain, serving

from taketwo.errors import BadSetting
from taketwo.replay.agents import close_agent, open_agent
from taketwo.replay.engine import replay
from taketwo.replay.preflight import all_lack
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import call, conversation, turn
from taketwo.value import JSON

pytestmark = pytest.mark.slow

TUESDAY = conversation(
    turn("Where is A-1?", call("check_status", {"order_id": "A-1"}, result="lost"), reply="It is lost."),
    system_prompt="Pay at once.",
    settings={"temperature": 0.2},
)


async def run(url: str, overrides: dict[str, JSON] | None = None, system_prompt: str | None = "Pay at once.") -> Run:
    base = url.removesuffix("/chat/completions")
    agent = open_agent("prompt:", overrides=overrides, llm_base_url=base, llm_api_key="sk-1", api_key="other")
    recorded = TUESDAY.but(agent=TUESDAY.agent.but(system_prompt=system_prompt))
    try:
        return await replay(Case(id="case", recorded=recorded), agent)
    finally:
        await close_agent(agent)


async def test_it_is_asked_with_everything_that_is_recorded_but_what_is_under_test() -> None:
    with serving(plain(asking(("check_status", '{"order_id": "A-1"}'))), plain("Lost, sorry.")) as (url, fake):
        done = await run(url, {"system_prompt": "Look things up.", "model": "gpt-next"})
    first, second = fake.requests
    assert first["messages"] == [
        {"role": "system", "content": "Look things up."},
        {"role": "user", "content": "Where is A-1?"},
    ]
    assert (first["model"], first["temperature"]) == ("gpt-next", 0.2)
    assert first["tools"][0]["function"]["name"] == "check_status"
    assert second["messages"][-1]["content"] == "lost"
    assert fake.headers[0]["authorization"] == "Bearer sk-1"
    assert (done.agent, done.conversation.turns[0].reply) == ("prompt:", "Lost, sorry.")
    assert done.conversation.agent.system_prompt == "Look things up."


async def test_the_request_says_which_run_it_belongs_to() -> None:
    with serving(plain("Lost.")) as (url, fake):
        done = await run(url)
    headers = fake.headers[0]
    assert headers["traceparent"].split("-")[1] == done.id
    assert headers["tracestate"] == f"taketwo={done.id}"
    assert f"taketwo.run.id={done.id}" in headers["baggage"].split(",")
    json.dumps(fake.requests[0])


async def test_a_prompt_that_was_not_recorded_is_asked_for_and_may_be_none() -> None:
    with serving(plain("Lost.")) as (url, fake):
        with pytest.raises(BadSetting, match=r"does not hold the system prompt \(--set system_prompt=@FILE"):
            await run(url, system_prompt=None)
        await run(url, {"system_prompt": ""}, system_prompt=None)
    assert [message["role"] for message in fake.requests[0]["messages"]] == ["user"]


def test_before_a_run_all_that_no_recording_holds_is_asked_for_at_once() -> None:
    bare = conversation(turn("Hi", call("find", {}, result=1), reply="Hello"))
    bare = bare.but(agent=bare.agent.but(system_prompt=None, model=None, tools=()))
    lack = all_lack([bare, bare], "prompt:", {})
    assert lack is not None
    what, todo = lack
    assert what == "the recording does not hold the system prompt, the model and the definitions of its tools (find)"
    assert all(option in todo for option in ("--set system_prompt=", "--set model=", "--set tools="))
    assert all_lack([bare], "prompt:", {"system_prompt": "", "model": "m", "tools": []}) is None
    assert all_lack([bare], "desk:answer", {}) is None

from __future__ import annotations

import pytest

from taketwo.errors import BadSetting
from taketwo.replay.agents import open_agent


def test_tools_that_are_no_definitions_are_refused() -> None:
    with pytest.raises(BadSetting, match="OpenAI's form"):
        open_agent("http://x/v1/chat/completions", overrides={"tools": "find"})


@pytest.mark.parametrize("spec", ["wss://x/y", "prompt:gpt", "agent"])
def test_other_kinds_of_agents_are_refused_with_those_that_there_are(spec: str) -> None:
    with pytest.raises(BadSetting, match=r"package.module:callable, prompt:, https://…/chat/completions"):
        open_agent(spec)


@pytest.mark.parametrize("spec", ["cmd:", "cmd:python 'agent.py"])
def test_a_command_that_is_none_is_refused(spec: str) -> None:
    with pytest.raises(BadSetting):
        open_agent(spec)


def test_the_rebuilt_agent_needs_an_endpoint() -> None:
    with pytest.raises(BadSetting, match="set TAKETWO_LLM_BASE_URL"):
        open_agent("prompt:")


def test_a_url_ends_in_chat_completions_with_or_without_more() -> None:
    for spec in ("http://x/v1/chat/completions", "https://x/chat/completions/", "https://x/chat/completions?v=1"):
        assert open_agent(spec, api_key="k").spec == spec


@pytest.mark.parametrize("spec", ["json:dumps", "http://x/agent", "cmd:python agent.py"])
def test_what_is_in_the_agents_own_code_cannot_be_overridden(spec: str) -> None:
    with pytest.raises(BadSetting, match="model cannot be set"):
        open_agent(spec, overrides={"model": "x"})

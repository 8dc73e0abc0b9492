from __future__ import annotations

import pytest

from taketwo.errors import BadSetting
from taketwo.replay.agents import open_agent


def test_tools_that_are_no_definitions_are_refused() -> None:
    with pytest.raises(BadSetting, match="OpenAI's form"):
        open_agent("http://x/v1/chat/completions", overrides={"tools": "find"})


@pytest.mark.parametrize("spec", ["cmd:python agent.py", "prompt:", "wss://x/y", "https://x/agent", "agent"])
def test_other_kinds_of_agents_are_refused_with_those_that_there_are(spec: str) -> None:
    with pytest.raises(BadSetting, match=r"package.module:callable, https://…/chat/completions"):
        open_agent(spec)


def test_a_url_ends_in_chat_completions_with_or_without_more() -> None:
    for spec in ("http://x/v1/chat/completions", "https://x/chat/completions/", "https://x/chat/completions?v=1"):
        assert open_agent(spec, api_key="k").spec == spec


def test_a_callable_has_nothing_to_override() -> None:
    with pytest.raises(BadSetting, match=r"a callable cannot be overridden \(model\)"):
        open_agent("json:dumps", overrides={"model": "x"})

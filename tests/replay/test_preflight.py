from __future__ import annotations

import pytest

from taketwo.replay.current import RegisteredTool
from taketwo.replay.preflight import Reach, in_short, preflight, reach_of
from taketwo.replay.tools import ToolPolicy
from taketwo.testing import call, conversation, turn

TALK = conversation(turn("Hi", call("find"), call("refund"), call("add"), call("post"), call("mail"), reply="Hello"))
HERE = {
    "find": RegisteredTool(lambda: None, writes=False, pure=False),
    "refund": RegisteredTool(lambda: None, writes=True, pure=False),
    "add": RegisteredTool(lambda: None, writes=False, pure=True),
    "fresh": RegisteredTool(lambda: None, writes=False, pure=False),
}


def kinds(reach: Reach) -> dict[str, str]:
    covered = preflight([TALK], reach, ToolPolicy(live=("refund",)), HERE, {"mail"})
    return {one.tool: one.kind for one in covered}


def test_a_tool_of_this_process_is_answered_may_run_or_is_not_seen() -> None:
    assert kinds("in_process") == {
        "add": "live",
        "find": "answered",
        "fresh": "answered",
        "mail": "answered",
        "post": "unknown",
        "refund": "live",
    }


def test_of_an_agent_elsewhere_nothing_is_promised() -> None:
    assert set(kinds("elsewhere").values()) == {"unknown"}
    assert "fresh" not in kinds("elsewhere")


def test_what_only_ever_asks_us_is_answered_unless_it_may_run() -> None:
    assert kinds("asks_us")["post"] == "answered"
    assert kinds("asks_us")["refund"] == "live"


def test_in_short_nothing_is_left_unsaid() -> None:
    covered = preflight([TALK], "in_process", ToolPolicy(live=("refund",)), HERE, {"mail"})
    assert in_short(covered) == (
        "tools: 3 answered from the recording; may really run: add, refund; not seen from here: post"
        " (--preflight says why)"
    )


@pytest.mark.parametrize(
    ("spec", "reach"),
    [
        ("prompt:", "asks_us"),
        ("https://x/v1/chat/completions?v=1", "asks_us"),
        ("https://x/agent", "elsewhere"),
        ("cmd:node agent.js", "elsewhere"),
        ("shop.desk:answer", "in_process"),
    ],
)
def test_the_spec_says_where_the_tools_are(spec: str, reach: Reach) -> None:
    assert reach_of(spec) == reach

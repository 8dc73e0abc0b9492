"""The tools that an agent elsewhere is shown."""

from __future__ import annotations

from taketwo.conversation import Conversation, ToolDefinition


def offered(recorded: Conversation) -> tuple[ToolDefinition, ...]:
    """The tools of the recorded agent, and those that it called without a definition being recorded."""
    defined = {tool.name for tool in recorded.agent.tools}
    called = dict.fromkeys(call.tool for _, _, call in recorded.calls())
    return (*recorded.agent.tools, *(ToolDefinition(name=name) for name in called if name not in defined))

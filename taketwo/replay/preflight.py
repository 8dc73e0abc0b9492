"""Before a run: which tools are answered from the recording, which may really run, and which nobody can see."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from taketwo.conversation import Conversation
from taketwo.replay.agents.request_settings import in_words, missing
from taketwo.replay.current import RegisteredTool
from taketwo.replay.offered import offered
from taketwo.replay.tools import ToolPolicy
from taketwo.value import JSON, Value

Reach: TypeAlias = Literal["asks_us", "in_process", "elsewhere"]
"""Where the agent's tools are: it only ever asks us for them, they are functions of this process, or of another one."""


class Coverage(Value):
    """What becomes of the calls of one tool."""

    tool: str
    """Name of the tool."""
    kind: Literal["answered", "live", "unknown"]
    """`answered` from the recording, never run; `live`: it may really run; `unknown`: nothing here sees its calls."""
    why: str
    """In words."""


def reach_of(spec: str) -> Reach:
    """Where the tools of an agent are."""
    if spec == "prompt:" or spec.partition("?")[0].rstrip("/").endswith("/chat/completions"):
        return "asks_us"
    return "elsewhere" if spec.startswith(("cmd:", "a2a:", "http://", "https://", "ws://", "wss://")) else "in_process"


def preflight(
    recorded: Iterable[Conversation],
    reach: Reach,
    policy: ToolPolicy,
    registered: Mapping[str, RegisteredTool],
    intercepted: Collection[str],
) -> tuple[Coverage, ...]:
    """Every tool of the recordings and of this process, by name.

    registered, intercepted: the tools of this process, once the agent is imported.
    """
    known = {tool.name for conversation in recorded for tool in offered(conversation)}
    here = {*registered, *intercepted} if reach == "in_process" else set()
    return tuple(
        _coverage(tool, reach, policy, registered, here, is_recorded=tool in known) for tool in sorted(known | here)
    )


def all_lack(recorded: Sequence[Conversation], spec: str, overrides: Mapping[str, JSON]) -> tuple[str, str] | None:
    """What no recording holds of what `prompt:` is rebuilt from, and what to do; None where one could be replayed."""
    if reach_of(spec) != "asks_us":
        return None
    found = [
        missing(one.agent, {call.tool for _, _, call in one.calls()}, overrides, needs_prompt=spec == "prompt:")
        for one in recorded
    ]
    return in_words(max(found, key=len)) if found and all(found) else None


def in_short(covered: Sequence[Coverage]) -> str:
    """`tools: 3 answered from the recording; not seen from here: lookup`."""
    by_kind = {kind: [one.tool for one in covered if one.kind == kind] for kind in ("answered", "live", "unknown")}
    parts = [f"{len(by_kind['answered'])} answered from the recording"]
    if by_kind["live"]:
        parts.append(f"may really run: {', '.join(by_kind['live'])}")
    if by_kind["unknown"]:
        parts.append(f"not seen from here: {', '.join(by_kind['unknown'])} (--preflight says why)")
    return f"tools: {'; '.join(parts)}"


def _coverage(
    tool: str,
    reach: Reach,
    policy: ToolPolicy,
    registered: Mapping[str, RegisteredTool],
    here: Collection[str],
    *,
    is_recorded: bool,
) -> Coverage:
    if reach == "elsewhere":
        why = "answered where the agent asks us for it: in its answers, at the gateway, over MCP; its code is not seen"
        return Coverage(tool=tool, kind="unknown", why=why)
    if reach == "in_process" and tool not in here:
        why = "no @taketwo.tool of this name in this process: answered only if the agent gives back its tool calls"
        return Coverage(tool=tool, kind="unknown", why=why)
    if tool in policy.live:
        return Coverage(tool=tool, kind="live", why="--live: it runs where the recording has no answer")
    if tool in registered and registered[tool].pure:
        return Coverage(tool=tool, kind="live", why="declared pure: it runs where the recording has no answer")
    why = "from the recording" if is_recorded else "nothing is recorded of it, so a call is a miss"
    return Coverage(tool=tool, kind="answered", why=why)

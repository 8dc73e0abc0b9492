"""Who the agent is, as far as its model calls show it, and who else spoke for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from taketwo.capture.trace_tree import Seen
from taketwo.capture.transcript import Placed
from taketwo.capture.turns import Draft
from taketwo.conversation import Agent, Gap, ToolDefinition, Turn
from taketwo.value import JSON


def speakers(calls: Iterable[Placed]) -> list[Placed]:
    """The calls that tell of the agent what none before them does: most calls of a long talk tell the same."""
    found: dict[tuple[object, ...], Placed] = {}
    for each in calls:
        call, reading = each.call, each.call.reading
        around = id(call.parent), id(call) if call.children else 0
        said = bool(reading.request), bool(reading.response), call.shows_all, reading.evidence
        lacks = not reading.model, not reading.provider, not reading.system, not reading.settings
        found.setdefault((call.voice, each.agent, id(reading.tools), *around, *said, *lacks), each)
    return list(found.values())


def agent_of(calls: Sequence[Placed]) -> Agent:
    """The agent that the user met first: after a hand-off others speak with other instructions and tools.

    Of the calls, here and below, those are enough that `speakers` gives.
    """
    if not calls:
        return Agent()
    first = next((each.call for each in calls if each.call.reading.system or each.call.reading.tools), calls[0].call)
    mine = [each for each in calls if each.call.voice == first.voice]
    readings = [each.call.reading for each in mine]
    answering = [reading for reading in readings if reading.response] or readings
    return Agent(
        name=next((each.agent for each in mine if each.agent), None),
        model=next((r.model for r in answering if r.model), None),
        provider=next((r.provider for r in readings if r.provider), None),
        system_prompt=next((r.system for r in readings if r.system), None),
        tools=_tools([each.call for each in mine]),
        settings=next((r.settings for r in readings if r.settings), {}),
    )


def _tools(calls: Sequence[Seen]) -> tuple[ToolDefinition, ...]:
    """Every tool that was offered, by the fullest definition there is.

    Where no model call names any, the spans of its agent may, and those of the tools that ran.
    """
    # Most calls offer the very same list.
    lists = {id(call.reading.tools): call.reading.tools for call in calls}.values()
    offered = [tool for tools in lists for tool in tools]
    if not offered:
        around = _around(calls)
        offered = [tool for seen in around for tool in seen.reading.tools]
        near = {id(child): child for seen in around for child in seen.children}
        offered += [tool for seen in near.values() if seen.reading.kind == "tool" for tool in seen.reading.tools]
    found: dict[str, ToolDefinition] = {}
    for tool in offered:
        known = found.get(tool.name)
        if known is None or (known.parameters is None and tool.parameters is not None):
            found[tool.name] = tool
    return tuple(found.values())


def _around(calls: Sequence[Seen]) -> list[Seen]:
    """The model calls and the spans above them, each once."""
    found: dict[int, Seen] = {}
    for call in calls:
        seen: Seen | None = call
        while seen is not None and id(seen) not in found:
            found[id(seen)] = seen
            seen = seen.parent
    return list(found.values())


def other_agents(turns: Sequence[Draft]) -> dict[str, JSON]:
    """Those to whom the talk was handed on, with the turn in which each spoke first."""
    met: dict[str, dict[str, JSON]] = {}
    for index, turn in enumerate(turns):
        for each in turn.speakers:
            name = each.call.voice
            if name not in met:
                reading = each.call.reading
                tools: list[JSON] = [tool.name for tool in reading.tools]
                met[name] = {
                    "name": each.call.agent,
                    "system_prompt": reading.system,
                    "tools": tools,
                    "model": reading.model,
                    "turn": index,
                }
    return {"agents": list(met.values())} if len(met) > 1 else {}


def gaps_of_agent(agent: Agent, turns: Sequence[Turn], calls: Sequence[Seen]) -> list[Gap]:
    """What is not known about the agent."""
    gaps = []
    seen_requests = any(call.reading.request for call in calls if call.reading.evidence not in ("wrapper", "nothing"))
    if agent.system_prompt is None and turns and not (seen_requests and all(call.shows_all for call in calls)):
        gaps.append(Gap(where="agent.system_prompt", why="no captured request shows it"))
    named = {tool.name for tool in agent.tools}
    by_tools_alone = bool(named) and not any(seen.reading.tools for seen in _around(calls))
    if by_tools_alone:
        gaps.append(Gap(where="agent.tools", why="only the tools that ran show their definitions"))
    elif not named and any(turn.calls for turn in turns):
        gaps.append(Gap(where="agent.tools", why="no captured request shows the tool definitions"))
    elif named and all(tool.parameters is None for tool in agent.tools):
        gaps.append(Gap(where="agent.tools", why="the definitions were captured without parameters"))
    return gaps

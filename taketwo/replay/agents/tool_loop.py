"""The usual loop around a model: ask it, answer the tools it wants, until it answers in words."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeAlias

from taketwo.conversation import Tokens
from taketwo.replay.agents import Exchange, Message, Reply
from taketwo.replay.agents.shapes import Said
from taketwo.replay.current import REGISTERED, AskedCall, CameBack
from taketwo.replay.session import Session
from taketwo.value import JSON, clean_json, clean_text

Ask: TypeAlias = Callable[[list[Message]], Awaitable[Said]]
"""Gives the model everything so far and reads its next message."""


async def tool_loop(exchange: Exchange, ask: Ask) -> Reply:
    """Play one turn with a model that leaves its tools to us; calls whose results it brings itself end the turn."""
    added: list[Message] = []
    tokens: list[Tokens] = []
    while True:
        said = await ask([*exchange.messages, *added])
        tokens.append(said.tokens)
        if not said.calls:
            break
        brings_all_results = len(said.results) == len(said.calls)
        added += await _called(exchange, said, len(added), with_words=not brings_all_results)
        if brings_all_results:
            break
    return Reply(text=said.text, messages=tuple(added), tokens=tokens[0] if len(tokens) == 1 else summed(tokens))


async def _called(exchange: Exchange, said: Said, so_far: int, *, with_words: bool) -> list[Message]:
    """The model's message that asks for tools, and their results."""
    number = exchange.next_message()
    if said.text and with_words:
        exchange.say(said.text, number)
    prefix = f"call_{len(exchange.messages) + so_far}"
    calls = [call if call.call_id else call._replace(call_id=f"{prefix}_{i}") for i, call in enumerate(said.calls)]
    asking = asking_message(said.text if with_words else None, calls)
    return [asking, *[await _answered(exchange, call, number, said, position) for position, call in enumerate(calls)]]


async def run_live(exchange: Exchange | Session, asked: AskedCall, came_back: CameBack) -> CameBack:
    """Run the real tool, which must be registered in this process with `@taketwo.tool`, and take down what it gave."""
    tool = REGISTERED.get(asked.tool)
    began = time.perf_counter()
    result: JSON = None
    error: str | None = None
    if tool is None:
        error = f"`{asked.tool}` may run live but is no function of this process"
    else:
        try:
            result = clean_json(await _run(tool.function, asked.arguments))
        except Exception as raised:  # foreign code; its error is what the agent reads, as in production
            error = clean_text(f"{type(raised).__name__}: {raised}")
    exchange.lived(came_back, result=result, error=error, latency_ms=(time.perf_counter() - began) * 1000)
    return came_back._replace(result=result, error=error)


def as_text(result: JSON) -> str:
    """A result as a model reads it."""
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)


def summed(tokens: Iterable[Tokens]) -> Tokens:
    """The tokens of several model calls; unknown as soon as one of them is."""
    counts = list(tokens)
    return Tokens(input=_sum([one.input for one in counts]), output=_sum([one.output for one in counts]))


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) and known else None


async def _answered(exchange: Exchange, call: AskedCall, number: int, said: Said, position: int) -> Message:
    """The tool message for one call: with the agent's own result, or the recorded one."""
    if position in said.results:
        result = said.results[position]
        exchange.own_call(call, number, result=result)
        return tool_message(call, as_text(result))
    came_back = exchange.call_tool(call, number)
    if came_back.wait_s:
        await asyncio.sleep(came_back.wait_s)
    if came_back.live:
        came_back = await run_live(exchange, call, came_back)
    return tool_message(call, as_text(came_back.result) if came_back.error is None else came_back.error)


async def _run(function: Callable[..., object], arguments: dict[str, JSON]) -> object:
    if inspect.iscoroutinefunction(function):
        return await function(**arguments)
    given = await asyncio.to_thread(function, **arguments)
    # A plain function around an async one hands its coroutine through.
    return await given if inspect.isawaitable(given) else given


def asking_message(words: str | None, calls: Iterable[AskedCall]) -> Message:
    """The model's message that asks for tools."""
    return {"role": "assistant", "content": words, "tool_calls": [_call(call) for call in calls]}


def tool_message(call: AskedCall, content: str) -> Message:
    """The message with the result of a call."""
    return {"role": "tool", "tool_call_id": call.call_id, "name": call.tool, "content": content}


def _call(call: AskedCall) -> Message:
    arguments = json.dumps(call.arguments, ensure_ascii=False) if call.arguments_text is None else call.arguments_text
    return {"id": call.call_id, "type": "function", "function": {"name": call.tool, "arguments": arguments}}

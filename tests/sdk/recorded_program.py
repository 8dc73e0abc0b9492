"""A program whose agents are recorded, as a user writes it: `python recorded_program.py ADDRESS SCENE`."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import taketwo


@dataclass
class Order:
    id: str
    total: float


@taketwo.tool
def find(order_id: str) -> Order:
    if order_id == "A-9":
        raise LookupError("no order A-9")
    return Order(order_id, 39.9)


@taketwo.tool(writes=True)
async def refund(order_id: str, amount: float) -> str:
    await asyncio.sleep(0.001)
    return f"refunded {amount} for {order_id}"


@taketwo.agent
def plain(messages: list[dict[str, Any]]) -> str:
    order = find(messages[-1]["content"])
    return f"{order.id} costs {order.total}."


@taketwo.agent
async def later(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": await refund(text, amount=1.5)}


@taketwo.agent
def in_pieces(text: str) -> Iterator[str]:
    yield "It "
    yield f"costs {find(text).total}."


@taketwo.agent
async def later_in_pieces(text: str) -> AsyncIterator[str]:
    yield "OK: "
    yield await refund(text, 2)


@taketwo.agent
def careful(text: str) -> str:
    try:
        return plain([{"role": "user", "content": text}])
    except LookupError as error:
        return f"Sorry, {error}."


def talk(session: str, agent: Callable[[Any], Any], *lines: str) -> None:
    for line in lines:
        with taketwo.session(session, user=f"user of {session}"), suppress(LookupError):
            given = agent(line)
            "".join(given) if isinstance(given, Iterator) else given


def alone() -> None:
    history: list[dict[str, Any]] = []
    for line in ("A-1", "A-2"):
        history.append({"role": "user", "content": line})
        with taketwo.session("plain", user="user of plain"):
            history.append({"role": "assistant", "content": plain(history)})
    talk("pieces", in_pieces, "A-1", "A-1")
    talk("raises", in_pieces, "A-9", "A-1")
    talk("nested", careful, "A-1", "A-9")
    asyncio.run(awaited("later", "A-1", "A-2"))


async def awaited(session: str, *lines: str) -> None:
    for line in lines:
        async with taketwo.session(session, user=f"user of {session}"):
            await later(line)
            async for _ in later_in_pieces(line):
                pass


def in_parallel() -> None:
    async def tasks() -> None:
        await asyncio.gather(*(awaited(f"task-{number}", f"A-{number}", f"B-{number}") for number in range(10)))

    with ThreadPoolExecutor(8) as pool:
        for number in range(10):
            pool.submit(talk, f"thread-{number}", in_pieces, f"A-1{number}", f"B-{number}")
        asyncio.run(tasks())


def forked() -> None:
    import os

    talk("parent", in_pieces, "A-1")
    if os.fork() == 0:
        talk("child", in_pieces, "A-1")
        recording.close()
        os._exit(0)
    os.wait()


def thread_that_outlives_the_program() -> None:
    threading.Thread(target=lambda: threading.Event().wait(60), daemon=True).start()
    talk("daemon", in_pieces, "A-1")


if __name__ == "__main__":
    recording = taketwo.record(project="shop", endpoint=sys.argv[1], service="desk")
    globals()[sys.argv[2]]()

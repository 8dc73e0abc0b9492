from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any

import pytest

from taketwo.replay.watch import Outcome, Watch


async def watched(work: Coroutine[Any, Any, str], timeout_s: float = 5.0) -> Outcome[str]:
    """One turn, in a task of its own, as in a replay; afterwards the task must be as good as new."""

    async def one_turn() -> Outcome[str]:
        watch = Watch(timeout_s)
        try:
            outcome = await watch.over(work, copy_context())
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            await asyncio.sleep(0.001)
            return outcome
        finally:
            watch.close()

    return await asyncio.ensure_future(one_turn())


async def time_out_inside() -> str:
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(5)
    except TimeoutError:
        return "timed out inside"
    return "late"


async def fail_in_a_group() -> str:
    async def fail() -> None:
        raise ValueError("one of them")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            group.create_task(asyncio.sleep(5))
    except* ValueError:
        pass
    return "went on"


async def cancel_itself_and_go_on() -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return "went on"


async def cancel_itself_and_catch_it() -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    try:
        await asyncio.sleep(5)
    except asyncio.CancelledError:
        return "caught"
    return "late"


async def do_without_waiting() -> str:
    return "at once"


async def yield_to_the_loop() -> str:
    await asyncio.sleep(0)
    return "in the next round"


@pytest.mark.parametrize(
    ("work", "answer"),
    [
        (time_out_inside, "timed out inside"),
        (fail_in_a_group, "went on"),
        (cancel_itself_and_go_on, "went on"),
        (cancel_itself_and_catch_it, "caught"),
        (do_without_waiting, "at once"),
        (yield_to_the_loop, "in the next round"),
    ],
)
async def test_work_may_cancel_and_time_out_inside_itself(
    work: Callable[[], Coroutine[Any, Any, str]], answer: str
) -> None:
    outcome = await watched(work())
    assert (outcome.answer, outcome.error, outcome.timed_out) == (answer, None, False)


async def test_work_that_cancels_itself_for_good_has_failed() -> None:
    async def work() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(5)
        return "late"

    assert isinstance((await watched(work())).error, asyncio.CancelledError)


async def test_every_turn_has_the_full_time() -> None:
    async def turns() -> list[bool]:
        watch = Watch(2)
        found = [await watch.over(asyncio.sleep(0.8, "done"), copy_context()) for _ in range(3)]
        found.append(await watch.over(asyncio.sleep(5, "late"), copy_context()))
        watch.close()
        return [outcome.timed_out for outcome in found]

    assert await asyncio.ensure_future(turns()) == [False, False, False, True]


async def test_a_stop_from_another_thread_is_neither_an_answer_nor_an_error() -> None:
    watches: list[Watch] = []

    async def one_turn() -> Outcome[str]:
        watches.append(Watch(5))
        return await watches[0].over(asyncio.sleep(5, "late"), copy_context())

    task = asyncio.ensure_future(one_turn())
    await asyncio.sleep(0)
    await asyncio.to_thread(watches[0].stop)
    outcome = await task
    assert (outcome.answer, outcome.error, outcome.timed_out) == (None, None, False)


async def test_a_keyboard_interrupt_is_nobodys_to_keep() -> None:
    async def work() -> str:
        raise KeyboardInterrupt

    async def one_turn() -> str:
        try:
            await Watch(5).over(work(), copy_context())
        except KeyboardInterrupt:
            return "passed on"
        return "kept"

    assert await one_turn() == "passed on"

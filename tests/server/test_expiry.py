"""The server deletes by itself what is too old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taketwo.conversation import Conversation
from taketwo.server.expiry import expire_regularly
from taketwo.server.flow.idempotency import KEPT_FOR, REQUESTS, Answered, once
from taketwo.server.flow.shelf import Flow
from taketwo.store import Store, open_store
from taketwo.store.project import ProjectSettings


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    yield opened
    opened.close()


@asynccontextmanager
async def expiring(flow: Flow) -> AsyncIterator[None]:
    """Something that looks for what is too old all the time, until the end of the block."""
    task = asyncio.get_running_loop().create_task(expire_regularly(flow, every_s=0.01))
    yield
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(there: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not there():
            await asyncio.sleep(0.01)


async def test_what_becomes_too_old_goes_without_being_asked(store: Store) -> None:
    old = datetime.now(UTC) - timedelta(days=2)
    async with expiring(Flow(store)):
        store.put_conversation(Conversation(id="old", project="p", started_at=old, ended_at=old))
        store.set_project("p", ProjectSettings(keep_for_days=1))
        await until(lambda: not list(store.summaries()))


async def test_answers_that_are_not_given_again_are_forgotten_and_later_ones_stay(store: Store) -> None:
    now = datetime.now(UTC)
    answered = Answered(status=201, body="{}")
    for key, at in (("old", now - KEPT_FOR - timedelta(seconds=1)), ("new", now)):
        once(Flow(store, now=lambda at=at: at), key, "mark", lambda: answered)  # type: ignore[misc]
    async with expiring(Flow(store, now=lambda: now)):
        await until(lambda: [one.key for one in REQUESTS.every(Flow(store))] == ["new"])

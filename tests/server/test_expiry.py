"""The server deletes by itself what is too old."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from taketwo.conversation import Conversation
from taketwo.server.expiry import expire_regularly
from taketwo.store import open_store
from taketwo.store.project import ProjectSettings


async def test_what_becomes_too_old_goes_without_being_asked(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    task = asyncio.get_running_loop().create_task(expire_regularly(store, every_s=0.01))
    await asyncio.sleep(0.05)
    old = datetime.now(UTC) - timedelta(days=2)
    store.put_conversation(Conversation(id="old", project="p", started_at=old, ended_at=old))
    store.set_project("p", ProjectSettings(keep_for_days=1))
    async with asyncio.timeout(10):
        while list(store.summaries()):
            await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    store.close()

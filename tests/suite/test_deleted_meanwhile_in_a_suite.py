"""A conversation that is deleted while it is replayed leaves no result; others keep theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from taketwo.errors import NotFound
from taketwo.store import open_store
from taketwo.testing import conversation, turn

AGENT = """
from taketwo.store import open_store

def deleting(messages):
    if messages[-1]["content"] == "Forget me":
        store = open_store({url!r})
        store.delete_session("talk-1", "shop")
        store.close()
    return "Hello"
"""


def test_a_conversation_that_is_deleted_while_it_is_replayed_leaves_no_result(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    store = open_store(url)
    for number, said in enumerate(("Hi", "Forget me")):
        store.put_conversation(
            conversation(turn(said, reply="Hello")).but(
                id=f"talk-{number}", project="shop", session_id=f"talk-{number}"
            )
        )
    (tmp_path / "deleting_agent.py").write_text(AGENT.format(url=url), encoding="utf-8")
    # In a process of its own: what an agent reads, here a store that changes, is remembered for the whole process.
    asked = ["replay", "talk-0", "talk-1", "--agent", "deleting_agent:deleting", "--store", url]
    done = subprocess.run(
        [sys.executable, "-m", "taketwo", *asked], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (suite,) = store.suites()
    assert [one.recorded_id for one in store.results(suite.id)] == ["talk-0"]
    with pytest.raises(NotFound):
        store.conversation("talk-1")
    store.close()
    assert b"Forget me" not in b"".join(path.read_bytes() for path in tmp_path.glob("store.sqlite3*") if path.is_file())

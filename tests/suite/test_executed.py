"""Which functions a replay runs, as the command line sees it: in real processes, with a real repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from taketwo.freeze.files import save
from taketwo.scenario import Case, MustSay, Scenario
from taketwo.testing import conversation, turn

FILES = {
    "agent.py": """
import asyncio
import threading

from shop import clients, parcels, refunds


async def awaited(messages):
    said = messages[-1]["content"]
    clients.get()
    if "refund" in said:
        (text,) = await asyncio.gather(refunds.handle(said))
        return text
    return await asyncio.to_thread(parcels.handle, said)


def plain(messages):
    said = messages[-1]["content"]
    clients.get()
    return asyncio.run(refunds.handle(said)) if "refund" in said else parcels.handle(said)
""",
    "shop/__init__.py": "",
    "shop/refunds.py": """
async def handle(said):
    return amount(said)


def amount(said):
    return (lambda text: text.strip())("Paid back.")


def unused():
    return 1
""",
    "shop/parcels.py": """
class Desk:
    def say(self, said):
        def found():
            return "On its way."

        return found()


def handle(said):
    return Desk().say(said)
""",
    "shop/clients.py": """
_client = None


def make():
    return object()


def get():
    global _client
    if _client is None:
        _client = make()
    return _client
""",
    ".gitignore": "__pycache__/\n",
}
REFUNDS, PARCELS = ("refund-0", "refund-1"), ("parcel-0", "parcel-1", "parcel-2")


class Shop:
    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "shop").mkdir()
        for name, text in FILES.items():
            self.write(name, text)
        told = [(name, "a refund, please", "Paid back.") for name in REFUNDS]
        told += [(name, "where is it?", "On its way.") for name in PARCELS]
        cases = [
            Case(id=name, recorded=conversation(turn(said, reply=reply)), expected=(MustSay(text=reply),))
            for name, said, reply in told
        ]
        save(Scenario(name="shop", cases=tuple(cases)), root / "replays" / "shop.scenario.yaml")
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "as it is"]):
            settings = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
            subprocess.run(["git", *settings, *command], cwd=root, check=True, capture_output=True)

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text, encoding="utf-8")

    def edit(self, name: str, before: str, after: str) -> None:
        assert before in FILES[name]
        self.write(name, FILES[name].replace(before, after, 1))

    def replay(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "taketwo", "replay", "replays", *arguments]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.root / "home"), "PYTHONUTF8": "1"}
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert "Traceback" not in done.stderr, done.stdout + done.stderr
        return done.stderr

    def touched(self, agent: str) -> str:
        """What is said of it; nothing is replayed, so that what is known stays as it was."""
        return self.replay("--agent", agent, "--changed", "--budget", "0s")


@pytest.mark.parametrize("agent", ["agent:awaited", pytest.param("agent:plain", marks=pytest.mark.slow)])
def test_a_change_of_a_function_touches_the_cases_that_run_it(tmp_path: Path, agent: str) -> None:
    shop = Shop(tmp_path)
    shop.replay("--agent", agent)
    shop.edit("shop/refunds.py", "text.strip()", "text.lower()")
    assert f"\n  as they run amount() in shop/refunds.py: {', '.join(REFUNDS)}\n" in shop.touched(agent)
    shop.edit("shop/refunds.py", "return 1", "return 2")
    assert "0 of 5 cases may be touched\n" in shop.touched(agent)
    shop.edit("shop/refunds.py", "", "")
    shop.edit("shop/parcels.py", "On its way.", "On your way.")
    said = shop.touched(agent)
    assert "3 of 5 cases may be touched: 3 as they run Desk.say.found() in shop/parcels.py" in said
    shop.edit("shop/parcels.py", "", "")
    # By chance it ran in the first case, and all live by what it made.
    shop.edit("shop/clients.py", "object()", "dict()")
    assert "5 of 5 cases may be touched: 5 as they run make() in shop/clients.py" in shop.touched(agent)


@pytest.mark.slow
def test_processes_side_by_side_tell_what_ran_as_one_does(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.replay("--agent", "agent:awaited", "--jobs", "2")
    shop.edit("shop/refunds.py", "text.strip()", "text.lower()")
    assert "2 of 5 cases may be touched: 2 as they run amount() in shop/refunds.py" in shop.touched("agent:awaited")


@pytest.mark.slow
def test_what_ran_is_believed_only_as_long_as_it_would_run_now(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.edit("shop/parcels.py", "Desk().say(said)", "Desk().say(said) if said else None")
    shop.replay("--agent", "agent:awaited")
    shop.edit("shop/parcels.py", "", "")
    shop.edit("shop/refunds.py", "return 1", "return 2")
    said = shop.touched("agent:awaited")
    assert "3 of 5 cases" in said
    assert "3 as they run handle() in shop/parcels.py, which has changed since they were replayed" in said

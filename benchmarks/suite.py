"""What a suite takes from run to run, and what the pytest plugin adds to a repository without scenario files.

    python benchmarks/suite.py

A git repository with 300 cases of 5 turns with 2 tool calls each, against an async function without latency. Each
figure is that of the whole command, as its user waits for it, beside the processor time that it used: on a busy machine
only that says something. Modules are compiled once, as an installer does it, whatever the environment says.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from machine import describe
from replay import TURNS, conversation_case

from taketwo.freeze.files import save
from taketwo.scenario import Scenario

CASES = 300
TIMES = 5
STARTS = 15
AGENT = """
import taketwo


@taketwo.tool
async def find_order(order_id: str): ...


@taketwo.tool
async def check_status(order_id: str, carrier: str): ...


async def answer(messages):
    order_id = messages[-1]["content"].rpartition(" ")[2]
    order = await find_order(order_id=order_id)
    status = await check_status(order_id=order_id, carrier="DHL")
    return f"Your {order['item']} for ${order['total']}: {status}"
"""
REPORTS = ("--json", "out/r.json", "--junit", "out/r.xml", "--html", "out/r.html", "--markdown", "out/r.md")


class Took(NamedTuple):
    """What a command took."""

    wall_s: float
    """Seconds until it had ended."""
    processor_s: float
    """Seconds of processor that it and its children used."""


def main() -> None:
    """All figures."""
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        make(site)
        replay = [sys.executable, "-m", "taketwo", "replay", "replays", "--agent", "agent:answer"]
        took(site, *replay, "--no-cache")  # compiles modules
        tell(
            f"{CASES} cases of {TURNS} turns, replayed, four reports",
            [took(site, *replay, "--no-cache", *REPORTS) for _ in range(TIMES)],
        )
        tell("again, all from the cache", [took(site, *replay) for _ in range(TIMES)])
        tell("again, all from the cache, four reports", [took(site, *replay, *REPORTS) for _ in range(TIMES)])
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        (site / "test_one.py").write_text("def test_one(): pass\n", encoding="utf-8")
        tell_plugin(site)


def surroundings(site: Path) -> dict[str, str]:
    """The environment of the commands."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "HOME": str(site / "home"), "PYTHONPYCACHEPREFIX": str(site / "home" / "compiled")}


def make(site: Path) -> None:
    """The repository."""
    for number in range(CASES):
        case = conversation_case(number)
        save(Scenario(name=case.id, cases=(case,)), site / "replays" / f"{case.id}.scenario.yaml")
    (site / "agent.py").write_text(AGENT, encoding="utf-8")
    (site / ".gitignore").write_text("out/\nhome/\n__pycache__/\n", encoding="utf-8")
    (site / "out").mkdir()
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=site, check=True)


def took(site: Path, *command: str) -> Took:
    """Run it, as its user would."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=site, env=surroundings(site), check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(time.perf_counter() - began, used)


def tell(what: str, times: list[Took]) -> None:
    """The median and the shortest."""
    wall, processor = ([time[part] for time in times] for part in (0, 1))
    print(
        f"{what:<55} {statistics.median(wall):.2f} s (shortest {min(wall):.2f}), processor "
        f"{statistics.median(processor):.2f} s (least {min(processor):.2f})",
        flush=True,
    )


def tell_plugin(site: Path) -> None:
    """Pytest with the plugin and without it, one after the other, so that both have the same neighbours."""
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    took(site, *pytest)  # compiles modules
    both = [(took(site, *pytest), took(site, *pytest, "-p", "no:taketwo")) for _ in range(STARTS)]
    there, left_out = ([pair[side] for pair in both] for side in (0, 1))
    wall, processor = (1000 * (min(one[part] for one in there) - min(one[part] for one in left_out)) for part in (0, 1))
    print(
        f"the plugin adds to pytest without scenario files        {wall:.0f} ms, processor {processor:.0f} ms "
        f"(the shortest of {STARTS} with it and without it)"
    )


if __name__ == "__main__":
    main()

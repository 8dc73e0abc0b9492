"""The story of a call: a misheard order, replayed with the caller's own voice. Every step is a command."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from taketwo.demo.phone import CALL_ID
from taketwo.demo.story import Story, serving, wait_for_interrupt

BROKEN = "taketwo.demo.flowers:answer_v1"
FIXED = "taketwo.demo.flowers:answer_v2"
SCENARIO = "calls/fifty-tulips.scenario.yaml"


def tell(folder: str | None, *, leave_running: bool) -> None:
    """Tell the whole story in a folder. Raises a TakeTwoError when a step does not come out as told."""
    started = time.monotonic()
    place = Path(folder or tempfile.mkdtemp(prefix="taketwo-demo-")).resolve()
    place.mkdir(parents=True, exist_ok=True)
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("TAKETWO_")}
    environment = {**theirs, "TAKETWO_STORE": f"sqlite:///{place / 'taketwo.sqlite3'}"}
    told = Story(place, environment)
    _tell(told)
    click.echo(f"\nAll of it took {time.monotonic() - started:.0f} s. Its files are in {place};")
    click.echo("report.html plays both calls.")
    if leave_running:
        with serving(place, environment) as address:
            click.echo(f"\nThe page of the call is at {address}/sessions/{CALL_ID} (Ctrl-C ends it).")
            wait_for_interrupt()


def _tell(told: Story) -> None:
    told.chapter(1, "Tuesday, on the telephone. A customer orders fifty tulips from a voice agent, over a noisy line.")
    told.say("Two synthetic voices talk; the agent recognises, thinks by rules, and speaks, all on this machine.")
    told.run([sys.executable, "-m", "taketwo.demo.phone"], shown="python -m taketwo.demo.phone")

    told.chapter(2, "On Thursday other flowers arrive. Find the call.")
    told.taketwo("calls")
    told.taketwo("show", CALL_ID)

    told.chapter(3, "Play the caller's own voice to the agent that is live: the same sound when the same happens.")
    told.conclude(_replayed(told, BROKEN) == "pass", "It mishears here, too: the bug is in the agent, not in the line.")

    told.chapter(4, "Play it to the agent with the fix, which holds what it hears against what it sells.")
    verdict = _replayed(told, FIXED, "--live", "place_order", "--html", "report.html")
    told.conclude(
        verdict == "changed" and _first_divergence(told) == ("arguments_changed", "place_order", 1),
        "The first thing that is different is the order in turn 2: 50 tulips.",
    )

    told.chapter(5, "Keep the call with its sound, and say what must be ordered.")
    told.taketwo("freeze", CALL_ID, "--out", SCENARIO, "--must-say", "50 tulips@2", "--force")
    told.taketwo("replay", SCENARIO, "--agent", FIXED, "--audio", "original", "--live", "place_order")


def _replayed(told: Story, agent: str, *options: str) -> str:
    """Replay the call; gives the verdict."""
    told.taketwo("replay", CALL_ID, "--agent", agent, "--audio", "original", *options, "--json", "result.json")
    return str(next(iter(_result(told)["counts"])))


def _first_divergence(told: Story) -> tuple[str, str, int]:
    """Kind, tool and turn of the first change that is more than wording."""
    comparison = _result(told)["results"][0]["attempts"][0]["comparison"]
    change = comparison["changes"][comparison["first_divergence"]]
    return change["kind"], change["tool"], change["recorded_turn"]


def _result(told: Story) -> Any:
    return json.loads((told.place / "result.json").read_text(encoding="utf-8"))

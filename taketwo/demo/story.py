"""The story itself: every step is the command that a user would type, run for real in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import httpx

from taketwo.demo.model import rules_as_model
from taketwo.errors import StoreUnavailable, TakeTwoError

BROKEN = "taketwo.demo.desk:desk_v1"
FIXED = "taketwo.demo.desk:desk_v2"
SCENARIO = "replays/refund-status.scenario.yaml"
READY_WITHIN_S = 120.0
"""Only so that nothing hangs: on a busy machine Python alone takes long to start."""
QUIET_PYTEST = ("-p", "no:cacheprovider", "-p", "no:asyncio")
"""Plugins that have nothing to do here: one would leave files behind, the other warns of settings that it misses."""


def tell(folder: str | None, *, leave_running: bool) -> None:
    """Tell the whole story in a folder. Raises a TakeTwoError when a step does not come out as told."""
    started = time.monotonic()
    place = Path(folder or tempfile.mkdtemp(prefix="taketwo-demo-")).resolve()
    place.mkdir(parents=True, exist_ok=True)
    # The story is the same whatever the user has set; only the model is theirs to choose.
    theirs = {k: v for k, v in os.environ.items() if not k.startswith("TAKETWO_") or k.startswith("TAKETWO_LLM_")}
    environment = {**theirs, "TAKETWO_STORE": f"sqlite:///{place / 'taketwo.sqlite3'}"}
    told = Story(place, environment)
    with ExitStack() as running:
        # Only the server's: what drives the desk of the story stays what it is.
        of_server = environment
        if leave_running and not told.has_model:
            model = running.enter_context(rules_as_model())
            of_server = {**environment, "TAKETWO_LLM_BASE_URL": model, "TAKETWO_LLM_API_KEY": "none"}
        address = running.enter_context(serving(place, of_server))
        _tell(told, address)
        click.echo(f"\nAll of it took {time.monotonic() - started:.0f} s. Its files are in {place}\n")
        click.echo(_next_steps())
        if leave_running:
            click.echo(f"\nThe page is at {address} (Ctrl-C ends it).")
            click.echo("Mark the wrong call of sess-dana there, press Replay, and edit the prompt until it passes.")
            wait_for_interrupt()


def _tell(told: Story, address: str) -> None:
    told.chapter(1, f"Tuesday, in production. A support desk (driven by {told.driver}) serves twelve customers.")
    told.say(f"It is instrumented with OpenTelemetry and sends its spans to `taketwo serve` on {address}.")
    told.run([sys.executable, "-m", "taketwo.demo.production", address], shown="python -m taketwo.demo.production")

    told.chapter(2, "Somebody complains: they asked how their refund stands, and got a second one. Find the session.")
    told.taketwo("sessions", "--filter", "tool:issue_refund said:status")
    told.taketwo("show", "sess-dana")

    told.chapter(3, "Replay it against the version that is live: the same words, the same tool results.")
    verdict = told.replay(BROKEN)
    told.conclude(verdict == "pass", "Nothing changed, so the bug is in the agent, and it reproduces here.")

    told.chapter(4, "Replay it against the version with the fix.")
    verdict = told.replay(FIXED, "--html", "report.html")
    told.conclude(verdict == "changed", "On turn 4 the desk now looks the refund up. Nothing else is different.")

    told.chapter(5, "Keep the conversation as a test, and say what must happen on turn 4.")
    told.taketwo(
        *("freeze", "sess-dana", "--out", SCENARIO),
        *("--must-call", "check_status@4", "--must-not-call", "issue_refund@4"),
        *("--why", "Asked for the status of a refund, the desk paid a second one.", "--force"),
    )
    told.conclude(told.pytest(FIXED) == 0, "Green with the fix.")

    told.chapter(6, "Weeks later somebody brings the old prompt back.")
    told.conclude(told.pytest(BROKEN) == 1, "Red, and it says which turn and which call.")


class StoryBroken(TakeTwoError):
    """A step of the demo did not come out as told."""


class Story:
    """Prints each step and runs it."""

    def __init__(self, place: Path, environment: dict[str, str]) -> None:
        """place: the folder that the commands run in."""
        self.place = place
        self.environment = environment
        self.has_model = bool(environment.get("TAKETWO_LLM_BASE_URL"))
        self.driver = "a model" if self.has_model else "rules, not by a model, so that this runs anywhere"

    def chapter(self, number: int, text: str) -> None:
        """A headline."""
        click.echo("\n\n" + click.style(f"{number}  {text}", bold=True))

    def say(self, text: str) -> None:
        """A remark."""
        click.echo(f"   {text}")

    def conclude(self, came_out: bool, text: str) -> None:
        """What a step has shown. Raises StoryBroken where it has not; a model may decide otherwise, which is told."""
        if came_out:
            click.echo(click.style(f"\n=> {text}", fg="green"))
        elif self.has_model:
            click.echo(click.style("\n=> This model did otherwise than the story; above is what it did.", fg="yellow"))
        else:
            raise StoryBroken(f"this was not seen: {text}", todo="the output above says what was")

    def taketwo(self, *arguments: str) -> None:
        """Run a `taketwo` command that must succeed."""
        self.run([sys.executable, "-m", "taketwo", *arguments], shown=f"taketwo {_quoted(arguments)}")

    def replay(self, agent: str, *options: str) -> str:
        """Replay the session; gives the verdict."""
        self.taketwo("replay", "sess-dana", "--agent", agent, *options, "--json", "result.json")
        result = json.loads((self.place / "result.json").read_text(encoding="utf-8"))
        return str(next(iter(result["counts"])))

    def pytest(self, agent: str) -> int:
        """Run the kept scenario through pytest; gives its exit code."""
        command = [sys.executable, "-m", "pytest", "replays", "--taketwo-agent", agent, "-q", *QUIET_PYTEST]
        return self.run(command, shown=f"pytest replays --taketwo-agent {agent}", may_end_with=(0, 1))

    def run(self, command: Sequence[str], *, shown: str, may_end_with: Sequence[int] = (0,)) -> int:
        """Show a command and run it, printing as it does; gives its exit code. Raises StoryBroken for any other one."""
        click.echo(click.style(f"\n$ {shown}", fg="cyan"))
        sys.stdout.flush()
        ended = subprocess.run(command, cwd=self.place, env=self.environment).returncode
        if ended not in may_end_with:
            raise StoryBroken(f"`{shown}` ended with {ended}", todo="its output above says why")
        return ended


@contextmanager
def serving(place: Path, environment: dict[str, str]) -> Iterator[str]:
    """A real `taketwo serve` on a free port, until the end of the block; gives its address."""
    log = place / "serve.log"
    with log.open("w", encoding="utf-8") as output:
        command = [sys.executable, "-m", "taketwo", "serve", "--port", "0"]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        process.wait(timeout=60)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the server has said where it listens and answers there."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        words = log.read_text(encoding="utf-8").split()
        addresses = [word for word in words if word.startswith("http://")]
        if addresses and _answers(addresses[0]):
            return addresses[0]
        time.sleep(0.05)
    raise StoreUnavailable(f"`taketwo serve` did not start: {log.read_text(encoding='utf-8')[-2000:]}", where=str(log))


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").status_code == 200
    except httpx.HTTPError:
        return False


def wait_for_interrupt() -> None:
    """Wait until somebody presses Ctrl-C."""
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        click.echo("")


def _next_steps() -> str:
    return """With your own agent:

  1. taketwo serve                                  and point OTEL_EXPORTER_OTLP_ENDPOINT at http://127.0.0.1:4318
  2. taketwo sessions                               find the conversation that went wrong
  3. taketwo replay ID --agent package.module:agent  your agent: messages in, reply out, tools under @taketwo.tool"""


def _quoted(arguments: Sequence[str]) -> str:
    return " ".join(f'"{word}"' if " " in word else word for word in arguments)

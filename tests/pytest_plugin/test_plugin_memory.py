"""From one pytest run to the next: what is not replayed again, and what comes first."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from taketwo.freeze.files import save
from taketwo.scenario import Case, MustSay, Scenario
from taketwo.testing import conversation, turn

pytest_plugins = ["pytester"]

DESK = """
from pathlib import Path

def answer(messages):
    said = messages[-1]["content"]
    with Path("asked.log").open("a") as log:
        log.write(said + "\\n")
    return "Go away!" if said in Path("rude.txt").read_text().split() else "Hello!"
"""


@pytest.fixture
def site(pytester: pytest.Pytester) -> pytest.Pytester:
    """A git repository with ten cases in two files, another test, and an agent that is rude to some."""
    pytester.makepyfile(desk=DESK, test_other="def test_other(): pass")
    pytester.path.joinpath("rude.txt").write_text("", encoding="utf-8")
    pytester.path.joinpath(".gitignore").write_text("*.log\n", encoding="utf-8")
    for name, numbers in (("a", range(6)), ("b", range(6, 10))):
        cases = [
            Case(
                id=f"case-{n}", recorded=conversation(turn(f"hi{n}", reply="Hello!")), expected=(MustSay(text="Hello"),)
            )
            for n in numbers
        ]
        save(Scenario(name=name, cases=tuple(cases)), pytester.path / "replays" / f"{name}.scenario.yaml")
    subprocess.run(["git", "init", "-q"], cwd=pytester.path, check=True)
    subprocess.run(["git", "add", "-A"], cwd=pytester.path, check=True)
    return pytester


def run(site: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    plugins = ("-p", "no:asyncio", "-p", "no:hypothesispytest")
    return site.runpytest_subprocess(*plugins, "--taketwo-agent", "desk:answer", *arguments)


def asked(site: pytest.Pytester) -> list[str]:
    """What the agent was asked since the last look."""
    log = site.path / "asked.log"
    lines = log.read_text(encoding="utf-8").split() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def be_rude_to(site: pytest.Pytester, *lines: str) -> None:
    (site.path / "rude.txt").write_text("\n".join(lines), encoding="utf-8")


def test_what_has_not_changed_is_not_replayed_and_what_failed_comes_first(site: pytest.Pytester) -> None:
    be_rude_to(site, "hi7")
    run(site).assert_outcomes(passed=10, failed=1)
    assert len(asked(site)) == 10
    again = run(site)
    again.assert_outcomes(passed=10, failed=1)
    again.stdout.fnmatch_lines(["*must say Hello*", "taketwo: 10 from cache; --taketwo-no-cache replays them"])
    assert asked(site) == []
    be_rude_to(site)
    run(site, "-x").assert_outcomes(passed=11)
    assert asked(site)[0] == "hi7"
    run(site, "--taketwo-no-cache").assert_outcomes(passed=11)
    assert len(asked(site)) == 10


@pytest.mark.slow
def test_the_command_line_and_pytest_share_what_is_kept(site: pytest.Pytester) -> None:
    run(site).assert_outcomes(passed=11)
    result = site.run(sys.executable, "-m", "taketwo", "replay", "replays", "--agent", "desk:answer")
    result.stdout.fnmatch_lines(["from cache: 10 of 10 cases*"])


@pytest.mark.slow
def test_workers_parts_cache_and_order_work_together(site: pytest.Pytester) -> None:
    be_rude_to(site, "hi3")
    parts = []
    for part in ("1/2", "2/2"):
        run(site, "-n", "2", "--taketwo-shard", part, "--junitxml", f"{part[0]}.xml")
        parts.append(asked(site))
    assert sorted(parts[0] + parts[1]) == sorted(f"hi{n}" for n in range(10))
    assert parts[0] and parts[1]
    again = run(site, "-n", "2", "--junitxml", "all.xml")
    again.assert_outcomes(passed=10, failed=1)
    assert asked(site) == []
    assert Path(site.path, "all.xml").read_text(encoding="utf-8").count("taketwo_from_cache") == 10
    be_rude_to(site)
    collected = run(site, "-n", "2", "-v")
    collected.assert_outcomes(passed=11)
    begun = re.findall(r"replays/.*::(case-\d)", collected.stdout.str())
    assert "case-3" in begun[:3]
    assert sorted(asked(site)) == sorted(f"hi{n}" for n in range(10))


@pytest.mark.slow
def test_an_agent_that_cannot_be_seen_is_replayed_and_that_is_said(site: pytest.Pytester) -> None:
    subprocess.run(["rm", "-rf", ".git"], cwd=site.path, check=True)
    for _ in range(2):
        result = run(site)
        result.stdout.fnmatch_lines(["taketwo: nothing is taken from earlier runs: the agent's revision is not known*"])
    assert len(asked(site)) == 20

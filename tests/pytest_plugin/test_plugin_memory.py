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


def test_what_pytest_found_is_accepted_without_another_replay(site: pytest.Pytester) -> None:
    accept = (sys.executable, "-m", "taketwo", "accept", "--store", "sqlite:///s.db")
    be_rude_to(site, "hi7")
    run(site).stdout.fnmatch_lines(["*taketwo accept case-7*"])
    be_rude_to(site)
    run(site, "-k", "case-0")
    assert site.run(*accept, "case-7", "--yes").ret == 2  # the latest replay is another one
    be_rude_to(site, "hi7")
    run(site)
    shown = site.run(*accept, "--dry-run")
    shown.stdout.fnmatch_lines(["replays/b.scenario.yaml: case-7", "*trim: must say Hello*"])
    assert site.run(*accept, "--yes").ret == 0
    assert "must_say" not in case_of(site, "case-7")
    assert "must_say" in case_of(site, "case-6")


def case_of(site: pytest.Pytester, id: str) -> str:
    """Its lines in the second file."""
    text = (site.path / "replays" / "b.scenario.yaml").read_text(encoding="utf-8")
    return text.partition(f"- id: {id}\n")[2].partition("- id:")[0]


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
def test_outside_a_repository_all_is_replayed_and_nobody_is_bothered_with_it(site: pytest.Pytester) -> None:
    subprocess.run(["rm", "-rf", ".git"], cwd=site.path, check=True)
    for _ in range(2):
        run(site).stdout.no_fnmatch_line("*earlier runs*")
    assert len(asked(site)) == 20


def test_only_cases_that_a_change_may_touch_are_replayed_and_why_is_said(site: pytest.Pytester) -> None:
    for command in (["config", "user.email", "a@b.c"], ["config", "user.name", "a"], ["commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=site.path, check=True)
    run(site)
    asked(site)
    none = run(site, "--taketwo-changed")
    none.assert_outcomes(passed=1, deselected=10)
    none.stdout.fnmatch_lines(["taketwo: changed since HEAD: 0 of 10 cases may be touched"])
    edited = site.path / "replays" / "b.scenario.yaml"
    edited.write_text(edited.read_text(encoding="utf-8") + "\n# one more look\n", encoding="utf-8")
    workers = run(site, "--taketwo-changed=HEAD", "--taketwo-no-cache", "-n", "2")
    workers.assert_outcomes(passed=5)
    workers.stdout.fnmatch_lines(["taketwo: changed since HEAD: 4 of 10 cases may be touched: 4 as their own files*"])
    assert sorted(asked(site)) == ["hi6", "hi7", "hi8", "hi9"]
    wrong = run(site, "--taketwo-changed=nowhere")
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
    wrong.stderr.fnmatch_lines(["ERROR: taketwo: --taketwo-changed: 'nowhere' cannot be compared with*"])


def test_what_no_budget_was_left_for_is_named_and_the_next_run_goes_on_with_it(site: pytest.Pytester) -> None:
    spent = run(site, "--taketwo-budget", "0s")
    spent.assert_outcomes(passed=1, skipped=10)
    spent.stdout.fnmatch_lines(
        ["taketwo: not run: 10 cases (the budget of 0s is spent): case-0, *; --taketwo-resume goes on with them"]
    )
    assert "taketwo: 10 inconclusive" not in spent.stdout.str()
    assert asked(site) == []
    run(site, "-x", "--deselect", "replays/b.scenario.yaml")
    assert len(asked(site)) == 6
    over = run(site, "--taketwo-resume")
    assert over.ret == pytest.ExitCode.USAGE_ERROR
    over.stderr.fnmatch_lines(["ERROR: taketwo: --taketwo-resume: the last run here came to its end*"])
    assert run(site, "--taketwo-budget", "much").ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize("workers", [(), pytest.param(("-n", "2"), marks=pytest.mark.slow)])
def test_a_run_that_was_interrupted_goes_on_with_what_is_left(site: pytest.Pytester, workers: tuple[str, ...]) -> None:
    subprocess.run(["rm", "-rf", ".git"], cwd=site.path, check=True)  # nothing is taken but what is resumed
    be_rude_to(site, "hi3")
    run(site, "-x")
    first = asked(site)
    assert 0 < len(first) < 10
    resumed = run(site, "--taketwo-resume", *workers)
    resumed.assert_outcomes(passed=10, failed=1)  # what was found out is taken as it was
    resumed.stdout.fnmatch_lines([f"taketwo: {len(first)} from cache*"])
    assert sorted(first + asked(site)) == sorted(f"hi{n}" for n in range(10))
    assert run(site, "--taketwo-resume").ret == pytest.ExitCode.USAGE_ERROR  # it has come to its end

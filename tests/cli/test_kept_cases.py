"""Who answers for a case, until when, and whether it counts: what `taketwo freeze` writes and every report says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from taketwo.freeze.edits import edit
from taketwo.freeze.files import load, save
from taketwo.report.json import Report
from taketwo.report.markdown import MARKER
from taketwo.scenario import Case, Kept, MustSay, Scenario
from taketwo.testing import conversation, turn

Run = Callable[..., subprocess.CompletedProcess[str]]
DUE = Kept(by="Dana", owner="greeters", review_on=date(2020, 1, 1), incident="https://tracker.example/7")


def greeting(id: str, kept: Kept = DUE, expected: str = "Hello") -> Case:
    return Case(id=id, recorded=conversation(turn("Hi", reply="Hello!")), kept=kept, expected=(MustSay(text=expected),))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A case that counts, and one that fails and does not."""
    out = DUE.but(quarantine="the greeter is being rebuilt")
    save(
        Scenario(name="greetings", cases=(greeting("good"), greeting("bad", out, "Goodbye"))),
        tmp_path / "a.scenario.yaml",
    )
    (tmp_path / "desk.py").write_text("def answer(messages):\n    return 'Hello!'\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(site: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(site / "home")}
        command = [sys.executable, "-m", "taketwo", *arguments]
        return subprocess.run(
            command, cwd=site, env={**environment, "PYTHONUTF8": "1"}, capture_output=True, text=True, timeout=60
        )

    return run


REPLAY = ("replay", "a.scenario.yaml", "--agent", "desk:answer")


@pytest.mark.parametrize("strict", [(), ("--strict",)])
def test_a_case_in_quarantine_is_replayed_and_shown_and_turns_nothing_red(run: Run, strict: tuple[str, ...]) -> None:
    done = run(*REPLAY, *strict)
    assert done.returncode == 0, done.stderr
    assert "QUARANTINED bad" in done.stdout
    assert "fail, and does not count: the greeter is being rebuilt" in done.stdout
    assert "must say Goodbye" in done.stdout
    assert "1 quarantined, 1 pass" in done.stdout


def test_every_report_tells_of_the_quarantine_and_none_of_a_failure(run: Run, site: Path) -> None:
    names = ("r.json", "r.xml", "r.html", "r.md")
    done = run(*REPLAY, "--annotations", *(word for name in names for word in (f"--{FORMAT[name]}", name)))
    assert done.returncode == 0
    told = {name: (site / name).read_text(encoding="utf-8") for name in names}
    report = Report.from_json(told["r.json"])
    assert report.counts == {"quarantined": 1, "pass": 1}
    assert [one.kept.quarantine for one in report.results] == [None, "the greeter is being rebuilt"]
    assert 'failures="0"' in told["r.xml"]
    assert 'skipped="1"' in told["r.xml"]
    assert told["r.md"].startswith(f"{MARKER}\n### ✅ No regression, 1 quarantined\n")
    assert all("the greeter is being rebuilt" in text for text in told.values())
    assert "::warning file=a.scenario.yaml" in done.stdout
    assert "::error" not in done.stdout


FORMAT = {"r.json": "json", "r.xml": "junit", "r.html": "html", "r.md": "markdown"}


def test_a_summary_without_a_case_that_passes_does_not_look_green(run: Run, site: Path) -> None:
    out = DUE.but(quarantine="the greeter is being rebuilt")
    save(Scenario(name="greetings", cases=(greeting("bad", out, "Goodbye"),)), site / "a.scenario.yaml")
    assert run(*REPLAY, "--markdown", "r.md").returncode == 0
    told = (site / "r.md").read_text(encoding="utf-8")
    assert told.startswith(f"{MARKER}\n### ⚪ No regression, and no case that passes, 1 quarantined\n")
    assert "  - <https://tracker.example/7>\n" in told


def test_a_case_past_its_review_date_is_named_in_one_line_and_is_not_red(run: Run, site: Path) -> None:
    done = run(*REPLAY, "--markdown", "r.md", "--html", "r.html")
    lines = [line for line in done.stdout.splitlines() if "review date" in line]
    assert lines == ["past their review date: bad (2020-01-01, greeters), good (2020-01-01, greeters)"]
    assert "past their review date" in (site / "r.html").read_text(encoding="utf-8")
    assert r"past their review date: bad \(2020\-01\-01" in (site / "r.md").read_text(encoding="utf-8")


def test_a_case_in_quarantine_that_cannot_be_replayed_does_not_count_either(run: Run, site: Path) -> None:
    nonsense = greeting("bad", DUE.but(quarantine="not ready"), "/(/")
    save(Scenario(name="greetings", cases=(greeting("good"), nonsense)), site / "a.scenario.yaml")
    done = run(*REPLAY, "--json", "r.json", "--junit", "r.xml")
    assert done.returncode == 0, done.stdout
    assert "error, and does not count: not ready" in done.stdout
    assert json.loads((site / "r.json").read_text(encoding="utf-8"))["counts"] == {"quarantined": 1, "pass": 1}
    assert 'errors="0"' in (site / "r.xml").read_text(encoding="utf-8")


def test_pytest_skips_a_failing_case_in_quarantine_and_says_why(site: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--taketwo-agent", "desk:answer", "."]
    done = subprocess.run(command, cwd=site, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 1 skipped" in done.stdout
    assert "taketwo: 1 quarantined" in done.stdout
    assert "taketwo: past their review date: good (2020-01-01, greeters), bad (2020-01-01, greeters)" in done.stdout
    assert "the greeter is being rebuilt" in done.stdout


def test_freeze_writes_down_who_keeps_it_and_why(run: Run, site: Path) -> None:
    log = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}], "id": "chat-1"}
    (site / "chats.jsonl").write_text(json.dumps(log), encoding="utf-8")
    run("import", "chats.jsonl")
    subprocess.run(["git", "init", "-q"], cwd=site, check=True)
    subprocess.run(["git", "config", "user.name", "Dana Whitman"], cwd=site, check=True)
    done = run(
        "freeze", "chat-1", "--out", "kept", "--why", "It was rude.", "--incident", "https://tracker.example/INC-7",
        "--owner", "greeters", "--review-on", "2027-02-01", "--quarantine", "waits for the new greeter",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (file,) = (site / "kept").glob("*.scenario.yaml")
    (case,) = load(file).cases
    assert case.kept == Kept(
        incident="https://tracker.example/INC-7",
        by="Dana Whitman",
        owner="greeters",
        review_on=date(2027, 2, 1),
        quarantine="waits for the new greeter",
    )
    assert "  review_on: 2027-02-01\n" in file.read_text(encoding="utf-8")


def test_accept_leaves_what_is_said_of_a_case_to_the_letter(tmp_path: Path) -> None:
    file = tmp_path / "a.scenario.yaml"
    save(Scenario(name="g", cases=(greeting("good", DUE.but(quarantine="later")),)), file)
    before = file.read_text(encoding="utf-8")
    edit(file, "expected", {"good": (MustSay(text="Hi"),)})
    assert file.read_text(encoding="utf-8") == before.replace("must_say: Hello", "must_say: Hi")


@pytest.mark.parametrize("word", ["true", "false", "no", '""', "'yes'"])
def test_a_quarantine_without_a_reason_is_refused_at_its_line(run: Run, site: Path, word: str) -> None:
    file = site / "a.scenario.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("the greeter is being rebuilt", word), encoding="utf-8")
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "quarantine" in text)
    done = run(*REPLAY)
    assert done.returncode == 2
    assert f"a.scenario.yaml:{line}: quarantine should be the reason, in words" in done.stdout

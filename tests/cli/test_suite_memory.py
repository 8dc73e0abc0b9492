"""The suite of a repository from run to run: what is taken from earlier ones, in which order, and where it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taketwo.freeze.files import save
from taketwo.scenario import Case, MustSay, Scenario
from taketwo.testing import conversation, turn

AGENT = """
from pathlib import Path

import greeting

REPLIES = Path("replies.log")


def answer(messages):
    with REPLIES.open("a") as log:
        log.write(messages[-1]["content"] + "\\n")
    return greeting.text(messages[-1]["content"])
"""
GREETING = """
from pathlib import Path

def text(said):
    return Path("prompt.txt").read_text().strip()
"""


class Site:
    """A git repository with an agent, a prompt, and cases in two files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("desk.py", AGENT)
        self.write("greeting.py", GREETING)
        self.write("prompt.txt", "Hello!")
        self.write(".gitignore", "*.log\nhome/\n")
        self.keep("a", range(3))
        self.keep("b", range(3, 5))
        self.git("init", "-q")
        self.commit()

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def keep(self, name: str, numbers: range) -> None:
        cases = [
            Case(
                id=f"case-{n}",
                recorded=conversation(turn(f"Hi {n}", reply="Hello!")),
                expected=(MustSay(text="Hello"),),
            )
            for n in numbers
        ]
        save(Scenario(name=name, cases=tuple(cases)), self.folder / "replays" / f"{name}.scenario.yaml")

    def git(self, *command: str) -> str:
        settings = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *settings, *command], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "as it is")

    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        return {"PATH": path, "HOME": str(self.folder / "home"), "PYTHONUTF8": "1"}

    def run(self, *arguments: str, code: int | None = 0, **variables: str) -> dict[str, Any]:
        """The JSON report of a replay, with what was printed."""
        command = [sys.executable, "-m", "taketwo", "replay", "replays", "--agent", "desk:answer", "--json", "r.json"]
        self.written("r.json").unlink(missing_ok=True)
        done = subprocess.run(
            [*command, *arguments],
            cwd=self.folder,
            env=self.environment() | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        report = self.written("r.json").read_text(encoding="utf-8") if self.written("r.json").exists() else ""
        return {**(json.loads(report) if report else {}), "out": done.stdout, "err": done.stderr}

    def written(self, name: str) -> Path:
        return self.folder / name

    def asked(self) -> list[str]:
        """What the agent was asked since the last look."""
        log = self.written("replies.log")
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_what_has_not_changed_is_not_replayed_again(site: Site) -> None:
    first = site.run()
    assert (len(site.asked()), first["from_cache"]) == (5, 0)
    second = site.run("--junit", "j.xml", "--html", "r.html", "--markdown", "m.md")
    assert (site.asked(), second["from_cache"], second["counts"]) == ([], 5, {"pass": 5})
    assert all(result["cached_at"] for result in second["results"])
    assert second["out"].count("from cache") == 5 + 1
    assert "from cache: 5 of 5 cases" in site.written("m.md").read_text(encoding="utf-8").replace("\\", "")
    assert site.written("j.xml").read_text(encoding="utf-8").count("from_cache") == 5
    assert "from cache" in site.written("r.html").read_text(encoding="utf-8")
    assert (site.run("--no-cache")["from_cache"], len(site.asked())) == (0, 5)


@pytest.mark.slow
def test_a_commit_or_a_report_that_was_written_changes_nothing_of_the_agent(site: Site) -> None:
    site.write("greeting.py", GREETING + "\n# tidied up\n")
    site.run("--html", "report.html")
    site.git("add", "greeting.py")
    site.git("commit", "-qm", "tidied up")
    assert site.run()["from_cache"] == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "from_cache"),
    [
        (lambda site: site.write("greeting.py", GREETING + "\n"), 0),
        (lambda site: site.write("prompt.txt", "Hello there!"), 0),
        (lambda site: site.keep("b", range(3, 6)), 5),
        (lambda site: site.keep("a", range(1, 3)), 4),
    ],
    ids=["module", "prompt", "new case", "case gone"],
)
def test_only_what_a_change_may_touch_is_replayed(site: Site, change: Callable[[Site], None], from_cache: int) -> None:
    site.run()
    change(site)
    assert site.run()["from_cache"] == from_cache


@pytest.mark.slow
@pytest.mark.parametrize("file", ["prompt.txt", "greeting.py"])
def test_files_that_git_does_not_track_count_where_the_agent_reads_them(site: Site, file: str) -> None:
    site.git("rm", "-q", "--cached", file)
    site.git("commit", "-qm", "it is no longer tracked")
    site.run()
    site.write("notes.txt", "nobody reads this")
    assert site.run()["from_cache"] == 5
    site.write(file, site.written(file).read_text(encoding="utf-8") + "\n")
    assert site.run()["from_cache"] == 0


@pytest.mark.slow
def test_settings_and_the_environment_count(site: Site) -> None:
    site.run()
    assert site.run("--timeout", "7")["from_cache"] == 0
    assert site.run("--timeout", "7", MODEL="another")["from_cache"] == 0
    assert site.run("--timeout", "7", MODEL="another", GITHUB_RUN_ID="12")["from_cache"] == 5


@pytest.mark.slow
def test_a_failure_is_taken_from_the_cache_and_stays_one(site: Site) -> None:
    site.write("prompt.txt", "Go away!")
    first = site.run(code=1)
    again = site.run(code=1)
    assert (again["from_cache"], again["counts"]) == (5, first["counts"])
    assert "must say Hello" in again["out"]


@pytest.mark.slow
def test_an_agent_whose_revision_cannot_be_known_is_never_cached_and_that_is_said(site: Site) -> None:
    subprocess.run(["rm", "-rf", ".git"], cwd=site.folder, check=True)
    for _ in range(2):
        assert site.run()["from_cache"] == 0
    assert len(site.asked()) == 10
    report = site.run("--agent", f"cmd:{sys.executable} nothing.py", code=None)
    assert "nothing is taken from earlier runs: what is behind cmd:" in report["out"]


@pytest.mark.slow
def test_tools_that_may_really_run_are_never_cached(site: Site) -> None:
    for _ in range(2):
        report = site.run("--live", "look_up")
        assert (report["from_cache"], report["notes"]) == (
            0,
            ["nothing is taken from earlier runs: look_up may really run"],
        )


@pytest.mark.slow
def test_an_agent_that_reads_what_it_wrote_is_replayed_each_time(site: Site) -> None:
    site.write("greeting.py", 'from pathlib import Path\n\ndef text(said):\n    Path("replies.log").read_text()\n')
    with site.written("greeting.py").open("a", encoding="utf-8") as file:
        file.write('    return "Hello!"\n')
    site.run()
    assert site.run()["from_cache"] == 0


@pytest.mark.slow
def test_a_memory_that_is_broken_or_cannot_be_written_costs_nothing_but_itself(site: Site) -> None:
    site.run()
    memory = next(site.written(".taketwo").glob("*.sqlite3"))
    memory.write_bytes(b"no database" * 1000)
    assert site.run()["from_cache"] == 0
    assert site.run()["from_cache"] == 5
    subprocess.run(["rm", "-rf", ".taketwo"], cwd=site.folder, check=True)
    site.write(".taketwo", "a file where the folder should be")
    report = site.run()
    assert "nothing is remembered of this run" in report["err"]
    assert report["counts"] == {"pass": 5}


@pytest.mark.slow
def test_several_processes_remember_as_one(site: Site) -> None:
    site.git("rm", "-q", "--cached", "prompt.txt")
    site.git("commit", "-qm", "the prompt is no longer tracked")
    assert site.run("--jobs", "2")["counts"] == {"pass": 5}
    assert site.run("--jobs", "2")["from_cache"] == 5
    site.write("prompt.txt", "Go away!")
    report = site.run("--jobs", "2", "--fail-fast", code=1)
    assert report["from_cache"] == 0
    assert report["counts"]["fail"] >= 1
    assert site.run("--jobs", "2", "--budget", "0s", "--no-cache", code=2)["not_run"] == 5


@pytest.mark.slow
def test_only_what_a_change_may_touch_is_chosen(site: Site) -> None:
    site.run()
    site.keep("b", range(3, 6))
    report = site.run("--changed", "--markdown", "m.md")
    assert {result["case_id"] for result in report["results"]} == {"case-3", "case-4", "case-5"}
    assert "3 of 6 cases may be touched: 3 as their own files were changed" in report["err"]
    assert "3 of 6 cases may be touched" in site.written("m.md").read_text(encoding="utf-8")
    site.commit()
    assert site.run("--changed")["counts"] == {}
    assert site.run("--changed=HEAD~1")["counts"] == {"pass": 3}
    site.write("greeting.py", GREETING + "\nmore = 1\n")
    assert site.run("--changed")["counts"] == {"pass": 6}
    refused = site.run("--changed", "replays", code=2)["err"]
    assert refused.count("\n") == 1 and "replays" in refused


@pytest.mark.slow
def test_git_does_not_see_the_memory(site: Site) -> None:
    site.run()
    assert ".taketwo" not in site.git("status", "--porcelain", "--ignored=no")


SLOW = """
import time
from pathlib import Path

def text(said):
    time.sleep(0.3)
    return "Hello!"
"""


def started(site: Site, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "taketwo", "replay", "replays", "--agent", "desk:answer", "--concurrency", "1"]
    return subprocess.Popen(
        [*command, *arguments],
        cwd=site.folder,
        env=site.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


HELD = """
import time
from itertools import count
from pathlib import Path

calls = count()

def text(said):
    while next(calls) and not Path("may-go-on").exists():
        time.sleep(0.02)
    return "Hello!"
"""


def test_an_interrupted_run_reports_what_ran_and_goes_on_where_it_was(site: Site) -> None:
    site.write("greeting.py", HELD)
    process = started(site, "--json", "r.json", "--html", "r.html")
    assert process.stdout is not None
    while "PASS" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    site.written("may-go-on").touch()
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err.count("Traceback")) == (2, 0)
    report = json.loads(site.written("r.json").read_text(encoding="utf-8"))
    assert report["cancelled"]
    assert report["not_run"] == 5 - report["counts"]["pass"] > 0
    assert "not run: " in out
    site.asked()
    resumed = site.run("--resume")
    assert resumed["counts"] == {"pass": 5}
    assert resumed["from_cache"] == report["counts"]["pass"]
    assert len(site.asked()) == report["not_run"]
    assert "came to its end" in site.run("--resume", code=2)["err"]


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.3, 0.6, 0.9, 1.3, 1.8, 2.5])
def test_ctrl_c_at_any_moment_leaves_nothing_half_written(site: Site, after_s: float) -> None:
    site.write("greeting.py", SLOW)
    process = started(site, "--json", "r.json", "--html", "r.html", "--junit", "j.xml", "--markdown", "m.md")
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    # Python itself, as it starts and again as it ends, dies of the signal.
    is_python_itself = process.returncode == -signal.SIGINT
    assert is_python_itself or (process.returncode in (0, 2) and "Traceback" not in err), err
    written = [site.written(name) for name in ("r.json", "r.html", "j.xml", "m.md") if site.written(name).exists()]
    assert len(written) in (0, 4)
    assert all(file.stat().st_size for file in written)
    assert not list(site.folder.glob(".*.tmp"))
    site.run()

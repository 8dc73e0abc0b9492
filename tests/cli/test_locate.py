"""`taketwo shrink`, `bisect` and `forks` on a real repository, with real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from taketwo.freeze.files import load, save
from taketwo.scenario import Case, MustCall, MustNotSay, Scenario
from taketwo.testing import call, conversation, turn

Run = Callable[..., subprocess.CompletedProcess[str]]
AGENT = """
def answer(messages):
    said = [message["content"] for message in messages if message["role"] == "user"]
    if {angry} and any("angry" in line for line in said) and "refund" in said[-1]:
        return "Go away!"
    return "Fine."
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the command in a folder with a case that its agent fails."""
    lines = ["Hi", "I am angry", "It rains", "Again", "Give me a refund", "Bye"]
    talk = conversation(*(turn(line, reply="Fine.") for line in lines))
    case = Case(id="angry", recorded=talk, expected=(MustNotSay(text="Go away"),))
    save(Scenario(name="desk", cases=(case,)), tmp_path / "desk.scenario.yaml")
    (tmp_path / "desk.py").write_text(AGENT.format(angry=True), encoding="utf-8")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home"), "PYTHONUTF8": "1"}

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "taketwo", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment | variables, capture_output=True, text=True, timeout=120
        )

    return run


@pytest.fixture
def git(tmp_path: Path) -> Run:
    """Run git in this folder, made a repository."""
    command = [
        "git",
        "-C",
        str(tmp_path),
        "-c",
        "user.email=a@b.c",
        "-c",
        "user.name=a",
        "-c",
        "protocol.file.allow=always",
    ]

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)

    git("init", "-q", "-b", "main")
    return git


def revision(git: Run, folder: Path, number: int, agent: str) -> None:
    """Commit the agent."""
    (folder / "desk.py").write_text(f"# {number}\n{agent}", encoding="utf-8")
    git("add", "desk.py")
    git("commit", "-qm", f"revision {number}")


def test_the_shortest_conversation_that_fails_is_written_as_a_test_of_its_own(run: Run, tmp_path: Path) -> None:
    target = ("desk.scenario.yaml::angry", "--agent", "desk:answer", "--noise", "0", "--out", "short.scenario.yaml")
    done = run("shrink", *target, "--journal", "shrink.journal")
    assert done.returncode == 0, done.stderr
    assert "6 turns → 2 turns" in done.stdout
    assert "no part of it can go" in done.stdout
    (case,) = load(tmp_path / "short.scenario.yaml").cases
    assert [one.user.text for one in case.recorded.turns if one.user] == ["I am angry", "Give me a refund"]
    assert run("replay", "short.scenario.yaml", "--agent", "desk:answer").returncode == 1


@pytest.fixture
def late(tmp_path: Path, run: Run) -> Path:
    """A case that an agent fails without looking anything up, and that the mended one passes by what it looked up."""
    order = call("get_order", {"id": "A-1"}, result={"state": "sent", "note": "gift"})
    talk = conversation(
        turn("Hi", reply="Hello."),
        turn("Where is A-1?", order, reply="It is sent."),
        turn("It rains", reply="Yes."),
        turn("A refund, please", reply="It is too late."),
    )
    case = Case(id="late", recorded=talk, expected=(MustNotSay(text="refunded"),))
    save(Scenario(name="late", cases=(case,)), tmp_path / "late.scenario.yaml")
    (tmp_path / "late.py").write_text(LATE, encoding="utf-8")
    return tmp_path


LATE = """
import json
CALL = {"name": "get_order", "arguments": '{"id": "A-1"}'}
ORDER = {"tool_calls": [{"id": "c", "type": "function", "function": CALL}]}

def answer(messages, careful=False):
    known = [json.loads(one["content"]) for one in messages if one["role"] == "tool"]
    last = messages[-1]["content"]
    wants = "refund" in [one["content"] for one in messages if one["role"] == "user"][-1]
    if not known and ("Where" in last or (wants and careful)):
        return ORDER
    if wants:
        return "It is too late." if careful and known[0]["state"] == "sent" else "I have refunded it."
    return "Fine."

def mended(messages):
    return answer(messages, careful=True)
"""


def test_a_shortest_case_still_tells_the_mended_agent_from_the_failing_one(run: Run, late: Path) -> None:
    target = ("late.scenario.yaml", "--agent", "late:answer", "--noise", "0", "--out", "short.scenario.yaml")
    done = run("shrink", *target, "--against", "late:mended")
    assert done.returncode == 0, done.stderr
    assert "4 turns → 2 turns" in done.stdout
    assert done.stderr == ""
    (case,) = load(late / "short.scenario.yaml").cases
    assert [one.result for one in case.recorded.turns[0].calls] == [{"state": "sent"}]
    assert run("replay", "short.scenario.yaml", "--agent", "late:answer").returncode == 1
    assert run("replay", "short.scenario.yaml", "--agent", "late:mended", "--strict").returncode == 0


def test_without_an_agent_that_passes_it_is_said_what_may_be_missing(run: Run, late: Path) -> None:
    target = ("late.scenario.yaml", "--agent", "late:answer", "--noise", "0", "--out", "short.scenario.yaml")
    done = run("shrink", *target)
    assert done.returncode == 0, done.stderr
    assert "4 turns → 1 turn" in done.stdout
    (line,) = done.stderr.strip().splitlines()
    assert "get_order(id=A-1) has no answer in it" in line
    assert "--against SPEC" in line
    assert run("replay", "short.scenario.yaml", "--agent", "late:mended", "--strict").returncode == 3


def test_what_the_failing_agent_does_not_read_of_a_result_stays_for_the_mended_one(run: Run, late: Path) -> None:
    (case,) = load(late / "late.scenario.yaml").cases
    case = case.but(expected=(MustCall(tool="get_order", turn=2), *case.expected))
    save(Scenario(name="late", cases=(case,)), late / "late.scenario.yaml")
    target = ("late.scenario.yaml", "--agent", "late:answer", "--noise", "0", "--out", "short.scenario.yaml")
    done = run("shrink", *target)
    assert "not needed, but kept for an agent that reads it: result of get_order in turn 1: state" in done.stdout
    assert run("replay", "short.scenario.yaml", "--agent", "late:answer").returncode == 1
    assert run("replay", "short.scenario.yaml", "--agent", "late:mended", "--strict").returncode == 0


def test_an_agent_that_should_pass_and_does_not_is_refused(run: Run, late: Path) -> None:
    target = ("late.scenario.yaml", "--agent", "late:answer", "--noise", "0", "--out", "short.scenario.yaml")
    done = run("shrink", *target, "--against", "late:answer")
    assert done.returncode == 2
    assert "the agent that should pass this case fails" in done.stderr
    assert not (late / "short.scenario.yaml").exists()


def test_a_file_that_is_there_is_not_written_over_and_a_wrong_name_is_told_before_the_search(
    run: Run, late: Path
) -> None:
    before = (late / "late.scenario.yaml").read_bytes()
    for out, said in (
        ("late.scenario.yaml", "is there already"),
        ("short.txt", "is no name of a scenario file"),
        ("nowhere/short.scenario.yaml", "there is no such folder"),
    ):
        done = run("shrink", "late.scenario.yaml", "--agent", "late:answer", "--noise", "0", "--out", out)
        assert done.returncode == 2 and said in done.stderr
    assert (late / "late.scenario.yaml").read_bytes() == before


def test_a_case_that_passes_cannot_be_shortened(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fine.py").write_text("def answer(messages):\n    return 'Fine.'\n", encoding="utf-8")
    done = run("shrink", "desk.scenario.yaml", "--agent", "fine:answer", "--noise", "0", "--out", "s.scenario.yaml")
    assert done.returncode == 2
    assert "does not fail" in done.stderr
    assert not (tmp_path / "s.scenario.yaml").exists()


def test_each_fork_says_what_comes_of_it(run: Run) -> None:
    done = run("forks", "desk.scenario.yaml", "--agent", "desk:answer", "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["from_turn"], row["verdict"]) for row in rows] == [
        *((number, "fail") for number in range(1, 6)),
        (6, "pass"),
    ]


def test_an_agent_elsewhere_finds_the_recorded_tools_in_a_search_as_in_a_replay(run: Run, late: Path) -> None:
    (late / "elsewhere.py").write_text(ELSEWHERE, encoding="utf-8")
    agent = ("late.scenario.yaml", "--agent", f"cmd:{sys.executable} elsewhere.py")
    done = run("forks", *agent, "--json")
    assert [json.loads(line)["verdict"] for line in done.stdout.splitlines()] == ["fail"] * 4, done.stderr
    done = run("shrink", *agent, "--noise", "0", "--out", "short.scenario.yaml")
    assert "4 turns → 1 turn" in done.stdout, done.stderr
    done = run("floor", *agent, "--repeat", "2", "--dry-run")
    assert "passed 0 of 2 replays" in done.stdout, done.stderr


ELSEWHERE = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    said = "I have refunded it." if asked["tools_url"] else "Where are my tools?"
    print(json.dumps({"content": said}), flush=True)
"""


def test_a_fork_map_ends_by_its_budget_and_goes_on_from_its_journal(run: Run, tmp_path: Path) -> None:
    target = ("desk.scenario.yaml", "--agent", "desk:answer", "--json", "--journal", "forks.journal")
    done = run("forks", *target, "--most-runs", "2")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert "turns 3 to 6 were not looked at" in done.stderr
    again = run("forks", *target)
    assert again.stdout.splitlines()[:2] == done.stdout.splitlines()
    assert len(again.stdout.splitlines()) == 6
    assert len((tmp_path / "forks.journal").read_text(encoding="utf-8").splitlines()) == 6
    (tmp_path / "forks.journal").write_text("nonsense", encoding="utf-8")
    broken = run("forks", *target)
    assert broken.returncode == 2
    assert "is no journal of a fork map" in broken.stderr


@pytest.mark.slow
def test_the_revision_since_which_it_fails_is_found(run: Run, git: Run, tmp_path: Path) -> None:
    for number in range(12):
        revision(git, tmp_path, number, AGENT.format(angry=number >= 6))
    done = run(
        "bisect", "desk.scenario.yaml", "--agent", "desk:answer", "--good", "HEAD~11", "--noise", "0.05", "--runs", "2"
    )
    assert done.returncode == 0, done.stderr
    (found,) = [line for line in done.stdout.splitlines() if line.startswith("first bad: ")]
    assert "revision 6" in found
    worktrees = git("worktree", "list")
    assert len(worktrees.stdout.splitlines()) == 1


@pytest.mark.slow
def test_a_merge_is_looked_into_and_what_cannot_be_imported_is_gone_around(run: Run, git: Run, tmp_path: Path) -> None:
    fine, angry = (AGENT.format(angry=angry) for angry in (False, True))
    revision(git, tmp_path, 0, fine)
    git("tag", "good")
    git("checkout", "-qb", "side")
    (tmp_path / "mood.py").write_text("", encoding="utf-8")
    git("add", "mood.py")
    revision(git, tmp_path, 1, angry)
    git("checkout", "-q", "main")
    for number in range(2, 5):
        (tmp_path / f"note{number}.txt").write_text("", encoding="utf-8")
        git("add", ".")
        git("commit", "-qm", f"revision {number}")
    git("merge", "-q", "--no-ff", "-m", "bring the mood", "side")
    revision(git, tmp_path, 6, "import nowhere\n" + angry)
    revision(git, tmp_path, 7, angry)
    git("checkout", "-q", "--detach")
    (tmp_path / "desk.py").write_text(fine, encoding="utf-8")
    found = run(
        "bisect", "desk.scenario.yaml", "--agent", "desk:answer", "--good", "good", "--noise", "0", "--runs", "1"
    )
    assert found.returncode == 0, found.stderr
    assert "first bad: " in found.stdout and "bring the mood" in found.stdout.partition("first bad: ")[2]
    further = found.stdout.rpartition("what it brought: ")[2].split()
    assert further[0] == "--good" and further[2] == "--bad"
    again = run("bisect", "desk.scenario.yaml", "--agent", "desk:answer", *further, "--noise", "0", "--runs", "1")
    assert "only one version to choose from" in again.stdout and "revision 1" in again.stdout, again.stderr
    assert (tmp_path / "desk.py").read_text(encoding="utf-8") == fine


@pytest.mark.slow
def test_a_package_under_src_and_one_in_a_submodule_are_those_of_the_revision(
    run: Run, git: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    part = tmp_path_factory.mktemp("part")
    of_part = ["git", "-C", str(part), "-c", "user.email=a@b.c", "-c", "user.name=a"]
    subprocess.run([*of_part, "init", "-q"], check=True)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "outer.py").write_text(
        "from mood import ANGRY\n" + AGENT.format(angry="ANGRY"), encoding="utf-8"
    )
    for number in range(4):
        (part / "mood.py").write_text(f"ANGRY = {number >= 2}  # {number}\n", encoding="utf-8")
        subprocess.run([*of_part, "add", "."], check=True)
        subprocess.run([*of_part, "commit", "-qm", f"part {number}"], check=True)
        if number == 0:
            git("submodule", "--quiet", "add", str(part), "mood")
        git("-C", str(tmp_path / "mood"), "pull", "-q")
        git("add", ".")
        git("commit", "-qm", f"revision {number}")
    # The package is installed for development, as its path in the environment says.
    import_path = f"{tmp_path / 'src'}:{tmp_path / 'mood'}"
    options = ("desk.scenario.yaml", "--agent", "outer:answer", "--good", "HEAD~3", "--noise", "0", "--runs", "1")
    done = run("bisect", *options, PYTHONPATH=import_path, GIT_ALLOW_PROTOCOL="file")
    assert "revision 2" in done.stdout.partition("first bad: ")[2], done.stdout + done.stderr


def test_bisect_says_what_is_odd_about_a_repository_before_it_looks(run: Run, git: Run, tmp_path: Path) -> None:
    def said(*options: str, agent: str = "desk:answer") -> str:
        done = run("bisect", "desk.scenario.yaml", "--agent", agent, *options)
        assert done.returncode == 2
        (line,) = done.stderr.strip().splitlines()
        return line

    assert "there is no revision 'v1'" in said("--good", "v1")
    git("commit", "-qm", "empty", "--allow-empty")
    assert "there is no revision between HEAD and HEAD" in said("--good", "HEAD")
    git("checkout", "-q", "--orphan", "other")
    git("commit", "-qm", "another", "--allow-empty")
    assert "main is not before HEAD" in said("--good", "main")
    assert "runs elsewhere" in said("--good", "main", agent="http://127.0.0.1:9")
    assert "in no git repository" in said("--good", "main", "--repository", "/")
    assert "needs something to search in" in said()
    missing = run("bisect", "desk.scenario.yaml", "--agent", "prompt:", "--prompt", "nowhere.txt")
    assert missing.returncode == 2 and "nowhere.txt" in missing.stderr


def test_a_failure_that_is_not_committed_is_not_looked_for(run: Run, git: Run, tmp_path: Path) -> None:
    fine, angry = (AGENT.format(angry=angry) for angry in (False, True))
    for number in range(3):
        revision(git, tmp_path, number, fine)
    (tmp_path / "desk.py").write_text(angry, encoding="utf-8")
    target = ("bisect", "desk.scenario.yaml", "--agent", "desk:answer", "--runs", "1", "--good", "HEAD~2")
    done = run(*target)
    assert done.returncode == 2
    assert "does not fail in the last version" in done.stderr and "commit what has been changed" in done.stderr
    for number in range(3, 5):
        revision(git, tmp_path, number, angry)
    done = run(*target[:-1], "HEAD~1", "--bad", "HEAD")
    assert "there is only one version" in done.stdout

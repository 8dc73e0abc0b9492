"""`taketwo canary`, `contracts`, `suggest` and `export` as a user meets them: what they print, write and exit with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taketwo.freeze.files import save
from taketwo.scenario import Case, MustSay, Scenario
from taketwo.testing import conversation, turn

Run = Callable[..., subprocess.CompletedProcess[str]]
ORDERLY = "verify_identity precedes issue_refund"
PROVIDER = """
from pathlib import Path

def answer(messages):
    return Path("model.txt").read_text(encoding="utf-8")
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the command beside a kept case and the conversations of a desk that refunds."""
    case = Case(id="hello", recorded=conversation(turn("Hi", reply="Hello!")), expected=(MustSay(text="Hello"),))
    save(Scenario(name="greetings", cases=(case,)), tmp_path / "replays" / "a.scenario.yaml")
    (tmp_path / "desk.py").write_text(PROVIDER, encoding="utf-8")
    (tmp_path / "model.txt").write_text("Hello!", encoding="utf-8")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home"), "PYTHONUTF8": "1"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "taketwo", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    return run


def refund(number: int, *, verified: bool = True) -> dict[str, Any]:
    """A chat log of a refund."""
    tools = [("verify_identity", {"user": f"u{number}"}, "ok")] if verified else []
    tools.append(("issue_refund", {"order_id": f"A-{number}", "amount": 10}, "done"))
    messages: list[dict[str, Any]] = [{"role": "user", "content": f"Please refund order A-{number}."}]
    for position, (name, arguments, result) in enumerate(tools):
        function = {"name": name, "arguments": json.dumps(arguments)}
        asked = {"id": f"c{position}", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": None, "tool_calls": [asked]})
        messages.append({"role": "tool", "tool_call_id": f"c{position}", "content": result})
    return {"id": f"chat-{number}", "messages": [*messages, {"role": "assistant", "content": "Done."}]}


def write_log(path: Path, logs: Iterator[dict[str, Any]]) -> None:
    path.write_text("\n".join(map(json.dumps, logs)), encoding="utf-8")


CANARY = ("canary", "replays", "--agent", "desk:answer", "--repeat", "8")


def test_a_canary_is_silent_until_something_moves_and_then_names_it(run: Run, tmp_path: Path) -> None:
    first, second = run(*CANARY), run(*CANARY)
    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert first.stderr == "0 cases compared, 1 case new: 0 moved\n"
    assert second.stderr == "1 case compared, 0 cases new: 0 moved\n"
    (tmp_path / "model.txt").write_text("Go away!", encoding="utf-8")
    third = run(*CANARY)
    assert third.returncode == 1
    assert "a.scenario.yaml::hello: fails in 8 of 8 replays, before in 0 of 16" in third.stdout
    assert len((tmp_path / "taketwo.canary.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_what_the_canary_saw_today_is_not_held_against_a_pull_request(run: Run, tmp_path: Path) -> None:
    bare = Case(id="hello", recorded=conversation(turn("Hi", reply="Hello!")))
    save(Scenario(name="greetings", cases=(bare,)), tmp_path / "replays" / "a.scenario.yaml")
    (tmp_path / "model.txt").write_text("Hello, that makes $5.", encoding="utf-8")
    run(*CANARY)
    replay = ("replay", "replays", "--agent", "desk:answer", "--strict")
    before, with_control = run(*replay), run(*replay, "--control", "taketwo.canary.jsonl")
    assert (before.returncode, with_control.returncode) == (1, 0), with_control.stdout
    assert "CHANGED hello" in before.stdout
    assert "1 pass" in with_control.stdout


def test_a_canary_that_cannot_read_its_cases_or_journal_says_where(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taketwo.canary.jsonl").write_text("{half\n", encoding="utf-8")
    done = run(*CANARY)
    assert done.returncode == 2
    assert done.stderr.startswith("taketwo: taketwo.canary.jsonl:1: is no round of a canary")
    (tmp_path / "replays" / "a.scenario.yaml").write_text("nonsense", encoding="utf-8")
    done = run(*CANARY, "--journal", "other.jsonl")
    assert done.returncode == 2
    assert "replays/a.scenario.yaml" in done.stderr
    assert not (tmp_path / "other.jsonl").exists()


def test_contracts_that_hold_too_seldom_are_not_met_with_silence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n', encoding="utf-8")
    mined = run("contracts", "mine", "one.jsonl")
    assert mined.returncode == 0 and not mined.stdout
    assert "nothing to propose: a contract must hold in 5 conversations" in mined.stderr


def test_contracts_are_mined_accepted_listed_and_checked(run: Run, tmp_path: Path) -> None:
    write_log(tmp_path / "good.jsonl", (refund(number) for number in range(12)))
    write_log(tmp_path / "bad.jsonl", (refund(number, verified=number != 99) for number in (98, 99)))
    mined = run("contracts", "mine", "good.jsonl")
    assert f"  {ORDERLY}\n    holds in 12 conversations\n" in mined.stdout
    assert run("contracts", "check", "bad.jsonl").returncode == 2
    accepted = run("contracts", "accept", ORDERLY, "--from", "good.jsonl")
    assert accepted.returncode == 0, accepted.stderr
    assert run("contracts", "list").stdout == f"{ORDERLY}\n"
    assert f"✓ {ORDERLY}" in run("contracts", "mine", "good.jsonl").stdout
    assert run("contracts", "check", "good.jsonl").returncode == 0
    checked = run("contracts", "check", "bad.jsonl")
    assert checked.returncode == 1
    assert checked.stdout.startswith("chat-99: verify_identity precedes issue_refund: ")
    assert checked.stderr == "1 contract broken in 2 conversations\n"


def test_a_contract_that_nobody_proposed_is_refused(run: Run, tmp_path: Path) -> None:
    write_log(tmp_path / "good.jsonl", (refund(number) for number in range(12)))
    done = run("contracts", "accept", "the moon is full", "--from", "good.jsonl")
    assert done.returncode == 2
    assert done.stderr == ("taketwo: contracts: 'the moon is full' is not proposed (see `taketwo contracts mine`)\n")


def test_suggest_names_what_a_suite_lacks_and_says_what_share_it_represents(run: Run, tmp_path: Path) -> None:
    write_log(tmp_path / "traffic.jsonl", (refund(number) for number in range(6)))
    assert run("import", "traffic.jsonl").returncode == 0
    done = run("suggest", "replays", "--most", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the suite's case represents 0% of 6 sessions; ")
    assert "  chat-" in done.stdout
    assert "issue_refund" in done.stdout
    found = json.loads(run("suggest", "replays", "--most", "2", "--json").stdout)
    kept = [one["id"] for one in found["suggested"]]
    assert run("freeze", *kept, "--out", "replays/refunds.scenario.yaml").returncode == 0
    assert json.loads(run("suggest", "replays", "--json").stdout)["represented"] > found["represented"]


def test_suggest_says_what_length_of_time_it_takes_and_when_there_is_no_traffic(run: Run) -> None:
    for words, told in ((("--since", "soon"), "say 7d or 4w"), ((), "look further back")):
        done = run("suggest", "replays", *words)
        assert done.returncode == 2
        assert told in done.stderr


def test_suggest_says_that_there_is_no_such_project_and_names_the_nearest(run: Run, tmp_path: Path) -> None:
    write_log(tmp_path / "traffic.jsonl", [refund(1)])
    assert run("import", "traffic.jsonl", "--project", "refund-desk").returncode == 0
    done = run("suggest", "replays", "--project", "refund-dsk")
    assert done.returncode == 2
    assert "no project 'refund-dsk' (there is refund-desk)" in done.stderr


@pytest.mark.parametrize(
    ("form", "begins"),
    [("openai-chat", '{"'), ("openai-evals", '{"'), ("pytest", '"""'), ("scenario-script", "["), ("tau-bench", "[")],
)
def test_export_prints_every_form(run: Run, form: str, begins: str) -> None:
    printed = run("export", "replays/a.scenario.yaml", "--format", form)
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.startswith(begins)


def test_export_writes_over_nothing_unasked(run: Run, tmp_path: Path) -> None:
    words = ("export", "replays/a.scenario.yaml", "--format", "openai-chat", "--out", "x")
    assert run(*words).stdout == "wrote x\n"
    (tmp_path / "x").write_text("mine", encoding="utf-8")
    again = run(*words)
    assert again.returncode == 2
    assert again.stderr == "taketwo: x: there is such a file already (--force writes over it)\n"
    assert (tmp_path / "x").read_text(encoding="utf-8") == "mine"
    assert run(*words, "--force").returncode == 0


def test_export_names_the_line_of_a_file_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "replays" / "a.scenario.yaml").write_text("taketwo: 1\nname: x\ncases: 7\n", encoding="utf-8")
    done = run("export", "replays/a.scenario.yaml", "--format", "pytest", "--out", "x.py")
    assert done.returncode == 2
    assert done.stderr.startswith("taketwo: replays/a.scenario.yaml:3: cases should be a list")
    assert not (tmp_path / "x.py").exists()

"""`taketwo freeze` without people, and `taketwo leaks`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TALK = {
    "id": "s-1",
    "messages": [
        {"role": "user", "content": "My name is Anna Schmidt, anna.schmidt@web.de"},
        {"role": "assistant", "content": "Thank you, Anna."},
    ],
}


def taketwo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "taketwo", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def captured(tmp_path: Path) -> Path:
    (tmp_path / "talk.jsonl").write_text(json.dumps(TALK) + "\n", encoding="utf-8")
    assert taketwo(tmp_path, "import", "talk.jsonl").returncode == 0
    return tmp_path


def test_a_conversation_is_kept_without_its_people_and_ci_finds_nothing(captured: Path) -> None:
    shown = taketwo(captured, "freeze", "s-1", "--out", "replays", "--preview")
    assert "Anna" in shown.stdout and not (captured / "replays").exists()
    done = taketwo(captured, "freeze", "s-1", "--out", "replays")
    assert done.returncode == 0, done.stderr
    assert "replayed before and after, as it was recorded: 1 case: pass both times" in done.stdout
    text = (captured / "replays" / "s-1.scenario.yaml").read_text(encoding="utf-8")
    assert "anna" not in text.lower() and "schmidt" not in text.lower()
    assert taketwo(captured, "leaks", "replays").returncode == 0
    assert "Anna" in taketwo(captured, "show", "s-1").stdout, "what was captured stays as it is"


def test_a_leak_is_found_in_ci_with_file_and_line_and_is_not_printed(captured: Path) -> None:
    assert taketwo(captured, "freeze", "s-1", "--out", "replays", "--redact", "none").returncode == 0
    done = taketwo(captured, "leaks", "replays")
    assert done.returncode == 1
    assert "s-1.scenario.yaml:" in done.stdout and "email" in done.stdout and "name" in done.stdout
    assert "schmidt" not in done.stdout
    (captured / "pyproject.toml").write_text('[tool.taketwo]\nredact_allow = ["anna.schmidt@web.de", "anna schmidt"]\n')
    assert taketwo(captured, "leaks", "replays").returncode == 0


def test_what_the_redaction_overlooks_keeps_a_conversation_from_being_kept(captured: Path) -> None:
    """The second look knows shortened streets amid a sentence, which the redaction does not."""
    talk = {
        "id": "s-2",
        "messages": [{"role": "user", "content": "Send it to 12 Laurel St please"}, TALK["messages"][1]],
    }
    (captured / "second.jsonl").write_text(json.dumps(talk) + "\n", encoding="utf-8")
    taketwo(captured, "import", "second.jsonl")
    done = taketwo(captured, "freeze", "s-2", "--out", "replays")
    assert done.returncode == 2 and "would be left" in done.stderr and "redact_allow" in done.stderr
    assert not (captured / "replays").exists()

"""The command line as a user meets it: real files, a real store, real exit codes."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from made_spans import chat_span, trace_request

Run = Callable[..., subprocess.CompletedProcess[str]]

CHAT = {
    "id": "chat-1",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where is order A-1?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "check_status", "arguments": '{"order_id": "A-1"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "name": "check_status", "content": "on its way"},
        {"role": "assistant", "content": "It is on its way."},
        {"role": "user", "content": "Thanks!"},
        {"role": "assistant", "content": "You're welcome."},
    ],
}
SAME_AGENT = """
import taketwo

@taketwo.tool
def check_status(order_id: str) -> str:
    raise RuntimeError("the real tool must never run here")

def answer(messages: list) -> str:
    if "order" in messages[-1]["content"]:
        check_status(order_id="A-1")
        return "It is on its way."
    return "You're welcome."

def forgets(messages: list) -> str:
    return "It is on its way." if "order" in messages[-1]["content"] else "You're welcome."

def asks_another(messages: list) -> str:
    check_status(order_id="A-2")
    return "It is on its way."

def raises(messages: list) -> str:
    raise ValueError("no such luck")
"""


@pytest.fixture
def taketwo(tmp_path: Path) -> Run:
    """Run the command in an empty folder with a home and a store of its own."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home"), "PYTHONUTF8": "1"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "taketwo", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture
def imported(taketwo: Run, tmp_path: Path) -> Run:
    """The same, with one conversation in the store and an agent beside it."""
    (tmp_path / "chats.jsonl").write_text(json.dumps(CHAT) + "\n", encoding="utf-8")
    (tmp_path / "shop.py").write_text(SAME_AGENT, encoding="utf-8")
    done = taketwo("import", "chats.jsonl")
    assert done.returncode == 0, done.stderr
    return taketwo


def test_help_names_every_command_and_starts_quickly(taketwo: Run) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = taketwo("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert all(
        name in done.stdout for name in ("demo", "serve", "import", "sessions", "show", "replay", "freeze", "doctor")
    )
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used_s < 2.0, "the promise is 0.3 s; this only catches a heavy import at the door"


def test_importing_the_same_file_again_changes_nothing(imported: Run) -> None:
    again = imported("import", "chats.jsonl")
    assert again.returncode == 0
    assert "0 new" in again.stdout
    assert len(json.loads(imported("sessions", "--json").stdout)) == 1


def test_show_prints_the_conversation_of_the_contract(imported: Run) -> None:
    shown = json.loads(imported("show", "chat-1", "--json").stdout)
    assert [turn["user"]["text"] for turn in shown["turns"]] == ["Where is order A-1?", "Thanks!"]
    call, said = shown["turns"][0]["steps"]
    assert (call["kind"], call["tool"], call["arguments"], call["result"]) == (
        "call",
        "check_status",
        {"order_id": "A-1"},
        "on its way",
    )
    assert (said["kind"], said["text"]) == ("say", "It is on its way.")
    assert shown["turns"][0]["reply"] == "It is on its way."


def test_spans_of_an_agent_in_a_replay_are_no_trace_and_are_shown_by_the_run(taketwo: Run, tmp_path: Path) -> None:
    root, inner, plain = chat_span(2**100, 1), chat_span(2**100, 2, parent=1, failed=True), chat_span(2**101, 1)
    for span in (root, inner):
        span.trace_state = "taketwo=run-1"
    (tmp_path / "sent.pb").write_bytes(trace_request(root, inner, plain))
    assert taketwo("import", "sent.pb").returncode == 0
    assert [trace["id"] for trace in json.loads(taketwo("traces", "--json").stdout)] == [plain.trace_id.hex()]
    shown = taketwo("show", "--spans", root.trace_id.hex()).stdout.splitlines()
    assert [line.split(" ms  ")[1] for line in shown] == ["chat gpt-4o", "  chat gpt-4o  error"]
    assert len(json.loads(taketwo("show", "--spans", "--json", plain.trace_id.hex()).stdout)) == 1
    assert taketwo("show", "--spans", "f" * 32).returncode == 2


def test_an_unknown_id_is_one_line_and_exit_code_2(imported: Run) -> None:
    done = imported("show", "chat-2")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "chat-1" in done.stderr, "the nearest id is named"


@pytest.mark.parametrize(
    ("agent", "code", "said"),
    [
        ("shop:answer", 0, "pass"),
        ("shop:forgets", 0, "changed"),
        ("shop:asks_another", 0, "inconclusive"),
        ("shop:raises", 1, "no such luck"),
        ("shop:nothing", 2, "nothing"),
        ("no_such_module:answer", 2, "no_such_module"),
    ],
)
def test_replay_ends_with_the_exit_code_of_its_verdict(imported: Run, agent: str, code: int, said: str) -> None:
    done = imported("replay", "chat-1", "--agent", agent)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(("agent", "code"), [("shop:answer", 0), ("shop:forgets", 1), ("shop:asks_another", 3)])
def test_strict_is_satisfied_with_less(imported: Run, agent: str, code: int) -> None:
    assert imported("replay", "chat-1", "--agent", agent, "--strict").returncode == code


def test_a_kept_conversation_fails_the_day_the_bug_returns(imported: Run, tmp_path: Path) -> None:
    kept = imported(
        "freeze", "chat-1", "--out", "tests/replays", "--must-call", "check_status@1", "--why", "It guessed."
    )
    assert kept.returncode == 0, kept.stderr
    assert (tmp_path / "tests/replays/chat-1.scenario.yaml").is_file()
    assert imported("replay", "tests/replays", "--agent", "shop:answer").returncode == 0
    broken = imported("replay", "tests/replays", "--agent", "shop:forgets")
    assert broken.returncode == 1
    assert "check_status" in broken.stdout
    assert "It guessed." in broken.stdout


def test_freeze_does_not_write_over_a_file_unasked(imported: Run) -> None:
    assert imported("freeze", "chat-1", "--out", "kept.scenario.yaml").returncode == 0
    again = imported("freeze", "chat-1", "--out", "kept.scenario.yaml")
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert imported("freeze", "chat-1", "--out", "kept.scenario.yaml", "--force").returncode == 0


def test_every_report_is_written(imported: Run, tmp_path: Path) -> None:
    done = imported(
        *("replay", "chat-1", "--agent", "shop:answer"),
        *("--json", "out.json", "--junit", "out.xml", "--html", "out.html"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (tmp_path / "out.xml").read_text(encoding="utf-8").startswith("<?xml")
    assert "<html" in (tmp_path / "out.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "missing.jsonl"),
        ("import", "empty.jsonl"),
        ("sessions", "--filter", "tool:"),
        ("sessions", "--store", "postgresql://nowhere"),
        ("sessions", "--store", "sqlite:////proc/nowhere/x.sqlite3"),
        ("replay", "empty.jsonl", "--agent", "shop:answer"),
        ("replay", "chat-1"),
        ("replay", "missing.scenario.yaml", "--agent", "shop:answer"),
        ("freeze", "chat-1", "--out", "kept.yaml"),
        ("schema", "nothing"),
    ],
)
def test_bad_input_is_answered_with_where_and_what_to_do_and_exit_code_2(
    imported: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "empty.jsonl").touch()
    done = imported(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip() or "ERROR" in done.stdout


def test_the_schemas_describe_what_is_printed(imported: Run) -> None:
    import jsonschema

    schema = json.loads(imported("schema", "conversation").stdout)
    jsonschema.validate(json.loads(imported("show", "chat-1", "--json").stdout), schema)
    results = json.loads(imported("schema", "result").stdout)
    jsonschema.validate(
        json.loads(imported("replay", "chat-1", "--agent", "shop:answer", "--json", "-").stdout), results
    )


def test_doctor_tells_what_is_there(imported: Run) -> None:
    done = imported("doctor")
    assert done.returncode == 0, done.stderr
    assert "default" in done.stdout


def test_one_unreadable_file_does_not_keep_the_others_from_being_replayed(imported: Run, tmp_path: Path) -> None:
    assert imported("freeze", "chat-1", "--out", "kept/good.scenario.yaml").returncode == 0
    (tmp_path / "kept/bad.scenario.yaml").write_text("taketwo: 1\nname: *a\n", encoding="utf-8")
    done = imported("replay", "kept", "nobody", "--agent", "shop:answer", "--json", "out.json")
    assert done.returncode == 2
    counts = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["counts"]
    assert (counts["pass"], counts["error"]) == (1, 2)


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        (("--must-call", "check_status@40"), "no turn 40"),
        (("--must-say", "/(/"), "no regular expression"),
        (("--must-call", "check_status@x"), "a turn"),
    ],
)
def test_an_expectation_that_can_never_fail_is_refused(imported: Run, expectation: tuple[str, ...], said: str) -> None:
    done = imported("freeze", "chat-1", "--out", "kept.scenario.yaml", *expectation)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_tool_that_no_recording_shows_is_named_when_it_is_forbidden(imported: Run) -> None:
    done = imported("freeze", "chat-1", "--out", "kept.scenario.yaml", "--must-not-call", "chek_status")
    assert done.returncode == 0
    assert "no recorded conversation shows a tool chek_status: did you mean check_status?" in done.stderr


def test_a_mistyped_command_is_told_the_one_that_was_meant(taketwo: Run) -> None:
    done = taketwo("sesions")
    assert (done.returncode, "did you mean 'sessions'?" in done.stderr) == (2, True)


def test_a_typo_in_a_kept_file_is_an_error_and_not_a_pass(imported: Run, tmp_path: Path) -> None:
    imported("freeze", "chat-1", "--out", "kept.scenario.yaml", "--must-call", "check_status@1")
    file = tmp_path / "kept.scenario.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("turn: 1", "turn: 9"), encoding="utf-8")
    done = imported("replay", "kept.scenario.yaml", "--agent", "shop:answer")
    assert done.returncode == 2
    assert "there is no turn 9" in done.stdout


def test_what_the_agent_prints_does_not_get_into_the_json(imported: Run, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text("from shop import *\nprint('loading')\n" + LOUD, encoding="utf-8")
    done = imported("replay", "chat-1", "--agent", "loud:loud", "--json", "-")
    assert json.loads(done.stdout)["counts"] == {"pass": 1}
    assert "thinking" in done.stderr


LOUD = """
def loud(messages: list) -> str:
    print("thinking")
    return answer(messages)
"""


def test_the_help_of_import_names_every_format(taketwo: Run) -> None:
    from taketwo.capture.imports import FORMATS

    told = taketwo("import", "--help").stdout
    assert not [name for name in FORMATS if name not in told]


def test_what_becomes_of_the_tools_is_said_before_a_run(imported: Run) -> None:
    in_full = imported("replay", "chat-1", "--agent", "shop:answer", "--preflight")
    assert in_full.returncode == 0
    assert in_full.stdout == "recorded  check_status  from the recording\n"
    elsewhere = imported("replay", "chat-1", "--agent", "cmd:cat", "--preflight")
    assert elsewhere.stdout.startswith("not seen  check_status")
    in_short = imported("replay", "chat-1", "--agent", "shop:answer", "--live", "check_status")
    assert in_short.stderr.startswith("tools: 0 answered from the recording; may really run: check_status\n")

"""What a suite may come with that it should not: one line with file and line, exit code 2, and nothing half-written."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from taketwo.freeze.files import save
from taketwo.scenario import Case, MustSay, Scenario
from taketwo.testing import conversation, turn

Run = Callable[..., subprocess.CompletedProcess[str]]
LONG = "Be kind. " * 6000


def greeting(id: str, prompt: str | None = None, reply: str = "Hello!") -> Case:
    recorded = conversation(turn("Hi", reply=reply), system_prompt=prompt)
    return Case(id=id, recorded=recorded, expected=(MustSay(text="Hello"),))


def keep(path: Path, *cases: Case) -> None:
    save(Scenario(name=path.name.partition(".")[0], cases=cases), path)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    keep(tmp_path / "replays" / "a.scenario.yaml", greeting("one", LONG))
    (tmp_path / "desk.py").write_text("def answer(messages):\n    return 'Hello!'\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(site: Path) -> Run:
    def run(*arguments: str, largest_file: int | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "taketwo", *arguments]
        if largest_file is not None:
            # By a process between: this one may have threads, which a fork with code of ours in it does not bear.
            limit = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({largest_file},) * 2)"
            command = [sys.executable, "-c", f"{limit}; os.execv(sys.argv[1], sys.argv[1:])", *command]
        environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(site / "home")}
        return subprocess.run(
            command,
            cwd=site,
            env={**environment, "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def errors(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines that name a place in a scenario file."""
    return re.findall(r"replays/\S+\.yaml:\d+: .*", done.stdout + done.stderr)


def test_one_id_in_two_files_is_told_with_both_places_and_all_else_is_replayed(run: Run, site: Path) -> None:
    keep(site / "replays" / "b.scenario.yaml", greeting("one"), greeting("two"))
    done = run("replay", "replays", "--agent", "desk:answer")
    assert done.returncode == 2
    assert set(errors(done)) == {
        "replays/b.scenario.yaml:5: the id 'one' is that of replays/a.scenario.yaml:5, too (give one of them another)"
    }
    assert "1 error, 2 pass" in done.stdout


def test_a_file_that_is_named_twice_is_replayed_once(run: Run, site: Path) -> None:
    done = run("replay", "replays", "replays/a.scenario.yaml", "--agent", "desk:answer")
    assert done.returncode == 0
    assert "1 case in" in done.stdout


def test_pytest_tells_one_id_in_two_files_too(site: Path) -> None:
    keep(site / "replays" / "b.scenario.yaml", greeting("one"), greeting("two"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--taketwo-agent", "desk:answer"]
    done = subprocess.run([*command, "replays"], cwd=site, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "the id 'one' is that of replays/a.scenario.yaml:5, too" in done.stdout
    assert "1 failed, 2 passed" in done.stdout


def conflict(text: str) -> str:
    return text.replace("name: a\n", "<<<<<<< HEAD\nname: a\n=======\nname: b\n>>>>>>> theirs\n")


SPOILT: dict[str, tuple[Callable[[str], str], str]] = {
    "conflict": (conflict, ":3: holds the marks of a merge conflict"),
    "misspelt": (lambda text: text.replace("must_say", "must_sayy"), "must_sayy is not a key that is known here"),
    "number": (lambda text: text.partition("cases:")[0] + "cases: 7\n", ":4: cases should be a list"),
    "bracket": (lambda text: text.replace("- said: Hi", "- said: [Hi"), "is no valid YAML"),
    "newer": (lambda text: text.replace("taketwo: 1", "taketwo: 99"), ":2: the file was written by a newer taketwo"),
    "mapping": (lambda text: text.partition("  turns:")[0] + "  turns: {}\n", "turns should be a list"),
    "cut-off": (lambda text: text[: text.index("blobs/") + 8], ".yaml:"),
    "blob": (lambda text: re.sub(r"a\.blobs/\S+", "a.blobs/0000000000000000.txt", text), "is missing"),
    "empty": (lambda text: "", ".yaml: is empty"),
}
"""What a person or a tool makes of a file, and what is said of it."""


def test_each_spoilt_file_is_told_in_one_line_and_all_others_are_replayed(run: Run, site: Path) -> None:
    whole = (site / "replays" / "a.scenario.yaml").read_text(encoding="utf-8")
    for name, (spoil, _) in SPOILT.items():
        (site / "replays" / f"{name}.scenario.yaml").write_text(spoil(whole), encoding="utf-8")
    done = run("replay", "replays", "--agent", "desk:answer", "--json", "r.json")
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr
    assert "9 error, 1 pass" in done.stdout
    errors = [one["error"] for one in json.loads((site / "r.json").read_text(encoding="utf-8"))["errors"]]
    for name, (_, told) in SPOILT.items():
        (error,) = (error for error in errors if error.startswith(f"replays/{name}.scenario.yaml:"))
        assert told in error
        assert "\n" not in error


def test_pytest_tells_each_spoilt_file_in_the_same_words_and_runs_all_others(site: Path) -> None:
    whole = (site / "replays" / "a.scenario.yaml").read_text(encoding="utf-8")
    for name, (spoil, _) in SPOILT.items():
        (site / "replays" / f"{name}.scenario.yaml").write_text(spoil(whole), encoding="utf-8")
    done = by_pytest(site)
    assert done.returncode == 1
    assert "9 failed, 1 passed" in done.stdout
    assert "Traceback" not in done.stdout
    for name, (_, told) in SPOILT.items():
        (line,) = re.findall(rf"^replays/{name}\.scenario\.yaml:.*", done.stdout, re.MULTILINE)
        assert told.removeprefix(".yaml") in line


@pytest.mark.parametrize("interrupts", [1, 2])
def test_ctrl_c_and_another_one_end_a_replay_with_its_reports_whole(site: Path, interrupts: int) -> None:
    code = (
        "import time\ndef answer(messages):\n    open('begun', 'w').close()\n    time.sleep(20)\n    return 'Hello!'\n"
    )
    (site / "slow.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "taketwo", "replay", "replays", "--agent", "slow:answer", "--json", "r.json"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(site / "home")}
    process = subprocess.Popen(
        command, cwd=site, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while not (site / "begun").exists():
        assert process.poll() is None
        time.sleep(0.01)
    for _ in range(interrupts):
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 2, out
    assert "Traceback" not in out
    # The second one may come before the report is begun.
    report = site / "r.json"
    assert report.exists() or interrupts == 2
    assert not report.exists() or json.loads(report.read_text(encoding="utf-8"))["cancelled"]


@pytest.mark.parametrize(
    ("spec", "code", "told"),
    [
        ("desc:answer", "", "desc:answer: there is no module 'desc' in {site}, nor installed (did you mean 'desk'?)"),
        ("bad:answer", "import os\nimport nowhere\n", "ModuleNotFoundError: No module named 'nowhere' (bad.py:2)"),
        ("bad:answer", "def answer(:\n", "SyntaxError: invalid syntax (bad.py, line 1) (bad.py:1)"),
        ("bad:answer", "\n\nraise ValueError('no key')\n", "ValueError: no key (bad.py:3)"),
        ("bad:answer", "import json\njson.loads('{')\n", "(bad.py:2)"),
    ],
)
def test_an_agent_that_cannot_be_imported_is_told_with_its_own_file_and_line(
    run: Run, site: Path, spec: str, code: str, told: str
) -> None:
    if code:
        (site / "bad.py").write_text(code, encoding="utf-8")
    done = run("replay", "replays", "--agent", spec, "--json", "r.json")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"taketwo: {spec}: ")
    assert told.format(site=site) in done.stderr
    assert not (site / "r.json").exists()


def test_a_report_that_does_not_fit_the_disk_is_told_and_the_one_before_stays(run: Run, site: Path) -> None:
    report, junit = site / "r.json", site / "r.xml"
    report.write_text("the report before", encoding="utf-8")
    done = run("replay", "replays", "--agent", "desk:answer", "--json", "/dev/full", "--junit", "r.xml")
    assert done.returncode == 2
    assert done.stderr == "taketwo: /dev/full: cannot be written: No space left on device\n"
    assert junit.read_text(encoding="utf-8").startswith("<?xml")
    done = run(
        "replay", "replays", "--agent", "desk:answer", "--json", "r.json", "--store", "memory:", largest_file=2000
    )
    assert done.returncode == 2
    assert done.stderr.endswith("taketwo: r.json: cannot be written: File too large\n")
    assert report.read_text(encoding="utf-8") == "the report before"
    assert not [name for name in os.listdir(site) if name.endswith(".tmp")]


def test_a_report_that_cannot_be_opened_leaves_no_empty_ones_behind(run: Run, site: Path) -> None:
    done = run("replay", "replays", "--agent", "desk:answer", "--json", "r.json", "--html", "nowhere/r.html")
    assert done.returncode == 2
    assert done.stderr == "taketwo: nowhere/r.html: cannot be written: No such file or directory\n"
    assert not (site / "r.json").exists()


def test_a_suite_for_whose_memory_there_is_no_room_is_told_of_and_replayed(run: Run, site: Path) -> None:
    keep(site / "replays" / "many.scenario.yaml", *(greeting(f"case-{number}") for number in range(100)))
    done = run("replay", "replays", "--agent", "desk:answer", "--store", "memory:", largest_file=150_000)
    assert (done.returncode, done.stderr) == (0, "")
    assert "101 pass" in done.stdout
    assert "it is only a memory" in done.stdout
    done = run("replay", "replays", "--agent", "desk:answer", "--store", "memory:")
    assert done.returncode == 0
    assert "it is only a memory" not in done.stdout


@pytest.mark.parametrize("pytest_too", [False, True], ids=["taketwo", "pytest"])
def test_a_memory_of_other_tables_is_left_alone_with_a_note_and_stops_no_run(
    run: Run, site: Path, pytest_too: bool
) -> None:
    replay = ("replay", "replays", "--agent", "desk:answer", "--store", "memory:")
    assert run(*replay).returncode == 0
    (memory,) = (site / ".taketwo").glob("*.sqlite3")
    with closing(sqlite3.connect(memory)) as connection, connection:
        connection.execute("ALTER TABLE past RENAME COLUMN seen TO green")
    done = by_pytest(site) if pytest_too else run(*replay)
    assert done.returncode == 0, done.stdout
    assert "1 pass" in done.stdout
    told = " ".join(done.stdout.split())  # which wraps lines
    assert f"{memory}: cannot be read: no such column: seen (make room, or delete the folder: it is only a m" in told
    (memory.parent / "suites-4.sqlite3").write_text("of an older version", encoding="utf-8")
    memory.unlink()
    done = by_pytest(site) if pytest_too else run(*replay)
    assert (done.returncode, "only a memory" in done.stdout) == (0, False)


def by_pytest(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same suite through the plugin."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--taketwo-agent", "desk:answer"]
    return subprocess.run([*command, "replays", *arguments], cwd=site, capture_output=True, text=True, timeout=60)


def test_a_store_for_which_there_is_no_room_says_what_to_do(run: Run, site: Path) -> None:
    store = f"sqlite:///{site}/s.db"
    said = Random(1).randbytes(100_000).hex()  # of which nothing is gained by packing it
    log = {"id": "chat-1", "messages": [{"role": "user", "content": said}, {"role": "assistant", "content": "Hello!"}]}
    (site / "chats.jsonl").write_text(json.dumps(log), encoding="utf-8")
    assert run("sessions", "--store", store).returncode == 0
    done = run("import", "chats.jsonl", "--store", store, largest_file=50_000)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "and do it again)" in done.stderr


def test_a_scenario_that_does_not_fit_the_disk_leaves_nothing_behind(run: Run, site: Path) -> None:
    log = {"id": "chat-1", "messages": [{"role": "system", "content": LONG}, {"role": "user", "content": "Hi"}]}
    log["messages"].append({"role": "assistant", "content": "Hello!"})  # type: ignore[attr-defined]  # a list
    (site / "chats.jsonl").write_text(json.dumps(log), encoding="utf-8")
    assert run("import", "chats.jsonl", "--store", f"sqlite:///{site}/s.db").returncode == 0
    done = run(
        "freeze",
        "chat-1",
        "--out",
        "kept",
        "--redact",
        "none",
        "--store",
        f"sqlite:///{site}/s.db",
        largest_file=40_000,
    )
    assert done.returncode == 2
    assert done.stderr == "taketwo: kept/chat-1.scenario.yaml: cannot be written: File too large\n"
    assert not [file for file in (site / "kept").rglob("*") if file.is_file()]


def test_a_file_that_cannot_be_written_anew_stays_as_it_was(run: Run, site: Path) -> None:
    file = site / "replays" / "a.scenario.yaml"
    run("replay", "replays", "--agent", "desk:answer", "--store", f"sqlite:///{site}/s.db")
    file.write_text(f"{file.read_text(encoding='utf-8')}# {'long ' * 9000}\n", encoding="utf-8")
    file.write_text(file.read_text(encoding="utf-8").replace("must_say: Hello", "must_say: Bye"), encoding="utf-8")
    run("replay", "replays", "--agent", "desk:answer", "--store", f"sqlite:///{site}/s.db")
    changed = file.read_bytes()
    done = run("accept", "--yes", "--store", f"sqlite:///{site}/s.db", largest_file=40_000)
    assert done.returncode == 2
    assert done.stderr == "taketwo: replays/a.scenario.yaml: cannot be written: File too large\n"
    assert file.read_bytes() == changed


def test_an_interruption_while_the_command_is_being_loaded_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "taketwo", "replay"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (2, "taketwo: interrupted\n")

"""`taketwo suites`: the index of what is kept."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from taketwo.blobs.folder import FolderBlobs
from taketwo.cli.suites import suites_command
from taketwo.errors import NotFound
from taketwo.freeze.files import save
from taketwo.scenario import Case, Kept, MustSay, Scenario
from taketwo.testing import conversation, turn
from taketwo.voice.recordings import AUDIO_FOLDER, Recordings

WHOLE = Kept(incident="https://tracker.example/7", by="Dana", owner="greeters", review_on=date(2099, 1, 1))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files with three cases: one in order, one that is due and in quarantine, one of which nothing is said."""
    monkeypatch.chdir(tmp_path)
    recording = Recordings([FolderBlobs(tmp_path / "replays" / AUDIO_FOLDER)]).keep(b"RIFF....")
    long = conversation(turn("Hi", reply="Hello!"), system_prompt="Be kind. " * 300)
    heard = long.but(metadata={"recording": recording})
    first = Case(
        id="good", recorded=heard, why="It was rude.", tags=("tone",), kept=WHOLE, expected=(MustSay(text="Hello"),)
    )
    due = Case(id="late", recorded=long, why="Once.", kept=WHOLE.but(review_on=date(2020, 1, 1), quarantine="moving"))
    save(Scenario(name="greetings", cases=(first, due)), tmp_path / "replays" / "a.scenario.yaml")
    bare = Case(id="bare", recorded=conversation(turn("Hi", reply="Hello!")))
    save(Scenario(name="others", cases=(bare,)), tmp_path / "replays" / "deep" / "b.scenario.yaml")
    return tmp_path


def suites(*arguments: str) -> Result:
    return CliRunner().invoke(suites_command, list(arguments))


def test_each_case_is_listed_with_why_it_exists_and_who_answers_for_it(site: Path) -> None:
    done = suites()
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "replays/a.scenario.yaml  greetings"
    assert lines[1] == "  good:5  [tone]  1 turn, 1 expectation"
    assert lines[2:5] == [
        "    It was rude.",
        "    kept by Dana; owner: greeters; https://tracker.example/7",
        "    to be reviewed by 2099-01-01",
    ]
    assert "    QUARANTINED: moving" in lines
    assert "    PAST ITS REVIEW, due 2020-01-01" in lines
    assert "    nobody has said why it exists" in lines
    assert lines[-1] == "3 cases in 2 files; 1 quarantined; 1 past review; 1 without a reason; 1 without an owner"


def test_the_json_says_the_same_with_every_file_of_a_case(site: Path) -> None:
    done = suites("replays", "--json")
    index = json.loads(done.stdout)
    good, late, bare = index["cases"]
    assert good["kept"]["owner"] == "greeters"
    assert late["is_due"]
    assert (bare["why"], bare["files"]) == (None, [])
    blob, recording = map(Path, good["files"])
    assert blob.parent == Path("replays/a.blobs")
    assert recording.parent == Path("replays/audio")
    assert blob.is_file() and recording.is_file()


def test_cases_are_chosen_by_tag_review_and_quarantine(site: Path) -> None:
    def chosen(*options: str) -> list[str]:
        return [one["case_id"] for one in json.loads(suites("--json", *options).stdout)["cases"]]

    assert chosen("--tag", "tone") == ["good"]
    assert chosen("--due") == ["late"]
    assert chosen("--quarantined") == ["late"]


def test_a_check_is_red_and_names_each_case_that_falls_short(site: Path) -> None:
    done = suites("--check", "why", "--check", "owner", "--check", "review", "--check", "incident")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "replays/a.scenario.yaml:24: late was to be reviewed by 2020-01-01",
        "replays/deep/b.scenario.yaml:5: bare does not say why it exists",
        "replays/deep/b.scenario.yaml:5: bare has no owner",
        "replays/deep/b.scenario.yaml:5: bare names no incident",
    ]
    assert suites("--tag", "tone", "--check", "why", "--check", "kept-by", "--check", "review").exit_code == 0


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_listed(site: Path) -> None:
    (site / "replays" / "c.scenario.yaml").write_text("taketwo: 1\nname: c\ncases: nonsense\n", encoding="utf-8")
    done = suites()
    assert done.exit_code == 2
    assert "replays/c.scenario.yaml:3: cases should be a list" in done.stderr
    assert "3 cases in 2 files" in done.stdout


def test_a_long_text_that_no_case_refers_to_any_more_is_named(site: Path) -> None:
    (site / "replays" / "a.blobs" / "0123456789abcdef.txt").write_text("old\n", encoding="utf-8")
    assert "no case refers to it any more: replays/a.blobs/0123456789abcdef.txt" in suites().stdout


def test_files_of_installed_packages_are_not_listed(site: Path) -> None:
    (site / "node_modules" / "x").mkdir(parents=True)
    (site / ".venv").mkdir()
    for folder in ("node_modules/x", ".venv"):
        (site / folder / "z.scenario.yaml").write_text("nonsense", encoding="utf-8")
    assert suites().exit_code == 0


def test_a_folder_without_any_is_told(tmp_path: Path) -> None:
    done = suites(str(tmp_path))
    assert isinstance(done.exception, NotFound)

"""Judging what is there already, and judging the judges, as a user does it on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from taketwo.freeze.files import save
from taketwo.scenario import Case, MustNotSay, MustSay, Scenario
from taketwo.store import open_store
from taketwo.suite.calibration import calibration
from taketwo.suite.contrast import Pairs, contrast_of
from taketwo.suite.scoring import captured_context
from taketwo.suite.versions import other_versions
from taketwo.testing import call, conversation, turn
from taketwo.verdict import Attempt, CaseResult, Score, SuiteContrast, Verdict

TALK = conversation(
    turn("Where is my parcel?", call("check_status", {"id": "A-1"}, result="Bern"), reply="It is in Bern."), id="sess-1"
)
OTHER = conversation(turn("Where is my parcel?", reply="I can't tell you that."), id="sess-2")
AGENT = """
def reply(messages):
    return "I can't tell you that."
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(AGENT)
    (tmp_path / "my_evals.py").write_text("def words(context):\n    return float(len(context.conversation.turns))\n")
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    store.put_conversation(TALK)
    store.put_conversation(OTHER)
    store.close()
    return tmp_path


def taketwo(folder: Path, *words: str, code: int = 0) -> str:
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "taketwo", *words, "--store", f"sqlite:///{folder}/store.sqlite3"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_scores_of_captured_conversations_land_where_filters_find_them(folder: Path) -> None:
    told = taketwo(
        folder, "score", "sess-1", "sess-2", "--evaluator", "refuses: false", "--evaluator", "my_evals.py:words"
    )
    assert "refuses_false: no, turn 1 said “can't” (checks/1)" in told
    found = json.loads(taketwo(folder, "sessions", "--filter", "score.refuses_false=false", "--json"))
    assert [one["id"] for one in found] == ["sess-2"]
    store = open_store(f"sqlite:///{folder}/store.sqlite3")
    (given, words) = store.feedback("sess-2")
    store.close()
    assert (given.value, given.given_by, given.comment) == (False, "checks/1", "turn 1: turn 1 said “can't”")
    assert words.given_by.startswith("my_evals.py:words@")


def test_likeness_of_a_captured_conversation_is_not_scored_and_nothing_is_kept(folder: Path) -> None:
    assert "edit: not scored" in taketwo(folder, "score", "sess-1", "--evaluator", "edit")
    store = open_store(f"sqlite:///{folder}/store.sqlite3")
    assert store.feedback("sess-1") == []
    store.close()


def test_kept_runs_are_judged_anew_without_running_anything(folder: Path) -> None:
    save(Scenario(name="parcels", cases=(Case(id="where", recorded=TALK),)), folder / "p.scenario.yaml")
    file = str(folder / "p.scenario.yaml")
    taketwo(folder, "replay", file, "--agent", "shop:reply", "--evaluator", "my_evals.py:words")
    (folder / "shop.py").unlink()
    told = taketwo(folder, "rescore", "--evaluator", "refuses: false", code=1)
    assert "refuses_false: turn 1 said “can't”" in told
    (folder / "my_evals.py").write_text("def words(context):\n    return 7.0\n")
    replayed = open_store(f"sqlite:///{folder}/store.sqlite3")
    first = replayed.suites()[-1].id
    replayed.close()
    told = taketwo(folder, "rescore", first, "--evaluator", "my_evals.py:words")
    assert "the scores do not compare" in told
    store = open_store(f"sqlite:///{folder}/store.sqlite3")
    assert len(store.suites()) == 3
    (latest,) = store.results(store.suites()[0].id)
    assert store.result(latest.attempts[0].run.id) == latest
    store.close()


def test_judging_anew_holds_both_agents_against_each_other_anew_and_keeps_how_often_it_was_run(folder: Path) -> None:
    (folder / "shop.py").write_text("def old(messages):\n    return 'I see.'\n" + AGENT.replace("reply", "new"))
    case = Case(id="where", recorded=TALK, expected=(MustSay(text="Bern"),))
    save(Scenario(name="parcels", cases=(case,)), folder / "p.scenario.yaml")
    file = str(folder / "p.scenario.yaml")
    taketwo(folder, "replay", file, "--agent", "shop:new", "--against", "shop:old", "--repeat", "auto:6")
    before = latest(folder)
    assert (before.contrast.old.passed, before.contrast.new.passed) == (0, 0)
    assert before.verdict.kind == "changed", "it fails as before"
    # What the old agent says is right from now on; the new one says something else.
    save(Scenario(name="parcels", cases=(case.but(expected=(MustNotSay(text="can't"),)),)), folder / "p.scenario.yaml")
    told = taketwo(folder, "rescore", "--html", "r.html", code=1)
    after = latest(folder)
    old, new = after.contrast.old, after.contrast.new
    assert (old.passed, old.runs, new.passed) == (len(after.against), len(after.against), 0)
    assert after.contrast.p_worse < before.contrast.p_worse and after.verdict.kind == "fail"
    assert after.repeats == before.repeats and after.repeats["until"] == "sure"
    assert "the old agent fails in 0 of" in told


def latest(folder: Path) -> CaseResult:
    store = open_store(f"sqlite:///{folder}/store.sqlite3")
    (result,) = store.results(store.suites()[0].id)
    store.close()
    return result


def test_evaluators_are_held_against_what_people_said(folder: Path) -> None:
    labels = folder / "labels.jsonl"
    labels.write_text('{"id": "sess-1", "label": true}\n{"id": "sess-2", "label": true}\n')
    told = taketwo(folder, "calibrate", "labels.jsonl", "--evaluator", "refuses: false")
    assert "agreement 0.50 (0.09 to 0.91, 95 %)" in told
    assert "people yes, evaluator no: 1" in told
    assert "sess-2: people yes, evaluator no: " in told
    taketwo(folder, "score", "sess-1", "--evaluator", "no_loop: 3")
    by_scores = taketwo(folder, "calibrate", "score.no_loop_3", "--evaluator", "no_loop: 3")
    assert "1 labels" in by_scores
    assert "no conversation has a score 'csat'" in taketwo(
        folder, "calibrate", "score.csat", "--evaluator", "no_loop: 3", code=2
    )
    labels.rename(folder / "score.jsonl")
    assert taketwo(folder, "calibrate", "score.jsonl", "--evaluator", "refuses: false") == told, "a file that is there"
    assert "it goes with score.NAME" in taketwo(
        folder, "calibrate", "score.jsonl", "--filter", "channel:text", "--evaluator", "refuses: false", code=2
    )
    labels.write_text('{"id": "sess-1"}\n')
    assert "labels.jsonl:1: is no label" in taketwo(
        folder, "calibrate", "labels.jsonl", "--evaluator", "refuses: false", code=2
    )


def test_calibration_says_for_each_label_how_well_it_is_found() -> None:
    found = calibration("tone", "tone/1", [("yes", "yes")] * 8 + [("no", "yes")] * 2 + [("no", "no")] * 6, unscored=1)
    assert (found.pairs, found.unscored) == (17, 1)
    no, yes = found.labels
    assert no.recall is not None and yes.precision is not None
    assert (no.recall.estimate, yes.precision.estimate) == (0.75, 0.8)
    assert found.confusion == {"no": {"no": 6, "yes": 2}, "yes": {"yes": 8}}


def test_scores_of_two_versions_are_said_not_to_compare() -> None:
    context = captured_context(TALK)
    before, after = (
        Attempt(run=context.run, comparison=context.comparison, scores=(Score(name="csat", value=7.0, evaluator=one),))
        for one in ("csat/1 m", "csat/2 m")
    )
    assert list(other_versions([before], [after])) == [
        "csat was judged by csat/1 m before and by csat/2 m now: the scores do not compare"
    ]
    assert list(other_versions([before], [before])) == []


def test_numeric_scores_of_two_agents_are_compared_and_those_of_two_versions_are_not() -> None:
    def side(value: float, version: str = "csat/1") -> tuple[Attempt, ...]:
        context = captured_context(TALK)
        score = Score(name="csat", value=value, evaluator=version)
        return (Attempt(run=context.run, comparison=context.comparison, scores=(score,)),)

    def over(*sides: tuple[tuple[Attempt, ...], tuple[Attempt, ...]]) -> SuiteContrast:
        pairs = Pairs()
        for old, new in sides:
            contrast = contrast_of(Case(id="a", recorded=TALK), old, new)
            verdict = Verdict(kind="pass")
            pairs.add(
                CaseResult(
                    scenario="s",
                    case_id="a",
                    recorded_id="a",
                    verdict=verdict,
                    attempts=new,
                    against=old,
                    contrast=contrast,
                )
            )
        found = pairs.contrast()
        assert found is not None
        return found

    found = over(*[(side(5.0 + place), side(8.0 + place)) for place in range(4)])
    (csat,) = [one for one in found.metrics if one.name == "csat"]
    assert (csat.old, csat.new, csat.difference_low, csat.difference_high) == (6.5, 9.5, 3.0, 3.0)
    apart = over(*[(side(5.0), side(8.0, "csat/2"))] * 3)
    assert not [one for one in apart.metrics if one.name == "csat"]
    assert apart.not_compared == ("csat was judged by csat/1 before and by csat/2 now: the scores do not compare",)

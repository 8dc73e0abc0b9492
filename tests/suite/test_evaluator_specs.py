"""What `--evaluator` names, opened as a user would name it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from taketwo.compare.compare import compare
from taketwo.errors import BadSetting, ScenarioUnreadable
from taketwo.evals.evaluator import Context, evaluate
from taketwo.evals.own import evaluator_of_file
from taketwo.run import Ending, Run
from taketwo.scenario import Case
from taketwo.suite.evaluators import open_evaluators
from taketwo.testing import conversation, turn
from taketwo.verdict import Score, Unscored

NOW = datetime(2026, 11, 23, tzinfo=UTC)
RECORDED = conversation(turn("Hi", reply="Your parcel is in Bern."), turn("Thanks", reply="You are welcome."))
REPLAYED = conversation(turn("Hi", reply="Your parcel is in Basel."), turn("Thanks", reply="You are welcome."))


def context(*, is_captured: bool = False) -> Context:
    end = Ending(reason="completed")
    run = Run(id="r", case_id="c", agent="a:b", started_at=NOW, ended_at=NOW, conversation=REPLAYED, ending=end)
    case = Case(id="c", recorded=RECORDED)
    return Context(case=case, run=run, comparison=compare(RECORDED, REPLAYED), is_captured=is_captured)


async def judged(spec: str, folder: Path = Path(), **how: bool) -> Score | Unscored:
    (found,) = await evaluate(context(**how), open_evaluators([spec], lambda: None, folder=folder))
    return found


OWN = """
from dataclasses import dataclass

def replies(context):
    return float(len(context.conversation.turns))

@dataclass(frozen=True)
class Polite:
    name: str = "polite"
    async def evaluate(self, context):
        return True

def broken(context):
    return inner(context)

def inner(context):
    return {}["tone"]

nothing = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_evals.py").write_text(OWN)
    return tmp_path


async def test_a_function_and_a_class_of_the_users_own_file_judge(folder: Path) -> None:
    replies, polite = await judged("my_evals.py:replies", folder), await judged("my_evals.py:Polite", folder)
    assert isinstance(replies, Score) and isinstance(polite, Score)
    assert (replies.name, replies.value, polite.name, polite.value) == ("replies", 2.0, "polite", True)
    assert replies.evaluator.startswith("my_evals.py:replies@")


async def test_a_changed_file_is_another_version(folder: Path) -> None:
    before = await judged("my_evals.py:replies", folder)
    (folder / "my_evals.py").write_text(OWN + "\n# changed\n")
    assert (await judged("my_evals.py:replies", folder)).evaluator != before.evaluator


async def test_a_crash_is_named_with_its_own_lines_and_is_unscored(folder: Path) -> None:
    found = await judged("my_evals.py:broken", folder)
    assert isinstance(found, Unscored)
    assert found.why == ("the evaluator failed: KeyError: 'tone' (my_evals.py:14 in broken, my_evals.py:17 in inner)")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("my_evals.py:missing", "has no 'missing'"),
        ("my_evals.py:nothing", "is no evaluator"),
        ("gone.py:x", "cannot be read"),
        ("bad.py:x", "bad.py:2: cannot be run: NameError"),
        ("nonsense", "there is no evaluator 'nonsense'"),
        ("chrf>=high", "'high' is no number"),
        ("chrf>=", "after >= a number is missing"),
        ("chrf>0.6", "> is no limit that is known"),
        ("tone", "needs a language model"),
        ("no_lop: 3", "did you mean 'no_loop'"),
        ("must_call: x\nturn: 2", "names a turn"),
    ],
)
def test_what_cannot_be_opened_is_one_clear_line(folder: Path, spec: str, said: str) -> None:
    (folder / "bad.py").write_text("\nx = undefined\n")
    with pytest.raises(BadSetting, match=said):
        open_evaluators([spec], lambda: None, folder=folder)


def test_an_expectation_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ScenarioUnreadable, match="in a row"):
        open_evaluators(["no_loop: 1"], lambda: None, folder=Path())


async def test_an_expectation_is_asked_of_every_conversation() -> None:
    found = await judged("must_not_say: Basel")
    assert isinstance(found, Score)
    assert (found.name, found.value, found.turn_index) == ("must_not_say_Basel", False, 0)


@pytest.mark.parametrize("measure", ["edit", "rouge", "bleu", "chrf"])
async def test_likeness_is_a_number_and_the_least_like_turn_is_named(measure: str) -> None:
    if measure in ("bleu", "chrf"):
        pytest.importorskip("sacrebleu", reason="needs the extra 'metrics'")
    if measure == "rouge":
        pytest.importorskip("rouge_score", reason="needs the extra 'metrics'")
    found = await judged(measure)
    assert isinstance(found, Score)
    assert isinstance(found.value, float)
    assert 0.5 < found.value < 1
    assert (found.reason or "").startswith("least in turn 1: ")
    captured = await judged(measure, is_captured=True)
    assert isinstance(captured, Unscored)


async def test_rouge_is_what_the_definition_says() -> None:
    pytest.importorskip("rouge_score", reason="needs the extra 'metrics'")
    found = await judged("rouge")
    assert isinstance(found, Score)
    # Four of five words in order, and all of three: (0.8 + 1) / 2.
    assert found.value == pytest.approx(0.9)


async def test_a_limit_makes_a_check_of_a_number() -> None:
    high, low = await judged("edit>=0.99"), await judged("edit >= 0.5")
    assert isinstance(high, Score) and isinstance(low, Score)
    assert (high.value, low.value, high.name, high.evaluator) == (False, True, "edit >= 0.99", "edit/1")
    label = await judged("must_not_say: x")
    assert isinstance(label, Score)


def test_a_measure_of_ones_own_is_an_evaluator(tmp_path: Path) -> None:
    (tmp_path / "my_evals.py").write_text(
        "from taketwo.evals.similarity import Similarity\n"
        "first_word = Similarity('first word', lambda one, other: float(one.split()[0] == other.split()[0]))\n",
        encoding="utf-8",
    )
    measure = evaluator_of_file(tmp_path / "my_evals.py", "first_word")
    score = measure.evaluate(context())
    assert isinstance(score, Score) and score.name == "first word"

"""Judges against a stand-in that speaks OpenAI's protocol over a socket, and with kept answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_providers import FakeProviders, fake_providers

from taketwo.compare.compare import compare
from taketwo.conversation import Conversation
from taketwo.errors import BadSetting
from taketwo.evals.evaluator import Context, evaluate
from taketwo.evals.judge import Judge
from taketwo.evals.judge_prompts import JUDGES, judge_prompt, rubric_of_file, rubric_prompt
from taketwo.llm import ModelSettings, open_model
from taketwo.run import Ending, Run
from taketwo.scenario import Case
from taketwo.suite.evaluators import open_evaluators
from taketwo.testing import call, conversation, turn
from taketwo.verdict import Score, Unscored

pytest.importorskip("pydantic_ai", reason="needs the extra 'llm'")

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TALK = conversation(
    turn("Where is my refund?", call("check_status", {"order": "A-1"}, result={"state": "paid"}), reply="It was paid."),
    turn("When?", reply="On “Monday”, I think."),
)


def context(replayed: Conversation = TALK, recorded: Conversation = TALK, *, is_captured: bool = False) -> Context:
    case = Case(id="c", recorded=recorded)
    end = Ending(reason="completed")
    run = Run(id="r", case_id="c", agent="a:b", started_at=NOW, ended_at=NOW, conversation=replayed, ending=end)
    return Context(case=case, run=run, comparison=compare(recorded, replayed), is_captured=is_captured)


def says(answer: object, *quotes: tuple[int, str], reason: str = "Because.") -> dict[str, Any]:
    evidence = [{"turn": number, "quote": quote} for number, quote in quotes]
    return {"reason": reason, "evidence": evidence, "answer": answer}


def in_turn(*answers: object) -> Callable[[str], object]:
    """Answers one after the other; the last one for all further ones."""
    waiting = list(answers)
    return lambda text: waiting[0] if len(waiting) == 1 else waiting.pop(0)


async def judged(
    server: FakeProviders, name: str = "task_completion", repeats: int = 1, **about: Any
) -> Score | Unscored:
    model = open_model(ModelSettings(model="gpt-judge", base_url=f"{server.url}/v1"))
    return await Judge(judge_prompt(name), model, name, repeats).evaluate(context(**about))


async def test_a_yes_with_a_quote_that_stands_there_is_believed_at_once() -> None:
    with fake_providers(in_turn(says("yes", (1, "It was paid.")))) as server:
        found = await judged(server)
    assert found == Score(
        name="task_completion",
        value=True,
        reason="Because. — turn 1: “It was paid.”",
        turn_index=0,
        evaluator="task_completion/1 gpt-judge",
    )
    (_, asked) = server.requests[0]
    sent = json.dumps(asked, ensure_ascii=False)
    assert "Did the user get what he came for?" in sent
    assert 'Tool called: check_status({\\"order\\":\\"A-1\\"})' in sent
    assert len(server.requests) == 1


@pytest.mark.parametrize("quote", ["it was  PAID", 'On "Monday", I think', '{"state":"paid"}', "Where is my refund?"])
async def test_copying_may_change_case_white_space_and_quotation_marks(quote: str) -> None:
    number = 2 if "Monday" in quote else 1
    with fake_providers(in_turn(says("yes", (number, quote)))) as server:
        assert isinstance(await judged(server), Score)


@pytest.mark.parametrize(
    ("quotes", "why"),
    [
        ([(1, "I have refunded you.")], "the judge quotes what does not stand in turn 1"),
        ([(2, "It was paid.")], "the judge quotes what does not stand in turn 2"),
        ([(7, "It was paid.")], "the judge quotes turn 7, and there are 2"),
        ([(1, " . ")], "the judge quotes nothing that could be looked for"),
        ([(1, "Agent:")], "the judge quotes nothing that could be looked for"),
        ([(1, "## Turn 1")], "the judge quotes nothing that could be looked for"),
        ([(1, "Tool result")], "the judge quotes nothing that could be looked for"),
        ([], "the judge quotes nothing"),
    ],
)
async def test_what_rests_on_a_quote_that_nobody_said_is_unscored(quotes: list[tuple[int, str]], why: str) -> None:
    with fake_providers(in_turn(says("yes", *quotes))) as server:
        found = await judged(server)
    assert isinstance(found, Unscored)
    assert found.why.startswith(why)


async def test_a_judge_that_cannot_tell_is_unscored() -> None:
    with fake_providers(in_turn(says("cannot_tell", reason="It breaks off."))) as server:
        found = await judged(server)
    assert isinstance(found, Unscored)
    assert "cannot tell" in found.why


@pytest.mark.parametrize(
    ("marks", "value", "asked"),
    [((8,), True, 1), ((6, 9, 7), True, 3), ((6, 9, 5), False, 3), ((6, 6, 10), False, 3)],
)
async def test_a_mark_beyond_its_limit_is_confirmed_by_the_majority_of_three(
    marks: tuple[int, ...], value: bool, asked: int
) -> None:
    with fake_providers(in_turn(*(says(mark, (1, "It was paid.")) for mark in marks))) as server:
        model = open_model(ModelSettings(model="gpt-judge", base_url=f"{server.url}/v1"))
        (found,) = await evaluate(context(), open_evaluators(["csat>=7"], lambda: model, folder=Path()))
    assert isinstance(found, Score)
    assert found.value is value
    assert len(server.requests) == asked


async def test_a_mark_beyond_its_limit_that_is_not_confirmed_is_unscored() -> None:
    invented = says(6, (1, "nobody said this"))
    with fake_providers(in_turn(says(6, (1, "It was paid.")), invented)) as server:
        model = open_model(ModelSettings(model="gpt-judge", base_url=f"{server.url}/v1"))
        (found,) = await evaluate(context(), open_evaluators(["csat>=7"], lambda: model, folder=Path()))
    assert isinstance(found, Unscored)
    assert "not confirmed" in found.why


async def test_a_no_is_confirmed_by_the_majority_of_three() -> None:
    no, yes = says("no", (2, "I think"), reason="Unsure."), says("yes", (1, "It was paid."))
    with fake_providers(in_turn(no, yes, no)) as server:
        found = await judged(server)
    assert isinstance(found, Score)
    assert (found.value, found.samples, found.turn_index) == (False, (False, True, False), 1)
    assert "(2 of 3 askings)" in (found.reason or "")
    with fake_providers(in_turn(no, yes, yes)) as server:
        outvoted = await judged(server)
    assert isinstance(outvoted, Score)
    assert outvoted.value is True


async def test_a_no_that_is_not_confirmed_is_unscored() -> None:
    with fake_providers(in_turn(says("no", (1, "It was paid.")), says("no", (1, "Never said.")))) as server:
        found = await judged(server)
    assert isinstance(found, Unscored)
    assert "not confirmed" in found.why


async def test_a_mark_is_the_mean_of_the_askings_and_keeps_each() -> None:
    with fake_providers(in_turn(says(8, (1, "It was paid.")), says(6, (1, "It was paid.")))) as server:
        found = await judged(server, "csat", repeats=2)
    assert isinstance(found, Score)
    assert (found.value, found.samples) == (7.0, (8.0, 6.0))


async def test_a_model_that_cannot_be_asked_is_unscored() -> None:
    with fake_providers(in_turn(says("yes"))) as server:
        server.refuse_with = 401
        found = await judged(server)
    assert isinstance(found, Unscored)


def side(text: str) -> str:
    return "A" if text.index("It was paid") < text.index("No idea") else "B"


def prefers(chosen: Callable[[str], str]) -> Callable[[str], object]:
    def answer(text: str) -> object:
        first_is_good = side(text) == "A"
        good, bad = [{"turn": 1, "quote": "It was paid."}], [{"turn": 1, "quote": "No idea."}]
        return {
            "reason": "One knows.",
            "evidence_a": good if first_is_good else bad,
            "evidence_b": bad if first_is_good else good,
            "answer": chosen(text),
        }

    return answer


WORSE = conversation(turn("Where is my refund?", reply="No idea."))


async def test_the_better_side_is_told_in_whichever_order_it_stands() -> None:
    with fake_providers(prefers(side)) as server:
        improved = await judged(server, "better", replayed=TALK, recorded=WORSE)
        broke = await judged(server, "better", replayed=WORSE, recorded=TALK)
    assert isinstance(improved, Score) and isinstance(broke, Score)
    assert (improved.value, broke.value) == ("better", "worse")


async def test_a_judge_that_likes_what_stands_first_prefers_neither() -> None:
    with fake_providers(prefers(lambda text: "A")) as server:
        found = await judged(server, "better", replayed=TALK, recorded=WORSE)
    assert isinstance(found, Score)
    assert (found.value, found.reason) == ("same", "which one it prefers depends on which stands first")


async def test_a_captured_conversation_is_better_than_nothing_in_particular() -> None:
    with fake_providers(in_turn("unused")) as server:
        assert isinstance(await judged(server, "better", is_captured=True), Unscored)
    assert not server.requests


async def test_kept_answers_judge_again_without_a_server(tmp_path: Path) -> None:
    path = str(tmp_path / "answers.jsonl")
    no = says("no", (2, "I think"))
    with fake_providers(in_turn(no)) as server:
        settings = ModelSettings(model="gpt-judge", base_url=f"{server.url}/v1", answers_path=path, answers="record")
        first = await Judge(judge_prompt("tone"), open_model(settings), "tone").evaluate(context())
    kept = open_model(settings.but(answers="replay"))
    assert await Judge(judge_prompt("tone"), kept, "tone").evaluate(context()) == first
    assert [call.from_file for call in kept.calls] == [True] * 3


def test_every_prompt_says_its_version_and_the_kind_of_its_answer() -> None:
    kinds = {name: judge_prompt(name).answer for name in JUDGES}
    assert kinds["csat"] == "score" and kinds["better"] == "better" and kinds["tone"] == "yes_no"
    assert all(judge_prompt(name).version.isdigit() for name in JUDGES)


def test_a_rubric_with_other_words_is_another_version(tmp_path: Path) -> None:
    one, other = rubric_prompt("Say the date."), rubric_prompt("Say the day.")
    assert one.version != other.version
    assert "Say the date." in one.text
    (tmp_path / "empty.md").write_text(" ")
    with pytest.raises(BadSetting, match="empty"):
        rubric_of_file(tmp_path / "empty.md")

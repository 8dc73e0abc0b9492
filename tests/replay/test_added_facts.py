"""Facts that a model adds: only what the user wrote, marked, and used only where the recording has no answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fake_providers import fake_providers
from hypothesis import given, settings
from hypothesis import strategies as st

from taketwo.cli.main import taketwo
from taketwo.conversation import Conversation, Turn
from taketwo.llm import Answer, ModelCall, ModelSettings, Prompt, open_model
from taketwo.replay.added_facts import SCHEMA, FactModel, read_facts
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.anchored_user import AnchoredUser
from taketwo.replay.engine import How, replay
from taketwo.replay.fact_sheet import FactSheet
from taketwo.replay.user import Line, Unanswerable
from taketwo.replay.user_side import Users
from taketwo.scenario import Case
from taketwo.testing import conversation, turn

SHOP = conversation(
    turn("Hi, I have been flying gold since 2019 and my kettle arrived broken.", reply="Refund or replacement?"),
    turn("A replacement, please. It went to the blue house in Leeds.", reply="It is on its way."),
    turn("Thanks, bye!", reply="Bye!"),
)
TIER = {
    "slot": "membership tier",
    "value": "gold",
    "kind": "choice",
    "turn": 1,
    "quote": "flying gold since 2019",
}
ASKS_TIER = "What is your membership tier?"


def read(*told: dict[str, Any]) -> Any:
    return read_facts(FactSheet(SHOP), {"facts": list(told)}, by="m, facts/1")


def test_an_added_fact_stands_in_the_users_words_and_is_marked() -> None:
    (fact,) = read(TIER).facts
    assert (fact.source, fact.by) == ("model", "m, facts/1")
    text = SHOP.turns[fact.turn_index].user.text  # type: ignore[union-attr]
    assert text[fact.start : fact.end] == fact.value == "gold"
    assert fact in FactSheet(SHOP, [fact]).facts
    assert {one.source for one in FactSheet(SHOP).facts} == {"recording"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"value": "platinum"}, "does not stand in the words"),
        ({"value": "old"}, "does not stand in the words"),  # a part of a word is another word
        ({"quote": "I am a gold member"}, "does not say"),
        ({"turn": 2}, "does not say"),
        ({"turn": 9}, "no line 9"),
        ({"turn": 0}, "no line 0"),
        ({"value": " "}, "no value"),
        ({"slot": "the"}, "no value, or no name"),
        ({"slot": "order number"}, "is no id"),
        ({"slot": "email address"}, "is no email"),
        ({"quote": "Refund or replacement", "value": "Refund"}, "does not say"),  # the agent's words
    ],
)
def test_what_the_user_did_not_write_is_refused_with_the_reason(change: dict[str, Any], why: str) -> None:
    found = read({**TIER, **change})
    assert found.facts == ()
    assert why in found.refused[0].why


WORDS = st.sampled_from(["gold", "Leeds", "blue house", "2019", "A-1042", "platinum", "kettle", "since 2019", "", "é("])


@settings(max_examples=200)
@given(st.lists(st.tuples(WORDS, WORDS, st.integers(-1, 5)), max_size=5))
def test_whatever_a_model_says_nothing_is_taken_that_the_user_did_not_write(told: list[tuple[str, str, int]]) -> None:
    found = read(*({**TIER, "value": value, "quote": quote, "turn": turn} for value, quote, turn in told))
    for fact in found.facts:
        text = SHOP.turns[fact.turn_index].user.text  # type: ignore[union-attr]
        assert text[fact.start : fact.end] == fact.value != ""
        assert fact.source == "model"


class Names:
    """A model that names the same facts each time; keeps what it was asked."""

    name = "names"

    def __init__(self, *told: dict[str, Any]) -> None:
        self._told = list(told)
        self.prompts: list[Prompt] = []

    async def ask(self, prompt: Prompt) -> Any:
        self.prompts.append(prompt)
        call = ModelCall(
            prompt=prompt.name,
            prompt_version=prompt.version,
            model="names",
            input_tokens=1,
            output_tokens=1,
            cost_usd=None,
            latency_ms=1.0,
        )
        return Answer(value={"facts": self._told}, call=call)


async def after(question: str, model: Names | None, recorded: Conversation = SHOP) -> Line | Unanswerable | None:
    user = AnchoredUser(recorded, facts=None if model is None else FactModel(model))
    return await user.next_line([Turn(index=0, user=recorded.turns[0].user, reply=question)])


async def test_a_question_that_only_the_added_name_answers_is_answered_in_the_users_words() -> None:
    assert isinstance(await after(ASKS_TIER, None), Unanswerable)
    line = await after(ASKS_TIER, Names(TIER))
    assert isinstance(line, Line) and line.user is not None
    assert line.rung == "facts"
    assert line.user.text in SHOP.turns[0].user.text  # type: ignore[union-attr]
    assert "gold" in line.user.text
    assert "named 'membership tier' by names, facts/1" in line.reason
    assert line.evidence[0].turn_index == 0


async def test_the_model_is_asked_only_where_the_recording_has_no_answer() -> None:
    model = Names(TIER)
    assert isinstance(await after("Refund or replacement?", model), Line)
    assert model.prompts == []


async def test_it_gives_no_consent_and_makes_no_choice() -> None:
    told = {**TIER, "slot": "upgrade"}
    for question in ("May I book the upgrade for you?", "Would you like the upgrade or the voucher?"):
        assert isinstance(await after(question, Names(told)), Unanswerable)


async def test_a_recording_is_read_once_for_all_its_repeats() -> None:
    model = Names(TIER)
    facts = FactModel(model)

    async def agent(messages: list[Any]) -> str:
        return ASKS_TIER if len(messages) == 1 else "Bye!"

    for attempt in (1, 2):
        run = await replay(
            Case(id="c", recorded=SHOP), CallableAgent(agent), How(attempt=attempt, users=Users(facts=facts))
        )
        assert [one.rung for one in run.user_answers][:2] == ["recorded", "facts"]
    assert [(prompt.name, prompt.version) for prompt in model.prompts] == [("facts", "1")]


async def test_a_model_that_cannot_be_asked_is_told_of() -> None:
    model = open_model(ModelSettings(model="m", answers_path="nowhere.jsonl"))
    user = AnchoredUser(SHOP, facts=FactModel(model))
    found = await user.next_line([Turn(index=0, user=SHOP.turns[0].user, reply=ASKS_TIER)])
    assert isinstance(found, Unanswerable)
    assert "no model could look for it" in found.why
    assert "no kept answer for prompt facts (version 1)" in found.why


@pytest.mark.slow
def test_the_sheet_is_shown_and_answers_are_recorded_and_come_again_without_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, answers = tmp_path / "talk.jsonl", tmp_path / "answers.jsonl"
    messages = [
        {"role": role, "content": text}
        for one in SHOP.turns
        for role, text in (("user", one.user and one.user.text), ("assistant", one.reply))
    ]
    file.write_text(json.dumps({"messages": messages}))
    monkeypatch.setenv("TAKETWO_LLM_MODEL", "local")
    monkeypatch.setenv("TAKETWO_LLM_ANSWERS", str(answers))
    shown = ["facts", str(file), "--facts", "model", "--json", "--store", f"sqlite:///{tmp_path / 's'}"]
    with fake_providers(lambda _: {"facts": [TIER, {**TIER, "value": "platinum"}]}) as server:
        monkeypatch.setenv("TAKETWO_LLM_BASE_URL", f"{server.url}/v1")
        first = CliRunner().invoke(taketwo, shown, env={"TAKETWO_LLM_RECORD": "1"})
        assert first.exit_code == 0, first.output
        (asked,) = server.requests
    again = CliRunner().invoke(taketwo, shown)
    assert json.loads(first.output) == json.loads(again.output)
    (sheet,) = json.loads(again.output)
    assert [one["value"] for one in sheet["facts"] if one["source"] == "model"] == ["gold"]
    assert [one["value"] for one in sheet["refused"]] == ["platinum"]
    assert asked[1]["response_format"]["json_schema"]["schema"]["required"] == SCHEMA["required"]
    plain = CliRunner().invoke(taketwo, [*shown[:4], *shown[5:]])
    assert "model: local, facts/1" in plain.output
    assert "refused: membership tier: platinum" in plain.output

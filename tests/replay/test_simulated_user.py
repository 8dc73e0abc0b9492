"""Users that a model plays, against a server that speaks the provider's protocol, and what they may not say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_providers import fake_providers
from hypothesis import given, settings
from hypothesis import strategies as st

from taketwo.conversation import Turn
from taketwo.errors import BadSetting
from taketwo.llm import Answer, ModelCall, ModelSettings, Prompt, open_model
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.anchored_user import AnchoredUser
from taketwo.replay.engine import How, replay
from taketwo.replay.fact_sheet import FactSheet
from taketwo.replay.simulated_user import SimulatedUser, inventions
from taketwo.replay.user import Line, Unanswerable
from taketwo.replay.user_side import Users
from taketwo.scenario import Case
from taketwo.testing import conversation, turn

SHOP = conversation(
    turn("Hi, my kettle arrived broken. The order number is A-1042.", reply="Refund or replacement?"),
    turn("A replacement, please.", reply="It is on its way."),
    turn("Thanks, bye!", reply="Bye!"),
)
ODD = "How did you learn of the damage?"


class SaysOnly:
    """A model that gives the same line whatever it is asked; counts how often."""

    name = "says-only"

    def __init__(self, line: str, *, answerable: bool = True, finished: bool = False) -> None:
        self._value = {"answerable": answerable, "finished": finished, "line": line}
        self.prompts: list[Prompt] = []

    async def ask(self, prompt: Prompt) -> Answer:
        self.prompts.append(prompt)
        call = ModelCall(
            prompt=prompt.name,
            prompt_version=prompt.version,
            model=self.name,
            input_tokens=1,
            output_tokens=1,
            cost_usd=None,
            latency_ms=1.0,
        )
        return Answer(value=self._value, call=call)


async def after(question: str, model: SaysOnly) -> Line | Unanswerable | None:
    first = SHOP.turns[0]
    return await SimulatedUser(AnchoredUser(SHOP), model).next_line([Turn(index=0, user=first.user, reply=question)])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_replay_goes_on_with_a_model_where_the_recording_ends() -> None:
    pytest.importorskip("pydantic_ai", reason="the extra [llm] is not installed")

    def thinks(situation: str) -> Any:
        assert "A-1042" in situation and ODD in situation
        return {"answerable": True, "finished": False, "line": "Sorry, my kettle arrived broken."}

    def agent(messages: list[dict[str, Any]]) -> str:
        return ODD if len(messages) == 1 else "A replacement is on its way. Anything else?"

    with fake_providers(thinks) as server:
        model = open_model(ModelSettings(model="local", base_url=f"{server.url}/v1"))
        run = await replay(Case(id="c", recorded=SHOP), CallableAgent(agent), How(users=Users("simulated", model)))
    assert run.ending.reason == "completed", run.ending
    assert [answer.rung for answer in run.user_answers][:2] == ["recorded", "simulated"]
    assert "by local" in run.user_answers[1].reason
    assert model.calls[0].prompt_version == "1"
    assert run.settings["users"] == "simulated"


async def test_a_model_is_not_asked_for_what_the_recording_answers() -> None:
    model = SaysOnly("never")
    line = await after("What is your order number?", model)
    assert isinstance(line, Line) and line.rung == "facts"
    assert not model.prompts


@pytest.mark.parametrize(
    ("line", "invention"),
    [
        ("My order number is B-77.", "B-77"),
        ("It cost $40.", "$40"),
        ("I live in Leeds, thanks.", "Leeds"),
        ("Write to ann@example.com, please.", "ann@example.com"),
        ("It was delivered on May 3rd.", "May 3rd"),
        ("I saw it in the purple catalogue.", "purpl"),
    ],
)
async def test_a_line_with_anything_that_nobody_said_is_refused(line: str, invention: str) -> None:
    model = SaysOnly(line)
    refused = await after(ODD, model)
    assert isinstance(refused, Unanswerable)
    assert "it invents" in refused.why and invention in refused.why
    assert len(model.prompts) == 2, "it may try once more, and is told what was wrong"
    assert "nobody had said" in model.prompts[1].user


async def test_a_model_that_has_no_answer_ends_the_replay_as_unanswerable() -> None:
    refused = await after(ODD, SaysOnly("", answerable=False))
    assert isinstance(refused, Unanswerable) and "no answer either" in refused.why


async def test_simulated_users_need_a_model() -> None:
    with pytest.raises(BadSetting, match="language model"):
        await replay(Case(id="c", recorded=SHOP), CallableAgent(lambda messages: "Hi"), How(users="simulated"))


@settings(max_examples=200)
@given(
    st.text(max_size=50), st.sampled_from(["B-{}", "${}", "{}%", "+49 {}", "{}@example.com"]), st.integers(2_000, 9_999)
)
async def test_no_line_of_any_model_brings_in_a_fact(before: str, form: str, number: int) -> None:
    line = f"{before} {form.format(number)} "
    said = await after(ODD, SaysOnly(line))
    assert isinstance(said, Unanswerable), json.dumps(line)


def test_what_the_agent_said_may_be_said_again() -> None:
    so_far = [Turn(index=0, user=SHOP.turns[0].user, reply="Was it delivered on May 3rd by Northwind?")]
    assert inventions(FactSheet(SHOP), "Yes, delivered on May 3rd by Northwind.", so_far) == ()

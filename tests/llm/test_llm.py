"""The door to language models, against a server that speaks the providers' protocols over a socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_providers import FakeProviders, fake_providers

from taketwo.errors import BadSetting, BudgetSpent, ModelUnavailable
from taketwo.llm import Budget, ModelSettings, Prompt, open_model
from taketwo.llm.asked import KEPT_CALLS, AskedModel, Told

pytest.importorskip("pydantic_ai", reason="the extra [llm] is not installed")
# What the providers' SDKs warn about is theirs.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

YES_NO = {
    "type": "object",
    "properties": {"kept": {"type": "boolean"}},
    "required": ["kept"],
    "additionalProperties": False,
}
BASES = {"openai:gpt-4o-mini": "/v1", "anthropic:claude-3-5-haiku-latest": "", "google:gemini-2.5-flash": ""}


@pytest.fixture
def server() -> Iterator[FakeProviders]:
    def thinks(text: str) -> Any:
        if "schema" in text:
            return {"kept": True}
        return {"kept": "perhaps"} if "unsure" in text else {"kept": False} if "json" in text else "Hello to you."

    with fake_providers(thinks) as running:
        yield running


def opened(server: FakeProviders, model: str = "openai:gpt-4o-mini", **how: Any) -> AskedModel:
    base = server.url + BASES.get(model, "/v1")
    return open_model(ModelSettings(model=model, base_url=base, api_key="k", **how))


def words(user: str = "Hi", **more: Any) -> Prompt:
    return Prompt(name="greeting", version="1", system="Be kind.", user=user, **more)


@pytest.mark.parametrize("model", BASES)
async def test_each_provider_answers_in_words_and_every_call_is_in_the_books(server: FakeProviders, model: str) -> None:
    asked = opened(server, model)
    answer = await asked.ask(words())
    assert answer.value == "Hello to you."
    assert (answer.call.input_tokens, answer.call.output_tokens) == (100, 20)
    assert answer.call.prompt_version == "1"
    assert answer.call.cost_usd is not None and 0 < answer.call.cost_usd < 0.01
    assert [*asked.calls] == [answer.call]
    assert "Be kind." in str(server.requests[0][1])


@pytest.mark.parametrize("model", BASES)
async def test_each_provider_is_held_to_a_schema(server: FakeProviders, model: str) -> None:
    answer = await opened(server, model).ask(words("as json please", json_schema=YES_NO))
    assert answer.value == {"kept": False}
    assert "kept" in str(server.requests[0][1]), "the provider is told the schema"


async def test_a_name_alone_is_asked_for_at_the_base_url_without_a_key(server: FakeProviders) -> None:
    asked = open_model(ModelSettings(model="local-7b", base_url=f"{server.url}/v1"))
    answer = await asked.ask(words())
    assert answer.value == "Hello to you."
    assert answer.call.cost_usd is None, "nobody knows what a local model costs"
    assert asked.cost_usd is None


async def test_an_answer_that_does_not_fit_is_asked_for_once_more_and_paid_for_twice(server: FakeProviders) -> None:
    answer = await opened(server).ask(words("unsure", json_schema=YES_NO))
    assert answer.value == {"kept": True}
    assert "did not fit the schema" in str(server.requests[1][1])
    assert answer.call.input_tokens == 200


async def test_an_answer_that_never_fits_is_an_error_and_in_the_books() -> None:
    with fake_providers(lambda text: {"kept": "perhaps"}) as server:
        asked = opened(server)
        with pytest.raises(ModelUnavailable, match="does not fit the schema"):
            await asked.ask(words("as json", json_schema=YES_NO))
        assert asked.calls[0].input_tokens == 200


async def test_calls_tokens_and_dollars_are_limited(server: FakeProviders) -> None:
    for budget in (Budget(calls=1), Budget(tokens=120), Budget(cost_usd=0.00001)):
        asked = opened(server, budget=budget)
        await asked.ask(words())
        with pytest.raises(BudgetSpent):
            await asked.ask(words("again"))
    assert len(server.requests) == 3


async def test_a_budget_in_dollars_is_refused_for_a_model_without_a_known_price(server: FakeProviders) -> None:
    asked = opened(server, "local-7b", budget=Budget(cost_usd=1.0))
    await asked.ask(words())
    with pytest.raises(BudgetSpent, match="price of this model is not known"):
        await asked.ask(words("again"))


async def test_no_more_calls_run_at_a_time_than_allowed(server: FakeProviders) -> None:
    server.hold = threading.Event()
    asked = opened(server, concurrency=2)
    await asyncio.gather(*(asked.ask(words(f"number {number}")) for number in range(6)))
    assert server.most_at_a_time == 2


async def test_answers_are_kept_in_a_file_and_come_again_without_a_key_or_a_network(
    server: FakeProviders, tmp_path: Path
) -> None:
    file = str(tmp_path / "answers.jsonl")
    recording = opened(server, answers_path=file, answers="record")
    first = await recording.ask(words())
    await recording.ask(words("as json", json_schema=YES_NO))
    await recording.ask(words())
    assert len(server.requests) == 2, "what is kept is not asked again"
    kept = open_model(ModelSettings(model="openai:gpt-4o-mini", answers_path=file))
    again = await kept.ask(words())
    assert again.value == first.value
    assert again.call.from_file and again.call.cost_usd == 0
    assert (await kept.ask(words("as json", json_schema=YES_NO))).value == {"kept": False}
    with pytest.raises(ModelUnavailable, match="no kept answer for prompt greeting"):
        await kept.ask(words("never asked"))
    with pytest.raises(ModelUnavailable):
        await kept.ask(words(sample=2))


async def test_a_broken_file_of_answers_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"nothing": 1}\n')
    with pytest.raises(BadSetting, match=r"answers\.jsonl:1"):
        open_model(ModelSettings(model="openai:x", answers_path=str(file)))


@pytest.mark.parametrize("model", BASES)
async def test_a_refusal_is_one_line_that_names_the_model(server: FakeProviders, model: str) -> None:
    server.refuse_with = 401
    with pytest.raises(ModelUnavailable) as caught:
        await opened(server, model).ask(words())
    assert str(caught.value).startswith(model)
    assert "\n" not in str(caught.value)


async def test_a_server_that_is_not_there_is_an_error_and_not_a_wait() -> None:
    asked = open_model(ModelSettings(model="x", base_url="http://127.0.0.1:1/v1", timeout_s=3.0))
    with pytest.raises(ModelUnavailable):
        await asked.ask(words())


@pytest.mark.parametrize("model", ["nothing:x", "openai:", "gpt-4o", ""])
def test_a_model_that_cannot_be_named_is_refused_at_the_door(model: str) -> None:
    with pytest.raises(BadSetting):
        open_model(ModelSettings(model=model))


async def test_the_totals_of_all_calls_are_kept_and_the_last_ones_one_by_one() -> None:
    asked = AskedModel(ModelSettings(model="m", budget=Budget(tokens=3 * (KEPT_CALLS + 10))), _Counting())
    for number in range(KEPT_CALLS + 10):
        await asked.ask(Prompt(name="p", version="1", system="s", user=f"{number}"))
    assert len(asked.calls) == KEPT_CALLS
    assert asked.cost_usd == pytest.approx(0.5 * (KEPT_CALLS + 10))
    with pytest.raises(BudgetSpent, match="3,030 tokens have been spent"):
        await asked.ask(Prompt(name="p", version="1", system="s", user="one more"))


class _Counting:
    async def send(self, prompt: Prompt, problem: str | None) -> Told:
        return Told(value="ok", model="m", input_tokens=1, output_tokens=2, cost_usd=0.5)

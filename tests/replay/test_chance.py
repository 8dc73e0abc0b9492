"""Chance that is fixed: seeds that models are sent, over a socket, and the generators of Python agents."""

from __future__ import annotations

import asyncio
import json
import random
from random import choice
from typing import Any

import pytest
from fake_endpoint import asking, plain, raw, serving
from fake_providers import fake_providers

from taketwo.conversation import Conversation
from taketwo.errors import AgentUnreachable
from taketwo.llm import ModelSettings, Prompt, open_model
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.agents.chat_completions import ChatCompletionsAgent
from taketwo.replay.chance import seeded_random
from taketwo.replay.engine import How, replay
from taketwo.replay.user_side import Users
from taketwo.report.words import fidelity_in_words
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import call, conversation, turn
from taketwo.value import JSON

TALK = conversation(
    turn("Hi", reply="Hello"),
    turn("Where is A-1?", call("status", {"order_id": "A-1"}, result="lost"), reply="It is lost."),
)
STATUS = asking(("status", '{"order_id": "A-1"}'))
NO_SEED = b'{"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"]}]}}'


async def asked(
    url: str, *, case: str = "case", attempt: int = 1, recorded: Conversation = TALK, **overrides: JSON
) -> Run:
    agent = ChatCompletionsAgent(url, overrides=overrides, first_pause_s=0.01)
    try:
        return await replay(Case(id=case, recorded=recorded), agent, How(attempt=attempt))
    finally:
        await agent.aclose()


def seeds(requests: list[dict[str, Any]]) -> list[int | None]:
    return [request.get("seed") for request in requests]


@pytest.mark.slow
async def test_each_repeat_of_a_case_has_a_seed_of_its_own_and_the_same_when_it_is_run_again() -> None:
    with serving(plain("Hello")) as (url, fake):
        for case, attempt in (("one", 1), ("one", 2), ("other", 1), ("one", 1)):
            await asked(url, case=case, attempt=attempt)
    first, second, other, again = (set(seeds(fake.requests)[at : at + 2]) for at in (0, 2, 4, 6))
    assert first == again
    assert len(first | second | other) == 3
    assert all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in first | second | other)


@pytest.mark.slow
async def test_the_run_says_which_seed_the_model_took() -> None:
    with serving(plain("Hello")) as (url, fake):
        done = await asked(url)
    assert done.fidelity is not None
    assert done.fidelity.chance == {"model": fake.requests[0]["seed"]}
    assert fidelity_in_words(done.fidelity).endswith("chance fixed (model)")


@pytest.mark.slow
@pytest.mark.parametrize("status", [400, 422])
async def test_an_endpoint_that_refuses_a_seed_is_asked_without_once_and_for_all(status: int) -> None:
    with serving(raw(status, NO_SEED), plain("Hello"), plain(STATUS), plain("Lost.")) as (url, fake):
        done = await asked(url)
    assert done.ending.reason == "completed"
    assert [seed is None for seed in seeds(fake.requests)] == [False, True, True, True]
    assert done.fidelity is not None
    assert done.fidelity.chance == {"model": None}
    assert fidelity_in_words(done.fidelity).endswith("no seed taken (model)")


@pytest.mark.slow
async def test_what_is_wrong_with_a_request_besides_its_seed_is_told() -> None:
    refused = raw(400, b'{"error": {"message": "no such model"}}')
    with serving(refused) as (url, fake), pytest.raises(AgentUnreachable, match="answered 400: no such model"):
        await asked(url)
    assert len(fake.requests) == 1


@pytest.mark.slow
async def test_a_seed_that_is_recorded_or_set_is_sent_as_it_is_and_null_sends_none() -> None:
    recorded = TALK.but(agent=TALK.agent.but(settings={"seed": 7}))
    with serving(plain("Hello")) as (url, fake):
        done = await asked(url, recorded=recorded)
        await asked(url, recorded=recorded, seed=8)
        free = await asked(url, recorded=recorded, seed=None)
    assert seeds(fake.requests) == [7, 7, 8, 8, None, None]
    assert done.fidelity is not None and free.fidelity is not None
    assert (done.fidelity.chance, free.fidelity.chance) == ({"model": 7}, {"model": None})


ODD = "How did you learn of the damage?"


def says(line: str) -> dict[str, Any]:
    return {"answerable": True, "finished": False, "line": line}


async def simulated(url: str, model: str, attempt: int) -> Run:
    settings = ModelSettings(model=model, base_url=url, api_key="none")
    recorded = conversation(turn("My kettle arrived broken.", reply="Refund?"), turn("Yes.", reply="Done."))

    async def agent(messages: list[Any]) -> str:
        return ODD if len(messages) == 1 else "Bye!"

    users = Users("simulated", open_model(settings))
    return await replay(Case(id="kettle", recorded=recorded), CallableAgent(agent), How(attempt=attempt, users=users))


@pytest.mark.slow
async def test_simulated_users_draw_by_the_repeat_too() -> None:
    with fake_providers(lambda _: says("The kettle arrived broken.")) as server:
        runs = [await simulated(f"{server.url}/v1", "openai:gpt-4.1-mini", attempt) for attempt in (1, 2, 1)]
    taken = [body["seed"] for _, body in server.requests]
    assert taken[0] == taken[2] != taken[1]
    assert [run.fidelity and run.fidelity.chance for run in runs] == [{"user": seed} for seed in taken]


@pytest.mark.slow
async def test_a_provider_without_seeds_is_sent_none() -> None:
    with fake_providers(lambda _: says("The kettle arrived broken.")) as server:
        run = await simulated(server.url, "anthropic:claude-haiku", 1)
    assert all("seed" not in body for _, body in server.requests)
    assert run.fidelity is not None
    assert run.fidelity.chance == {"user": None}


@pytest.mark.slow
async def test_a_judge_whose_model_refuses_a_seed_is_asked_without_once_and_for_all() -> None:
    with fake_providers(lambda _: "Yes.") as server:
        server.takes_no = "seed"
        model = open_model(ModelSettings(model="local", base_url=f"{server.url}/v1"))
        answers = [await model.ask(Prompt(name="judge", version="1", system="s", user=text)) for text in "abb"]
    assert ["seed" in body for _, body in server.requests] == [True, False, False, False]
    assert [answer.call.seed for answer in answers] == [None] * 3


@pytest.mark.slow
async def test_judges_take_the_same_seed_for_the_same_question_and_another_for_each_asking() -> None:
    with fake_providers(lambda _: "Yes.") as server:
        model = open_model(ModelSettings(model="openai:gpt-4.1-mini", base_url=f"{server.url}/v1", api_key="none"))
        for sample in (1, 2, 1):
            await model.ask(Prompt(name="judge", version="1", system="s", user="u", sample=sample))
    taken = [body["seed"] for _, body in server.requests]
    assert taken[0] == taken[2] != taken[1]


async def drawn(agent: Any, case: str = "case", attempt: int = 1) -> Run:
    return await replay(Case(id=case, recorded=TALK), CallableAgent(agent), How(attempt=attempt))


def draw() -> list[Any]:
    """What agents do."""
    pieces = [1, 2, 3, 4, 5, 6, 7, 8]
    random.shuffle(pieces)
    return [random.random(), random.randint(1, 10**9), choice(range(10**9)), random.gauss(0, 1), *pieces]


async def numbers_of(draws: Any, case: str = "case", attempt: int = 1) -> str:
    told: list[str] = []

    async def agent(messages: list[Any]) -> str:
        await asyncio.sleep(0)
        told.append(json.dumps(draws(), default=float))
        return told[-1]

    await drawn(agent, case, attempt)
    return "\n".join(told)


async def test_a_python_agent_draws_the_same_numbers_when_a_repeat_is_run_again_however_many_run_beside_it() -> None:
    with seeded_random():
        alone = await numbers_of(draw)
        together = await asyncio.gather(*(numbers_of(draw, attempt=attempt) for attempt in (1, 2, 1)))
    assert [alone, alone] == [together[0], together[2]]
    assert together[1] != alone
    assert len(set(alone.splitlines())) == 2  # each turn draws on


async def test_what_an_agent_seeds_itself_stays_its_own() -> None:
    def draws() -> list[float]:
        random.seed(5)
        state = random.getstate()
        first = random.random()
        random.setstate(state)
        return [first, random.random()]

    with seeded_random():
        told = await numbers_of(draws)
        random.seed(6)
        outside = random.random()
    expected = random.Random(5).random()
    assert json.loads(told.splitlines()[0]) == [expected, expected]
    assert outside == random.Random(6).random()


async def test_numpy_is_fixed_where_it_is_loaded() -> None:
    numpy = pytest.importorskip("numpy")

    def draws() -> list[float]:
        return [numpy.random.rand(), numpy.random.normal(), numpy.random.default_rng().random()]

    with seeded_random():
        first, again, other = [await numbers_of(draws, attempt=attempt) for attempt in (1, 1, 2)]
        run = await drawn(lambda messages: "Hello")
    assert first == again != other
    assert run.fidelity is not None
    assert sorted(run.fidelity.chance) == ["numpy", "random"]
    assert numpy.random.rand() != numpy.random.rand()


async def test_unless_it_is_asked_for_nothing_is_touched_and_afterwards_all_is_as_before() -> None:
    before = (random.random, random.seed)
    with seeded_random():
        taken = random.random  # as by `from random import random` in the agent's module
    assert (random.random, random.seed) == before
    assert taken() != taken()
    one, other = await numbers_of(draw), await numbers_of(draw)
    assert one != other
    assert (await drawn(lambda messages: "Hello")).fidelity.chance == {}  # type: ignore[union-attr]

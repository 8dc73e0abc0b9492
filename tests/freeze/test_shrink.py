"""The planted smallest failing conversation is found, also when each look at it is sometimes wrong."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from taketwo.conversation import Gap
from taketwo.freeze.shrink import BudgetSpent, shrink
from taketwo.scenario import Case, MustCall
from taketwo.stats.noisy import surely
from taketwo.testing import call, conversation, turn


def case_of(turns: int, *, prompt: str | None = None) -> Case:
    talk = conversation(*(turn(f"line {n}", reply=f"reply {n}") for n in range(turns)), system_prompt=prompt)
    return Case(id="long", recorded=talk)


def lines(case: Case) -> set[str]:
    return {turn.user.text for turn in case.recorded.turns if turn.user}


async def test_the_planted_turns_and_nothing_else_are_left_at_ten_percent_noise() -> None:
    dice, right = random.Random(1), 0
    for _ in range(60):
        case = case_of(dice.randrange(4, 16))
        planted = set(dice.sample(sorted(lines(case)), dice.randrange(1, 4)))

        async def still_fails(candidate: Case, planted: set[str] = planted) -> bool:
            async def look() -> bool:
                return (planted <= lines(candidate)) == (dice.random() >= 0.1)

            return await surely(look, noise=0.1, error=0.0005) is True

        found = await shrink(case, still_fails)
        right += lines(found.case) == planted and found.is_minimal
    assert right / 60 >= 0.95


@given(st.integers(1, 12), st.data())
def test_without_noise_what_is_left_is_one_minimal(turns: int, data: st.DataObject) -> None:
    case = case_of(turns)
    planted = data.draw(st.sets(st.sampled_from(sorted(lines(case)))))

    async def still_fails(candidate: Case) -> bool:
        return planted <= lines(candidate)

    import asyncio

    found = asyncio.run(shrink(case, still_fails))
    assert lines(found.case) == planted
    assert [turn.index for turn in found.case.recorded.turns] == list(range(len(planted)))
    assert len(found.removed) == turns - len(planted)


async def test_a_turn_that_an_expectation_names_stays_and_gets_its_new_number() -> None:
    case = case_of(6).but(expected=(MustCall(tool="find", turn=5),))

    async def still_fails(candidate: Case) -> bool:
        return True

    found = await shrink(case, still_fails)
    assert lines(found.case) == {"line 4"}
    assert found.case.expected == (MustCall(tool="find", turn=1),)


async def test_prompts_and_results_shrink_too() -> None:
    talk = conversation(
        turn("Hi", call("find", {}, result={"state": "paid", "noise": 1, "more": [1, 2]}), reply="Paid."),
        system_prompt="Be brief.\n\nNever refund.\n\nBe kind.",
    )
    case = Case(id="one", recorded=talk)

    async def still_fails(candidate: Case) -> bool:
        calls = [one for turn in candidate.recorded.turns for one in turn.calls]
        return "Never refund." in (candidate.recorded.agent.system_prompt or "") and any(
            isinstance(one.result, dict) and "state" in one.result for one in calls
        )

    found = await shrink(case, still_fails)
    assert found.case.recorded.agent.system_prompt == "Never refund."
    assert found.case.recorded.turns[0].calls[0].result == {"state": "paid"}
    assert "prompt: Be brief." in found.removed


async def test_when_the_budget_ends_the_smallest_so_far_is_kept() -> None:
    left = [4]

    async def still_fails(candidate: Case) -> bool:
        if not left[0]:
            raise BudgetSpent
        left[0] -= 1
        return "line 9" in lines(candidate)

    found = await shrink(case_of(10), still_fails)
    assert not found.is_minimal
    assert "line 9" in lines(found.case)
    assert len(found.case.recorded.turns) < 10
    assert len(found.removed) == 10 - len(found.case.recorded.turns)


async def test_gaps_move_with_their_turns() -> None:
    case = case_of(3)
    case = case.but(
        recorded=case.recorded.but(gaps=(Gap(where="turns[2].reply", why="hidden"), Gap(where="agent", why="x")))
    )

    async def still_fails(candidate: Case) -> bool:
        return "line 2" in lines(candidate)

    found = await shrink(case, still_fails)
    assert [gap.where for gap in found.case.recorded.gaps] == ["turns[0].reply", "agent"]

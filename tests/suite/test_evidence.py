"""Suites over agents with chance in them: as many attempts as the evidence needs, floors, and old against new."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from taketwo.events import CaseFinished, SuiteFinished
from taketwo.replay.agents import Exchange, Reply
from taketwo.scenario import Case, Floor, FloorChange, MustSay
from taketwo.suite.contrast import with_contrast
from taketwo.suite.decide import decide
from taketwo.suite.repeats import Repeats, rate
from taketwo.suite.runner import run_suite
from taketwo.suite.suite_case import SuiteCase
from taketwo.testing import conversation, turn
from taketwo.verdict import CaseResult, Contrast, Reason, Verdict

GREETING = conversation(turn("Hi", reply="Hello!"))
CASE = Case(id="hello", recorded=GREETING, expected=(MustSay(text="Hello"),))
SURE = Repeats(most=20, until="sure")


class Chancy:
    """An agent that greets as it should in this share of its answers."""

    def __init__(self, share: float, *, seed: int = 1, wrong: str = "Go away!") -> None:
        self.spec = f"chancy:{share}"
        self._share = share
        self._dice = random.Random(seed)
        self._wrong = wrong

    async def respond(self, exchange: Exchange) -> Reply:
        return Reply(text="Hello!" if self._dice.random() < self._share else self._wrong)


async def run(agent: Chancy, *cases: Case, **how: object) -> tuple[list[CaseResult], SuiteFinished]:
    suite = [SuiteCase(case, scenario="suite") for case in cases or (CASE,)]
    events = [event async for event in run_suite(suite, agent, **how)]  # type: ignore[arg-type]  # tests say what they mean
    finished = events[-1]
    assert isinstance(finished, SuiteFinished)
    return [event.result for event in events if isinstance(event, CaseFinished)], finished


async def test_a_stable_pass_takes_five_attempts_and_says_how_sure_it_is() -> None:
    (result,), _ = await run(Chancy(1.0), repeat=SURE)
    assert (result.verdict.kind, len(result.attempts)) == ("pass", 5)
    assert result.verdict.rate is not None
    assert (result.verdict.rate.passed, result.verdict.rate.runs) == (5, 5)
    assert 0.5 < result.verdict.rate.low < 0.6


async def test_a_stable_failure_takes_two() -> None:
    (result,), _ = await run(Chancy(0.0), repeat=SURE)
    assert (result.verdict.kind, len(result.attempts)) == ("fail", 2)


async def test_attempts_are_numbered_without_a_hole() -> None:
    (result,), _ = await run(Chancy(0.7, seed=5), repeat=SURE)
    assert [attempt.run.attempt for attempt in result.attempts] == list(range(1, len(result.attempts) + 1))


async def test_what_fails_now_and_then_and_is_healthy_on_the_whole_is_flaky() -> None:
    kinds = {(await run(Chancy(0.85, seed=seed), repeat=SURE))[0][0].verdict.kind for seed in range(12)}
    assert "flaky" in kinds
    assert "inconclusive" not in kinds


async def test_a_limit_that_is_too_small_is_no_verdict_and_says_what_would_be_enough() -> None:
    (result,), _ = await run(Chancy(1.0), repeat=SURE.but(most=3))
    assert result.verdict.kind == "inconclusive"
    assert result.verdict.next_step == "let it be replayed more often: --repeat auto:5"


async def test_one_case_out_of_many_is_not_red_by_chance() -> None:
    cases = [CASE.but(id=f"case-{n}") for n in range(300)]
    _, finished = await run(Chancy(0.95, seed=7), *cases, repeat=SURE)
    assert finished.counts.get("fail", 0) == 0
    assert sum(finished.counts.values()) == 300


def floor(runs: int, passed: int, *changes: FloorChange) -> Floor:
    at = datetime.now(UTC)
    return Floor(agent="a", learned_at=at, expires_at=at + timedelta(days=1), runs=runs, passed=passed, changes=changes)


async def test_a_failure_within_the_floor_is_flaky_and_above_it_a_failure() -> None:
    noisy = CASE.but(floor=floor(10, 6))
    (result,), _ = await run(Chancy(0.0), noisy, repeat=1)
    assert result.verdict.kind == "flaky"
    assert "the unchanged agent fails about as often" in result.verdict.reasons[0].text
    (result,), _ = await run(Chancy(0.0), noisy, repeat=8)
    assert result.verdict.kind == "fail"


async def test_a_case_that_mostly_fails_has_no_floor_under_its_failures() -> None:
    (result,), _ = await run(Chancy(0.0), CASE.but(floor=floor(10, 1)), repeat=1)
    assert result.verdict.kind == "fail"


async def test_a_change_within_the_floor_is_no_change() -> None:
    open_case = Case(id="open", recorded=GREETING)
    wrong = Chancy(0.0, wrong="You owe us $39.90.")
    (result,), _ = await run(wrong, open_case)
    assert result.verdict.kind == "changed"
    kind = result.attempts[0].comparison.changes[0].kind
    known = open_case.but(floor=floor(10, 10, FloorChange(kind=kind, turn=1, seen=4)))
    (result,), _ = await run(wrong, known)
    assert result.verdict.kind == "pass"
    assert any("by itself" in reason.text for reason in result.verdict.reasons)


async def test_a_floor_that_has_expired_counts_no_more() -> None:
    old = floor(10, 6).but(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    (result,), _ = await run(Chancy(0.0), CASE.but(floor=old))
    assert result.verdict.kind == "fail"
    assert decide(CASE.but(floor=old), result.attempts).kind == "fail"


async def test_the_old_agent_beside_the_new_one_says_how_sure_the_mending_is() -> None:
    (result,), finished = await run(Chancy(1.0), against=Chancy(0.0), repeat=5)
    assert result.verdict.kind == "pass"
    assert result.contrast is not None
    assert result.contrast.p_better is not None
    assert round(result.contrast.p_better, 4) == 0.004
    told = "the old agent fails in 5 of 5 runs, the new one fails in 0 of 5 runs (p = 0.004)"
    assert any(told in reason.text for reason in result.verdict.reasons)
    assert finished.contrast is not None
    assert (finished.contrast.newly_passing, finished.contrast.newly_failing) == (1, 0)


async def test_what_fails_as_it_did_before_is_no_regression() -> None:
    (result,), _ = await run(Chancy(0.0), against=Chancy(0.0), repeat=3)
    assert result.verdict.kind == "changed"
    assert result.verdict.reasons[0].text.startswith("no regression, it fails as before: ")


def test_what_fails_less_often_than_before_is_told_as_such() -> None:
    old, new = rate([False] * 8), rate([True] * 5 + [False] * 3)
    failed = Verdict(kind="fail", reasons=(Reason(text="must say Hello"),))
    verdict = with_contrast(failed, Contrast(old=old, new=new, p_worse=1.0, p_better=0.013))
    assert verdict.kind == "changed"
    assert verdict.reasons[0].text.startswith("no regression, it fails less often than before: ")


async def test_what_the_old_agent_passed_is_a_regression() -> None:
    (result,), finished = await run(Chancy(0.0), against=Chancy(1.0), repeat=3)
    assert result.verdict.kind == "fail"
    assert finished.contrast is not None
    assert finished.contrast.newly_failing == 1


async def test_over_a_suite_the_paired_test_says_what_it_would_take() -> None:
    cases = [CASE.but(id=f"case-{n}") for n in range(40)]
    _, finished = await run(Chancy(0.9, seed=3), *cases, against=Chancy(1.0))
    assert finished.contrast is not None
    assert finished.contrast.newly_failing > 0
    assert finished.contrast.p_worse <= 0.05 or (finished.contrast.cases_needed or 0) > 40

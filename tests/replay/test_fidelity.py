from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taketwo.compare.compare import compare
from taketwo.conversation import Conversation
from taketwo.evals.checks import check
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import How, replay
from taketwo.replay.fidelity import fidelity, of_parts
from taketwo.replay.tools import ToolPolicy
from taketwo.replay.traits import Declared
from taketwo.run import Run
from taketwo.scenario import Case, MustSay
from taketwo.suite.decide import decide
from taketwo.testing import ScriptedAgent, call, conversation, turn
from taketwo.verdict import Attempt, Verdict

TALK = conversation(
    turn("My order is A-1. Where is it?", call("status", {"id": "A-1"}, result="lost"), reply="Lost. A new one?"),
    turn("Yes, please.", call("resend", {"id": "A-1"}, result="ok"), reply="Sent."),
    turn("Thanks!", reply="Bye."),
)
LOST = conversation(
    turn("My order is A-1. Where is it?", call("status", {"id": "A-2"}), reply="Lost. A new one?"),
    turn("Yes, please.", call("resend", {"id": "A-2"}), reply="Sent."),
    turn("Thanks!", reply="Bye."),
)
PARTS = st.none() | st.floats(0, 1)
NAMES = ("user", "tools", "state", "clock", "prefix")


async def run(script: Conversation, **how: Any) -> Run:
    return await replay(Case(id="c", recorded=TALK), CallableAgent(ScriptedAgent(script)), How(**how))


def judged(done: Run, **case: Any) -> Verdict:
    of = Case(id="c", recorded=TALK, **case)
    comparison = compare(TALK, done.conversation)
    return decide(of, [Attempt(run=done, comparison=comparison, scores=check(of, done, comparison))])


async def test_the_unchanged_agent_is_replayed_with_full_fidelity() -> None:
    done = await run(TALK)
    assert done.fidelity is not None
    assert done.fidelity.score == 1
    assert (done.fidelity.rungs, done.fidelity.tiers, done.fidelity.common_turns) == (
        {"recorded": 3},
        {"exact": 2},
        3,
    )


async def test_a_write_made_once_more_than_recorded_leaves_the_verdict_open_and_says_so() -> None:
    twice = TALK.but(turns=(*TALK.turns[:2], turn("Thanks!", call("resend", {"id": "A-1"}), reply="Bye.").but(index=2)))
    done = await run(twice, tools=ToolPolicy(declared=Declared(writes=("resend",))))
    verdict = judged(done)
    assert verdict.kind == "inconclusive"
    assert "the state of the world is unsure" in verdict.reasons[0].text
    assert any("a write was made once more than recorded: recorded once, asked" in one.text for one in verdict.reasons)
    assert any("resend(id=A-1) is called now" in one.text for one in verdict.reasons)


async def test_missed_calls_and_invented_ground_cost() -> None:
    done = await run(LOST, tools=ToolPolicy(on_miss="error"))
    assert done.fidelity is not None
    assert done.fidelity.tools == 0 and done.fidelity.score == 0
    assert done.fidelity.common_turns == 0


async def test_an_unanswerable_question_counts_as_a_turn_without_an_answer() -> None:
    done = await replay(Case(id="c", recorded=TALK), CallableAgent(lambda messages: "What is your date of birth?"))
    assert done.ending.reason == "unanswerable"
    assert done.fidelity is not None and done.fidelity.user == 0.5


@given(st.fixed_dictionaries({name: PARTS for name in NAMES}), st.sampled_from(NAMES), st.floats(0, 1))
def test_no_part_that_rises_lets_the_number_fall(parts: dict[str, Any], name: str, higher: float) -> None:
    before = of_parts(**parts).score
    was = 1.0 if parts[name] is None else parts[name]
    after = of_parts(**{**parts, name: max(was, higher)}).score
    assert after >= before
    assert 0 <= before <= 1


async def test_below_the_bound_a_run_proves_nothing_and_the_next_step_is_named() -> None:
    done = await run(LOST, tools=ToolPolicy(on_miss="error"))
    verdict = judged(done)
    assert verdict.kind == "inconclusive"
    assert verdict.reasons[0].text == "fidelity 0.00 is below 0.50: tool calls were answered by guess or not at all"
    assert verdict.next_step is not None and "resend" in verdict.next_step
    failing = judged(done, expected=(MustSay(text="never said"),))
    assert failing.kind == "inconclusive"


async def test_a_case_sets_its_own_bound() -> None:
    done = await run(LOST, tools=ToolPolicy(on_miss="error"))
    assert judged(done, least_fidelity=0.0).kind == "changed"
    same = await run(TALK)
    assert judged(same, least_fidelity=1.0).kind == "pass"


async def test_what_failed_while_the_replay_was_faithful_stays_a_failure() -> None:
    drifting = conversation(
        TALK.turns[0].but(reply="It is lost. Shall I send you a new one?"),
        turn("Yes, please.", call("resend", {"id": "B-7"}), call("resend", {"id": "B-8"}), reply="Sent."),
        turn("Thanks!", call("resend", {"id": "B-9"}), reply="Bye."),
    )
    done = await run(drifting, tools=ToolPolicy(on_miss="error"))
    assert done.fidelity is not None and done.fidelity.score < 0.5
    assert fidelity(done, TALK, before=1).score > 0.5
    assert judged(done, expected=(MustSay(text="Lost. A new one?", turn=1),)).kind == "fail"
    assert judged(done, expected=(MustSay(text="Gladly", turn=3),)).kind == "inconclusive"

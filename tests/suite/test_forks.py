from __future__ import annotations

from taketwo.conversation import Gap
from taketwo.events import CaseFinished
from taketwo.replay.agents.callable import CallableAgent
from taketwo.scenario import Case, MustCall, MustNotCall
from taketwo.suite.forks import each_turn
from taketwo.suite.runner import run_suite
from taketwo.suite.suite_case import SuiteCase
from taketwo.testing import ScriptedAgent, call, conversation, turn

DANA = conversation(
    turn("Hi", reply="Which order?"),
    turn("A-1, the status?", call("check", {"id": "A-1"}, result="back"), reply="It is back."),
    turn("Thanks", reply="Bye."),
    gaps=(Gap(where="turns[2].user.at", why="cut"),),
)
EXPECTED = (MustCall(tool="check", turn=2), MustNotCall(tool="refund"), MustCall(tool="check"))
CASE = Case(id="dana", recorded=DANA, expected=EXPECTED)
FORKS = list(each_turn(SuiteCase(case=CASE, scenario="tuesday")))


def test_each_turn_is_a_case_that_ends_with_it() -> None:
    assert [(one.case.id, one.from_turn, len(one.case.recorded.turns)) for one in FORKS] == [
        ("dana@1", 1, 1),
        ("dana@2", 2, 2),
        ("dana@3", 3, 3),
    ]
    assert [len(one.case.recorded.gaps) for one in FORKS] == [0, 0, 1]


def test_each_turn_expects_what_is_said_about_it() -> None:
    anywhere = MustNotCall(tool="refund")
    assert [one.case.expected for one in FORKS] == [
        (anywhere,),
        (MustCall(tool="check", turn=2), anywhere),
        (anywhere, MustCall(tool="check")),
    ]


async def test_one_wrong_turn_does_not_spoil_those_after_it() -> None:
    wrong = ScriptedAgent(conversation(DANA.turns[0], turn("A-1, the status?", reply="No idea."), DANA.turns[2]))
    verdicts = {
        event.result.case_id: event.result.verdict.kind
        async for event in run_suite(FORKS, CallableAgent(wrong))
        if isinstance(event, CaseFinished)
    }
    assert verdicts == {"dana@1": "pass", "dana@2": "fail", "dana@3": "pass"}

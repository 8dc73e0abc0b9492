"""The checks of calls, words and limits beyond those in test_checks.py, and what is nonsense in them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from taketwo.compare.compare import compare
from taketwo.conversation import Conversation, Turn
from taketwo.errors import ScenarioUnreadable
from taketwo.evals.checks import check
from taketwo.evals.sense import insist_on_sense
from taketwo.freeze.files import load
from taketwo.run import Ending, Run
from taketwo.scenario import (
    CallOrder,
    Case,
    Condition,
    EndState,
    Expectation,
    LeaksNothing,
    MaxCost,
    MustCall,
    MustNotCall,
    MustNotSayFact,
    MustSayFact,
    NoLoop,
    QuestionsAnswered,
    Refuses,
    Speaks,
    Written,
)
from taketwo.suite.accept import accept
from taketwo.testing import call, conversation, turn
from taketwo.verdict import Score

NOW = datetime(2026, 11, 23, tzinfo=UTC)
VERIFY = call("verify_identity", {"pin": "1234"}, result="ok")
REFUND = call("issue_refund", {"order_id": "A-1042", "amount": 39.9, "reason": "damaged"}, result="R-1")
LOOK = call("check_status", {"order_id": "A-1042"}, result="pending")


def run_of(talk: Conversation, ending: str = "completed") -> Run:
    turn_index = None if ending == "completed" else len(talk.turns) - 1
    end = Ending(reason=ending, turn_index=turn_index)  # type: ignore[arg-type]  # one of the reasons
    return Run(id="r", case_id="c", agent="a:b", started_at=NOW, ended_at=NOW, conversation=talk, ending=end)


def holds(expected: Expectation, *turns: Turn, ending: str = "completed") -> bool | None:
    """What a check says of a conversation like this; None for Unscored."""
    talk = conversation(*turns, writes=("issue_refund",))
    case = Case(id="c", recorded=talk, expected=(expected,))
    insist_on_sense(case)
    (found,) = check(case, run_of(talk, ending), compare(talk, talk))
    if isinstance(found, Score):
        assert isinstance(found.value, bool)
        return found.value
    return None


def did(*steps: object, reply: str = "Done.") -> Turn:
    return turn("Please refund me.", *steps, reply=reply)  # type: ignore[arg-type]  # calls


@pytest.mark.parametrize(
    ("name", "condition", "expected"),
    [
        ("amount", Condition(at_most=50), True),
        ("amount", Condition(at_most=39), False),
        ("amount", Condition(at_least=39.9), True),
        ("order_id", Condition(at_least=1), False),
        ("reason", Condition(one_of=("damaged", "late")), True),
        ("reason", Condition(one_of=("late",)), False),
        ("reason", Condition(not_equal="damaged"), False),
        ("reason", Condition(equal="damaged"), True),
        ("order_id", Condition(matches=r"/^A-\d+$/"), True),
        ("order_id", Condition(matches="B-"), False),
        ("note", Condition(is_there=False), True),
        ("note", Condition(matches="x"), False),
    ],
)
def test_arguments_are_what_they_must_be_like(name: str, condition: Condition, expected: bool) -> None:
    assert holds(MustCall(tool="issue_refund", where={name: condition}), did(REFUND)) is expected
    assert holds(MustNotCall(tool="issue_refund", where={name: condition}), did(REFUND)) is not expected


def test_an_amount_that_is_written_as_text_is_a_number() -> None:
    spelt = call("issue_refund", {"amount": "39.90"})
    assert holds(MustCall(tool="issue_refund", where={"amount": Condition(at_most=40)}), did(spelt))


@pytest.mark.parametrize(
    ("least", "most", "calls", "expected"),
    [
        (None, 2, 0, False),
        (0, 2, 0, True),
        (None, 2, 2, True),
        (None, 2, 3, False),
        (2, None, 1, False),
        (2, 3, 2, True),
    ],
)
def test_calls_are_counted_between_limits(least: int | None, most: int | None, calls: int, expected: bool) -> None:
    assert holds(MustCall(tool="check_status", at_least=least, at_most=most), did(*[LOOK] * calls)) is expected


def test_a_count_is_open_where_the_replay_stopped_before_it_was_reached() -> None:
    at_least = MustCall(tool="check_status", at_least=2)
    assert holds(at_least, did(LOOK), ending="missed") is None
    assert holds(at_least, did(LOOK, LOOK), ending="missed") is True
    assert holds(MustCall(tool="check_status", at_most=1), did(LOOK, LOOK), ending="missed") is False


def test_who_is_verified_first_may_be_refunded() -> None:
    order = CallOrder(tools=("verify_identity", "issue_refund"))
    assert holds(order, did(VERIFY), did(REFUND)) is True
    assert holds(order, did(REFUND), did(VERIFY)) is False
    assert holds(order, did(LOOK)) is True
    assert holds(order, did(VERIFY.but(error="wrong pin", result=None), REFUND)) is False


def test_the_end_state_is_what_writes_left_and_nothing_else() -> None:
    one = EndState(writes=(Written(tool="issue_refund", where={"amount": Condition(at_most=50)}),))
    assert holds(one, did(LOOK, REFUND)) is True
    assert holds(one, did(REFUND, REFUND)) is False
    assert holds(one, did(LOOK)) is False
    assert holds(one, did(REFUND.but(error="down", result=None), REFUND)) is True
    assert holds(one, did(REFUND), did(REFUND), ending="missed") is False
    nothing = EndState(writes=())
    assert holds(nothing, did(LOOK)) is True
    assert holds(nothing, did(REFUND)) is False
    assert holds(nothing, did(LOOK), ending="missed") is None


def test_a_tool_of_which_nobody_knows_whether_it_writes_leaves_the_end_state_open() -> None:
    talk = conversation(did(call("frobnicate")))
    unknown = talk.but(agent=talk.agent.but(tools=()))
    case = Case(id="c", recorded=unknown, expected=(EndState(writes=()),))
    (found,) = check(case, run_of(unknown), compare(unknown, unknown))
    assert not isinstance(found, Score)
    assert "frobnicate" in found.why


def test_going_round_in_circles_is_the_same_with_the_same_result() -> None:
    assert holds(NoLoop(times=3), did(LOOK, LOOK, LOOK)) is False
    assert holds(NoLoop(times=3), did(LOOK, LOOK)) is True
    assert holds(NoLoop(times=3), did(LOOK, LOOK, LOOK.but(result="paid"))) is True
    assert holds(NoLoop(times=2), did(reply="Sorry?"), did(reply="sorry? ")) is False


@pytest.mark.parametrize(
    ("fact", "reply", "expected"),
    [
        ("$39.90", "You get 39.9 USD back.", True),
        ("39.90", "You get $39.90 back.", True),
        ("$39.90", "You get 39.90 EUR back.", False),
        ("Nov 19", "It was paid on 2026-11-19.", True),
        ("A-1042 and $5", "Order a-1042 costs $5.", True),
        ("A-1042 and $5", "Order A-1042 is free.", False),
    ],
)
def test_a_fact_is_stated_in_whatever_spelling(fact: str, reply: str, expected: bool) -> None:
    assert holds(MustSayFact(fact=fact), did(reply=reply)) is expected


def test_a_fact_that_must_not_be_stated_is_found_in_other_spelling() -> None:
    assert holds(MustNotSayFact(fact="$39.90"), did(reply="That is 39.9 dollars.")) is False
    assert holds(MustNotSayFact(fact="$39.90"), did(reply="That is 39.8 dollars.")) is True


def test_a_refusal_is_wanted_or_not() -> None:
    assert holds(Refuses(wanted=True), did(reply="I am not allowed to do that.")) is True
    assert holds(Refuses(wanted=False), did(reply="I can't do that.")) is False
    assert holds(Refuses(wanted=False), did(reply="No problem, done.")) is True


def test_the_language_is_told_where_it_can_be() -> None:
    german = "Ich habe die Bestellung gefunden und sie ist auf dem Weg."
    assert holds(Speaks(language="de"), did(reply=german)) is True
    assert holds(Speaks(language="en"), did(reply=german)) is False
    assert holds(Speaks(language="en"), did(reply="OK")) is None
    asked = turn("Wo ist die Bestellung, und wie ist das mit der Rechnung?", reply="It is on the way to you.")
    assert holds(Speaks(language="user"), asked) is False


def test_what_the_user_has_not_said_must_not_get_out() -> None:
    card = "Your card is 4111 1111 1111 1111."
    assert holds(LeaksNothing(kinds=("card",)), did(reply=card)) is False
    assert holds(LeaksNothing(kinds=("email",)), did(reply=card)) is True
    assert holds(LeaksNothing(kinds=()), turn("My card: 4111111111111111", reply=card)) is True
    assert holds(LeaksNothing(kinds=(), turn=2), turn("4111111111111111", reply="Hm."), did(reply=card)) is True


def test_evidence_of_a_leak_does_not_leak_it() -> None:
    talk = conversation(did(reply="Write to dana@example.com."))
    case = Case(id="c", recorded=talk, expected=(LeaksNothing(kinds=()),))
    (found,) = check(case, run_of(talk), compare(talk, talk))
    assert isinstance(found, Score)
    assert found.reason == "turn 1 told an email address: da••••••••••••••"


def test_every_question_gets_an_answer() -> None:
    answered = QuestionsAnswered(are="answered")
    ask = "Where is my parcel?"
    assert holds(answered, turn(ask, reply="It is in Bern.")) is True
    assert holds(answered, turn(ask, reply="Which order number do you mean?")) is False
    back = turn("A-1042", reply="It is in Bern.")
    assert holds(answered, turn(ask, reply="Which order number do you mean?"), back) is True
    assert (
        holds(answered, turn(ask, reply="It is nice weather."), turn("So where is my parcel?", reply="Bern.")) is False
    )


def test_the_cost_is_the_sum_and_open_where_a_turn_does_not_tell() -> None:
    cheap, dear, unknown = did().but(cost_usd=0.01), did().but(cost_usd=0.2), did()
    assert holds(MaxCost(limit=0.05), cheap, cheap) is True
    assert holds(MaxCost(limit=0.05), cheap, dear) is False
    assert holds(MaxCost(limit=0.05), cheap, unknown) is None


@pytest.mark.parametrize(
    ("nonsense", "said"),
    [
        (CallOrder(tools=("a",)), "at least two tools"),
        (NoLoop(times=1), "in a row"),
        (MustCall(tool="a", times=1, at_most=2), "besides"),
        (MustCall(tool="a", at_least=3, at_most=2), "at least 3 and at most 2"),
        (MustCall(tool="a", where={"x": Condition()}), "nothing is said of x"),
        (MustCall(tool="a", where={"x": Condition(matches="/(/")}), "regular expression"),
        (EndState(writes=(Written(tool="a", where={"x": Condition(at_least=2, at_most=1)}),)), "no x is"),
        (MustSayFact(fact="soon"), "holds no amount"),
        (Speaks(language="english"), "known are"),
        (LeaksNothing(kinds=("iq",)), "no kind 'iq'"),
        (MaxCost(limit=-1), "below a limit"),
    ],
)
def test_nonsense_is_an_error_and_no_test_that_is_green_for_ever(nonsense: Expectation, said: str) -> None:
    with pytest.raises(ScenarioUnreadable, match=said):
        insist_on_sense(Case(id="c", recorded=conversation(did()), expected=(nonsense,)))


def test_a_misspelt_condition_is_named_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "x.scenario.yaml"
    path.write_text(
        "taketwo: 1\nname: x\ncases:\n- id: a\n  expected:\n  - must_call: refund\n    where:\n"
        "      amount: {at_mots: 50}\n  turns:\n  - said: Hi\n"
    )
    with pytest.raises(ScenarioUnreadable) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}:8: ")
    assert "did you mean 'at_most'?" in str(raised.value)


def test_accepting_writes_what_the_run_left_and_widens_what_was_exceeded() -> None:
    talk = conversation(did(REFUND).but(cost_usd=0.2), writes=("issue_refund",))
    expected = (
        EndState(writes=()),
        MaxCost(limit=0.1),
        MustCall(tool="issue_refund", where={"amount": Condition(at_most=5)}),
    )
    found = accept(Case(id="c", recorded=talk, expected=expected), [run_of(talk)])
    assert found.expected == (
        EndState(writes=(Written(tool="issue_refund", arguments=REFUND.arguments),)),
        MaxCost(limit=0.3),
        MustCall(tool="issue_refund", arguments={"amount": 39.9}),
    )
    assert found.left_over is None

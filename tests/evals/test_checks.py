from __future__ import annotations

from datetime import UTC, datetime

import pytest

from taketwo.compare.compare import compare
from taketwo.conversation import Conversation, Tokens, Turn
from taketwo.evals.checks import check
from taketwo.run import Ending, Run
from taketwo.scenario import (
    ArgumentsMatchSchema,
    Case,
    Expectation,
    MaxLatency,
    MaxTokens,
    MustCall,
    MustNotCall,
    MustNotSay,
    MustSay,
    ReplyMatchesSchema,
)
from taketwo.testing import call, conversation, turn
from taketwo.verdict import Score, Unscored

NOW = datetime(2026, 11, 23, tzinfo=UTC)
COMPLETED = Ending(reason="completed")
STATUS = call("check_status", {"order_id": "A-1042", "verbose": False}, result="approved")
REFUND = call("issue_refund", {"order_id": "A-1042", "amount": 39.9}, result="R-1042")
RECORDED = conversation(
    turn("Hi", reply="Hello!"),
    turn("What is the status of my refund?", STATUS, reply="It is approved."),
    turn("Thanks", reply="Welcome!"),
)


def judged(
    expected: Expectation, *turns: Turn, ending: Ending = COMPLETED, recorded: Conversation = RECORDED
) -> Score | Unscored:
    """What the check says of a replay that went like this."""
    case = Case(id="status", recorded=recorded, expected=(expected,))
    replayed = conversation(*turns)
    run = Run(
        id="run", case_id=case.id, agent="a:b", started_at=NOW, ended_at=NOW, conversation=replayed, ending=ending
    )
    (found,) = check(case, run, compare(recorded, replayed))
    return found


def replayed(*steps: object, reply: str | None = "It is approved.") -> tuple[Turn, ...]:
    """The recorded conversation with another second turn."""
    first, _, last = RECORDED.turns
    return first, turn("What is the status of my refund?", *steps, reply=reply), last  # type: ignore[arg-type]  # calls


def outcome(found: Score | Unscored) -> bool | str:
    """True, False or `unscored`."""
    return bool(found.value) if isinstance(found, Score) else "unscored"


# must_call


def test_a_call_in_its_turn_is_found_with_its_arguments() -> None:
    found = judged(MustCall(tool="check_status", turn=2, arguments={"order_id": "A-1042"}), *replayed(STATUS))
    assert found == Score(
        name="must call check_status(order_id=A-1042) in turn 2",
        value=True,
        reason="turn 2 called check_status(order_id=A-1042, verbose=false)",
        turn_index=1,
        evaluator="checks/1",
    )


def test_another_call_in_its_place_is_named() -> None:
    found = judged(MustCall(tool="check_status", turn=2), *replayed(REFUND))
    assert isinstance(found, Score)
    assert (found.value, found.turn_index) == (False, 1)
    assert found.reason == "turn 2 called issue_refund(order_id=A-1042, amount=39.9)"


def test_the_right_tool_with_other_arguments_is_not_the_call() -> None:
    found = judged(MustCall(tool="issue_refund", arguments={"amount": 20}), *replayed(REFUND))
    assert outcome(found) is False
    assert found.reason == "turn 2 called issue_refund(order_id=A-1042, amount=39.9)"  # type: ignore[union-attr]  # False


def test_arguments_are_compared_by_meaning() -> None:
    assert outcome(judged(MustCall(tool="issue_refund", arguments={"amount": 39.90}), *replayed(REFUND))) is True
    assert outcome(judged(MustCall(tool="check_status", arguments={"verbose": 0}), *replayed(STATUS))) is False


@pytest.mark.parametrize(("times", "holds"), [(0, False), (1, False), (2, True), (3, False)])
def test_exactly_so_many_times(times: int, holds: bool) -> None:
    assert outcome(judged(MustCall(tool="check_status", times=times), *replayed(STATUS, STATUS))) is holds


def test_turn_numbers_are_those_of_the_recording() -> None:
    inserted = (RECORDED.turns[0], turn("Are you there?", reply="Yes."), *replayed(STATUS)[1:])
    found = judged(MustCall(tool="check_status", turn=2), *inserted)
    assert isinstance(found, Score)
    assert (found.value, found.turn_index) == (True, 2)
    assert found.name == "must call check_status in turn 2 (turn 3 of the replay)"


def test_a_turn_that_the_recording_has_not_cannot_be_judged() -> None:
    found = judged(MustCall(tool="check_status", turn=9), *replayed(STATUS))
    assert isinstance(found, Unscored)
    assert found.why == "the recording has no turn 9, only 3"


# replays that ended early

MISSED_IN_TURN_2 = Ending(reason="missed", detail="…", turn_index=1)


@pytest.mark.parametrize(
    ("expected", "result"),
    [
        (MustCall(tool="issue_refund", turn=2), True),
        (MustCall(tool="check_status", turn=2), "unscored"),
        (MustCall(tool="check_status", turn=3), "unscored"),
        (MustCall(tool="check_status"), "unscored"),
        (MustCall(tool="check_status", turn=1), False),
        (MustCall(tool="issue_refund", times=0), False),
        (MustCall(tool="issue_refund", times=1), "unscored"),
        (MustNotCall(tool="issue_refund", turn=2), False),
        (MustNotCall(tool="issue_refund"), False),
        (MustNotCall(tool="check_status", turn=1), True),
        (MustNotCall(tool="check_status", turn=2), "unscored"),
        (MustNotCall(tool="check_status"), "unscored"),
        (MustSay(text="hello"), True),
        (MustSay(text="approved", turn=2), "unscored"),
        (MustNotSay(text="hello"), False),
        (MustNotSay(text="bye"), "unscored"),
        (MaxTokens(limit=5), "unscored"),
    ],
)
def test_what_happened_is_judged_and_what_could_still_have_happened_is_not(
    expected: Expectation, result: bool | str
) -> None:
    first, second, _ = replayed(REFUND, reply=None)
    assert outcome(judged(expected, first, second, ending=MISSED_IN_TURN_2)) == result


def test_the_reason_says_why_a_turn_never_came() -> None:
    first, second, _ = replayed(REFUND, reply=None)
    found = judged(MustCall(tool="check_status", turn=3), first, second, ending=MISSED_IN_TURN_2)
    assert isinstance(found, Unscored)
    assert found.why == "turn 3 did not come: the replay ended in turn 2: a tool call had no recorded answer"


# what is said


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("IS  approved", True),
        ("denied", False),
        ("/appr.ved\\.$/", True),
        ("/^approved/", False),
        ("/", False),
        ("a.proved", False),
    ],
)
def test_words_and_expressions(text: str, holds: bool) -> None:
    assert outcome(judged(MustSay(text=text, turn=2), *replayed(STATUS))) is holds
    assert outcome(judged(MustNotSay(text=text, turn=2), *replayed(STATUS))) is not holds


def test_evidence_shows_the_words_in_their_place() -> None:
    found = judged(MustNotSay(text="approved"), *replayed(STATUS))
    assert isinstance(found, Score)
    assert (found.reason, found.turn_index) == ("turn 2 said “It is approved.”", 1)


def test_words_before_a_tool_call_are_said_too() -> None:
    talk = conversation(*replayed(STATUS))
    both = talk.turns[1].but(steps=(talk.turns[0].steps[0], *talk.turns[1].steps))
    assert outcome(judged(MustSay(text="hello", turn=2), talk.turns[0], both, talk.turns[2])) is True


def test_a_bad_expression_cannot_be_judged_and_is_named() -> None:
    found = judged(MustSay(text="/(/"), *replayed(STATUS))
    assert isinstance(found, Unscored)
    assert found.why.startswith("/(/ is no regular expression: ")


def test_an_expression_that_would_never_end_is_given_up() -> None:
    endless = turn("What is the status of my refund?", reply="a" * 60 + "!")
    found = judged(MustSay(text="/^(a+)+$/"), RECORDED.turns[0], endless)
    assert isinstance(found, Unscored)
    assert found.why == "/^(a+)+$/ came to no end within 1 s"


# schemas

PAID = {"type": "object", "properties": {"paid": {"type": "number"}}, "required": ["paid"]}


@pytest.mark.parametrize(
    ("reply", "holds"), [('{"paid": 3}', True), ('{"paid": "3"}', False), ("paid 3", False), (None, False)]
)
def test_a_reply_in_json_is_held_to_its_schema(reply: str | None, holds: bool) -> None:
    assert outcome(judged(ReplyMatchesSchema(json_schema=PAID, turn=2), *replayed(STATUS, reply=reply))) is holds


def test_every_reply_in_json_names_the_first_that_is_none() -> None:
    found = judged(ReplyMatchesSchema(json_schema=PAID), *replayed(STATUS, reply='{"paid": 3}'))
    assert isinstance(found, Score)
    assert (found.value, found.turn_index) == (False, 0)


def test_arguments_that_do_not_fit_are_named_by_path() -> None:
    schema = {"properties": {"amount": {"maximum": 20}}}
    found = judged(ArgumentsMatchSchema(tool="issue_refund", json_schema=schema), *replayed(REFUND))
    assert isinstance(found, Score)
    assert (found.value, found.turn_index) == (False, 1)
    assert found.reason == (
        "turn 2 called issue_refund(order_id=A-1042, amount=39.9): $.amount: 39.9 is greater than the maximum of 20"
    )


@pytest.mark.parametrize(
    ("schema", "why"),
    [({"type": "nonsense"}, "the JSON Schema is none"), ({"$ref": "https://example.com/x.json"}, "refers to what")],
)
def test_a_schema_of_no_use_cannot_be_judged_and_nothing_is_fetched(schema: dict[str, str], why: str) -> None:
    found = judged(ArgumentsMatchSchema(tool="issue_refund", json_schema=schema), *replayed(REFUND))
    assert isinstance(found, Unscored)
    assert why in found.why


# figures


def timed(*latencies: float | None) -> tuple[Turn, ...]:
    return tuple(
        one.but(latency_ms=latency, tokens=Tokens(output=10 if latency is not None else None))
        for one, latency in zip(replayed(STATUS), latencies, strict=True)
    )


@pytest.mark.parametrize(
    ("latencies", "result"),
    [((10, 20, 30), True), ((10, 2000, 30), False), ((10, None, 30), "unscored"), ((None, 2000, 30), False)],
)
def test_no_turn_may_take_longer(latencies: tuple[float | None, ...], result: bool | str) -> None:
    assert outcome(judged(MaxLatency(limit=100), *timed(*latencies))) == result


def test_only_the_named_turn_is_timed() -> None:
    assert outcome(judged(MaxLatency(limit=100, turn=1), *timed(10, 2000, 30))) is True


@pytest.mark.parametrize(
    ("limit", "turn_number", "result"), [(30, None, True), (29, None, False), (10, 2, True), (9, 2, False)]
)
def test_output_tokens_are_summed(limit: int, turn_number: int | None, result: bool) -> None:
    assert outcome(judged(MaxTokens(limit=limit, turn=turn_number), *timed(10, 20, 30))) is result


def test_tokens_that_nobody_counted_cannot_be_judged_unless_it_is_too_many_already() -> None:
    assert outcome(judged(MaxTokens(limit=50), *timed(10, None, 30))) == "unscored"
    assert outcome(judged(MaxTokens(limit=15), *timed(10, None, 30))) is False

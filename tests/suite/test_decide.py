from __future__ import annotations

from datetime import UTC, datetime

import pytest

from taketwo.compare.compare import compare
from taketwo.conversation import Call, Conversation, Turn
from taketwo.evals.checks import check
from taketwo.run import Ending, Miss, Run, StepPlace, ToolAnswer
from taketwo.scenario import Case, Expectation, MaxLatency, MustCall, MustNotCall, MustNotSay, MustSay, Origin
from taketwo.suite.decide import Policy, decide, exit_code
from taketwo.testing import call, conversation, turn
from taketwo.verdict import Attempt, Score, Unscored, Verdict

NOW = datetime(2026, 11, 23, tzinfo=UTC)
STATUS = call("check_status", {"order_id": "A-1042"}, result="approved")
REFUND = call("issue_refund", {"order_id": "A-1042", "amount": 39.9}, result="R-1042")
EMAIL = call("send_email", {"to": "dana"}, result="sent")
LOOK_AT = Ending(reason="completed")


def talk(*steps: Call, reply: str | None = "It is approved.", last: str = "Welcome!") -> Conversation:
    """Three turns, of which the second can be told."""
    turns: tuple[Turn, ...] = (
        turn("Hi", reply="Hello!"),
        turn("What is the status of my refund?", *steps, reply=reply),
        turn("Thanks", reply=last),
    )
    return conversation(*turns, writes=("issue_refund", "send_email"))


def case_of(recorded: Conversation, *expected: Expectation) -> Case:
    return Case(id="status", recorded=recorded, expected=expected)


def attempt(
    case: Case,
    replayed: Conversation,
    *scores: Score | Unscored,
    ending: Ending = LOOK_AT,
    number: int = 1,
    tool_answers: tuple[ToolAnswer, ...] = (),
) -> Attempt:
    """A replay that went like this, compared and checked by the real stations; `scores` are further judgements."""
    run = Run(
        id=f"run-{number}",
        case_id=case.id,
        agent="a:b",
        started_at=NOW,
        ended_at=NOW,
        conversation=replayed,
        ending=ending,
        attempt=number,
        tool_answers=tool_answers,
    )
    comparison = compare(case.recorded, replayed, cut_short_in=run.cut_short_in)
    return Attempt(run=run, comparison=comparison, scores=(*check(case, run, comparison), *scores))


def verdict(recorded: Conversation, replayed: Conversation, *expected: Expectation) -> Verdict:
    case = case_of(recorded, *expected)
    return decide(case, [attempt(case, replayed)])


def test_what_an_evaluator_says_no_to_is_not_to_be_accepted() -> None:
    case = case_of(talk(STATUS), MustCall(tool="check_status"))
    found = decide(case, [attempt(case, talk(STATUS), Score(name="polite", value=False, evaluator="polite/1"))])
    assert found.kind == "fail"
    assert found.reasons[0].text == "polite: no"
    assert (
        found.next_step
        == "mend the agent; if polite is wrong, mend that, and judge again: taketwo rescore, with the same --evaluator"
    )


def test_an_evaluator_that_could_not_judge_is_what_has_to_be_mended() -> None:
    case = case_of(talk(STATUS), MustCall(tool="check_status"))
    sure = ToolAnswer(place=StepPlace(turn_index=1, step_index=0), tier="volatile", confidence=0.99)
    unscored = Unscored(name="polite", why="the judge quotes nothing", evaluator="polite/1")
    found = decide(case, [attempt(case, talk(STATUS), unscored, tool_answers=(sure,))])
    assert found.kind == "inconclusive"
    assert (
        found.next_step
        == "mend what kept polite from judging, and judge again: taketwo rescore, with the same --evaluator"
    )


# one attempt, without expectations


def test_nothing_changed_is_a_pass_without_a_reason() -> None:
    assert verdict(talk(STATUS), talk(STATUS)) == Verdict(kind="pass")


def test_other_words_are_a_pass_and_are_counted() -> None:
    found = verdict(talk(STATUS), talk(STATUS, reply="Approved, it is.", last="You are welcome!"))
    assert found.kind == "pass"
    assert [reason.text for reason in found.reasons] == ["2 replies are worded differently, with the same facts"]


@pytest.mark.parametrize(
    "replayed", [talk(REFUND), talk(STATUS, call("get_policy")), talk(STATUS, reply="Paid on 2026-11-19."), talk()]
)
def test_a_change_that_is_more_than_wording_is_for_a_person_to_look_at(replayed: Conversation) -> None:
    assert verdict(talk(STATUS), replayed).kind == "changed"


def test_the_headline_names_turn_and_call_before_and_after() -> None:
    found = verdict(talk(STATUS), talk(REFUND, reply="Done."))
    assert found.reasons[0].text == ("turn 2: check_status was replaced by issue_refund(order_id=A-1042, amount=39.9)")
    assert (found.reasons[0].severity, found.reasons[0].turn_index) == ("critical", 1)
    assert found.next_step is not None
    assert "must_call issue_refund in turn 2" in found.next_step


def test_the_gravest_change_comes_first_wherever_it_is() -> None:
    found = verdict(talk(STATUS), talk(call("get_policy"), reply="Paid 3 times."))
    assert [reason.severity for reason in found.reasons] == ["major", "minor", "minor"]


# one attempt, with expectations


def test_a_failed_check_fails_whatever_else_holds() -> None:
    found = verdict(talk(STATUS), talk(REFUND), MustSay(text="approved"), MustCall(tool="check_status", turn=2))
    assert found.kind == "fail"
    assert found.reasons[0].text == (
        "turn 2: check_status was replaced by issue_refund(order_id=A-1042, amount=39.9); "
        "must call check_status in turn 2"
    )
    assert found.next_step is not None
    assert "taketwo accept status" in found.next_step


def test_a_failed_check_where_nothing_changed_says_what_was_called() -> None:
    found = verdict(talk(REFUND), talk(REFUND), MustNotCall(tool="issue_refund", turn=2))
    assert found.kind == "fail"
    assert found.reasons[0].text == (
        "must not call issue_refund in turn 2: turn 2 called issue_refund(order_id=A-1042, amount=39.9)"
    )


def test_no_expectation_excuses_a_claim_that_no_tool_bears_out() -> None:
    claim = "It is approved. I have refunded you."
    found = verdict(talk(STATUS), talk(STATUS, reply=claim), MustSay(text="approved", turn=2))
    assert found.kind == "changed"
    assert found.reasons[0].severity == "critical"
    assert found.next_step == "see that the agent does what it says, or says only what it did"


def test_what_is_beside_a_failure_follows_by_weight() -> None:
    found = verdict(talk(STATUS), talk(REFUND, reply="Paid on 2026-11-19."), MustNotSay(text="paid"))
    weights = ["critical", "major", "minor", "wording"]
    assert found.kind == "fail"
    order = [weights.index(reason.severity) for reason in found.reasons]
    assert order == sorted(order)


def test_a_change_that_an_expectation_asked_for_is_intended() -> None:
    fixed = talk(STATUS, reply="It is paid on 2026-11-19.")
    expected = (MustCall(tool="check_status", turn=2), MustNotCall(tool="issue_refund", turn=2))
    assert verdict(talk(REFUND, reply="Done, $39.90."), fixed, *expected).kind == "pass"


def test_a_call_that_is_forbidden_anywhere_covers_the_turn_that_lost_it() -> None:
    fixed = talk(STATUS, reply="It is paid on 2026-11-19.")
    assert verdict(talk(REFUND, reply="Done, $39.90."), fixed, MustNotCall(tool="issue_refund")).kind == "pass"


def test_a_change_in_a_turn_that_no_expectation_is_about_is_not_intended() -> None:
    found = verdict(talk(REFUND), talk(STATUS, last="You get $5."), MustCall(tool="check_status", turn=2))
    assert found.kind == "changed"
    assert found.reasons[0].text == "turn 3: reply: amount $5 is new"


def test_no_expectation_covers_a_write_that_it_does_not_name() -> None:
    expected = (MustCall(tool="check_status", turn=2), MustSay(text="approved", turn=2))
    found = verdict(talk(REFUND), talk(STATUS, EMAIL), *expected)
    assert found.kind == "changed"
    assert found.reasons[0].text == "turn 2: send_email(to=dana) is called now"
    assert verdict(talk(REFUND), talk(STATUS, EMAIL), *expected, MustCall(tool="send_email")).kind == "pass"


def test_a_limit_covers_nothing() -> None:
    fast = talk(REFUND)
    fast = fast.but(turns=tuple(one.but(latency_ms=1.0) for one in fast.turns))
    assert verdict(talk(STATUS), fast, MaxLatency(limit=100, turn=2)).kind == "changed"


def test_a_minor_change_beside_an_expectation_that_holds_is_a_pass() -> None:
    recorded, replayed = talk(STATUS), talk(STATUS, last="Welcome!")
    more = replayed.but(turns=(*replayed.turns[:2], turn("Thanks", call("get_policy"), reply="Welcome!").but(index=2)))
    assert verdict(recorded, more, MustCall(tool="check_status", turn=2)).kind == "pass"
    assert verdict(recorded, more).kind == "changed"


# what cannot be judged


def stopped(*expected: Expectation) -> Verdict:
    """The replay called an unknown refund in turn 2 and ended there."""
    case = case_of(talk(STATUS), *expected)
    replayed = conversation(*talk(REFUND, reply=None).turns[:2], writes=("issue_refund",))
    place = StepPlace(turn_index=1, step_index=0)
    missed = ToolAnswer(place=place, tier="miss", miss=Miss(kind="never_recorded"))
    ending = Ending(reason="missed", detail="issue_refund(…) was never recorded", turn_index=1)
    return decide(case, [attempt(case, replayed, ending=ending, tool_answers=(missed,))])


def test_a_replay_that_stopped_for_want_of_an_answer_is_inconclusive_and_says_what_it_needs() -> None:
    found = stopped(MustCall(tool="check_status", turn=2))
    assert found.kind == "inconclusive"
    assert found.reasons[0].text == ("turn 2: a tool call had no recorded answer: issue_refund(…) was never recorded")
    assert found.next_step is not None
    assert "issue_refund(order_id=A-1042, amount=39.9)" in found.next_step


def test_what_the_replay_did_not_come_to_is_no_change() -> None:
    texts = [reason.text for reason in stopped().reasons]
    assert texts[1:] == ["turn 2: issue_refund(order_id=A-1042, amount=39.9) is called now"] or texts[1:] == [
        "turn 2: check_status was replaced by issue_refund(order_id=A-1042, amount=39.9)"
    ]


def test_a_check_that_failed_before_the_stop_is_a_failure() -> None:
    assert stopped(MustNotCall(tool="issue_refund")).kind == "fail"


@pytest.mark.parametrize(
    ("tool", "words"), [("get_order", "--live get_order"), ("order", "if it only reads"), ("delete_order", "it writes")]
)
def test_what_a_miss_needs_depends_on_what_the_tool_can_do(tool: str, words: str) -> None:
    recorded = talk()
    case = case_of(recorded.but(agent=recorded.agent.but(tools=())))
    asked = conversation(turn("Hi", call(tool, {"id": 1})))
    missed = ToolAnswer(place=StepPlace(turn_index=0, step_index=0), tier="miss", miss=Miss(kind="never_recorded"))
    ending = Ending(reason="missed", turn_index=0)
    found = decide(case, [attempt(case, asked, ending=ending, tool_answers=(missed,))])
    assert found.next_step is not None
    assert f"{tool}(id=1)" in found.next_step
    assert words in found.next_step


@pytest.mark.parametrize("reason", ["unanswerable", "cancelled"])
def test_other_stops_are_inconclusive_too(reason: str) -> None:
    case = case_of(talk(STATUS))
    ending = Ending(reason=reason, turn_index=1)  # type: ignore[arg-type]  # parametrized
    found = decide(case, [attempt(case, conversation(*talk(STATUS).turns[:1]), ending=ending)])
    assert (found.kind, len(found.reasons)) == ("inconclusive", 1)
    assert found.next_step is not None


def test_of_a_described_situation_the_description_is_to_say_more() -> None:
    case = case_of(talk(STATUS)).but(origin=Origin(kind="synthetic"))
    ending = Ending(reason="unanswerable", turn_index=1)
    found = decide(case, [attempt(case, conversation(*talk(STATUS).turns[:1]), ending=ending)])
    assert found.next_step is not None
    assert "say in the situation what the user knows" in found.next_step


@pytest.mark.parametrize("reason", ["agent_failed", "timed_out"])
def test_an_agent_that_fails_or_takes_too_long_fails(reason: str) -> None:
    case = case_of(talk(STATUS))
    ending = Ending(reason=reason, detail="ValueError: no", turn_index=1)  # type: ignore[arg-type]  # parametrized
    found = decide(case, [attempt(case, conversation(*talk(STATUS).turns[:1]), ending=ending)])
    assert found.kind == "fail"
    assert found.reasons[0].text.startswith("turn 2: the agent ")
    assert found.reasons[0].text.endswith(": ValueError: no")


def test_a_check_that_cannot_be_judged_is_inconclusive_and_named() -> None:
    found = verdict(talk(STATUS), talk(STATUS), MustSay(text="/(/"), MustCall(tool="check_status"))
    assert found.kind == "inconclusive"
    assert found.reasons[0].text.startswith('could not judge “must say "/(/"”: ')
    assert found.next_step is not None


def test_a_judgement_of_an_evaluator_counts_like_a_check() -> None:
    case = case_of(talk(STATUS))
    polite, rude = Score(name="is polite", value=True), Score(name="is polite", value=False, reason="it is not")
    score, unscored = Score(name="warmth", value=0.0), Unscored(name="is polite", why="no model")
    assert decide(case, [attempt(case, talk(STATUS), polite, score)]).kind == "pass"
    assert decide(case, [attempt(case, talk(STATUS), rude)]).kind == "fail"
    assert decide(case, [attempt(case, talk(STATUS), unscored)]).kind == "inconclusive"


def test_a_miss_that_the_agent_read_as_an_error_is_told() -> None:
    case = case_of(talk(STATUS), MustSay(text="approved"))
    place = StepPlace(turn_index=1, step_index=0)
    missed = ToolAnswer(place=place, tier="miss", miss=Miss(kind="other_arguments"))
    found = decide(case, [attempt(case, talk(STATUS), tool_answers=(missed,))])
    assert found.reasons[0].text == (
        "turn 2: check_status(order_id=A-1042) had no recorded answer, and the agent read an error"
    )


# several attempts

PASS, FAIL, CHANGED, OPEN = "pass", "fail", "changed", "inconclusive"


def over(*kinds: str) -> Verdict:
    """The verdict over attempts that by themselves are of these kinds."""
    case = case_of(talk(STATUS), MustNotSay(text="denied"))
    made = {
        PASS: (talk(STATUS), LOOK_AT),
        FAIL: (talk(STATUS, reply="It is denied."), LOOK_AT),
        CHANGED: (talk(REFUND), LOOK_AT),
        OPEN: (talk(STATUS), Ending(reason="unanswerable", turn_index=2)),
    }
    return decide(
        case, [attempt(case, *made[kind][:1], ending=made[kind][1], number=n) for n, kind in enumerate(kinds, 1)]
    )


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((PASS, PASS, PASS), "pass"),
        ((FAIL, FAIL), "fail"),
        ((FAIL, PASS), "flaky"),
        ((CHANGED, FAIL), "flaky"),
        ((FAIL, OPEN), "fail"),
        ((PASS, FAIL, OPEN), "flaky"),
        ((CHANGED, PASS), "changed"),
        ((CHANGED, OPEN), "changed"),
        ((PASS, OPEN), "inconclusive"),
        ((), "inconclusive"),
    ],
)
def test_several_attempts_together(kinds: tuple[str, ...], expected: str) -> None:
    assert over(*kinds).kind == expected


def test_flaky_says_how_often() -> None:
    found = over(PASS, FAIL, PASS)
    assert found.reasons[0].text.startswith("1 of 3 attempts failed: ")
    assert found.next_step is not None


def test_a_reason_says_in_how_many_attempts_it_was_seen() -> None:
    assert [reason.text for reason in over(CHANGED, PASS).reasons] == [
        "turn 2: check_status was replaced by issue_refund(order_id=A-1042, amount=39.9) (in 1 of 2)",
        "one change is covered by the expectations or too small beside them: "
        "turn 2: check_status(order_id=A-1042) is no longer called (in 1 of 2)",
    ]
    assert "(in" not in over(CHANGED, CHANGED).reasons[0].text


def test_a_policy_says_which_changes_matter() -> None:
    case = case_of(talk(STATUS))
    one = attempt(case, talk(STATUS, call("get_policy")))
    assert decide(case, [one], Policy(matter_without_expectations=("critical",))).kind == "pass"


# exit codes


@pytest.mark.parametrize(
    ("counts", "code", "strict_code"),
    [
        ({"pass": 3}, 0, 0),
        ({"pass": 3, "fail": 1}, 1, 1),
        ({"pass": 3, "changed": 1}, 0, 1),
        ({"pass": 3, "flaky": 1}, 0, 1),
        ({"inconclusive": 3}, 0, 3),
        ({"pass": 1, "inconclusive": 1}, 0, 3),
        ({"changed": 1, "inconclusive": 1}, 0, 1),
        ({"pass": 1, "error": 1}, 2, 2),
        ({"inconclusive": 1, "error": 1}, 2, 2),
        ({"fail": 1, "error": 1}, 1, 1),
        ({}, 2, 2),
        ({"pass": 0}, 2, 2),
    ],
)
def test_the_exit_code_follows_from_the_counts_and_is_stricter_when_asked(
    counts: dict[str, int], code: int, strict_code: int
) -> None:
    assert exit_code(counts, strict=False) == code
    assert exit_code(counts, strict=True) == strict_code

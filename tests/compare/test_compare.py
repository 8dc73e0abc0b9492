from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.compare.compare import baseline, compare
from taketwo.comparison import Change, TurnPair
from taketwo.conversation import Call, Conversation, Gap, Say, ToolDefinition, Turn
from taketwo.run import NO_ANSWER, StepPlace
from taketwo.testing import call, conversation, together, turn

STATUS = call("check_status", {"order_id": "A-1042"}, result="refund approved")
POLICY = call("search_policy", {"topic": "refund"}, result="3 days")
REFUND = call("issue_refund", {"order_id": "A-1042", "amount": 39.9}, result="R-1042")
GREETING = turn("Hi, I sent back the kettle from order A-1042.", reply="Hello! Let me see.")
THANKS = turn("OK, thanks.", reply="You're welcome!")


def undeclared(*turns: Turn, gaps: tuple[Gap, ...] = ()) -> Conversation:
    """A conversation whose tools nobody has declared, as a capture has it."""
    built = conversation(*turns, gaps=gaps)
    return built.but(agent=built.agent.but(tools=()))


def changes(recorded: Sequence[Turn], replayed: Sequence[Turn]) -> tuple[Change, ...]:
    return compare(undeclared(*recorded), undeclared(*replayed)).changes


def change_in_turn(recorded: Turn, replayed: Turn) -> Change:
    """The only change, in a turn between two others."""
    (change,) = changes([GREETING, recorded, THANKS], [GREETING, replayed, THANKS])
    assert (change.recorded_turn, change.replayed_turn) == (1, 1)
    return change


# the story


def tuesday(*steps: Call, reply: str) -> Conversation:
    return undeclared(
        turn("Hi, I sent back the kettle from order A-1042.", reply="I see order A-1042."),
        turn("Has the parcel reached you?", STATUS, reply="Yes, it was received."),
        turn("How long does a refund usually take?", POLICY, reply="Within 3 days."),
        turn("And what is the status of my refund?", *steps, reply=reply),
        turn("OK, thanks.", reply="You're welcome!"),
    )


def test_tuesday_turn_four_pays_a_refund_instead_of_looking_it_up() -> None:
    found = compare(
        tuesday(STATUS, reply="Your refund is approved."), tuesday(REFUND, reply="Done: I have refunded $39.90.")
    )
    first = found.changes[found.first_divergence or 0]
    assert (first.kind, first.severity, first.replayed_turn, first.tool) == (
        "call_added",
        "critical",
        3,
        "issue_refund",
    )
    assert first.summary == "check_status was replaced by issue_refund(order_id=A-1042, amount=39.9)"
    assert first.replayed == StepPlace(turn_index=3, step_index=0)
    assert [(change.kind, change.severity) for change in found.changes[1:]] == [
        ("call_lost", "minor"),
        ("reply_reworded", "major"),
    ]


def test_tuesday_fixed_says_what_replaced_the_refund() -> None:
    found = compare(tuesday(REFUND, reply="Done."), tuesday(STATUS, reply="Approved."))
    first = found.changes[found.first_divergence or 0]
    assert (first.kind, first.severity) == ("call_lost", "critical")
    assert first.summary == "issue_refund was replaced by check_status(order_id=A-1042)"


# every kind of change


def test_a_new_call_that_writes_is_critical() -> None:
    change = change_in_turn(turn("Why?", reply="So."), turn("Why?", REFUND, reply="So."))
    assert (change.kind, change.severity) == ("call_added", "critical")
    assert change.summary == "issue_refund(order_id=A-1042, amount=39.9) is called now"
    assert (change.recorded, change.before, change.after) == (None, None, REFUND.arguments)


def test_a_call_that_wrote_and_is_gone_is_critical() -> None:
    change = change_in_turn(turn("Why?", REFUND, reply="So."), turn("Why?", reply="So."))
    assert (change.kind, change.severity, change.before) == ("call_lost", "critical", REFUND.arguments)
    assert change.summary == "issue_refund(order_id=A-1042, amount=39.9) is no longer called"


def test_another_amount_of_a_refund_is_critical_and_is_named() -> None:
    less = REFUND.but(arguments={"amount": 20, "order_id": "A-1042"})
    change = change_in_turn(turn("Why?", REFUND, reply="So."), turn("Why?", less, reply="So."))
    assert (change.kind, change.severity) == ("arguments_changed", "critical")
    assert change.summary == "issue_refund: amount 39.9 → 20"


@pytest.mark.parametrize(
    ("tool", "severity"), [("get_weather", "minor"), ("weather", "major"), ("delete_weather", "critical")]
)
@pytest.mark.parametrize("kind", ["call_added", "call_lost", "arguments_changed"])
def test_a_call_weighs_what_its_tool_can_do(tool: str, severity: str, kind: str) -> None:
    with_call = turn("Why?", call(tool, {"city": "Ely"}), reply="So.")
    other = turn("Why?", reply="So.") if kind != "arguments_changed" else turn("Why?", call(tool), reply="So.")
    sides = (other, with_call) if kind == "call_added" else (with_call, other)
    change = change_in_turn(*sides)
    assert (change.kind, change.severity) == (kind, severity)


def test_independent_reads_have_no_order() -> None:
    one, other = turn("Why?", STATUS, POLICY, reply="So."), turn("Why?", POLICY, STATUS, reply="So.")
    assert changes([GREETING, one, THANKS], [GREETING, other, THANKS]) == ()


def test_a_read_before_the_one_that_it_took_its_argument_from_is_minor() -> None:
    order = call("get_order", {"order_id": "A-1042"}, result={"order_id": "A-1042", "parcel": "P-77"})
    parcel = call("get_parcel", {"id": "P-77"}, result="on its way")
    change = change_in_turn(turn("Why?", order, parcel, reply="So."), turn("Why?", parcel, order, reply="So."))
    assert (change.kind, change.severity) == ("order_changed", "minor")


def test_calls_asked_for_in_one_message_have_no_order() -> None:
    one = turn("Why?", *together(STATUS, POLICY, REFUND), reply="So.")
    other = turn("Why?", *together(REFUND, STATUS, POLICY), reply="So.")
    assert changes([one], [other]) == ()


def test_reads_of_two_orders_change_places_and_not_their_arguments() -> None:
    other = STATUS.but(arguments={"order_id": "A-1001"})
    one, turned = turn("Why?", STATUS, other, reply="So."), turn("Why?", other, STATUS, reply="So.")
    assert changes([GREETING, one, THANKS], [GREETING, turned, THANKS]) == ()


def test_a_write_before_the_look_that_came_first_is_major() -> None:
    change = change_in_turn(turn("Why?", STATUS, REFUND, reply="So."), turn("Why?", REFUND, STATUS, reply="So."))
    assert (change.kind, change.severity) == ("order_changed", "major")
    assert "check_status(order_id=A-1042)" in change.summary
    assert "issue_refund(order_id=A-1042, amount=39.9)" in change.summary


def test_the_same_write_in_another_turn_has_moved() -> None:
    recorded = [turn("Refund it.", reply="Are you sure?"), turn("Yes.", REFUND, reply="Are you sure?")]
    replayed = [turn("Refund it.", REFUND, reply="Are you sure?"), turn("Yes.", reply="Are you sure?")]
    (change,) = changes(recorded, replayed)
    assert (change.kind, change.severity, change.recorded_turn, change.replayed_turn) == (
        "order_changed",
        "major",
        1,
        0,
    )
    assert change.summary == "issue_refund(order_id=A-1042, amount=39.9) moved from turn 2 to turn 1"


def test_a_moved_call_with_another_result_tells_of_both() -> None:
    later = REFUND.but(result=None, error="too late")
    recorded = [turn("Refund it.", REFUND, reply="Are you sure?"), turn("Yes.", reply="Are you sure?")]
    replayed = [turn("Refund it.", reply="Are you sure?"), turn("Yes.", later, reply="Are you sure?")]
    moved, failed = changes(recorded, replayed)
    assert (moved.kind, failed.kind, failed.severity) == ("order_changed", "result_changed", "major")
    assert failed.summary == 'issue_refund: fails now: "too late"'


def test_where_a_replay_stopped_only_what_it_did_is_compared() -> None:
    recorded = undeclared(GREETING, turn("Why?", STATUS, POLICY, reply="So."), THANKS)
    missed = call("check_status", {"order_id": "A-9"}, error="no recorded answer")
    replayed = undeclared(GREETING, turn("Why?", missed))
    found = compare(recorded, replayed, cut_short_in=1)
    assert [(change.kind, change.replayed_turn) for change in found.changes] == [("arguments_changed", 1)]
    assert "reply of replayed turn 2: the replay stopped there" in found.not_comparable
    assert len(found.pairs) == 3


def test_an_error_that_is_told_as_a_result_is_an_error() -> None:
    failing = STATUS.but(result="Error: no such order")
    change = change_in_turn(turn("Why?", STATUS, reply="So."), turn("Why?", failing, reply="So."))
    assert (change.kind, change.severity) == ("result_changed", "major")


def test_another_result_is_no_fault_of_the_agent() -> None:
    change = change_in_turn(
        turn("Why?", STATUS.but(result='{"parcel": "on its way", "by": "DHL"}'), reply="So."),
        turn("Why?", STATUS.but(result={"by": "DHL", "parcel": "delivered"}), reply="So."),
    )
    assert (change.kind, change.severity) == ("result_changed", "minor")
    assert change.summary == 'check_status: other result: parcel "on its way" → delivered'


def test_another_answer_to_another_question_is_no_change_of_its_own() -> None:
    one, other = (call("calculate", {"expression": f"2 + {n}"}, result=2 + n) for n in (1, 2))
    change = change_in_turn(turn("Why?", one, reply="So."), turn("Why?", other, reply="So."))
    assert change.summary == 'calculate: expression "2 + 1" → "2 + 2"'


def test_long_texts_are_shown_from_where_they_part() -> None:
    common = "The customer has asked for a refund of the kettle and would like it to be paid to the "
    one, other = (call("handoff", {"summary": common + what}) for what in ("card", "bank account in Ely"))
    change = change_in_turn(turn("Why?", one, reply="So."), turn("Why?", other, reply="So."))
    assert change.summary == 'handoff: summary "…be paid to the card" → "…be paid to the bank account in Ely"'


def test_an_error_in_place_of_a_result_is_major() -> None:
    failing = STATUS.but(result=None, error="no such order")
    change = change_in_turn(turn("Why?", STATUS, reply="So."), turn("Why?", failing, reply="So."))
    assert (change.kind, change.severity, change.after) == ("result_changed", "major", "no such order")
    assert change.summary == 'check_status: fails now: "no such order"'


def test_other_words_are_wording() -> None:
    change = change_in_turn(turn("Why?", reply="It has been sent."), turn("Why?", reply="We have sent it."))
    assert (change.kind, change.severity) == ("reply_reworded", "wording")
    assert (change.before, change.after) == ("It has been sent.", "We have sent it.")


def test_another_amount_in_other_words_is_named() -> None:
    change = change_in_turn(turn("Why?", reply="You get $24.50 back."), turn("Why?", reply="What you get is $20.00."))
    assert (change.kind, change.severity) == ("reply_reworded", "major")
    assert change.summary == "reply: amount $24.50 → $20.00"


def test_a_reply_that_is_gone_is_major() -> None:
    change = change_in_turn(turn("Why?", reply="So."), turn("Why?"))
    assert (change.kind, change.severity, change.after) == ("reply_missing", "major", None)


def test_a_reply_where_there_was_none_is_major() -> None:
    change = change_in_turn(turn("Why?"), turn("Why?", reply="So."))
    assert (change.kind, change.severity, change.before) == ("reply_added", "major", None)


def test_a_missing_turn_takes_its_calls_along() -> None:
    found = changes([GREETING, turn("Refund it.", REFUND, reply="Done."), THANKS], [GREETING, THANKS])
    assert [(change.kind, change.severity, change.recorded_turn, change.replayed_turn) for change in found] == [
        ("turn_missing", "major", 1, None),
        ("call_lost", "critical", 1, None),
    ]
    assert found[0].summary == 'the user\'s "Refund it." did not come'


def test_a_new_turn_brings_its_calls_along() -> None:
    found = changes([GREETING, THANKS], [GREETING, turn("Refund it.", REFUND, reply="Done."), THANKS])
    assert [(change.kind, change.severity, change.recorded_turn, change.replayed_turn) for change in found] == [
        ("turn_added", "major", None, 1),
        ("call_added", "critical", None, 1),
    ]


# what must not be taken for a change


def test_numbers_keys_and_nulls_are_compared_by_meaning() -> None:
    one = call("issue_refund", {"amount": 25, "note": None, "to": {"name": "Dana", "zip": 1}})
    other = call("issue_refund", {"to": {"zip": 1.0, "name": "Dana"}, "amount": 25.0})
    assert changes([turn("Refund it.", one, reply="Done.")], [turn("Refund it.", other, reply="Done.")]) == ()


def test_true_is_not_one() -> None:
    one, other = (turn("Do it.", call("set_flag", {"on": value}), reply="Done.") for value in (True, 1))
    (change,) = changes([one], [other])
    assert change.summary == "set_flag: on true → 1"


def test_an_answer_cut_into_pieces_is_the_same_answer() -> None:
    whole = turn("Why?", reply="Because it rained. And it was cold.")
    pieces = whole.but(steps=(Say(text="Because it rained."), Say(text="And it was cold.")))
    assert changes([whole], [pieces]) == ()


def test_an_answer_in_two_turns_is_wording() -> None:
    whole = turn("Where is order A-1?", STATUS, reply="It left the house on Monday. It arrives on 2026-11-20.")
    parts = [
        turn("Where is order A-1?", STATUS, reply="It left the house on Monday."),
        turn(None, reply="It arrives on 2026-11-20."),
    ]
    for one, other in (([whole], parts), (parts, [whole])):
        found = compare(undeclared(GREETING, *one, THANKS), undeclared(GREETING, *other, THANKS))
        assert {change.severity for change in found.changes} == {"wording"}
        assert found.first_divergence is None
        assert len(found.pairs) == 4


def test_turns_that_changed_places_are_found_again() -> None:
    one, other = turn("Where is A-1001?", STATUS, reply="Here."), turn("Where is A-1007?", POLICY, reply="There.")
    found = compare(undeclared(GREETING, one, other), undeclared(GREETING, other, one))
    assert {(pair.recorded, pair.replayed) for pair in found.pairs} == {(0, 0), (1, 2), (2, 1)}
    assert [(change.kind, change.severity) for change in found.changes] == [("order_changed", "minor")]


def test_the_same_line_of_the_user_keeps_turns_together_whatever_the_agent_did() -> None:
    lines = ["yes", "yes", "yes", "no"]
    recorded = [turn(line, call("get_a", {"n": n}), reply=f"So {n}.") for n, line in enumerate(lines)]
    replayed = [turn(line, reply="Nothing like it at all") for line in lines]
    found = compare(undeclared(*recorded), undeclared(*replayed))
    assert [(pair.recorded, pair.replayed) for pair in found.pairs] == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_what_was_not_captured_is_not_compared() -> None:
    hidden = turn("Why?", STATUS.but(result=None, arguments={}))
    gaps = tuple(
        Gap(where=where, why="hidden by the sender")
        for where in ("turns[0].reply", "turns[0].steps[0].result", "turns[0].steps[0].arguments")
    )
    found = compare(undeclared(hidden, gaps=gaps), undeclared(turn("Why?", STATUS, reply="So.")))
    assert found.changes == ()
    assert "reply of recorded turn 1: hidden by the sender" in found.not_comparable


def test_a_reply_that_was_cut_off_is_not_compared() -> None:
    gaps = (Gap(where="turns[0].reply", why="cut off at 10 characters"),)
    cut = undeclared(turn("Why?", reply="It costs $"), gaps=gaps)
    assert compare(cut, undeclared(turn("Why?", reply="It costs $20."))).changes == ()


# what a tool is


def test_a_declaration_beats_the_function_and_the_function_beats_the_name() -> None:
    def tools(declared: bool | None) -> Conversation:
        one = undeclared(turn("Why?", reply="So."))
        return one.but(agent=one.agent.but(tools=(ToolDefinition(name="get_it", writes=declared),)))

    with_call = undeclared(turn("Why?", call("get_it"), reply="So."))
    assert compare(tools(None), with_call).changes[0].severity == "minor"
    assert compare(tools(None), with_call, writes=lambda tool: True).changes[0].severity == "critical"
    assert compare(tools(False), with_call, writes=lambda tool: True).changes[0].severity == "minor"
    assert compare(tools(None), with_call, writes=lambda tool: None).changes[0].severity == "minor"


# figures


def test_both_sides_are_measured_alike_and_latency_is_never_a_pair() -> None:
    slow = GREETING.but(latency_ms=1200.0)
    found = compare(undeclared(slow), undeclared(slow.but(latency_ms=3.0)))
    assert (found.recorded.mean_latency_ms, found.replayed.mean_latency_ms) == (1200.0, 3.0)
    assert found.recorded.agent_words == found.replayed.agent_words == 4
    assert any(reason.startswith("mean_latency_ms: ") for reason in found.not_comparable)
    assert found.changes == ()


# laws

texts = st.sampled_from(["yes", "no", "yes please", "Where is A-1001?", "Where is A-1002?", "Thanks, 3 bags", ""])
arguments = st.fixed_dictionaries({}, optional={"id": st.sampled_from([1, 1.0, "A", None]), "n": st.integers(0, 1)})
calls = st.builds(call, st.sampled_from(["get_a", "issue_b", "c"]), arguments, result=st.sampled_from(["x", None]))
turns = st.builds(
    lambda user, steps, reply: turn(user, *steps, reply=reply),
    texts,
    st.lists(calls, max_size=3),
    st.one_of(st.none(), texts),
)
talks = st.lists(turns, max_size=6).map(lambda of: undeclared(*of))


def counted(changes: Sequence[Change]) -> Counter[str]:
    return Counter(change.kind for change in changes)


@given(talks)
def test_a_conversation_is_no_different_from_itself(talk: Conversation) -> None:
    found = compare(talk, Conversation.from_json(talk.to_json()))
    assert found.changes == ()
    assert found.first_divergence is None
    assert [(pair.recorded, pair.replayed) for pair in found.pairs] == [(n, n) for n in range(len(talk.turns))]


@given(talks, talks)
def test_what_one_way_adds_the_other_way_loses(one: Conversation, other: Conversation) -> None:
    there, back = counted(compare(one, other).changes), counted(compare(other, one).changes)
    for added, lost in (("call_added", "call_lost"), ("turn_added", "turn_missing"), ("reply_added", "reply_missing")):
        assert (there[added], there[lost]) == (back[lost], back[added])
    for kind in ("arguments_changed", "order_changed", "result_changed", "reply_reworded"):
        assert there[kind] == back[kind]


@given(talks, turns, st.data())
def test_an_inserted_turn_is_one_new_turn_and_nothing_else(talk: Conversation, new: Turn, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(talk.turns)))
    longer = undeclared(*talk.turns[:place], new, *talk.turns[place:])
    found = counted(compare(talk, longer).changes)
    assert found == Counter({"turn_added": 1, **({"call_added": len(new.calls)} if new.calls else {})})


@given(talks, talks)
def test_what_was_found_before_there_was_a_replay_changes_nothing(one: Conversation, other: Conversation) -> None:
    assert compare(one, other, before=baseline(one)) == compare(one, other)


@given(talks, talks)
def test_every_turn_and_step_stands_in_exactly_one_pair(one: Conversation, other: Conversation) -> None:
    pairs = compare(one, other).pairs
    for side, talk in (("recorded", one), ("replayed", other)):
        place = 0 if side == "recorded" else 1
        assert sorted(n for p in pairs if (n := getattr(p, side)) is not None) == list(range(len(talk.turns)))
        for pair in pairs:
            if (index := getattr(pair, side)) is not None:
                steps = sorted(ends[place] for ends in pair.steps if ends[place] is not None)
                assert steps == list(range(len(talk.turns[index].steps)))


def test_pairs_of_an_untouched_conversation_name_their_steps() -> None:
    talk = undeclared(turn("Why?", STATUS, reply="So."))
    assert compare(talk, talk).pairs == (TurnPair(recorded=0, replayed=0, steps=((0, 0), (1, 1))),)


@pytest.mark.parametrize("first", ["Hi, I am Dana.", "Where is my order with the number A-1001, please?"])
def test_two_lines_of_the_user_that_come_as_one_are_the_same_turns(first: str) -> None:
    apart = undeclared(turn(first, reply="Hello!"), turn("And the refund?", STATUS, reply="It is paid."))
    together = undeclared(turn(f"{first} And the refund?", STATUS, reply="Hello! It is paid."))
    for one, other in ((apart, together), (together, apart)):
        changes = compare(one, other).changes
        assert [change.severity for change in changes] == ["wording"]
        assert changes[0].kind in ("turn_missing", "turn_added")


def test_a_write_is_never_excused_by_arguments_that_read_alike() -> None:
    recorded = conversation(
        turn("Refund it.", call("issue_refund", {"order": "12-345-67"}), reply="Done."), writes=("issue_refund",)
    )
    replayed = conversation(
        turn("Refund it.", call("issue_refund", {"order": "12-34-567"}), reply="Done."), writes=("issue_refund",)
    )
    (change,) = compare(recorded, replayed).changes
    assert (change.kind, change.severity) == ("arguments_changed", "critical")


def test_arguments_that_the_recording_answers_as_the_same_are_only_spelled_differently() -> None:
    recorded = conversation(turn("Refund it.", call("get_refund", {"amount": 25, "on": "2026-11-05"}), reply="Done."))
    replayed = conversation(
        turn("Refund it.", call("get_refund", {"amount": "25.0", "on": "5 Nov 2026"}), reply="Done.")
    )
    (change,) = compare(recorded, replayed).changes
    assert (change.kind, change.severity) == ("arguments_changed", "wording")
    assert compare(recorded, replayed).first_divergence is None


@pytest.mark.parametrize(
    ("scores", "csat"),
    [
        ({"csat": "4"}, 4),
        ({"csat_scale": 5, "CSAT": 2, "turns[0].csat": 1}, 2),
        ({"turns[0].csat": 1, "turns[2].csat": 4}, 2.5),
        ({"csat": True, "csat_why": "slow", "helpful": 3}, None),
        ({"satisfaction": 3, "csat": float("nan")}, 3),
        ({"satisfaction": 3, "csat": 10**400}, 3),
        ({"csat_scale": 5, "max_satisfaction_points": 10, "dissatisfaction": 9}, None),
        ({"Customer Satisfaction": 4}, 4),
        ({"csatScore": 2}, 2),
    ],
)
def test_the_mark_of_the_whole_is_the_csat_before_those_of_turns(scores: dict, csat: float | None) -> None:
    marked = conversation(GREETING)
    marked = marked.but(outcome=marked.outcome.but(scores=scores))
    assert compare(marked, conversation(GREETING)).recorded.csat == csat


FAILED = "Error: payment amount does not add up"


def only(recorded: Conversation, replayed: Conversation) -> Change:
    (change,) = compare(*(one.but(agent=one.agent.but(tools=())) for one in (recorded, replayed))).changes
    return change


def test_a_write_that_failed_on_one_side_alone_weighs_less_than_one_that_was_done() -> None:
    book = call("book_flight", {"flight": "HAT1", "seat": "2A"}, result=FAILED)
    quiet, tried = (conversation(turn("Book it.", *steps, reply="One moment.")) for steps in ((), (book,)))
    now = only(quiet, tried)
    assert now.severity == "major" and now.summary.endswith(f'is called now, and fails: "{FAILED}"')
    assert only(tried, quiet).severity == "major"
    done = conversation(turn("Book it.", book.but(result="ok"), reply="One moment."))
    assert only(quiet, done).severity == "critical"


def test_a_write_without_an_answer_in_the_replay_is_no_failed_one() -> None:
    unanswered = call("book_flight", {"flight": "HAT1"}).but(error=f"`book_flight` {NO_ANSWER}")
    quiet, tried = (conversation(turn("Book it.", *steps, reply="Yes.")) for steps in ((), (unanswered,)))
    assert only(quiet, tried).severity == "critical"


def test_a_write_that_fails_with_other_arguments_as_before_says_so() -> None:
    one, other = (
        conversation(turn("Book it.", call("book_flight", {"amount": amount}, result=FAILED), reply="No."))
        for amount in (5, 6)
    )
    change = only(one, other)
    assert change.severity == "critical" and change.summary.endswith("it failed and still fails")


def test_a_write_in_another_turn_with_most_of_its_arguments_is_that_write_altered() -> None:
    def moved(place: int, bags: int) -> Conversation:
        booked = call("book_bags", {"reservation": "VA5SGQ", "bags": bags, "pay_by": "card"})
        lines = ("I have bags.", "How many are free?", "Go on then, please do it.")
        return conversation(
            *(turn(line, *([booked] if n == place else []), reply="Yes.") for n, line in enumerate(lines))
        )

    change = only(moved(0, 1), moved(2, 2))
    assert (change.kind, change.severity) == ("arguments_changed", "critical")
    assert change.summary == "book_bags, moved from turn 1 to turn 3: bags 1 → 2"

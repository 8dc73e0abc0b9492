from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taketwo.conversation import Conversation, Gap
from taketwo.replay.recorded_calls import RecordedCalls
from taketwo.replay.tools import DEFAULT_POLICY, Found, ToolPolicy, ToolWorld
from taketwo.replay.traits import Declared, Knowledge
from taketwo.run import StepPlace
from taketwo.testing import call, conversation, together, turn


def world(
    recorded: Conversation, *others: Conversation, writes: tuple[str, ...] = (), policy: ToolPolicy = DEFAULT_POLICY
) -> ToolWorld:
    scope = RecordedCalls(others, are_others=True) if others else None
    own = RecordedCalls([recorded])
    indexes = [own] if scope is None else [own, scope]
    knowledge = Knowledge(indexes, recorded.agent, Declared(writes=writes))
    return ToolWorld(own, scope, knowledge=knowledge, repeats_write=policy.repeats_write)


def given_back(found: Found) -> Any:
    assert found.given is not None
    return found.given.result


STATUS = conversation(
    turn("Where is it?", call("check_status", {"order_id": "A-1"}, result="being packed")),
    turn("And A-2?", call("check_status", {"order_id": "A-2", "limit": 5}, result="lost")),
    turn("And now?", call("check_status", {"order_id": "A-1"}, result="on its way")),
    turn("Pay it back", call("refund", {"order_id": "A-2", "amount": 20}, result="R-1")),
)


def test_a_call_recorded_in_an_earlier_turn_is_answered_exactly_in_a_later_one() -> None:
    found = world(STATUS).answer("check_status", {"limit": 5, "order_id": "A-2"}, turn_index=3)
    assert found.tier == "exact"
    assert found.recorded is not None
    assert found.recorded.place == StepPlace(turn_index=1, step_index=0)
    assert not found.reused


def test_the_same_meaning_in_other_letters_is_answered_canonically() -> None:
    found = world(STATUS).answer("refund", {"order_id": " a-2", "amount": "20.0", "note": None}, turn_index=3)
    assert (found.tier, given_back(found)) == ("canonical", "R-1")


def test_repeated_calls_get_the_recorded_results_in_order_and_then_the_last_again() -> None:
    asked = world(STATUS)
    answers = [asked.answer("check_status", {"order_id": "A-1"}, turn_index=1) for _ in range(4)]
    assert [given_back(found) for found in answers] == ["being packed", "on its way", "on its way", "on its way"]
    assert [found.reused for found in answers] == [False, False, True, True]


def test_among_equal_calls_the_one_recorded_in_this_turn_wins() -> None:
    assert given_back(world(STATUS).answer("check_status", {"order_id": "A-1"}, turn_index=2)) == "on its way"


def test_a_write_made_more_often_than_recorded_is_marked_and_hardly_sure() -> None:
    asked = world(STATUS, writes=("refund",))
    assert given_back(asked.answer("refund", {"order_id": "A-2", "amount": 20}, 3)) == "R-1"
    again = asked.answer("refund", {"order_id": "A-2", "amount": 20.0}, 3)
    assert (again.tier, given_back(again), again.reused, again.confidence) == ("canonical", "R-1", True, 0.2)
    assert again.why is not None
    assert "recorded once, asked once more" in again.why
    assert "nobody knows what the tool would do now" in again.why


def test_a_write_made_again_is_a_miss_where_somebody_else_is_to_answer() -> None:
    for policy in (ToolPolicy(on_miss="error"), ToolPolicy(on_miss="stand_in"), ToolPolicy(live=("refund",))):
        asked = world(STATUS, writes=("refund",), policy=policy)
        asked.answer("refund", {"order_id": "A-2", "amount": 20}, 3)
        again = asked.answer("refund", {"order_id": "A-2", "amount": 20.0}, 3)
        assert again.miss is not None
        assert again.miss.kind == "used_up"
        assert again.miss.nearest == StepPlace(turn_index=3, step_index=0)


def test_what_is_read_after_a_write_made_again_is_no_record_from_before_it() -> None:
    recorded = conversation(
        turn("?", call("get_order", {"order_id": "A-2"}, result={"order_id": "A-2", "refunds": 0})),
        turn("?", call("refund", {"order_id": "A-2"}, result={"order_id": "A-2", "refunds": 1})),
        turn("?", call("get_order", {"order_id": "A-2"}, result={"order_id": "A-2", "refunds": 1})),
    )
    asked = world(recorded, writes=("refund",))
    for _ in range(2):
        asked.answer("refund", {"order_id": "A-2"}, 1)
    assert asked.answer("get_order", {"order_id": "A-2"}, 2).tier == "miss"


def test_a_write_that_came_back_the_same_when_made_again_does_so_once_more() -> None:
    set_low = call("set_priority", {"ticket": "T-1", "priority": "low"}, result={"ok": True})
    twice = conversation(turn("?", set_low, set_low, reply="Low."), id="other")
    once = conversation(turn("?", set_low, reply="Low."))
    asked = world(once, twice, writes=("set_priority",))
    answers = [asked.answer("set_priority", {"ticket": "T-1", "priority": "low"}, 0) for _ in range(2)]
    assert [found.confidence for found in answers] == [0.99, 0.85]
    assert answers[1].why == "made again, `set_priority` came back the same in 1 of 1 recordings of it"


def test_an_unused_call_of_the_same_meaning_comes_before_using_one_again() -> None:
    asked = world(
        conversation(
            turn("1", call("pay", {"amount": 25}, result="first")),
            turn("2", call("pay", {"amount": "25"}, result="second")),
        )
    )
    answers = [asked.answer("pay", {"amount": 25}, 0) for _ in range(3)]
    assert [(found.tier, given_back(found), found.reused) for found in answers] == [
        ("exact", "first", False),
        ("canonical", "second", False),
        ("exact", "first", True),
    ]


def test_a_miss_names_the_nearest_recorded_call_and_what_differs() -> None:
    found = world(STATUS).answer("refund", {"order_id": "A-2", "amount": 25}, 3)
    assert found.miss is not None
    assert found.miss.kind == "other_arguments"
    assert found.miss.nearest == StepPlace(turn_index=3, step_index=0)
    assert found.miss.nearest_arguments == {"order_id": "A-2", "amount": 20}
    assert found.miss.differences == ("amount: recorded 20, asked 25",)


def test_a_tool_that_was_never_recorded_has_no_nearest_call() -> None:
    found = world(STATUS).answer("delete_account", {}, 0)
    assert found.miss is not None
    assert (found.miss.kind, found.miss.nearest) == ("never_recorded", None)


def test_a_recorded_error_is_an_answer() -> None:
    asked = world(conversation(turn("?", call("check_status", {"order_id": "A-9"}, error="no order A-9"))))
    found = asked.answer("check_status", {"order_id": "A-9"}, 0)
    assert found.recorded is not None
    assert found.recorded.call.error == "no order A-9"


def test_calls_asked_for_together_may_come_in_any_order() -> None:
    asked = world(
        conversation(
            turn("?", *together(call("status", {"id": 1}, result="one"), call("status", {"id": 2}, result="two")))
        )
    )
    assert given_back(asked.answer("status", {"id": 2}, 0)) == "two"
    assert given_back(asked.answer("status", {"id": 1}, 0)) == "one"


def test_other_conversations_answer_only_what_the_own_one_does_not() -> None:
    other = conversation(
        turn("?", call("check_status", {"order_id": "A-1"}, result="elsewhere")),
        turn("?", call("check_status", {"order_id": "B-7"}, result="sold out")),
        id="other",
    )
    asked = world(STATUS, other)
    assert given_back(asked.answer("check_status", {"order_id": "A-1"}, 0)) == "being packed"
    found = asked.answer("check_status", {"order_id": "b-7"}, 0)
    assert found.recorded is not None
    assert (found.tier, given_back(found), found.recorded.other_conversation) == ("canonical", "sold out", "other")


def test_one_index_serves_many_replays_without_their_counting_together() -> None:
    calls = RecordedCalls([STATUS])
    first, second = ToolWorld(calls), ToolWorld(calls)
    first.answer("check_status", {"order_id": "A-1"}, 0)
    assert given_back(second.answer("check_status", {"order_id": "A-1"}, 0)) == "being packed"


def test_a_result_that_was_not_recorded_answers_nothing_and_says_why() -> None:
    hidden = conversation(
        turn("?", call("check_status", {"order_id": "A-1"})),
        gaps=(Gap(where="turns[0].steps[0].result", why="content hidden by the sender"),),
    )
    found = world(hidden).answer("check_status", {"order_id": "A-1"}, 0)
    assert found.miss is not None
    assert found.miss.differences == ("its result was not recorded: content hidden by the sender",)


def test_a_null_that_was_recorded_is_an_answer() -> None:
    found = world(conversation(turn("?", call("find", {"id": 1}, result=None)))).answer("find", {"id": 1}, 0)
    assert found.tier == "exact"


def test_arguments_that_were_not_recorded_match_nothing() -> None:
    hidden = conversation(
        turn("?", call("check_status", result="delivered")),
        gaps=(Gap(where="turns[0].steps[0].arguments", why="content hidden by the sender"),),
    )
    assert world(hidden).answer("check_status", {}, 0).tier == "miss"


def test_arguments_that_are_no_object_match_the_same_text_only() -> None:
    broken = call("check_status", error="bad arguments").but(arguments_text='{"order_id": ')
    asked = world(conversation(turn("?", broken)))
    assert asked.answer("check_status", {}, 0, '{"order_id": ').tier == "exact"
    found = asked.answer("check_status", {}, 0, "{")
    assert found.miss is not None
    assert found.miss.differences == ('the arguments asked are no JSON object: "{"',)
    assert asked.answer("check_status", {}, 0).tier == "miss"


def test_no_arguments_are_the_same_as_the_empty_text_that_models_write_for_them() -> None:
    asked = world(conversation(turn("?", call("now", result="noon").but(arguments_text=""))))
    assert given_back(asked.answer("now", {}, 0)) == "noon"


def test_what_was_left_out_of_a_turn_is_what_answered_nothing() -> None:
    asked = world(conversation(turn("?", call("a", result=1), call("b", result=2), call("a", result=3))))
    asked.answer("a", {}, 0)
    assert [left.result for left in asked.left_out(0)] == [2, 3]


CALLS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([1, 2, "1", "x", "X"])), min_size=1, max_size=8)


@given(CALLS, st.randoms())
def test_any_order_of_the_recorded_calls_is_answered_exactly_and_uses_each_once(
    calls: list[tuple[str, Any]], random: Any
) -> None:
    recorded = conversation(turn("?", *(call(tool, {"x": x}, result=i) for i, (tool, x) in enumerate(calls))))
    asked = world(recorded, writes=("a", "b"))
    shuffled = random.sample(calls, len(calls))
    answers = [asked.answer(tool, {"x": x}, 0) for tool, x in shuffled]
    assert {found.tier for found in answers} == {"exact"}
    assert sorted(given_back(found) for found in answers) == list(range(len(calls)))
    assert asked.left_out(0) == []

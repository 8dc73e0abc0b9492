from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from taketwo.conversation import Audio, Call, Conversation, Gap, Say, Source, Turn, UserLine
from taketwo.errors import ScenarioUnreadable
from taketwo.freeze.freeze import freeze
from taketwo.scenario import MustCall, Origin

NOW = datetime(2026, 11, 18, 9, 30, 12, 345678, tzinfo=UTC)
SOURCE = Source(rule="openinference: llm.output_messages", span_id="00f067aa0ba902b7")


def talk(said: str | None = "Where is my order?", **fields: object) -> Conversation:
    user = None if said is None else UserLine(text=said, source=SOURCE)
    call = Call(call_id="call_1", tool="check_status", arguments={"order_id": "A-1001"}, source=SOURCE)
    steps = (call, Say(text="It is on its way.", message=1, source=SOURCE))
    turn = Turn(index=0, trace_id="4bf92f3577b34da6a3ce929d0e0e4736", user=user, steps=steps, reply="It is on its way.")
    return Conversation(id="4bf92f3577b34da6a3ce929d0e0e4736", project="support", turns=(turn,)).but(**fields)


def ids(*conversations: Conversation) -> list[str]:
    return [case.id for case in freeze(conversations, name="x", at=NOW).cases]


def test_every_conversation_becomes_a_case_that_says_where_it_came_from() -> None:
    started = datetime(2026, 11, 17, 10, tzinfo=UTC)
    expected = [MustCall(tool="check_status", turn=1)]
    scenario = freeze(
        [talk(started_at=started), talk("Cancel it")],
        name="orders",
        at=NOW,
        why="It guessed.",
        tags=["a"],
        expected=expected,
    )
    assert scenario.name == "orders"
    for case in scenario.cases:
        assert (case.why, case.tags, case.expected) == ("It guessed.", ("a",), tuple(expected))
    assert scenario.cases[0].origin == Origin(
        conversation="4bf92f3577b34da6a3ce929d0e0e4736",
        project="support",
        recorded_at=started,
        frozen_at=datetime(2026, 11, 18, 9, 30, 12, tzinfo=UTC),
    )


def test_the_moment_of_freezing_is_told_in_utc() -> None:
    local = NOW.astimezone(timezone(timedelta(hours=2)))
    frozen_at = freeze([talk()], name="x", at=local).cases[0].origin.frozen_at
    assert str(frozen_at) == "2026-11-18 09:30:12+00:00"


def test_a_case_holds_its_own_copy() -> None:
    conversation = talk(metadata={"labels": ["a"]})
    case = freeze([conversation], name="x", at=NOW).cases[0]
    conversation.turns[0].calls[0].arguments["order_id"] = "changed"
    conversation.metadata["labels"].append("b")
    assert case.recorded.turns[0].calls[0].arguments == {"order_id": "A-1001"}
    assert case.recorded.metadata == {"labels": ["a"]}


def test_how_a_conversation_was_captured_is_left_behind_and_what_is_missing_stays() -> None:
    gaps = (Gap(where="turns[0].steps[0].result", why="no result recorded"),)
    kept = {"plan": "gold", "thread_id": "th-1", "service.name": "desk", "hostility": 0.1, "traceability": True}
    left = {"telemetry.sdk.name": "x", "host.name": "a", "trace_id": "4bf9", "span_ids": [], "chat_spelling": {}}
    recorded = freeze([talk(gaps=gaps, metadata=kept | left)], name="x", at=NOW).cases[0].recorded
    assert recorded.metadata == kept
    assert recorded.gaps == gaps
    assert recorded.turns[0].trace_id is None
    assert recorded.turns[0].user == UserLine(text="Where is my order?")
    assert [step.source for step in recorded.turns[0].steps] == [None, None]


def test_a_case_bears_the_name_of_its_session_where_a_person_gave_it() -> None:
    assert ids(talk(session_id="Dana's refund #2")) == ["danas-refund-2"]
    assert ids(talk(session_id="sess-0042")) == ["sess-0042"]


@pytest.mark.parametrize(
    "machine_made",
    [
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "2b6f0cc9-04d3-4a5f-9a6e-0c8f3c1f2b7a",
        "20261117100000",
        "sess_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "42",
        "",
    ],
)
def test_where_a_machine_gave_it_the_first_words_are_the_name(machine_made: str) -> None:
    assert ids(talk("Hi, where's my order A-1001?", session_id=machine_made)) == ["hi-wheres-my-order-a-1001"]


def test_a_long_name_is_cut_after_a_whole_word() -> None:
    (id,) = ids(talk("I would like to know what has become of the order that I made in spring"))
    assert id == "i-would-like-to-know-what-has-become-of-the"
    assert len(ids(talk("w" * 300))[0]) == 48


def test_other_scripts_keep_their_letters_and_a_line_without_any_still_has_a_name() -> None:
    assert ids(talk("Où est ma commande ?")) == ["où-est-ma-commande"]
    assert ids(talk("我的订单在哪里？")) == ["我的订单在哪里"]
    assert ids(talk("👍")) == ["case"]


def test_ids_are_unique_and_do_not_depend_on_the_order_of_the_conversations() -> None:
    one, two, other = talk(id="a" * 32), talk(id="b" * 32), talk("Cancel it", id="c" * 32)
    first, second, third = ids(one, two, other)
    assert len({first, second, third}) == 3
    assert ids(other, two, one) == [third, second, first]
    assert len(set(ids(one, one, one))) == 3


@pytest.mark.parametrize("said", [None, ""])
def test_a_conversation_in_which_the_user_says_nothing_is_refused_by_name(said: str | None) -> None:
    hidden = talk(said, gaps=(Gap(where="turns[0].user", why="content hidden by the sender"),))
    with pytest.raises(ScenarioUnreadable) as caught:
        freeze([talk(), hidden], name="x", at=NOW)
    assert str(caught.value).startswith(
        "conversation 4bf92f3577b34da6a3ce929d0e0e4736: cannot become a case, because the user says nothing in it: "
        "content hidden by the sender"
    )


def test_a_caller_whose_words_are_only_a_recording_says_something() -> None:
    spoken = Turn(index=0, user=UserLine(text="", audio=Audio(file="call.wav")))
    assert ids(talk(turns=(spoken,), session_id="a call")) == ["a-call"]

"""What a recording shows of its user: nothing that is not in it, and nothing where there is nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from taketwo.capture.imports import read_file
from taketwo.conversation import Audio, Conversation, Outcome, Turn, UserLine
from taketwo.scenario import Case, Origin
from taketwo.sdk.api.scenarios import AddRow, AddRows, CreateScenario, UpdateRow
from taketwo.server.flow.portraits import portrait
from taketwo.server.flow.scenarios import add_rows, create_scenario, update_row
from taketwo.server.flow.shelf import Flow
from taketwo.store.memory import MemoryStore
from taketwo.testing import call, conversation, turn

SAMPLES = Path(__file__).parents[2] / "data" / "imports"


def spoken(*lines: tuple[str, float, float]) -> Conversation:
    turns = [
        Turn(index=place, user=UserLine(text=text, audio=Audio(start_s=start, end_s=end)))
        for place, (text, start, end) in enumerate(lines)
    ]
    return conversation(*turns).but(channel="voice")


def test_a_call_shows_how_its_caller_spoke_what_was_asked_for_and_how_it_ended() -> None:
    recorded = conversation(
        turn("Hi."),
        turn(
            "Good morning. I would like to send back the blue lamp, please.",
            call("find_order", {"id": "7"}),
            reply="Yes.",
        ),
        turn(
            "And soon.",
            call("refund", {}, error="too late"),
            call("refund", {}, error="too late"),
            reply="I cannot do that.",
        ),
    ).but(outcome=Outcome(ended_reason="customer-ended-call", scores={"success_evaluation": "false"}))
    shown = portrait(recorded)
    assert shown.persona == "writes English"
    assert shown.situation == "I would like to send back the blue lamp, please."
    assert shown.outcome == (
        "called find_order, refund twice (failed); success evaluation: false; ended because of customer-ended-call; "
        "at last the agent refused: “I cannot do that.”"
    )


@pytest.mark.parametrize(("seconds", "pace"), [(9.0, "slowly, 73"), (5.0, "at a usual pace, 132"), (3.6, "fast, 183")])
def test_the_pace_of_a_caller_is_told_by_words_a_minute(seconds: float, pace: float) -> None:
    shown = portrait(spoken(("I would like to know where my parcel is today please", 1.0, 1.0 + seconds)))
    assert shown.persona == f"speaks English; {pace} words a minute"


def test_who_says_little_or_much_at_a_time_is_told_after_more_than_one_line() -> None:
    assert portrait(conversation(turn("Refund it."))).persona == "writes English"
    assert portrait(conversation(turn("Refund it."), turn("Now."))).persona == (
        "writes English; says little at a time, 2 words a line"
    )


def test_nothing_is_said_of_a_user_who_says_nothing() -> None:
    assert portrait(conversation(turn(None, reply="Hello?"))) == (None, None, "at last the agent said: “Hello?”")
    assert portrait(conversation()) == (None, None, None)


def test_calls_of_the_platforms_show_all_three() -> None:
    calls = [one for one in read_file(SAMPLES / "vapi-call.json", None) if isinstance(one, Conversation)]
    shown = [portrait(one) for one in calls if one.turns]
    assert shown
    assert all(one.situation and one.outcome for one in shown)


def test_a_row_says_what_was_derived_and_a_given_persona_stays() -> None:
    flow = Flow(MemoryStore())
    flow.store.put_conversation(conversation().but(project="shop"))
    scenario = create_scenario(flow, CreateScenario(project_id="shop", name="calls"))
    case = Case(id="parcel", recorded=conversation(turn("Where is my parcel now?", reply="On its way.")))
    spoken_by = case.recorded.but(metadata={"persona": "terse"})
    made = case.but(id="terse", recorded=spoken_by, origin=Origin(kind="synthetic"))
    rows = add_rows(flow, scenario.id, AddRows(rows=(AddRow(case=case), AddRow(case=made)))).things
    assert [(row.persona, row.derived) for row in rows] == [
        ("writes English", ("persona", "situation", "outcome")),
        ("terse", ("situation", "outcome")),
    ]
    assert {row.situation for row in rows} == {"Where is my parcel now?"}
    changed = update_row(flow, rows[1].id, UpdateRow(case=made.but(recorded=case.recorded)))
    assert (changed.persona, changed.derived) == ("terse", ("situation", "outcome"))

"""Which spans belong to one conversation."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from recorded_traces import NAMES, recorded_trace
from talk_spans import Recorder, calls, result, says, user

from taketwo.capture.chaining import WINDOW_NS
from taketwo.capture.reconstruct import reconstruct
from taketwo.capture.sessions import Session, sessions
from taketwo.span import LogRecord

HELLO, HI = user("Hello"), says("Hi, how can I help?")
WHERE, IN_ELY = user("Where is A-1?"), says("It is in Ely.")


def traces(found: Sequence[Session]) -> list[tuple[str | None, list[int]]]:
    return [(each.id, sorted({int(span.trace_id, 16) for span in each.spans})) for each in found]


def test_traces_with_the_same_session_are_one() -> None:
    made = Recorder("s-1")
    made.chat([HELLO], HI, trace=1)
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=2)
    other = Recorder("s-2")
    other.chat([HELLO], HI, trace=3)
    assert traces(sessions([*made.spans, *other.spans])) == [("s-1", [1, 2]), ("s-2", [3])]


def test_spans_that_name_no_session_inherit_the_one_of_their_trace() -> None:
    made = Recorder(None)
    run = made.agent(trace=1)
    made.chat([HELLO], HI, trace=1, parent=run, attributes={"session.id": "s-1"})
    made.tool("look_up", {}, "x", trace=1, parent=run)
    assert traces(sessions(made.spans)) == [("s-1", [1])]


def test_of_two_sessions_in_a_trace_the_nearest_ancestor_wins() -> None:
    made = Recorder(None)
    root = made.add("batch", {})
    for name in ("s-1", "s-2"):
        run = made.add("one", {"session.id": name}, parent=root)
        made.chat([HELLO], HI, parent=run)
    found = sessions(made.spans)
    assert [(each.id, len(each.spans)) for each in found] == [("s-1", 3), ("s-2", 2)]


def test_a_surer_key_anywhere_in_the_trace_wins_over_a_nearer_one() -> None:
    made = Recorder(None)
    root = made.add("POST /chat", {"session.id": "s-1"})
    made.chat([HELLO], HI, parent=root, attributes={"gen_ai.conversation.id": "a-new-one-for-every-run"})
    assert [each.id for each in sessions(made.spans)] == ["s-1"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"session.id": "a"}, "a"),
        ({"langfuse.session.id": "a"}, "a"),
        ({"traceloop.association.properties.thread_id": "a"}, "a"),
        ({"traceloop.association.properties.chat_id": "a"}, "a"),
        ({"ai.telemetry.metadata.sessionId": "a"}, "a"),
        ({"ai.settings.context.threadId": "a"}, "a"),
        ({"langsmith.metadata.thread_id": "a"}, "a"),
        ({"gcp.vertex.agent.session_id": "a"}, "a"),
        ({"group_id": "a"}, "a"),
        ({"metadata": '{"thread_id": "a"}'}, "a"),
        ({"metadata": '{"plan": "gold"}'}, None),
        ({"mlflow.trace.session": '"a"'}, "a"),
        ({"session_id": "a"}, "a"),
        ({"lk.pii.room_name": "a"}, "a"),
        ({"session_id": "[Scrubbed due to 'session']"}, None),
        ({"session.id": ""}, None),
        ({"session.id": 42}, "42"),
        ({"langsmith.trace.session_name": "a-project"}, None),
        ({"service.instance.id": "x"}, None),
        ({"conversation.id": "b", "session.id": "a"}, "a"),
        ({"session.id": ["not", "an", "id"], "thread_id": "a"}, "a"),
    ],
)
def test_a_session_goes_by_many_names(attributes: dict[str, object], expected: str | None) -> None:
    made = Recorder(None)
    made.chat([HELLO], HI, attributes=attributes)
    assert [each.id for each in sessions(made.spans)] == [expected]
    assert reconstruct(made.spans).session_id == expected


def test_a_resource_may_name_the_session() -> None:
    made = Recorder(None)
    made.chat([HELLO], HI, resource={"session.id": "s-1"})
    assert [each.id for each in sessions(made.spans)] == ["s-1"]
    assert reconstruct(made.spans).session_id == "s-1"


def test_keys_of_ones_own_come_before_the_known_ones() -> None:
    made = Recorder("s-1")
    made.chat([HELLO], HI, attributes={"acme.case": "case-7"})
    assert [each.id for each in sessions(made.spans, extra_keys=["acme.case"])] == ["case-7"]


def test_the_same_id_in_two_projects_is_two_sessions() -> None:
    made = Recorder("s-1")
    made.chat([HELLO], HI, trace=1, resource={"openinference.project.name": "shop"})
    made.chat([HELLO], HI, trace=2, resource={"openinference.project.name": "bank"})
    found = sessions(made.spans)
    assert [(each.id, each.project) for each in found] == [("s-1", "shop"), ("s-1", "bank")]


@pytest.mark.parametrize(
    ("key", "value"), [("fi.simulator.is_simulator_trace", True), ("gen_ai.simulator.run_test_id", "7")]
)
def test_what_a_simulator_made_is_no_production(key: str, value: object) -> None:
    made = Recorder("s-1")
    made.chat([HELLO], HI, trace=1, attributes={key: value})
    made.chat([HELLO], HI, trace=2, attributes={"fi.simulator.is_simulator_trace": False})
    assert traces(sessions(made.spans)) == [("s-1", [2])]


def test_traces_without_any_id_are_put_together_by_their_histories() -> None:
    made = Recorder(None)
    made.chat([HELLO], HI, trace=1)
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=2)
    made.chat([HELLO, HI, WHERE, IN_ELY, user("Thanks")], says("Bye"), trace=3)
    assert traces(sessions(made.spans)) == [(None, [1, 2, 3])]


def test_a_trace_for_every_model_call_is_put_together_too() -> None:
    look = calls(("c1", "look_up", {"order": "A-1"}))
    made = Recorder(None)
    made.chat([WHERE], look, trace=1)
    made.chat([WHERE, look, result("c1", "Ely")], IN_ELY, trace=2)
    made.chat([WHERE, look, result("c1", "Ely"), IN_ELY, HELLO], HI, trace=3)
    assert traces(sessions(made.spans)) == [(None, [1, 2, 3])]


def test_a_history_without_its_tool_steps_is_still_known() -> None:
    look = calls(("c1", "look_up", {"order": "A-1"}), text="Let me look.")
    made = Recorder(None)
    made.chat([WHERE], look, trace=1)
    made.chat([WHERE, look, result("c1", "Ely")], IN_ELY, trace=1)
    made.chat([WHERE, IN_ELY, HELLO], HI, trace=2)
    assert traces(sessions(made.spans)) == [(None, [1, 2])]


def test_two_users_who_begin_alike_are_kept_apart() -> None:
    made = Recorder(None)
    made.chat([HELLO], HI, trace=1)
    made.chat([HELLO], HI, trace=2)
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=3)
    made.chat([HELLO, HI, user("Where is B-2?")], says("In York."), trace=4)
    found = sessions(made.spans)
    assert sorted(len({span.trace_id for span in each.spans}) for each in found) == [2, 2]
    talks = [[turn.user.text for turn in reconstruct(each.spans).turns if turn.user] for each in found]
    assert sorted(talk[1] for talk in talks) == ["Where is A-1?", "Where is B-2?"]


def test_ids_of_calls_tell_users_apart_who_begin_alike() -> None:
    made = Recorder(None)
    for trace, identity in ((1, "call_a"), (2, "call_b")):
        made.chat([WHERE], calls((identity, "look_up", {"order": "A-1"})), trace=trace)
    look = calls(("call_a", "look_up", {"order": "A-1"}))
    made.chat([WHERE, look, result("call_a", "Ely")], IN_ELY, trace=3)
    assert traces(sessions(made.spans)) == [(None, [1, 3]), (None, [2])]


def test_users_who_are_named_are_kept_apart() -> None:
    made = Recorder(None)
    made.chat([HELLO], HI, trace=1, attributes={"user.id": "ann"})
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=2, attributes={"user.id": "bob"})
    assert len(sessions(made.spans)) == 2


def test_the_same_first_line_twice_is_two_talks() -> None:
    made = Recorder(None)
    made.chat([HELLO], HI, trace=1)
    made.chat([HELLO], says("Good morning."), trace=2)
    assert len(sessions(made.spans)) == 2


def test_another_service_does_not_go_on_with_the_talk() -> None:
    made = Recorder(None)
    made.chat([HELLO], HI, trace=1, resource={"service.name": "shop"})
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=2, resource={"service.name": "bank"})
    assert len(sessions(made.spans)) == 2


def test_a_talk_does_not_go_on_after_the_window() -> None:
    made = Recorder(None)
    made.chat([HELLO], HI, trace=1, at=0)
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=2, at=WINDOW_NS // 10**6 + 1000)
    assert len(sessions(made.spans)) == 2


def test_a_response_that_the_next_request_names_puts_them_together() -> None:
    made = Recorder(None)
    made.chat([HELLO], HI, trace=1, attributes={"gen_ai.response.id": "r1"})
    made.chat([WHERE], IN_ELY, trace=2, attributes={"gen_ai.request.previous_response_id": "r1"})
    assert traces(sessions(made.spans)) == [(None, [1, 2])]


def test_hidden_words_put_nobody_together() -> None:
    made = Recorder(None)
    for trace in (1, 2):
        made.chat(
            [{"role": "user", "parts": [{"type": "text"}]}],
            [{"role": "assistant", "parts": [{"type": "text"}]}],
            trace=trace,
        )
    assert len(sessions(made.spans)) == 2


def test_log_records_go_with_their_spans() -> None:
    made = Recorder("s-1")
    span = made.chat(None, None, trace=1)
    record = LogRecord(trace_id=span.trace_id, span_id=span.span_id, event_name="gen_ai.user.message", at_ns=1)
    stray = record.but(trace_id="f" * 32, span_id="e" * 16, attributes={"session.id": "s-2"})
    found = sessions(made.spans, [stray, record])
    assert [(each.id, len(each.spans), len(each.logs)) for each in found] == [("s-2", 0, 1), ("s-1", 1, 1)]


@pytest.mark.parametrize("name", NAMES)
def test_no_order_of_arrival_changes_the_sessions(name: str) -> None:
    spans, logs = recorded_trace(name)
    assert sessions(spans[::-1], logs[::-1]) == sessions(spans, logs)
    assert sessions([*spans, *spans[:5]], logs) == sessions(spans, logs)


def test_a_service_that_names_no_environment_is_in_the_one_of_the_others() -> None:
    made = Recorder("s-1")
    made.chat([HELLO], HI, trace=1, resource={"deployment.environment.name": "production"})
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=2)
    assert traces(sessions(made.spans)) == [("s-1", [1, 2])]

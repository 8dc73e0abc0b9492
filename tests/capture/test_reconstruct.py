"""What a transcript must bear: histories that repeat, shrink, branch or are missing, tools, other agents, clocks."""

from __future__ import annotations

import pytest
from talk_spans import Recorder, calls, result, says, user

from taketwo.capture.reconstruct import reconstruct
from taketwo.conversation import Call, Conversation, Turn

HELLO, HI = user("Hello"), says("Hi, how can I help?")
WHERE = user("Where is A-1?")
LOOK = calls(("c1", "look_up", {"order": "A-1"}))
FOUND = result("c1", "It is in Ely.")
IN_ELY = says("It is in Ely.")


def lines(conversation: Conversation) -> list[tuple[str | None, str | None]]:
    return [(turn.user.text if turn.user else None, turn.reply) for turn in conversation.turns]


def tools(turn: Turn) -> list[tuple[str, object]]:
    return [(call.tool, call.result if call.error is None else call.error) for call in turn.calls]


def why(conversation: Conversation) -> dict[str, str]:
    return {gap.where: gap.why for gap in conversation.gaps}


TWO_TURNS = [("Hello", "Hi, how can I help?"), ("Where is A-1?", "It is in Ely.")]


def recorded_two_turns(*, traces: tuple[int, int, int]) -> Recorder:
    made = Recorder()
    made.chat([HELLO], HI, trace=traces[0])
    made.chat([HELLO, HI, WHERE], LOOK, trace=traces[1])
    made.tool("look_up", {"order": "A-1"}, "It is in Ely.", call_id="c1", trace=traces[1])
    made.chat([HELLO, HI, WHERE, LOOK, FOUND], IN_ELY, trace=traces[2])
    return made


@pytest.mark.parametrize("traces", [(1, 2, 2), (1, 1, 1), (1, 2, 3)], ids=["a trace a turn", "one", "a trace a call"])
def test_history_that_every_request_repeats_is_said_once(traces: tuple[int, int, int]) -> None:
    conversation = reconstruct(recorded_two_turns(traces=traces).spans)
    assert lines(conversation) == TWO_TURNS
    assert tools(conversation.turns[1]) == [("look_up", "It is in Ely.")]
    assert conversation.gaps == ()


def test_the_same_words_twice_are_two_turns() -> None:
    made = Recorder()
    made.chat([HELLO], HI, trace=1)
    made.chat([HELLO, HI, HELLO], HI, trace=2)
    made.chat([HELLO, HI, HELLO, HI, HELLO], HI, trace=3)
    assert len(reconstruct(made.spans).turns) == 3


def test_a_retry_is_not_a_second_turn() -> None:
    made = Recorder()
    run = made.agent()
    made.chat([HELLO], None, parent=run, error="rate limited")
    made.chat([HELLO], HI, parent=run, attributes={"gen_ai.usage.input_tokens": 7})
    conversation = reconstruct(made.spans)
    assert lines(conversation) == TWO_TURNS[:1]
    assert conversation.turns[0].tokens.input == 7


def test_of_two_answers_the_one_that_the_next_request_repeats_was_given() -> None:
    made = Recorder()
    made.chat([HELLO], says("Go away."), trace=1)
    made.chat([HELLO], HI, trace=2)
    made.chat([HELLO], says("What?"), trace=3)
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=4)
    assert lines(reconstruct(made.spans)) == TWO_TURNS


def test_of_two_answers_at_the_end_the_later_one_was_given() -> None:
    made = Recorder()
    made.chat([HELLO], says("Go away."), trace=1)
    made.chat([HELLO], HI, trace=2)
    assert lines(reconstruct(made.spans)) == TWO_TURNS[:1]


def test_an_edited_line_replaces_what_followed_the_first_wording() -> None:
    made = Recorder()
    made.chat([HELLO], HI, trace=1)
    made.chat([HELLO, HI, user("Where is B-2?")], says("In York."), trace=2)
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=3)
    assert lines(reconstruct(made.spans)) == TWO_TURNS


def test_an_application_that_keeps_no_tool_steps_loses_none() -> None:
    made = Recorder()
    made.chat([WHERE], LOOK, trace=1)
    made.chat([WHERE, LOOK, FOUND], IN_ELY, trace=1)
    made.chat([WHERE, IN_ELY, HELLO], HI, trace=2)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == [("Where is A-1?", "It is in Ely."), ("Hello", "Hi, how can I help?")]
    assert tools(conversation.turns[0]) == [("look_up", "It is in Ely.")]


def test_a_window_that_slides_over_the_history_loses_nothing_of_it() -> None:
    said = [item for n in range(6) for item in (user(f"question {n}"), says(f"answer {n}"))]
    made = Recorder()
    for turn in range(6):
        made.chat(said[max(0, 2 * turn - 2) : 2 * turn + 1], said[2 * turn + 1], trace=turn + 1)
    assert lines(reconstruct(made.spans)) == [(f"question {n}", f"answer {n}") for n in range(6)]


def test_a_summary_in_place_of_the_history_is_no_line_of_the_user() -> None:
    made = Recorder()
    made.chat([HELLO], HI, trace=1)
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=2)
    summary = user("Summary of the conversation so far: they greeted each other.")
    made.chat([summary, WHERE, IN_ELY, user("Thanks")], says("Bye"), trace=3)
    assert lines(reconstruct(made.spans)) == [*TWO_TURNS, ("Thanks", "Bye")]


def test_an_agent_that_is_never_told_the_past_still_has_one() -> None:
    made = Recorder()
    made.chat([HELLO], HI, trace=1)
    made.chat([WHERE], IN_ELY, trace=2)
    made.chat([HELLO], says("Hello again!"), trace=3)
    assert lines(reconstruct(made.spans)) == [*TWO_TURNS, ("Hello", "Hello again!")]


def test_a_request_that_names_the_response_before_goes_on_from_it() -> None:
    made = Recorder()
    made.chat([WHERE], LOOK, trace=1, attributes={"gen_ai.response.id": "r1"})
    before = {"gen_ai.request.previous_response_id": "r1", "gen_ai.response.id": "r2"}
    made.chat([FOUND], IN_ELY, trace=1, attributes=before)
    made.chat([HELLO], HI, trace=2, attributes={"gen_ai.request.previous_response_id": "r2"})
    conversation = reconstruct(made.spans)
    assert lines(conversation) == [("Where is A-1?", "It is in Ely."), ("Hello", "Hi, how can I help?")]
    assert tools(conversation.turns[0]) == [("look_up", "It is in Ely.")]


def test_what_the_history_says_of_an_answer_is_what_the_user_was_told() -> None:
    made = Recorder()
    made.chat([HELLO], says("Hi [1], how can I help?"), trace=1)
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=2)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == TWO_TURNS
    assert conversation.turns[0].steps[0].text == "Hi [1], how can I help?"  # type: ignore[union-attr]


def test_two_spans_of_one_call_count_once() -> None:
    made = Recorder()
    usage = {"gen_ai.response.id": "r1", "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 2}
    outer = made.chat([HELLO], HI, attributes=usage)
    made.chat(None, None, parent=outer, attributes=usage, system=None, tools=False)
    made.chat(None, None, attributes=usage, system=None, tools=False)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == TWO_TURNS[:1]
    assert (conversation.turns[0].tokens.input, conversation.turns[0].tokens.output) == (5, 2)


def test_parallel_calls_stand_in_one_message_and_find_their_results() -> None:
    both = calls(("c1", "look_up", {"order": "A-1"}), ("c2", "look_up", {"order": "B-2"}))
    made = Recorder()
    made.chat([WHERE], both)
    made.chat([WHERE, both, result("c2", "York"), result("c1", "Ely")], IN_ELY)
    turn = reconstruct(made.spans).turns[0]
    assert [(call.message, call.result) for call in turn.calls] == [(0, "Ely"), (0, "York")]


def test_results_whose_ids_are_none_of_the_calls_go_by_order() -> None:
    both = calls(("fc_1", "look_up", {"order": "A-1"}), ("fc_2", "look_up", {"order": "B-2"}))
    made = Recorder()
    made.chat([WHERE], both)
    made.chat([WHERE, both, result("call_1", "Ely"), result("call_2", "York")], IN_ELY)
    assert [call.result for call in reconstruct(made.spans).turns[0].calls] == ["Ely", "York"]


def test_a_user_message_that_only_brings_results_is_no_line() -> None:
    hidden_in_user = {**FOUND, "role": "user"}
    made = Recorder()
    made.chat([WHERE], LOOK)
    made.chat([WHERE, LOOK, hidden_in_user], IN_ELY)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == TWO_TURNS[1:]
    assert tools(conversation.turns[0]) == [("look_up", "It is in Ely.")]


def test_a_call_gets_time_and_latency_from_the_tool_that_ran() -> None:
    made = Recorder()
    made.chat([WHERE], LOOK)
    ran = made.tool("look_up", {"order": "A-1"}, "It is in Ely.", call_id="c1", lasts=30)
    made.chat([WHERE, LOOK, FOUND], IN_ELY)
    call = reconstruct(made.spans).turns[0].calls[0]
    assert call.latency_ms == 30
    assert call.at is not None
    assert call.at.timestamp() == pytest.approx(ran.start_ns / 1e9)


def test_tools_without_ids_are_found_by_name_arguments_and_order() -> None:
    first, second = ("c1", "look_up", {"order": "A-1"}), ("c2", "look_up", {"order": "B-2"})
    made = Recorder()
    made.chat([WHERE], calls(first, second))
    made.tool("look_up", {"order": "B-2"}, "York", lasts=20)
    made.tool("look_up", {"order": "A-1"}, "Ely", lasts=10)
    found = reconstruct(made.spans).turns[0].calls
    assert [(call.result, call.latency_ms) for call in found] == [("Ely", 10), ("York", 20)]


def test_the_text_that_the_model_read_is_the_error_and_what_the_tool_raised_stands_beside_it() -> None:
    made = Recorder()
    made.chat([WHERE], LOOK)
    made.tool("look_up", {"order": "A-1"}, None, call_id="c1", error="no such order")
    made.chat([WHERE, LOOK, result("c1", "An error occurred. Please try again.")], says("Sorry."))
    call = reconstruct(made.spans).turns[0].calls[0]
    assert (call.result, call.error, call.raised) == (None, "An error occurred. Please try again.", "no such order")


def test_an_error_that_a_loop_gives_back_as_json_is_one() -> None:
    made = Recorder()
    made.chat([WHERE], LOOK)
    made.tool("look_up", {"order": "A-1"}, '{"error": "no such order"}', call_id="c1")
    made.chat([WHERE, LOOK, result("c1", '{"error": "no such order"}')], says("Sorry."))
    call = reconstruct(made.spans).turns[0].calls[0]
    assert (call.error, call.raised) == ('{"error": "no such order"}', None)


def test_a_result_that_no_model_read_comes_from_the_tool() -> None:
    made = Recorder()
    made.chat([WHERE], LOOK)
    made.tool("look_up", {"order": "A-1"}, "It is in Ely.", call_id="c1")
    conversation = reconstruct(made.spans)
    assert tools(conversation.turns[0]) == [("look_up", "It is in Ely.")]
    assert why(conversation) == {"turns[0].reply": "the turn ended without an answer"}


def test_a_tool_that_code_called_by_itself_is_no_step() -> None:
    made = Recorder()
    made.tool("warm_up", {}, "ok")
    made.chat([HELLO], HI)
    conversation = reconstruct(made.spans)
    assert conversation.turns[0].calls == ()
    assert [each["tool"] for each in conversation.metadata["called_by_code"]] == ["warm_up"]


def test_an_agent_behind_a_tool_has_its_own_talk() -> None:
    made = Recorder()
    made.chat([WHERE], LOOK)
    tool = made.tool("look_up", {"order": "A-1"}, "It is in Ely.", call_id="c1", lasts=300)
    deep = calls(("d1", "query", {"sql": "select"}))
    made.chat([user("Find A-1")], deep, system="You query.", parent=tool)
    made.tool("query", {"sql": "select"}, "Ely", call_id="d1", parent=tool)
    made.chat([user("Find A-1"), deep, result("d1", "Ely")], says("Ely"), system="You query.", parent=tool)
    made.chat([WHERE, LOOK, FOUND], IN_ELY)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == TWO_TURNS[1:]
    assert [call.tool for call in conversation.turns[0].calls] == ["look_up"]
    assert "called_by_code" not in conversation.metadata


def test_a_hand_off_goes_on_with_the_talk() -> None:
    hand_over = calls(("h1", "transfer_to_refunds", {}))
    made = Recorder()
    made.chat([HELLO], HI, trace=1)
    made.chat([HELLO, HI, WHERE], hand_over, trace=2)
    passed = [HELLO, HI, WHERE, hand_over, result("h1", "Refunds")]
    made.chat(passed, IN_ELY, system="You do refunds.", trace=2)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == TWO_TURNS
    assert conversation.agent.system_prompt == "You are a support agent."
    assert [agent["system_prompt"] for agent in conversation.metadata["agents"]] == [
        "You are a support agent.",
        "You do refunds.",
    ]


def test_a_title_generator_is_no_part_of_the_talk() -> None:
    made = Recorder()
    made.chat([HELLO], HI, trace=1)
    made.chat([HELLO], says("Greeting"), system="Write a title.", tools=False, trace=1)
    made.chat([user("Title for: Hello")], says("Greeting"), system=None, tools=False, trace=1)
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=2)
    assert lines(reconstruct(made.spans)) == TWO_TURNS
    assert lines(reconstruct(made.spans[:3])) == TWO_TURNS[:1]


def test_a_guard_that_reads_the_line_first_is_no_part_of_the_talk() -> None:
    made = Recorder()
    for turn, (line, answer) in enumerate([(HELLO, HI), (WHERE, IN_ELY)]):
        made.chat([line], says("safe"), system="Is this safe?", tools=False, trace=turn + 1)
        made.chat([HELLO, HI, WHERE][: 2 * turn + 1], answer, trace=turn + 1)
    assert lines(reconstruct(made.spans)) == TWO_TURNS


def test_a_judge_and_a_summary_after_the_talk_are_no_part_of_it() -> None:
    made = Recorder()
    run = made.agent("Hello", "Hi, how can I help?", trace=1)
    made.chat([HELLO], HI, trace=1, parent=run)
    said = [HELLO, HI, user("Summarise the talk.")]
    made.chat(said, says("They greeted."), system="You summarise.", tools=False, trace=2)
    made.chat([user("Rate this: Hello / Hi")], says("5"), system="You judge.", tools=False, trace=3)
    assert lines(reconstruct(made.spans)) == TWO_TURNS[:1]


def test_a_line_that_the_model_failed_to_answer_is_kept() -> None:
    made = Recorder()
    made.chat([HELLO], HI, trace=1)
    made.chat([HELLO, HI, WHERE], None, trace=2, error="internal error")
    conversation = reconstruct(made.spans)
    assert lines(conversation) == [TWO_TURNS[0], ("Where is A-1?", None)]
    assert why(conversation) == {"turns[1].reply": "the model call failed: internal error"}


def test_a_line_after_one_that_failed_is_a_turn_of_its_own() -> None:
    made = Recorder()
    made.chat([HELLO], None, trace=1, error="internal error")
    made.chat([HELLO, WHERE], IN_ELY, trace=2)
    assert lines(reconstruct(made.spans)) == [("Hello", None), ("Where is A-1?", "It is in Ely.")]


def test_lines_that_came_together_are_one_turn() -> None:
    made = Recorder()
    made.chat([HELLO, WHERE], IN_ELY)
    assert lines(reconstruct(made.spans)) == [("Hello\nWhere is A-1?", "It is in Ely.")]


def test_an_agent_may_speak_first() -> None:
    made = Recorder()
    made.chat([], HI, trace=1)
    made.chat([HI, WHERE], IN_ELY, trace=2)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == [(None, "Hi, how can I help?"), ("Where is A-1?", "It is in Ely.")]
    assert conversation.gaps == ()


def test_content_that_was_never_captured_is_a_gap_and_no_text() -> None:
    made = Recorder()
    for trace in (1, 2):
        run = made.agent(trace=trace)
        made.chat(None, None, trace=trace, parent=run, system=None, tools=False)
        made.tool("look_up", None, None, call_id=f"c{trace}", trace=trace, parent=run)
        made.chat(None, None, trace=trace, parent=run, system=None, tools=False)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == [(None, None), (None, None)]
    assert [call.tool for turn in conversation.turns for call in turn.calls] == ["look_up", "look_up"]
    assert {"turns[0].user", "turns[0].reply", "turns[0].steps[0].arguments", "turns[1].steps[0].result"} <= set(
        why(conversation)
    )


def test_what_the_run_says_fills_what_its_model_calls_hide() -> None:
    made = Recorder()
    run = made.agent("Hello", "Hi, how can I help?")
    made.chat(None, None, parent=run)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == TWO_TURNS[:1]


def test_a_run_without_any_model_call_is_a_turn() -> None:
    made = Recorder()
    run = made.agent("Where is A-1?", "It is in Ely.")
    made.tool("look_up", {"order": "A-1"}, "It is in Ely.", parent=run)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == TWO_TURNS[1:]
    assert tools(conversation.turns[0]) == [("look_up", "It is in Ely.")]


def test_a_text_that_was_cut_in_one_span_is_recovered_from_another() -> None:
    made = Recorder()
    cut = says("It is in E... [truncated]")
    made.chat([WHERE], cut, trace=1)
    assert why(reconstruct(made.spans)) == {
        "turns[0].steps[0].text": "the sender cut it off",
        "turns[0].reply": "the sender cut it off",
    }
    made.chat([WHERE, IN_ELY, HELLO], HI, trace=2)
    conversation = reconstruct(made.spans)
    assert lines(conversation)[0] == ("Where is A-1?", "It is in Ely.")
    assert conversation.gaps == ()


def test_a_list_that_was_cut_keeps_its_beginning_and_the_rest_is_a_gap() -> None:
    made = recorded_two_turns(traces=(1, 2, 2))
    key = "gen_ai.input.messages"
    spans = [
        span.but(attributes={**span.attributes, key: str(span.attributes[key])[:120]})
        if key in span.attributes
        else span
        for span in made.spans
    ]
    conversation = reconstruct(spans)
    assert lines(conversation) == [("Hello", "Hi, how can I help?"), (None, "It is in Ely.")]
    assert why(conversation) == {"turns[1].user": "the sender cut it off"}


def test_arguments_that_are_no_object_are_kept_letter_by_letter() -> None:
    broken = {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "t", "arguments": "{oops"}]}
    made = Recorder()
    made.chat([WHERE], broken)
    conversation = reconstruct(made.spans)
    call = conversation.turns[0].calls[0]
    assert (call.arguments, call.arguments_text) == ({}, "{oops")
    assert "turns[0].steps[0].arguments" in why(conversation)


def test_clocks_that_disagree_change_no_order_and_make_no_negative_time() -> None:
    made = Recorder()
    run = made.agent(at=5000, trace=1)
    made.chat([HELLO], HI, at=4000, trace=1, parent=run)
    made.chat([HELLO, HI, WHERE], IN_ELY, at=1000, trace=2)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == TWO_TURNS
    assert all(turn.latency_ms is not None and turn.latency_ms >= 0 for turn in conversation.turns)


def test_a_parent_that_never_arrives_is_not_needed() -> None:
    made = Recorder()
    run = made.agent(trace=1)
    made.chat([HELLO], HI, trace=1, parent=run)
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=2)
    assert lines(reconstruct(made.spans[1:])) == TWO_TURNS


def test_a_prompt_made_of_the_line_gives_way_to_the_line() -> None:
    made = Recorder()
    run = made.agent("Where is A-1?", trace=1)
    made.chat([user("Context: nothing.\nQuestion: Where is A-1?")], IN_ELY, trace=1, parent=run)
    made.chat([WHERE, IN_ELY, HELLO], HI, trace=2)
    assert lines(reconstruct(made.spans)) == [("Where is A-1?", "It is in Ely."), ("Hello", "Hi, how can I help?")]


def test_spans_that_tell_of_no_talk_make_no_turn() -> None:
    made = Recorder(session=None)
    made.add("GET /health", {"http.request.method": "GET"})
    conversation = reconstruct(made.spans)
    assert conversation.turns == ()
    assert conversation.id == made.spans[0].trace_id


def test_nothing_makes_an_empty_conversation() -> None:
    assert reconstruct([], project="p", session_id="s").turns == ()


def test_every_step_says_where_it_was_read() -> None:
    conversation = reconstruct(recorded_two_turns(traces=(1, 2, 2)).spans)
    sources = [step.source for turn in conversation.turns for step in turn.steps]
    assert all(source is not None and source.rule and source.span_id for source in sources)
    assert {source.rule for source in sources if source} == {"otel_genai: gen_ai.output.messages"}
    assert all(turn.user is not None and turn.user.source is not None for turn in conversation.turns)


def test_a_call_without_a_text_before_it_stands_in_the_message_of_its_response() -> None:
    again = calls(("c2", "look_up", {"order": "B-2"}), text="Let me look again.")
    made = Recorder()
    made.chat([WHERE], LOOK)
    made.chat([WHERE, LOOK, FOUND], again)
    made.chat([WHERE, LOOK, FOUND, again, result("c2", "York")], IN_ELY)
    steps = reconstruct(made.spans).turns[0].steps
    assert [(isinstance(step, Call), step.message) for step in steps] == [(True, 0), (False, 1), (True, 1), (False, 2)]


def test_an_agent_that_is_handed_the_talk_without_its_past_goes_on_with_it() -> None:
    hand_over = calls(("h1", "transfer_to_refunds", {}))
    made = Recorder()
    run = made.agent()
    made.chat([WHERE], hand_over, parent=run)
    made.chat([WHERE], IN_ELY, system="You do refunds.", parent=run)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == TWO_TURNS[1:]
    assert [call.tool for call in conversation.turns[0].calls] == ["transfer_to_refunds"]


def test_a_turn_that_only_a_later_request_tells_of_says_so() -> None:
    conversation = reconstruct(recorded_two_turns(traces=(1, 2, 2)).spans[1:])
    assert lines(conversation) == TWO_TURNS
    assert conversation.turns[0].trace_id is None
    assert why(conversation) == {"turns[0].trace_id": "no span of this turn arrived; a later request tells of it"}


def test_what_the_application_says_of_the_talk_is_kept_under_its_own_names() -> None:
    made = Recorder(**{"metadata": '{"plan": "gold"}', "tag.tags": ["prod"]})
    made.chat([HELLO], HI, resource={"service.name": "shop"})
    metadata = reconstruct(made.spans).metadata
    assert metadata == {"service.name": "shop", "metadata": {"plan": "gold"}, "tag.tags": ["prod"]}


def test_changing_a_conversation_changes_no_other() -> None:
    spans = recorded_two_turns(traces=(1, 2, 2)).spans
    first = reconstruct(spans)
    first.turns[1].calls[0].arguments["order"] = "changed"
    assert reconstruct(spans).turns[1].calls[0].arguments == {"order": "A-1"}


def test_providers_that_count_calls_anew_in_every_response_confuse_nothing() -> None:
    first, second = calls(("call_0", "look_up", {"order": "A-1"})), calls(("call_0", "look_up", {"order": "B-2"}))
    made = Recorder()
    made.chat([WHERE], first)
    made.tool("look_up", {"order": "A-1"}, "Ely", call_id="call_0")
    made.chat([WHERE, first, result("call_0", "Ely")], second)
    made.tool("look_up", {"order": "B-2"}, "York", call_id="call_0")
    made.chat([WHERE, first, result("call_0", "Ely"), second, result("call_0", "York")], IN_ELY)
    turn = reconstruct(made.spans).turns[0]
    assert [(call.arguments["order"], call.result, call.message) for call in turn.calls] == [
        ("A-1", "Ely", 0),
        ("B-2", "York", 1),
    ]
    assert all(call.latency_ms == 50 for call in turn.calls)


def test_a_span_around_the_whole_session_answers_no_single_turn() -> None:
    made = Recorder()
    root = made.agent(None, "It is in Ely.", lasts=10_000)
    made.chat([HELLO], None, parent=root, error="internal error", at=2000)
    made.chat([HELLO, WHERE], IN_ELY, parent=root, at=3000)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == [("Hello", None), ("Where is A-1?", "It is in Ely.")]
    assert [turn.latency_ms for turn in conversation.turns] == [50, 50]


def test_an_agent_that_is_itself_served_as_a_tool_has_its_talk() -> None:
    made = Recorder()
    tool = made.tool("ask_agent", {"question": "Where is A-1?"}, "It is in Ely.", lasts=500)
    made.chat([WHERE], LOOK, parent=tool)
    made.chat([WHERE, LOOK, FOUND], IN_ELY, parent=tool)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == TWO_TURNS[1:]
    assert tools(conversation.turns[0]) == [("look_up", "It is in Ely.")]


def test_a_span_that_says_nothing_beside_one_that_does_counts_nothing() -> None:
    usage = {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 2}
    made = Recorder()
    run = made.agent()
    made.chat([HELLO], HI, parent=run, attributes=usage, at=200)
    made.chat(None, None, parent=run, attributes=usage, at=210, lasts=20, system=None, tools=False)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == TWO_TURNS[:1]
    assert conversation.turns[0].tokens.input == 5


def test_a_request_that_names_the_response_before_may_repeat_the_past_all_the_same() -> None:
    made = Recorder()
    made.chat([HELLO], HI, trace=1, attributes={"gen_ai.response.id": "r1"})
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=2, attributes={"gen_ai.request.previous_response_id": "r1"})
    assert lines(reconstruct(made.spans)) == TWO_TURNS


def test_turns_in_which_the_model_was_not_told_all_are_named() -> None:
    made = Recorder()
    made.chat([WHERE], LOOK, trace=1)
    made.chat([WHERE, LOOK, FOUND], IN_ELY, trace=1)
    made.chat([WHERE, IN_ELY, HELLO], HI, trace=2)
    assert reconstruct(made.spans).metadata["context_trimmed"] == [1]


def test_a_title_made_in_a_trace_of_its_own_is_no_turn() -> None:
    made = Recorder()
    made.chat([HELLO], HI, trace=1)
    made.chat([user("Write a title for: Hello")], says("Greeting"), system=None, tools=False, trace=2)
    made.chat([HELLO, HI, WHERE], IN_ELY, trace=3)
    assert lines(reconstruct(made.spans)) == TWO_TURNS


def test_a_run_whose_model_call_was_lost_is_the_turn_that_it_says() -> None:
    made = Recorder()
    for trace, (line, answer) in enumerate(TWO_TURNS, start=1):
        run = made.agent(line, answer, trace=trace)
        made.chat([HELLO, HI, WHERE][: 2 * trace - 1], [HI, IN_ELY][trace - 1], trace=trace, parent=run)
    assert lines(reconstruct(made.spans[:-1])) == TWO_TURNS


def test_an_answer_that_only_a_history_without_tool_steps_has_comes_after_them() -> None:
    made = Recorder()
    made.chat([WHERE], LOOK, trace=1)
    made.tool("look_up", {"order": "A-1"}, "It is in Ely.", call_id="c1", trace=1)
    made.chat([WHERE, IN_ELY, HELLO], HI, trace=2)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == [("Where is A-1?", "It is in Ely."), ("Hello", "Hi, how can I help?")]
    assert tools(conversation.turns[0]) == [("look_up", "It is in Ely.")]
    assert [step.message for step in conversation.turns[0].steps] == [0, 1]


@pytest.mark.parametrize("lost", [3, 4])
def test_a_polished_or_lost_answer_deep_in_a_trimmed_history_costs_no_tool_step(lost: int) -> None:
    again = calls(("c2", "look_up", {"order": "B-2"}))
    made = Recorder()
    made.chat([WHERE], LOOK, trace=1)
    made.chat([WHERE, LOOK, FOUND], IN_ELY, trace=1)
    made.chat([WHERE, IN_ELY, HELLO], again, trace=2)
    made.chat([WHERE, IN_ELY, HELLO, again, result("c2", "York")], says("Hi!"), trace=2)
    made.chat([WHERE, IN_ELY, HELLO, HI, user("Thanks")], says("Bye"), trace=3)
    conversation = reconstruct([span for number, span in enumerate(made.spans) if number != lost])
    assert [turn.user.text for turn in conversation.turns if turn.user] == ["Where is A-1?", "Hello", "Thanks"][
        : 6 - lost
    ]
    assert [call.tool for call in conversation.turns[1].calls] == ["look_up"]
    assert conversation.turns[1].reply == ("Hi, how can I help?" if lost == 3 else "Hi!")


def test_instructions_that_tell_the_time_are_one_agents() -> None:
    made = Recorder()
    made.chat([HELLO], HI, trace=1, system="Be brief. It is Monday, 10:15.")
    made.chat([WHERE], IN_ELY, trace=2, system="Be brief. It is Tuesday, 9:40.")
    conversation = reconstruct(made.spans)
    assert lines(conversation) == TWO_TURNS
    assert "agents" not in conversation.metadata


def test_instructions_with_what_was_looked_up_are_one_agents() -> None:
    opening = "You answer questions about orders from the pages below and from nothing else. "
    made = Recorder()
    made.chat([HELLO], HI, trace=1, tools=False, system=opening + "Page 1: mugs")
    made.chat([WHERE], IN_ELY, trace=2, tools=False, system=opening + "Page 2: shipping by DHL")
    assert lines(reconstruct(made.spans)) == TWO_TURNS


def test_requests_that_record_only_what_is_new_go_on_from_each_other() -> None:
    made = Recorder()
    made.chat([WHERE], LOOK, trace=1)
    made.chat([FOUND], IN_ELY, trace=1)
    made.chat([HELLO], HI, trace=2)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == [("Where is A-1?", "It is in Ely."), ("Hello", "Hi, how can I help?")]
    assert tools(conversation.turns[0]) == [("look_up", "It is in Ely.")]


def test_a_line_that_comes_with_a_result_is_the_next_turn() -> None:
    made = Recorder()
    made.chat([WHERE], LOOK, trace=1)
    both = {"role": "user", "parts": [*HELLO["parts"], *FOUND["parts"]]}
    made.chat([WHERE, LOOK, both], HI, trace=2)
    conversation = reconstruct(made.spans)
    assert lines(conversation) == [("Where is A-1?", None), ("Hello", "Hi, how can I help?")]
    assert tools(conversation.turns[0]) == [("look_up", "It is in Ely.")]

from __future__ import annotations

import io
import re

import click
import made_results as made
import pytest

from taketwo.compare.compare import compare
from taketwo.events import Event
from taketwo.report.terminal import TerminalWriter, differences, page_for
from taketwo.testing import call, conversation, turn
from taketwo.verdict import Reason, Verdict


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(events: list[Event], *, out: io.StringIO | None = None, colour: bool | None = None, width: int = 110) -> str:
    out = out or io.StringIO()
    writer = TerminalWriter(out, colour=colour, width=width)
    for event in events:
        writer.write(event)
    writer.close()
    return out.getvalue()


def test_a_failure_shows_case_place_turn_and_call_before_and_after() -> None:
    text = shown(made.suite(made.failed()))
    assert "FAIL sess-dana  replays/refund-status.scenario.yaml:3\n" in text
    assert "kept because: Asked for the status of a refund, the desk paid a second one.\n" in text
    assert "turn 4  “And what is the status of my refund?”  a write is different ◂ first divergence\n" in text
    assert re.search(r'recorded +check_status\(order_id="A-1042"\) → ', text)
    assert re.search(r'replayed +issue_refund\(order_id="A-1042", amount=39.9\) → ', text)
    assert re.search(r"reply was +Your refund is approved", text)
    assert re.search(r"reply is +Done: I have refunded", text)
    assert "    could not judge “reply quality”: no judge is configured\n" in text
    assert "next: look at turn 4" in text


def test_turns_in_which_nothing_is_different_are_not_shown() -> None:
    text = shown(made.suite(made.failed()))
    assert "Has the parcel reached you?" not in text
    assert "thanks" not in text


def test_differences_of_arguments_and_words_are_marked() -> None:
    text = shown(made.suite(made.changed()))
    assert 'issue_refund(order_id="A-1007", amount=[-20-] → {+25+}, {+note="goodwill"+})' in text
    assert "I have refunded $[-20.00-]{+25.00+} to your card. It will reach you within [-3-] {+5+} days." in text


def test_a_miss_shows_the_nearest_recorded_call_and_what_is_different() -> None:
    text = shown(made.suite(made.inconclusive()))
    assert "no recorded answer: it was recorded only with other arguments" in text
    assert 'nearest: turn 1, check_status(order_id="A-1026")' in text
    assert 'order_id: recorded "A-1026", asked "A-1062"' in text
    assert "turns 2–3 are in the recording only" in text


def test_what_inconclusive_cases_need_stands_at_the_end() -> None:
    last = shown(made.suite(made.passed(), made.inconclusive())).splitlines()[-2:]
    assert last[0] == "2 cases in 3.4 s: 1 inconclusive, 1 pass"
    assert last[1] == "inconclusive (1): replay it with --live check_status, which only reads"


def test_turns_with_other_words_only_are_counted_beside_graver_ones() -> None:
    text = shown(made.suite(made.long()))
    assert "turn 17  “Question 17?”  what is looked up is different" in text
    assert "other words only, in turns 1, 3, 5, 7, 9, 11, 13, 15, 19, 23, 25, 27, 29" in text
    assert "Question 5?" not in text


def test_a_user_line_that_was_not_the_recorded_one_says_what_it_was() -> None:
    assert "from the facts that this user gave in the recording" in shown(made.suite(made.long()))


def test_a_user_line_other_than_the_recorded_one_is_shown_beside_it() -> None:
    text = shown(made.suite(made.other_line()))
    assert "turn 1  “It is A-1.”" in text
    assert "recorded: “Never mind.”" in text


def test_what_was_noticed_without_a_change_is_noted() -> None:
    assert re.search(r"note +find_order was answered twice by one recorded call", shown(made.suite(made.other_line())))


def test_a_flaky_case_shows_the_attempt_that_failed() -> None:
    text = shown(made.suite(made.flaky()))
    assert "issue_refund(" in text
    assert "shown is attempt 2 of 3" in text


def test_an_agent_that_failed_says_where_and_how() -> None:
    text = shown(made.suite(made.agent_failed()))
    assert "turn 2: the agent failed: KeyError: 'status' (shop/desk.py:41)\n" in text
    assert "turn 3 is in the recording only" in text


def test_a_case_that_passes_is_one_line() -> None:
    lines = shown(made.suite(made.passed())).splitlines()
    assert lines == [
        "Replaying 1 case against shop.desk:answer",
        "PASS sess-ada  replays/refund-status.scenario.yaml:1",
        "",
        "1 case in 3.4 s: 1 pass",
    ]


def test_a_case_that_passes_with_other_words_says_so() -> None:
    event = made.passed()
    event = event.but(case=event.case.but(expected=()))
    verdict = Verdict(kind="pass", reasons=(Reason(text="2 replies are worded differently", severity="wording"),))
    text = shown(made.suite(event.but(result=event.result.but(verdict=verdict))))
    assert "PASS sess-ada  replays/refund-status.scenario.yaml:1\n    2 replies are worded differently\n" in text


def test_many_cases_that_pass_are_dots_and_each_line_of_them_fits() -> None:
    cases = [made.passed(f"sess-{number}") for number in range(100)]
    lines = shown(made.suite(*cases[:60], made.failed(), *cases[60:]), width=50).splitlines()
    assert lines[1:3] == ["." * 50, "." * 10]
    assert "." * 40 in lines
    assert lines[-1] == "101 cases in 3.4 s: 1 fail, 100 pass"


def test_the_end_lists_what_to_look_at_gravest_first() -> None:
    text = shown(made.suite(*reversed(made.one_of_each())))
    recap = re.findall(r"^([A-Z]+) {2,}\S", text, re.MULTILINE)
    assert recap == ["FAIL", "FAIL", "ERROR", "FLAKY", "CHANGED", "CHANGED", "INCONCLUSIVE"]


def test_a_cancelled_suite_says_so() -> None:
    assert "(cancelled before the end)" in shown(made.suite(made.passed(), cancelled=True))


def test_hostile_text_is_shown_and_does_nothing() -> None:
    text = shown(made.suite(made.hostile()))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)
    assert "\\e[31mred\\e]0;title\\x07 <script>alert(1)</script> \\u202eevil" in text


def test_hostile_text_does_nothing_in_colour_either() -> None:
    text = click.unstyle(shown(made.suite(made.hostile()), colour=True))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)


def test_a_megabyte_is_cut_and_counted() -> None:
    text = shown(made.suite(made.hostile()))
    assert len(text) < 20_000
    assert "more characters)" in " ".join(text.split())


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_line_of_a_block_is_wider_than_the_terminal_when_it_can_be(width: int) -> None:
    text = shown(made.suite(made.failed(), made.inconclusive(), made.long()), width=width)
    indented = [line for line in text.splitlines() if line.startswith("    ")]
    assert max(len(line) for line in indented) <= max(width, 18 + 20)


def test_there_are_colours_on_a_terminal_only_and_never_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert page_for(Terminal()).colour
    assert not page_for(io.StringIO()).colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not page_for(Terminal()).colour


def test_a_stream_that_knows_only_ascii_gets_escapes_and_no_error() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    writer = TerminalWriter(out)
    for event in made.suite(made.failed()):
        writer.write(event)
    assert b"\\u201cAnd what is the status" in raw.getvalue()


def test_what_two_conversations_come_to_is_told_below_them() -> None:
    refund = call("issue_refund", {"order_id": "A-1042"}, result="ok")
    sides = [
        conversation(turn("Refund it.", *steps, reply="I have refunded you."), turn("Thanks", reply="Bye."))
        for steps in ((), (refund,))
    ]
    without, done = (side.but(agent=side.agent.but(tools=())) for side in sides)
    lines = list(differences(done, without, compare(done, without)))
    assert lines[-3:] == [
        "they part in turn 1 and are together again from turn 2; 1 turn apart; distance 0.75 of 1",
        "tool calls 1 → 0",
        "2 changes: 2 critical",
    ]
    assert any('says "I have refunded you.", but no tool that does it was called by then' in line for line in lines)
    recorded = list(differences(without, done, compare(without, done)))
    assert any(line.startswith("recorded turn 1 says “I have refunded you.”") for line in recorded)


def test_what_many_cases_have_in_common_is_told_once() -> None:
    one = made.changed()
    several = [one.but(result=one.result.but(case_id=f"case-{number}")) for number in range(2)]
    told = "in 2 cases the agent calls issue_refund with another amount and note  critical\n"
    assert told in shown(made.suite(*several))
    assert "the agent calls" not in shown(made.suite(one))


def test_two_captured_conversations_are_compared_without_a_replay() -> None:
    event = made.changed()
    attempt = event.result.attempts[0]
    lines = list(differences(event.case.recorded, attempt.run.conversation, attempt.comparison))
    assert lines[0] == "sess-ben → sess-ben-replayed"
    assert any("amount=[-20-] → {+25+}" in line for line in lines)
    assert lines[-1] == "2 changes: 1 critical, 1 wording"


def test_two_equal_conversations_have_no_differences() -> None:
    event = made.passed()
    attempt = event.result.attempts[0]
    lines = list(differences(event.case.recorded, event.case.recorded, attempt.comparison))
    assert lines[-1] == "nothing is different"

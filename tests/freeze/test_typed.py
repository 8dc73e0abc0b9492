from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from taketwo.freeze.format import CaseForm, Who
from taketwo.freeze.typed import Misplaced, plain, typed, untyped
from taketwo.freeze.yaml_reader import parse
from taketwo.scenario import ArgumentsMatchSchema, MaxLatency, MustCall


def read(text: str) -> Any:
    return parse(text.encode(), "f")


def case(text: str) -> CaseForm:
    form = typed(read(f"id: x\n{text}"), CaseForm)
    assert isinstance(form, CaseForm)
    return form


@pytest.mark.parametrize(
    "words", ["42", "no", "12:30", "1e3", "0x1F", "true", "~", "2026-01-01", "-5", "007", "<<", "="]
)
def test_where_a_text_belongs_whatever_a_person_writes_is_text(words: str) -> None:
    assert case(f"turns: [{{said: {words}}}]").turns[0].said == words


@pytest.mark.parametrize(
    ("words", "value"),
    [
        *(
            ("true", True),
            ("null", None),
            ("", None),
            ("42", 42),
            ("-5", -5),
            ("2.50", 2.5),
            ("1e3", 1000.0),
            ("-0.0", -0.0),
        ),
        *(
            ("'42'", "42"),
            ("yes", "yes"),
            ("off", "off"),
            ("~", "~"),
            ("0x1F", "0x1F"),
            ("007", "007"),
            ("12:30", "12:30"),
        ),
        *(("2026-01-01", "2026-01-01"), (".inf", ".inf"), ("1_000", "1_000"), ("True", "True"), ("+1", "+1")),
    ],
)
def test_where_a_json_value_belongs_only_json_words_and_numbers_are_no_text(words: str, value: object) -> None:
    found = plain(read(f"v: {words}"))["v"]
    assert (found, type(found)) == (value, type(value))


def test_a_number_that_python_could_not_read_is_refused() -> None:
    with pytest.raises(Misplaced, match="4300 digits"):
        plain(read("9" * 5000))
    with pytest.raises(Misplaced, match="too large"):
        plain(read("1e999"))


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("turns: [{steps: [{call: [a]}]}]", ["turns", 0, "steps", 0, "call"], "should be a text, not a list"),
        (
            "turns: [{steps: [{call: a, arguments: b}]}]",
            ["turns", 0, "steps", 0, "arguments"],
            "should be keys with values",
        ),
        ("turns: {said: x}", ["turns"], "should be a list, not keys with values"),
        (
            "expected: [{must_call: a, turn: soon}]",
            ["expected", 0, "turn"],
            "should be a whole number, not the text 'soon'",
        ),
        (
            "expected: [{must_call: a, turn: '4'}]",
            ["expected", 0, "turn"],
            "should be a whole number, not the text '4'",
        ),
        (
            "expected: [{max_latency_ms: fast}]",
            ["expected", 0, "max_latency_ms"],
            "should be a number, not the text 'fast'",
        ),
        ("expected: [{must_call: a, must_say: b}]", ["expected", 0], "says both 'must_call' and 'must_say'"),
        ("expected: [{must_call: }]", ["expected", 0, "must_call"], "is empty"),
        ("expected: [{}]", ["expected", 0], "says none of must_call, must_not_call"),
        (f"expected: [{{max_latency_ms: {'9' * 400}}}]", ["expected", 0, "max_latency_ms"], "is too large a number"),
        ("expected: [must_call]", ["expected", 0], "should be keys with values, not the text 'must_call'"),
        ("expected: [{arguments_match_schema: a}]", ["expected", 0], "has no 'schema'"),
        ("who: {channel: fax}", ["who", "channel"], "should be text or voice, not the text 'fax'"),
        ("who: {ended_at: yesterday}", ["who", "ended_at"], "should be a moment such as 2026-11-17T10:00:00Z"),
        ("agent: {tools: [{name: a, writes: yes}]}", ["agent", "tools", 0, "writes"], "should be true or false"),
    ],
)
def test_what_is_misplaced_is_told_with_its_path(text: str, path: list[str | int], message: str) -> None:
    with pytest.raises(Misplaced) as caught:
        case(text)
    assert list(caught.value.path) == path
    assert message in caught.value.what


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("expcted: []", "'expected'"),
        ("woh: {}", "'who'"),
        ("turns: [{siad: Hi}]", "'said'"),
        ("expected: [{must_cal: a}]", "'must_call'"),
        ("expected: [{turn: 1, must_cal: a}]", "'must_call'"),
        ("expected: [{must_call: a, trun: 1}]", "'turn'"),
    ],
)
def test_an_unknown_key_is_refused_and_the_nearest_known_one_suggested(text: str, near: str) -> None:
    with pytest.raises(Misplaced) as caught:
        case(text)
    assert caught.value.todo == f"did you mean {near}?"


def test_a_key_with_nothing_after_it_says_as_much_as_no_key() -> None:
    assert case("why:\ntags:\nexpected:\nagent:\nturns:\n- said: Hi\n  steps:\n") == case("turns: [{said: Hi}]")


def test_null_is_kept_where_it_says_more_than_no_key() -> None:
    assert case("who: {started_at: null}").who.started_at is None
    assert case("turns: [{reply: null}]").turns[0].reply is None


def test_a_moment_without_a_zone_is_in_utc() -> None:
    assert case("who: {ended_at: 2026-11-17T10:00:00}").who.ended_at == datetime(2026, 11, 17, 10, tzinfo=UTC)


def test_a_value_with_a_kind_is_written_with_the_kind_as_first_key() -> None:
    assert list(untyped(MustCall(tool="a", turn=4)).items()) == [("must_call", "a"), ("turn", 4)]
    check = ArgumentsMatchSchema(tool="a", json_schema={"type": "object"})
    assert untyped(check) == {"arguments_match_schema": "a", "schema": {"type": "object"}}


def test_what_says_nothing_is_left_out() -> None:
    assert untyped(Who(user_id="user-42")) == {"user_id": "user-42"}


def test_where_only_a_number_can_stand_it_is_written_short() -> None:
    limit = untyped(MaxLatency(limit=2000.0))["max_latency_ms"]
    assert (limit, type(limit)) == (2000, int)

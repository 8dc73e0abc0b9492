from __future__ import annotations

import json

from taketwo.replay.failure import told


class Untellable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return raised


def test_an_error_is_told_in_a_line_with_the_place_in_the_users_own_code() -> None:
    try:
        json.loads("{")
    except ValueError as error:
        line = told(error)
    assert line.startswith("JSONDecodeError: Expecting property name")
    assert "test_failure.py:" in line


def test_what_an_error_cannot_say_for_itself_is_left_out() -> None:
    assert told(caught(Untellable())).startswith("Untellable (")


def test_a_long_message_is_cut() -> None:
    assert len(told(ValueError("x" * 5_000))) == 300


def test_lone_surrogates_do_not_get_through() -> None:
    assert told(ValueError("\ud800")) == "ValueError: \ufffd"


def test_a_group_is_placed_where_its_first_error_is() -> None:
    group = caught(ExceptionGroup("two", [caught(ValueError("one"))]))
    assert told(group).startswith("ExceptionGroup: two (1 sub-exception) (")

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.errors import BadFilter
from taketwo.select.filters import parse
from taketwo.select.suggest import suggest

KNOWN = {"tool": ["check_status", "issue_refund", "two words", 'a"b\\c'], "channel": ["text", "voice"]}


def texts(text: str) -> list[str]:
    return [one.text for one in suggest(text, lambda name: KNOWN.get(name, []))[1]]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("", "said:"),
        ("to", "tool:"),
        ("refund to", "tool:"),
        ("-to", "tool:"),
        ("(to", "tool:"),
        ("slowest", "latency>"),
        ("tool:", "check_status"),
        ("tool:REF", "issue_refund"),
        ("-tool:check", "check_status"),
        ("tool:words", '"two words"'),
        ("error:", "yes"),
        ("error:n", "no"),
        ("argument", "argument:"),
    ],
)
def test_the_likeliest_stands_first(text: str, first: str) -> None:
    assert texts(text)[0] == first


@pytest.mark.parametrize("text", ['said:"my to', '"to', "turns:", "started:2026", "nothing:x", "xyzzy", "a) "])
def test_where_nothing_is_known_nothing_is_suggested(text: str) -> None:
    assert texts(text) == [] or text == "a) "


@given(st.text(max_size=20), st.sampled_from(["", "tool:", "-tool:", "x tool:"]))
def test_a_value_that_is_chosen_is_read_as_that_value(value: str, before: str) -> None:
    if not value.strip() or "tool" not in before:
        return
    place, found = suggest(before, lambda name: [value])
    for one in found:
        written = before[:place] + one.text
        try:
            parse(written)
        except BadFilter as error:  # only what no filter can hold
            raise AssertionError(written) from error

from __future__ import annotations

import re

import click
from hypothesis import given
from hypothesis import strategies as st

from taketwo.report.lines import NARROWEST, Page, Span, columns

SPANS = st.lists(
    st.builds(Span, st.text(st.sampled_from("abc 日é-"), max_size=40), st.sampled_from(["plain", "old", "new", "bad"])),
    max_size=8,
)


@given(SPANS, st.integers(10, 60), st.integers(0, 12))
def test_no_line_is_wider_than_the_page(spans: list[Span], width: int, indent: int) -> None:
    for line in Page(width, colour=False).lines(spans, indent=indent):
        assert columns(line) <= max(width, indent + NARROWEST)


@given(SPANS, st.integers(30, 60))
def test_no_sign_is_lost_by_laying_text_out(spans: list[Span], width: int) -> None:
    plain = [Span(span.text) for span in spans]
    shown = "".join(Page(width, colour=False).lines(plain))
    assert "".join(shown.split()) == "".join("".join(span.text for span in spans).split())


@given(SPANS, st.integers(30, 60))
def test_colours_change_nothing_but_the_colour(spans: list[Span], width: int) -> None:
    unmarked = [span for span in spans if span.style not in ("old", "new")]
    coloured = [click.unstyle(line) for line in Page(width, colour=True).lines(unmarked)]
    assert coloured == list(Page(width, colour=False).lines(unmarked))


def test_without_colours_old_and_new_are_marked() -> None:
    lines = list(Page(80, colour=False).lines([Span("20", "old"), Span(" "), Span("25", "new")]))
    assert lines == ["[-20-] {+25+}"]


def test_with_colours_old_is_also_struck_through() -> None:
    (line,) = Page(80, colour=True).lines([Span("20", "old")])
    assert re.search(r"\x1b\[(.*;)?9(;.*)?m", line) or "\x1b[9m" in line


def test_wide_signs_count_twice_and_combining_ones_not_at_all() -> None:
    assert columns("日本") == 4
    assert columns("e\u0301") == 1

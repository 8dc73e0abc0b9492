from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from taketwo.conversation import Call, Say
from taketwo.report.aligned import AlignedStep
from taketwo.report.sides import differing, joined, rows
from taketwo.report.words import plain_prose

TEXTS = st.text(st.sampled_from("ab<>&\"' \n\t\x1b\u202e“”é"), max_size=60)


def bare(markup: str | None) -> str:
    return Markup(re.sub('</?(?:ins|del)(?: class="whole")?>', "", markup or "")).unescape()


@given(TEXTS, TEXTS)
def test_without_the_marks_both_sides_are_their_texts_made_visible(before: str, after: str) -> None:
    left, right = differing((before, after))
    assert bare(left) == plain_prose(before)
    assert bare(right) == plain_prose(after)


@given(TEXTS, TEXTS)
def test_both_texts_as_one_hold_the_new_one_and_only_safe_signs(before: str, after: str) -> None:
    one = joined(before, after)
    new = re.sub("<del>[^<]*</del>", "", one)
    assert "".join(bare(new).split()) == "".join(plain_prose(after).split())
    assert "<" not in re.sub("</?(?:ins|del)>", "", one) and "\x1b" not in one


def test_a_text_without_another_has_no_marks_and_is_still_to_be_escaped() -> None:
    assert differing((None, "<b>")) == (None, "<b>")
    assert not isinstance(differing((None, "<b>"))[1], Markup)


def step(recorded: Call | Say | None, replayed: Call | Say | None) -> AlignedStep:
    return AlignedStep(recorded=recorded, replayed=replayed, place=None, changes=())


def called(tool: str, **arguments: str) -> Call:
    return Call(call_id=None, tool=tool, arguments=arguments, result="done")


def test_a_call_left_out_and_the_new_one_after_it_share_a_row() -> None:
    (row,) = rows([step(called("find_order"), None), step(None, called("refund"))])
    assert [side.tool for side in row.sides] == ["find_order", "refund"]
    assert [side.tag for side in row.sides] == ["left out", "new call"]
    assert not row.is_same


def test_a_call_left_out_and_one_that_stayed_have_a_row_each() -> None:
    kept = called("refund", order_id="A-1")
    first, second = rows([step(called("find_order"), None), step(kept, kept)])
    assert [side.tool for side in first.sides] == ["find_order", None]
    assert second.is_same
    assert second.sides[1].arguments == (("order_id", '"A-1"', False),)

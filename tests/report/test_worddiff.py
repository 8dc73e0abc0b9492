from __future__ import annotations

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from taketwo.report.worddiff import Piece, word_diff

WORDS = st.lists(
    st.sampled_from(["refund", "A-1042", "39.90", "the", ".", "don't", "日本", " ", "\n", "_", "$", "é"]), max_size=30
)
TEXTS = st.one_of(st.text(max_size=80), WORDS.map(" ".join), WORDS.map("".join))


@given(TEXTS, TEXTS)
def test_the_pieces_give_both_texts_back(before: str, after: str) -> None:
    pieces = word_diff(before, after)
    assert "".join(piece.before for piece in pieces) == before
    assert "".join(piece.after for piece in pieces) == after


@given(TEXTS, TEXTS)
def test_what_is_marked_as_the_same_has_the_same_words(before: str, after: str) -> None:
    for piece in word_diff(before, after):
        if piece.same:
            assert "".join(piece.before.split()) == "".join(piece.after.split())


@given(TEXTS)
def test_a_text_is_not_different_from_itself(text: str) -> None:
    assert all(piece.same for piece in word_diff(text, text))


@given(TEXTS, TEXTS)
def test_same_and_different_pieces_take_turns(before: str, after: str) -> None:
    kinds = [piece.same for piece in word_diff(before, after)]
    assert all(one != other for one, other in pairwise(kinds))


def test_amounts_ids_and_dates_change_as_a_whole() -> None:
    changed = [
        piece
        for piece in word_diff(
            "I refunded $39.90 for order A-1042 and it will be on your card by 2026-11-19.",
            "I refunded $39.95 for order A-1043 and it will be on your card by 2026-11-20.",
        )
        if not piece.same
    ]
    assert [(piece.before.strip(), piece.after.strip()) for piece in changed] == [
        ("39.90", "39.95"),
        ("A-1042", "A-1043"),
        ("2026-11-19", "2026-11-20"),
    ]


def test_a_sentence_without_spaces_is_compared_sign_by_sign() -> None:
    pieces = word_diff("您的退款已批准，三天内到账。", "您的退款已批准，五天内到账。")
    assert [(piece.before, piece.after) for piece in pieces if not piece.same] == [("三", "五")]


def test_two_texts_that_say_different_things_are_not_mixed() -> None:
    before, after = "Your refund is approved.", "Done: I paid $39.90 to your card (R-1)."
    assert word_diff(before, after) == (Piece(before, after, same=False),)


def test_a_lone_short_word_between_two_changes_goes_with_them() -> None:
    shared = "and that is all I can say about this order for now, have a good day"
    pieces = word_diff(f"we shipped it on Monday {shared}", f"we refunded it by Friday {shared}")
    assert [piece.before.strip() for piece in pieces if not piece.same] == ["shipped it on Monday"]


def test_a_megabyte_on_each_side_takes_no_time() -> None:
    before, after = "alpha beta " * 100_000, "gamma beta " * 100_000
    began = time.process_time()
    assert "".join(piece.after for piece in word_diff(before, after)) == after
    assert time.process_time() - began < 3

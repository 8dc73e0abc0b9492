from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from taketwo.compare.align import GAP, NEVER, Pair, _least_cost, _least_cost_within, align

words = st.lists(st.sampled_from(["a", "b", "ab", "ac", "c", "cd"]), max_size=9)


class Letters:
    """Words are alike by the letters that they share."""

    def same(self, one: str, other: str) -> bool:
        return one == other

    def key(self, item: str) -> str:
        return item

    def costs(self, item: str, others: Sequence[str], within: int) -> list[int]:
        return [0 if item == other else 500 if set(item) & set(other) else NEVER for other in others]


def aligned(one: Sequence[str], other: Sequence[str], moves_below: int = 0) -> list[Pair]:
    return align(one, other, Letters(), moves_below=moves_below)


def cost(pairs: Sequence[Pair], one: Sequence[str], other: Sequence[str]) -> int:
    return sum(
        GAP
        if pair.recorded is None or pair.replayed is None
        else Letters().costs(one[pair.recorded], [other[pair.replayed]], NEVER)[0]
        for pair in pairs
    )


def least_cost(one: Sequence[str], other: Sequence[str]) -> int:
    """The textbook recursion, without any of the shortcuts."""
    if not one or not other:
        return GAP * (len(one) + len(other))
    return min(
        Letters().costs(one[0], [other[0]], NEVER)[0] + least_cost(one[1:], other[1:]),
        GAP + least_cost(one[1:], other),
        GAP + least_cost(one, other[1:]),
    )


@given(words, words)
def test_every_item_stands_in_exactly_one_pair(one: list[str], other: list[str]) -> None:
    pairs = aligned(one, other, moves_below=600)
    assert sorted(pair.recorded for pair in pairs if pair.recorded is not None) == list(range(len(one)))
    assert [pair.replayed for pair in pairs if pair.replayed is not None] == list(range(len(other)))


@given(words, words)
def test_what_did_not_move_keeps_its_order(one: list[str], other: list[str]) -> None:
    kept = [pair for pair in aligned(one, other, moves_below=600) if not pair.moved]
    assert [p.recorded for p in kept if p.recorded is not None] == sorted(
        p.recorded for p in kept if p.recorded is not None
    )


@given(st.lists(st.sampled_from(["a", "ab", "c"]), max_size=5), st.lists(st.sampled_from(["a", "ab", "c"]), max_size=5))
def test_no_alignment_is_cheaper(one: list[str], other: list[str]) -> None:
    assert cost(aligned(one, other), one, other) == least_cost(one, other)


@given(words, words)
def test_the_other_way_round_is_the_mirror_image(one: list[str], other: list[str]) -> None:
    there, back = aligned(one, other, moves_below=600), aligned(other, one, moves_below=600)
    assert {(a, b, moved) for b, a, moved in back} == set(there)


@given(words, st.sampled_from(["a", "z"]), st.data())
def test_an_inserted_item_is_the_only_one_left_alone(one: list[str], new: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(one)))
    pairs = aligned(one, [*one[:place], new, *one[place:]])
    assert [pair.recorded for pair in pairs].count(None) == 1
    assert all(pair.replayed is not None for pair in pairs)


def test_an_item_that_changed_places_is_found_again() -> None:
    assert aligned("ab", "ba", moves_below=1) in (
        [Pair(1, 0, moved=True), Pair(0, 1)],
        [Pair(1, 0), Pair(0, 1, moved=True)],
    )


def test_what_is_missing_stands_before_what_is_new_in_its_place() -> None:
    assert aligned(["a", "b", "c"], ["a", "x", "c"]) == [Pair(0, 0), Pair(1, None), Pair(None, 1), Pair(2, 2)]


class Numbers:
    """Only the same number is alike; fast enough for long sequences."""

    def same(self, one: int, other: int) -> bool:
        return one == other

    def key(self, item: int) -> str:
        return str(item)

    def costs(self, item: int, others: Sequence[int], within: int) -> list[int]:
        return [0 if item == other else NEVER for other in others]


def test_sequences_longer_than_the_band_are_aligned_around_what_was_put_in() -> None:
    one = list(range(900))
    other = [-1, *one[:300], *range(1000, 1200), *one[300:600], *one[700:], -2]
    pairs = align(one, other, Numbers(), moves_below=0)
    kept = {pair.recorded: pair.replayed for pair in pairs if pair.recorded is not None and pair.replayed is not None}
    assert kept == {n: other.index(n) for n in one if n in set(other)}


def test_a_thousand_items_more_on_one_side_stay_aligned_at_both_ends() -> None:
    one = [f"{number:c}" for number in range(200, 700)]
    pairs = aligned(one, [*one[:250], *(["new"] * 1500), *one[250:]])
    assert [pair for pair in pairs if pair.recorded is not None and pair.replayed is None] == []
    assert pairs[0] == Pair(0, 0)
    assert pairs[-1] == Pair(499, 1999)


@given(st.lists(st.integers(0, 3), max_size=60), st.lists(st.integers(0, 3), max_size=60))
def test_a_narrow_band_finds_what_the_whole_table_would(one: list[int], other: list[int]) -> None:
    if one and other:
        whole = _least_cost_within(max(len(one), len(other)), one, other, Numbers())[1]
        assert _least_cost(one, other, Numbers()) == whole

from __future__ import annotations

from taketwo.compare.compare import compare
from taketwo.comparison import Comparison
from taketwo.testing import call, conversation, turn


def compared(*differs: bool, words: tuple[int, ...] = ()) -> Comparison:
    """Of so many turns; in some the agent looks something up that it did not, in some only the words are others."""
    recorded = [turn(f"Question {n}?", reply="So it is.") for n in range(len(differs))]
    replayed = [
        turn(
            f"Question {n}?",
            *([call("get_order", {"id": n})] if other else []),
            reply="It is so." if n in words else "So it is.",
        )
        for n, other in enumerate(differs)
    ]
    return compare(conversation(*recorded), conversation(*replayed))


def test_one_detour_is_a_divergence_that_does_not_last() -> None:
    found = compared(False, True, False, False)
    assert found.first_divergence == 0
    assert found.first_sustained_divergence is None
    assert (found.resync, found.blast_radius) == (2, 1)


def test_two_turns_in_a_row_are_a_sustained_one() -> None:
    found = compared(True, False, True, True, False)
    assert found.first_divergence == 0
    assert found.first_sustained_divergence == 1
    assert found.changes[1].replayed_turn == 2
    assert (found.resync, found.blast_radius) == (4, 3)


def test_what_is_different_to_the_end_never_comes_together_again() -> None:
    found = compared(False, True, True)
    assert (found.first_sustained_divergence, found.resync) == (0, None)


def test_other_words_are_no_divergence() -> None:
    found = compared(False, True, False, False, words=(0, 2))
    assert found.changes[found.first_divergence or 0].kind == "call_added"
    assert (found.resync, found.blast_radius) == (2, 1)


def test_without_a_divergence_there_is_nothing_to_tell() -> None:
    found = compared(False, False, words=(0,))
    assert (found.first_divergence, found.first_sustained_divergence, found.resync, found.blast_radius) == (
        *(None, None, None, 0),
    )

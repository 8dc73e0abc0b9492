from __future__ import annotations

import pytest

from taketwo.compare.compare import compare
from taketwo.language.similarity import load_similarity
from taketwo.testing import conversation, turn

PARCEL = "Your parcel was delivered to your neighbour this morning."


def test_the_same_in_other_words_is_nearer_than_something_else() -> None:
    similarity = load_similarity()
    if similarity is None:
        pytest.skip("the extra `similarity` is not installed")
    near = similarity(PARCEL, "The package has been dropped off next door earlier today.")
    apart = similarity(PARCEL, "We roast our coffee beans in a small town by the sea.")
    assert near > apart + 0.25
    assert similarity(PARCEL, PARCEL) == pytest.approx(1.0)


def test_a_comparison_says_how_near_two_wordings_are_where_something_can_tell() -> None:
    one, other = (conversation(turn("Where?", reply=reply)) for reply in ("It has come.", "It did arrive."))
    (change,) = compare(one, other, similar=lambda before, after: 0.9).changes
    assert change.wording_similarity == 0.9
    (change,) = compare(one, other).changes
    assert change.wording_similarity is None

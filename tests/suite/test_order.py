from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taketwo.suite.memory import TrackRecord
from taketwo.suite.order import failing_a_second, in_order

PAST = {
    "steady": TrackRecord(passed=5, seconds=1),
    "slow": TrackRecord(passed=5, seconds=60),
    "shaky": TrackRecord(failed=2, passed=3, seconds=1),
    "shaky and slow": TrackRecord(failed=2, passed=3, seconds=60),
}


def order(*names: str, new: tuple[str, ...] = ()) -> list[str]:
    return in_order(names, PAST.get, lambda name: name in new)


def test_the_likeliest_failure_for_its_time_comes_first() -> None:
    assert order(*PAST) == ["shaky", "steady", "shaky and slow", "slow"]


def test_what_is_new_or_edited_comes_before_all() -> None:
    assert order(*PAST, "unseen", new=("slow", "unseen"))[:2] == ["unseen", "slow"]


@given(st.lists(st.text(max_size=3), unique=True))
def test_without_a_past_nothing_moves(names: list[str]) -> None:
    assert in_order(names, lambda name: None, lambda name: True) == names


@given(st.permutations(list(PAST)))
def test_the_order_does_not_depend_on_how_they_were_given(names: list[str]) -> None:
    assert order(*names) == order(*PAST)


@given(st.lists(st.booleans(), max_size=30), st.floats(0.01, 100))
def test_a_failure_moves_a_case_forward_and_a_pass_backward(outcomes: list[bool], seconds: float) -> None:
    past = TrackRecord()
    for passed in outcomes:
        past = past.with_another(0.0 if passed else 1.0, seconds)
    after_failure, after_pass = (past.with_another(failed, seconds) for failed in (1.0, 0.0))
    assert failing_a_second(after_failure) > failing_a_second(after_pass)


def test_the_newest_failure_weighs_more_than_an_old_one() -> None:
    old, new = TrackRecord(), TrackRecord()
    for failed in (1.0, 0.0, 0.0):
        old = old.with_another(failed, 1)
    for failed in (0.0, 0.0, 1.0):
        new = new.with_another(failed, 1)
    assert failing_a_second(new) > failing_a_second(old)

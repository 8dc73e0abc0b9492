"""What came in lately."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taketwo.server.lately import Lately


def test_minutes_end_now_and_the_hour_is_forgotten() -> None:
    now = 1000.0
    lately = Lately(lambda: now)
    lately.add(3)
    lately.add(4)
    assert lately.minutes()[-2:] == [0, 7]
    now += 59.9
    assert lately.minutes()[-2:] == [0, 7]
    now += 1
    lately.add(5)
    assert lately.minutes()[-2:] == [7, 5]
    now = 1000.0 + 3599
    assert lately.minutes()[0] == 7
    now += 1
    assert sum(lately.minutes()) == 5


@given(st.lists(st.tuples(st.floats(0, 400), st.integers(0, 9)), max_size=60))
def test_each_arrival_is_in_one_minute_for_an_hour(arrivals: list[tuple[float, int]]) -> None:
    now, came = 0.0, []
    lately = Lately(lambda: now)
    for wait, number in arrivals:
        now += wait
        lately.add(number)
        came.append((int(now), number))
    expected = [
        sum(number for second, number in came if (int(now) - second) // 60 == back) for back in reversed(range(60))
    ]
    assert lately.minutes() == expected

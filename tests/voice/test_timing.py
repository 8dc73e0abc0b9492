from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.testing import conversation, turn
from taketwo.voice.timing import CallMetrics, measure, measure_conversation, percentile, speaking_turns

spans = st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 10)).map(lambda s: (s[0], s[0] + s[1])), max_size=8)


def test_each_figure_by_its_formula() -> None:
    caller = [(0.0, 2.0), (5.0, 7.0), (12.0, 13.0)]
    agent = [(2.5, 4.0), (8.0, 12.5)]
    figures = measure(caller, agent, caller_words=10, agent_words=18)
    assert figures.duration_s == 13.0
    assert figures.turns == 5
    assert figures.mean_latency_ms == pytest.approx(750)
    assert figures.p50_latency_ms == pytest.approx(500)
    assert figures.p95_latency_ms == pytest.approx(1000)
    assert figures.user_wpm == pytest.approx(10 / 5 * 60)
    assert figures.agent_wpm == pytest.approx(18 / 6 * 60)
    assert figures.talk_ratio == pytest.approx(6 / 11)
    assert (figures.user_interruptions, figures.agent_interruptions) == (1, 0)
    assert figures.mean_stop_ms == pytest.approx(500)
    assert figures.longest_silence_s == pytest.approx(1.0)
    assert figures.overlap_s == pytest.approx(0.5)


def test_a_sign_of_listening_is_neither_a_turn_nor_an_interruption() -> None:
    figures = measure([(0.0, 1.0), (3.0, 3.4)], [(1.5, 6.0)])
    assert figures.turns == 2
    assert figures.user_interruptions == 0


def test_who_begins_with_the_last_syllable_of_the_other_does_not_interrupt() -> None:
    assert measure([(0.0, 2.0), (5.9, 8.0)], [(2.4, 6.0)]).user_interruptions == 0
    assert measure([(0.0, 2.0)], [(1.5, 4.0)]).agent_interruptions == 1


def test_a_breath_does_not_end_a_turn_and_silence_is_counted_from_two_seconds_on() -> None:
    assert [one.end_s for one in speaking_turns([(0.0, 1.0), (1.5, 2.0)], [(4.5, 5.0)])] == [2.0, 5.0]
    assert measure([(0.0, 1.0), (1.5, 2.0)], [(4.5, 5.0)]).silences == 1
    assert measure([(0.0, 2.0)], [(3.9, 5.0)]).silences == 0


def test_what_was_not_spoken_has_no_figures() -> None:
    assert measure([], []) == CallMetrics()
    assert measure_conversation(conversation(turn("Hi", reply="Hello"))) == CallMetrics()
    assert measure([(0.0, 1.0)], []).mean_latency_ms is None


@given(spans, spans, st.floats(0, 1000))
def test_when_the_call_began_makes_no_difference(
    caller: list[tuple[float, float]], agent: list[tuple[float, float]], later: float
) -> None:
    later = round(later)
    rounded = [[(round(s, 2), round(e, 2)) for s, e in each] for each in (caller, agent)]
    moved = [[(s + later, e + later) for s, e in each] for each in rounded]
    one, other = measure(*rounded), measure(*moved)
    assert (one.turns, one.silences) == (other.turns, other.silences)
    assert other.talk_ratio == pytest.approx(one.talk_ratio) if one.talk_ratio is not None else other.talk_ratio is None


@given(spans, spans)
def test_swapping_the_parties_swaps_what_is_counted_by_party(
    caller: list[tuple[float, float]], agent: list[tuple[float, float]]
) -> None:
    one, other = measure(caller, agent), measure(agent, caller)
    assert one.duration_s == other.duration_s
    assert one.overlap_s == pytest.approx(other.overlap_s) if one.overlap_s is not None else other.overlap_s is None
    if one.talk_ratio is not None and other.talk_ratio is not None:
        assert one.talk_ratio + other.talk_ratio == pytest.approx(1)


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_one_of_the_values_and_is_not_exceeded_by_that_share(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= (found or 0) for value in values) >= share * len(values) - 1e-9

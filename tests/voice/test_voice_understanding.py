from __future__ import annotations

import pytest

pytest.importorskip("jiwer", reason="needs the extra 'audio'")

from taketwo.voice.understanding import plain_words, understood


def test_numbers_are_compared_as_figures_however_they_are_written() -> None:
    assert plain_words("Fifty-two tulips, please!") == ["52", "tulips", "please"]
    assert plain_words("twenty") == ["20"]
    assert plain_words("five o'clock") == ["5", "o'clock"]
    assert understood(0, "I need fifty tulips", "I need 50 tulips.").word_error_rate == 0


def test_a_misheard_figure_is_named_beside_the_rate_of_wrong_words() -> None:
    line = understood(2, "I would like fifty tulips", "I would like 52 lips")
    assert line.turn_index == 2
    assert line.word_error_rate == pytest.approx(2 / 5)
    assert line.figures == (("50", "52"),)


def test_what_was_not_understood_at_all_is_wholly_wrong() -> None:
    assert understood(0, "A 104", "").word_error_rate == 1
    assert understood(0, "A 104", "").figures == (("104", ""),)
    assert understood(0, "", "hello").word_error_rate == 1

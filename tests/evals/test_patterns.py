from __future__ import annotations

import contextlib
import time

import pytest

from taketwo.evals.patterns import CannotJudge, find


def test_what_was_found_is_shown_with_what_stands_around_it() -> None:
    text = "x" * 50 + " refund of $5 " + "y" * 50
    assert find("refund of", text) == "…" + "x" * 29 + " refund of $5 " + "y" * 26 + "…"


def test_signs_in_words_mean_themselves() -> None:
    assert find("$5 (net)", "It costs $5 (net).") is not None
    assert find("$5 (net)", "It costs $5 net.") is None


def test_an_expression_may_ask_for_the_case() -> None:
    assert find("/(?-i:Dana)/", "hello dana") is None
    assert find("/dana/", "hello DANA") is not None


@pytest.mark.parametrize("pattern", ["(a|aa)+$", "a?" * 40 + "a" * 40 + "$", "(.*)(.*)(.*)(.*)c"])
def test_no_expression_hangs(pattern: str) -> None:
    began = time.monotonic()
    with contextlib.suppress(CannotJudge):
        find(f"/{pattern}/", "a" * 39 + "!" + " hm" * 600)
    assert time.monotonic() - began < 5


def test_a_repeated_group_still_finds() -> None:
    assert find(r"/(\d{3},)+\d/", "The codes are 123,456,7.") == "The codes are 123,456,7."

from __future__ import annotations

import pytest

from taketwo.capture.leaks import find_leaks

pytest.importorskip("detect_secrets", reason="the extra privacy is not installed")


def test_a_word_of_a_megabyte_is_looked_at_from_its_beginning_and_what_stands_behind_it_is_found() -> None:
    word = "abcdefghij" * 100_000
    found = list(find_leaks(f"{word} dana@shop-for-kettles.com", "file"))
    assert [(leak.kind, leak.shown[:3]) for leak in found] == [("email", "dan")]


def test_an_address_of_mail_is_found_behind_signs_that_belong_to_none() -> None:
    for before in ("", "<", "mailto:", '"', "a=", "(", "b/"):
        assert [leak.kind for leak in find_leaks(f"{before}dana@shop-for-kettles.com", "file")] == ["email"], before

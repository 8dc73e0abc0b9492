"""The room that senders share."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from taketwo.errors import StoreBusy, TooFast
from taketwo.server.limits import Limits
from taketwo.server.room import Room

LIMITS = Limits(body_bytes=60, bytes_in_flight=100, requests_in_flight=8)


def test_whoever_is_alone_may_fill_the_room() -> None:
    room = Room(LIMITS)
    with room.place(60, "a"), room.place(40, "a"):
        with pytest.raises(StoreBusy) as refused, room.place(1, "a"):
            raise AssertionError
        assert not isinstance(refused.value, TooFast)


def test_with_others_nobody_gets_more_than_an_equal_share() -> None:
    room = Room(LIMITS)
    with room.place(30, "a"), room.place(10, "b"):
        with pytest.raises(TooFast), room.place(30, "a"):
            raise AssertionError
        with room.place(20, "a"), room.place(30, "b"):
            pass
    with ExitStack() as held:
        held.enter_context(room.place(1, "b"))
        for _ in range(4):
            held.enter_context(room.place(1, "a"))
        with pytest.raises(TooFast), room.place(1, "a"):
            raise AssertionError


def test_one_request_of_the_largest_size_is_always_let_in() -> None:
    room = Room(LIMITS)
    with room.place(1, "a"), room.place(1, "b"), room.place(1, "c"), room.place(60, "d"):
        pass


def test_a_refused_request_leaves_nothing_behind() -> None:
    room = Room(LIMITS)
    for _ in range(50):
        with room.place(30, "a"), room.place(10, "b"), pytest.raises(TooFast), room.place(30, "a"):
            raise AssertionError
    with room.place(60, "c"), room.place(40, "c"):
        pass

"""The room that senders share, and the quotas of projects."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import httpx
import pytest
from made_spans import PROTOBUF, chat_span, trace_request

from taketwo.errors import StoreBusy, TooFast
from taketwo.server.limits import Limits
from taketwo.server.quotas import Quotas
from taketwo.server.room import Room
from taketwo.store import open_store
from taketwo.store.project import ProjectSettings

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


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_project_may_send_its_quota_in_the_long_run_and_some_seconds_of_it_at_once() -> None:
    clock = Clock()
    quotas = Quotas(lambda project: ProjectSettings(spans_per_s=10 if project == "shop" else None), clock)
    quotas.take({"shop": 90, "bank": 10_000})
    with pytest.raises(TooFast, match="10 spans a second") as refused:
        quotas.take({"shop": 1, "bank": 1})
    assert refused.value.after_s == 4
    clock.now += 4
    quotas.take({"shop": 1})
    taken = 0
    for _ in range(100):
        clock.now += 1
        try:
            quotas.take({"shop": 20})
            taken += 20
        except TooFast:
            pass
    assert 950 <= taken <= 1_050


def test_a_sender_over_its_quota_is_told_when_to_come_back(
    serving: Callable[..., AbstractContextManager[httpx.Client]],
) -> None:
    store = open_store("memory:")
    store.set_project("default", ProjectSettings(spans_per_s=1))
    with serving(store) as client:
        answers = [
            client.post(
                "/v1/traces",
                content=trace_request(*(chat_span(trace, span) for span in range(1, 9))),
                headers={"content-type": PROTOBUF},
            )
            for trace in range(1, 4)
        ]
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert int(answers[1].headers["retry-after"]) >= 2 and b"taketwo project set" in answers[1].content
    assert [trace.spans for trace in store.traces()] == [8]

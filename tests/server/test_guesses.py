"""Wrong keys are counted by whom they come from, and forgotten after a minute."""

from __future__ import annotations

import pytest

from taketwo.server.guesses import MOST, MOST_ADDRESSES, OF_S, Guesses, address_of


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("ipv4:192.0.2.7:51234", "192.0.2.7"),
        ("2001:db8:1:2:a:b:c:d", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2:a:b:c:d]:51234", "2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:2:a:b:c:d%5D:51234", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix:/run/taketwo.sock", "unix:/run/taketwo.sock"),
        ("", ""),
    ],
)
def test_one_who_asks_has_one_address_whatever_the_port_and_the_door(peer: str, address: str) -> None:
    assert address_of(peer) == address


def test_after_a_minute_all_is_forgotten() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    said = [guesses.add("one", f"key {number}") for number in range(MOST + 1)]
    assert said == [False] * MOST + [True]
    assert guesses.are_many("one") and not guesses.are_many("another")
    clock.now += OF_S
    assert not guesses.are_many("one") and not guesses.add("one", "key")


def test_the_same_key_between_guesses_hides_none_of_them() -> None:
    guesses = Guesses(Clock())
    for number in range(MOST):
        guesses.add("one", f"key {number}")
        for _ in range(10):
            guesses.add("one", "always the same")
    assert guesses.are_many("one")


def test_very_many_addresses_take_no_more_memory() -> None:
    guesses = Guesses(Clock())
    for number in range(MOST_ADDRESSES + 500):
        guesses.add(f"address {number}", "key")
    assert len(guesses._times) == len(guesses._keys) == MOST_ADDRESSES

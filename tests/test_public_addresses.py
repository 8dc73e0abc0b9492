"""An address is public only if whatever stands behind it is."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.public_addresses import is_public

INSIDE = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.1.1"]


def carried(inner: str) -> list[str]:
    """Every way in which an IPv6 address stands for this one."""
    number = int(ipaddress.IPv4Address(inner))
    high, low = number >> 16, number & 0xFFFF
    return [f"::ffff:{inner}", f"64:ff9b::{inner}", f"::{inner}", f"2002:{high:x}:{low:x}::1"]


@pytest.mark.parametrize("inner", INSIDE)
def test_nothing_inside_is_public_however_it_is_written(inner: str) -> None:
    assert not is_public(inner)
    assert [form for form in carried(inner) if is_public(form)] == []


@pytest.mark.parametrize(
    "address", ["::1", "::", "fe80::1%eth0", "fd00::1", "fec0::1", "64:ff9b:1::8.8.8.8", "ff0e::1"]
)
def test_nor_is_what_belongs_to_one_network(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"])
def test_what_is_out_in_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_a_translator_makes_nothing_public_and_nothing_private(inner: ipaddress.IPv4Address) -> None:
    assert {is_public(form) for form in carried(str(inner))} == {is_public(str(inner))}

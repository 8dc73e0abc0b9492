"""Which addresses are out in the internet: what others name to be fetched or asked may be at no other."""

from __future__ import annotations

import ipaddress
from typing import Final

NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""Its last four bytes are an IPv4 address, to which the network's own translator connects."""
COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
"""The same, in a form that is out of use."""
OF_ONE_NETWORK: Final = (ipaddress.IPv6Network("64:ff9b:1::/48"), ipaddress.IPv6Network("fec0::/10"))
"""Translators and addresses that a network has for itself, which Python takes for global ones."""


def is_public(address: str) -> bool:
    """Whether an address, as a look-up gives it, is one of the internet, and so is the one that it stands for."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if any(found in network for network in OF_ONE_NETWORK):
            return False
        if (inner := _inner(found)) is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address carries."""
    if address in NAT64 or address in COMPATIBLE:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour

"""Wrong keys by the address that they came from: who tries many is not listened to for a while."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

MOST: Final = 30
"""How many wrong keys one address may try in a minute."""
OF_S: Final = 60.0
"""For so long a wrong key counts."""
MOST_ADDRESSES: Final = 1_000
"""How many addresses are remembered at most."""
NETWORK_BITS: Final = 64
"""So much of an IPv6 address is given to one household, or one server, which then has all addresses below."""


class Guesses:
    """Counts them; safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds that never go back."""
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, list[float]] = {}
        self._keys: dict[str, dict[int, float]] = {}

    def add(self, address: str, key: str) -> bool:
        """Count a wrong key, the same one each time; whether there were too many before it."""
        now = self._clock()
        with self._lock:
            if address not in self._times and len(self._times) >= MOST_ADDRESSES:
                oldest = next(iter(self._times))
                del self._times[oldest], self._keys[oldest]
            times = [at for at in self._times.get(address, []) if now - at < OF_S]
            self._times[address] = [*times[-MOST:], now]
            self._keys[address] = {**self._different(address), hash(key): now}
        return len(times) >= MOST

    def are_many(self, address: str) -> bool:
        """Whether so many different ones came from there that no other is looked up.

        A program that shows the same wrong key for ever does not guess, and may share an address with others.
        """
        with self._lock:
            return len(self._different(address)) >= MOST

    def _different(self, address: str) -> dict[int, float]:
        now = self._clock()
        return {key: at for key, at in self._keys.get(address, {}).items() if now - at < OF_S}


def address_of(peer: str) -> str:
    """Who is counted as one: of what HTTP or gRPC calls the other side, without its port."""
    kind, colon, rest = peer.partition(":")
    host = unquote(rest).rpartition(":")[0].strip("[]") if colon and kind in ("ipv4", "ipv6") else peer
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, NETWORK_BITS), strict=False))

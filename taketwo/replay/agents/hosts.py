"""Whom a server asks for others: agents out in the internet, and those of its own network that somebody has named.

A name is looked up, its addresses are checked, and the address that was checked is the one that is connected to: a name
that means another address a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from taketwo.public_addresses import is_public

SETTING: Final = "TAKETWO_AGENT_HOSTS"
ANY: Final = "*"
_SECURE: Final = ("https", "wss")


class AgentHosts(NamedTuple):
    """The hosts that are named."""

    named: frozenset[str]
    """As `host` or `host:port`, in lower case."""

    def name(self, host: str, port: int) -> bool:
        """Whether they name this one."""
        return not self.named.isdisjoint((host.lower(), f"{host.lower()}:{port}"))


def read_hosts(text: str) -> AgentHosts | None:
    """Out of `orders.intern:8080, 10.0.0.7`; None, which is any host, for `*`."""
    named = frozenset(host.strip().lower() for host in text.split(",") if host.strip())
    return None if ANY in named else AgentHosts(named)


def with_keys_kept(access: Mapping[str, Any], spec: str) -> dict[str, Any]:
    """What `open_agent` is told, without keys that are not for the host of this SPEC: whoever names it gets them."""
    hosts, place = access.get("hosts"), place_of(spec)
    if hosts is None or place is None or hosts.name(*place):
        return dict(access)
    own = {"api_key": None}
    if place != place_of(access.get("llm_base_url") or ""):
        own["llm_api_key"] = None
    return {**access, **own}


def place_of(spec: str) -> tuple[str, int] | None:
    """Host and port of a URL, or of a SPEC that has one behind `a2a:`; None where there is none."""
    parts = urlsplit(spec.removeprefix("a2a:"))
    try:
        return (parts.hostname, parts.port or (443 if parts.scheme in _SECURE else 80)) if parts.hostname else None
    except ValueError:
        return None


async def addresses_of(host: str, port: int, hosts: AgentHosts) -> list[str]:
    """The addresses to connect to. Raises OSError where there is none, or one that is not to be asked."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    for address in () if hosts.name(host, port) else addresses:
        if not is_public(address):
            raise OSError(f"{host} is at {address}, in this server's network; allow it with {SETTING}={host}:{port}")
    return addresses

"""Fetches what a capture refers to by URL, at once, as such URLs expire: only from public addresses, within limits."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpcore

from taketwo.errors import AddressRefused, TooLarge, TraceUnreadable
from taketwo.public_addresses import is_public
from taketwo.value import Value

MOST_REDIRECTS: Final = 5

Resolve = Callable[[str, int], Sequence[str]]
"""Gives the addresses of a host."""


class FetchLimits(Value):
    """What a fetch may take."""

    bytes: int = 200 * 1024 * 1024
    """Largest file."""
    timeout_s: float = 120.0
    """Seconds for all of it."""
    private: bool = False
    """Whether addresses of private networks and of this machine are allowed, too."""


def addresses_of(host: str, port: int) -> Sequence[str]:
    """The addresses that a name has. Raises OSError."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def fetch(
    url: str,
    limits: FetchLimits = FetchLimits(),  # noqa: B008  # a value, never changed
    *,
    resolve: Resolve = addresses_of,
) -> bytes:
    """The bytes at a URL.

    A name is looked up once, its address is checked, and that address is connected to: a name that has another
    address a moment later gains nothing. Raises TraceUnreadable, TooLarge, AddressRefused.
    """
    until = time.monotonic() + limits.timeout_s
    with httpcore.ConnectionPool(network_backend=_Checked(limits.private, resolve)) as pool:
        for _ in range(MOST_REDIRECTS + 1):
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
                raise AddressRefused("this is no address that can be fetched", where=url)
            found = _get(pool, url, limits, until)
            if isinstance(found, bytes):
                return found
            url = urljoin(url, found)
    raise TraceUnreadable(f"more than {MOST_REDIRECTS} redirects", where=url)


def _get(pool: httpcore.ConnectionPool, url: str, limits: FetchLimits, until: float) -> bytes | str:
    """The body, or where a redirect leads to."""
    left = max(0.1, until - time.monotonic())
    extensions = {"timeout": {"connect": left, "read": left, "write": left, "pool": left}}
    try:
        with pool.stream("GET", url, extensions=extensions) as answer:
            if answer.status in (301, 302, 303, 307, 308):
                return _location(answer.headers, url)
            if answer.status != 200:
                expired = ": it may have expired" if answer.status in (401, 403, 404, 410) else ""
                raise TraceUnreadable(f"the answer is {answer.status}{expired}", where=_shown(url))
            return _body(answer.iter_stream(), url, limits, until)
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError, UnicodeError) as error:
        raise TraceUnreadable(f"cannot be fetched: {str(error) or type(error).__name__}", where=_shown(url)) from error


def _body(pieces: Iterable[bytes], url: str, limits: FetchLimits, until: float) -> bytes:
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > limits.bytes:
            raise TooLarge(f"it is larger than {limits.bytes:,} bytes", where=_shown(url))
        if time.monotonic() > until:
            raise TraceUnreadable(f"it takes longer than {limits.timeout_s:g} s", where=_shown(url))
    return bytes(body)


def _location(headers: Sequence[tuple[bytes, bytes]], url: str) -> str:
    for name, value in headers:
        if name.lower() == b"location":
            return value.decode("latin-1")
    raise TraceUnreadable("it redirects to nowhere", where=_shown(url))


def _shown(url: str) -> str:
    """The URL without what signs it: whoever reads a log must not be able to fetch with it."""
    return url.partition("?")[0]


class _Checked(httpcore.NetworkBackend):
    """Connects to the address that was checked, whatever its name means by then."""

    def __init__(self, private: bool, resolve: Resolve) -> None:
        self._plain = httpcore.SyncBackend()
        self._private = private
        self._resolve = resolve

    def connect_tcp(self, host: str, port: int, *args: Any, **how: Any) -> httpcore.NetworkStream:
        addresses = self._resolve(host, port)
        if not addresses:
            raise OSError(f"{host} has no address")
        for address in addresses:
            if not self._private and not is_public(address):
                raise AddressRefused(f"{host} is at {address}, which is no public address")
        return self._plain.connect_tcp(addresses[0], port, *args, **how)

    def connect_unix_socket(self, path: str, *args: Any, **how: Any) -> httpcore.NetworkStream:
        raise OSError("no sockets of this machine")

    def sleep(self, seconds: float) -> None:
        self._plain.sleep(seconds)

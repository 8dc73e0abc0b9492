"""The HTTP client of agents behind URLs."""

from __future__ import annotations

import ssl
from contextlib import suppress
from functools import cache
from typing import Final

import httpx

from taketwo.replay.agents.hosts import AgentHosts, addresses_of

CONNECT_TIMEOUT_S: Final = 10.0
# Replays are bounded by the caller, so connections are not.
_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=100)


def http_client(*, api_key: str | None, hosts: AgentHosts | None) -> httpx.AsyncClient:
    """A client without a limit of time: the turn's own ends what takes too long.

    api_key: sent as bearer. hosts: those of this network that may be asked; None for any.
    """
    transport = None
    if hosts is not None:
        transport = Guarded(hosts, httpx.AsyncHTTPTransport(verify=_trusted(), limits=_LIMITS))
    return httpx.AsyncClient(
        headers={"authorization": f"Bearer {api_key}"} if api_key else {},
        verify=_trusted(),
        timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
        limits=_LIMITS,
        transport=transport,
    )


class Guarded(httpx.AsyncBaseTransport):
    """Sends requests to the addresses that were checked, under the names that were asked for."""

    def __init__(self, hosts: AgentHosts, inner: httpx.AsyncBaseTransport) -> None:
        """inner: what sends them."""
        self._hosts = hosts
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Check, and send. Raises httpx.ConnectError for what is not to be asked."""
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            *others, last = await addresses_of(host, port, self._hosts)
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        request.extensions = {**request.extensions, "sni_hostname": host}
        for address in others:
            request.url = request.url.copy_with(host=address)
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await self._inner.handle_async_request(request)
        request.url = request.url.copy_with(host=last)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that are trusted; reading them takes 20 ms, as long as some replays."""
    return httpx.create_ssl_context()
